# Sources of src/platform, by name.
target_sources(xtree PRIVATE
  ${PROJECT_SOURCE_DIR}/src/platform/batch_read.cc
  ${PROJECT_SOURCE_DIR}/src/platform/check.cc
  ${PROJECT_SOURCE_DIR}/src/platform/clock.cc
  ${PROJECT_SOURCE_DIR}/src/platform/compression.cc
  ${PROJECT_SOURCE_DIR}/src/platform/crc32c.cc
  ${PROJECT_SOURCE_DIR}/src/platform/memory.cc
  ${PROJECT_SOURCE_DIR}/src/platform/posix.cc
  ${PROJECT_SOURCE_DIR}/src/platform/process_barrier.cc
  ${PROJECT_SOURCE_DIR}/src/platform/result.cc
  ${PROJECT_SOURCE_DIR}/src/platform/workers.cc)
