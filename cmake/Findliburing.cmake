# liburing::liburing
include(${CMAKE_CURRENT_LIST_DIR}/plain_library.cmake)
xtree_find_plain_library(liburing liburing.h uring)
