# Sources of src/index, by name.
target_sources(xtree PRIVATE
  ${PROJECT_SOURCE_DIR}/src/index/batch.cc
  ${PROJECT_SOURCE_DIR}/src/index/catalog.cc
  ${PROJECT_SOURCE_DIR}/src/index/centre_rows.cc
  ${PROJECT_SOURCE_DIR}/src/index/catalog_format.cc
  ${PROJECT_SOURCE_DIR}/src/index/check_geometry.cc
  ${PROJECT_SOURCE_DIR}/src/index/damaged_directory.cc
  ${PROJECT_SOURCE_DIR}/src/index/database.cc
  ${PROJECT_SOURCE_DIR}/src/index/database_core.cc
  ${PROJECT_SOURCE_DIR}/src/index/durable_engine.cc
  ${PROJECT_SOURCE_DIR}/src/index/durable_index.cc
  ${PROJECT_SOURCE_DIR}/src/index/join.cc
  ${PROJECT_SOURCE_DIR}/src/index/kd_cut.cc
  ${PROJECT_SOURCE_DIR}/src/index/image_search.cc
  ${PROJECT_SOURCE_DIR}/src/index/memory_engine.cc
  ${PROJECT_SOURCE_DIR}/src/index/memory_index.cc
  ${PROJECT_SOURCE_DIR}/src/index/node_image.cc
  ${PROJECT_SOURCE_DIR}/src/index/operation.cc
  ${PROJECT_SOURCE_DIR}/src/index/remains.cc
  ${PROJECT_SOURCE_DIR}/src/index/repair.cc
  ${PROJECT_SOURCE_DIR}/src/index/salvaged_database.cc
  ${PROJECT_SOURCE_DIR}/src/index/search_kernels.cc
  ${PROJECT_SOURCE_DIR}/src/index/search_kernels_avx2.cc
  ${PROJECT_SOURCE_DIR}/src/index/search_kernels_avx512.cc
  ${PROJECT_SOURCE_DIR}/src/index/search_kernels_baseline.cc
  ${PROJECT_SOURCE_DIR}/src/index/spatial_order.cc
  ${PROJECT_SOURCE_DIR}/src/index/split.cc
  ${PROJECT_SOURCE_DIR}/src/index/verify_deep.cc
  ${PROJECT_SOURCE_DIR}/src/index/verify_state.cc
  ${PROJECT_SOURCE_DIR}/src/index/warm_up.cc
  ${PROJECT_SOURCE_DIR}/src/index/write_kernels.cc)

# Kernels look at whole blocks, also at lanes that the writer is just filling and that they mask off
# (growth.h). For the thread sanitizer that is a race.
if(XTREE_SANITIZE MATCHES "thread")
  set_source_files_properties(
    ${PROJECT_SOURCE_DIR}/src/index/search_kernels_avx2.cc
    ${PROJECT_SOURCE_DIR}/src/index/search_kernels_avx512.cc
    ${PROJECT_SOURCE_DIR}/src/index/search_kernels_baseline.cc
    PROPERTIES COMPILE_OPTIONS -fno-sanitize=thread)
endif()
