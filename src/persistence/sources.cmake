# Sources of src/persistence, by name.
target_sources(xtree PRIVATE
  ${PROJECT_SOURCE_DIR}/src/persistence/frame_arena.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/committed_file.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/manifest.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/segment_allocator.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/segment_file.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/storage.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/superblock.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/table_file.cc)
