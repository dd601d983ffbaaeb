# Sources of src/persistence, by name.
target_sources(xtree PRIVATE
  ${PROJECT_SOURCE_DIR}/src/persistence/frame_arena.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/committed_file.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/links.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/manifest.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/salvage.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/segment_allocator.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/segment_file.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/segment_writer.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/storage.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/superblock.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/table_file.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/checkpointer.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/collector.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/committer.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/compactor.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/epoch.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/evictor.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/node_loader.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/object_table.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/pacer.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/packed_image.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/pin_slots.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/reader_lines.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/recovery.cc
  ${PROJECT_SOURCE_DIR}/src/persistence/version_store.cc)
