# xtree_flags: what the project's own targets are compiled with. Linking it is private everywhere,
# so nothing here reaches the targets of a user.
add_library(xtree_flags INTERFACE)
target_compile_options(xtree_flags INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wconversion -Wno-sign-conversion
  $<$<BOOL:${XTREE_WERROR}>:-Werror>
  # Binaries do not depend on where they were built.
  -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)

if(XTREE_SANITIZE)
  target_compile_options(xtree_flags INTERFACE -fsanitize=${XTREE_SANITIZE}
                         -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(xtree_flags INTERFACE -fsanitize=${XTREE_SANITIZE})
endif()
