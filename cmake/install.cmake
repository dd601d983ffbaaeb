# What is installed: headers, the library, and the ways to find it (CMake, pkg-config).
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/xtree)

install(TARGETS xtree EXPORT xtree-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime
          NAMELINK_COMPONENT development
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime)
if(XTREE_TESTING)
  install(TARGETS xtree_testing EXPORT xtree-targets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
endif()
install(DIRECTORY include/xtree DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
  FILES_MATCHING PATTERN "*.h")
install(EXPORT xtree-targets NAMESPACE xtree:: DESTINATION ${package_dir} COMPONENT development)

# A static library leaves its own needs to the program that links it.
get_target_property(library_type xtree TYPE)
if(library_type STREQUAL "STATIC_LIBRARY")
  set(needs_threads 1)
  set(pkg_config_cflags " -DXTREE_STATIC")
else()
  set(needs_threads 0)
  set(pkg_config_cflags "")
endif()

set(needed_libraries "")
if(needs_threads)
  foreach(option library IN ZIP_LISTS xtree_library_options xtree_libraries)
    if(${option})
      list(APPEND needed_libraries ${library})
      install(FILES cmake/Find${library}.cmake cmake/plain_library.cmake
        DESTINATION ${package_dir} COMPONENT development)
    endif()
  endforeach()
endif()
list(JOIN needed_libraries ", " pkg_config_requires)

configure_package_config_file(cmake/xtree-config.cmake.in xtree-config.cmake
  INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(xtree-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/xtree-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/xtree-config-version.cmake
  DESTINATION ${package_dir} COMPONENT development)

# Paths are relative to the file, so that an installed tree may be moved; a directory that was given
# as an absolute path stays one.
set(pkg_config_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX
  BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig OUTPUT_VARIABLE prefix_from_pkg_config)
set(pkg_config_libdir "\${prefix}")
set(pkg_config_includedir "\${prefix}")
cmake_path(APPEND pkg_config_libdir ${CMAKE_INSTALL_LIBDIR})
cmake_path(APPEND pkg_config_includedir ${CMAKE_INSTALL_INCLUDEDIR})
configure_file(cmake/xtree.pc.in xtree.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/xtree.pc
  DESTINATION ${pkg_config_dir} COMPONENT development)

if(PROJECT_IS_TOP_LEVEL)
  include(cmake/packages.cmake)
endif()
