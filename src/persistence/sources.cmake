# Sources of src/persistence, by name.
target_sources(xtree PRIVATE
  ${PROJECT_SOURCE_DIR}/src/persistence/frame_arena.cc)
