# libzstd::libzstd
include(${CMAKE_CURRENT_LIST_DIR}/plain_library.cmake)
xtree_find_plain_library(libzstd zstd.h zstd)
