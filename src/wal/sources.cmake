# Sources of src/wal, by name.
target_sources(xtree PRIVATE
  ${PROJECT_SOURCE_DIR}/src/wal/format.cc
  ${PROJECT_SOURCE_DIR}/src/wal/fresh_file.cc
  ${PROJECT_SOURCE_DIR}/src/wal/log_file.cc
  ${PROJECT_SOURCE_DIR}/src/wal/reader.cc
  ${PROJECT_SOURCE_DIR}/src/wal/survey.cc
  ${PROJECT_SOURCE_DIR}/src/wal/sync_beside.cc
  ${PROJECT_SOURCE_DIR}/src/wal/writer.cc)
