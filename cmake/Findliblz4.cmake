# liblz4::liblz4
include(${CMAKE_CURRENT_LIST_DIR}/plain_library.cmake)
xtree_find_plain_library(liblz4 lz4.h lz4)
