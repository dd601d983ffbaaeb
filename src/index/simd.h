// V<float> and V<double>: vectors of 64 bytes, one leaf or directory row, for each instruction set.
//
// A kernel is written once, in a text without include guard, and compiled once per instruction set:
//
//   #include "index/simd.h"                 // after every other header
//
//   namespace xtree::index::baseline {
//   #include "index/my_kernels.inc"
//   }
//   #if XTREE_HAS_AVX2
//   XTREE_BEGIN_AVX2
//   namespace xtree::index::avx2 {
//   #include "index/my_kernels.inc"
//   }
//   XTREE_END_AVX2
//   #endif
//
// Inside, `V<Scalar>` and `Mask<Scalar>` are those of the instruction set. Only what is defined
// between the two macros is compiled for AVX2: no standard header may be included there and no
// flag of the whole file may ask for AVX2, or inline functions of the standard library would reach
// processors that cannot run them. For the same reason kernels call no standard templates.
//
// FMA is left out on purpose: without it every instruction set rounds each operation alike, so that
// all of them find the same hits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "index/isa.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define XTREE_HAS_AVX2 1
#if defined(__clang__)
#define XTREE_AVX2_TARGET target("avx2,bmi,bmi2,popcnt,lzcnt")
#define XTREE_BEGIN_AVX2 \
  _Pragma("clang attribute push(__attribute__((XTREE_AVX2_TARGET)), apply_to = function)")
#define XTREE_END_AVX2 _Pragma("clang attribute pop")
#else
#define XTREE_BEGIN_AVX2 \
  _Pragma("GCC push_options") _Pragma("GCC target(\"avx2,bmi,bmi2,popcnt,lzcnt\")")
#define XTREE_END_AVX2 _Pragma("GCC pop_options")
#endif
#else
#define XTREE_HAS_AVX2 0
#endif

#define XTREE_SIMD [[gnu::always_inline]] inline

namespace xtree::index::baseline {
#define XTREE_REGISTER_BYTES 16
#include "index/simd_vector.inc"
#include "index/simd_words.inc"
#undef XTREE_REGISTER_BYTES
}  // namespace xtree::index::baseline

#if XTREE_HAS_AVX2
XTREE_BEGIN_AVX2
namespace xtree::index::avx2 {
#define XTREE_REGISTER_BYTES 32
#include "index/simd_vector.inc"
#include "index/simd_words.inc"
#undef XTREE_REGISTER_BYTES
}  // namespace xtree::index::avx2
XTREE_END_AVX2
#endif
