// Version, visibility and limits of the library.
#pragma once

#include <cstddef>
#include <cstdint>

#define XTREE_VERSION_MAJOR 0
#define XTREE_VERSION_MINOR 1
#define XTREE_VERSION_PATCH 0

// What the shared library exports; all else in it is hidden. Users of the static library get
// XTREE_STATIC from their build system, so that a library of theirs does not export XTree's names.
#if defined(XTREE_STATIC)
#define XTREE_EXPORT
#else
#define XTREE_EXPORT __attribute__((visibility("default")))
#endif

namespace xtree {

// Most dimensions of an index.
inline constexpr int kMaxDimensions = 32;

// Most bytes of the value that an entry carries beside its box.
inline constexpr std::size_t kMaxValueBytes = 64;

// Most bytes of an index's name, which is a plain word: letters, digits, '_', '-' and '.', and it
// starts with a letter or a digit.
inline constexpr std::size_t kMaxNameBytes = 64;

}  // namespace xtree
