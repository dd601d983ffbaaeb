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
// processors that cannot run them. For the same reason kernels call no standard templates. AVX-512
// has the same two macros with its name.
//
// FMA is left out on purpose: without it every instruction set rounds each operation alike, so that
// all of them find the same hits. AVX-512 has it whether we ask or not, as ARM does, so the library
// is compiled with -ffp-contract=off.
#pragma once

#include <cstddef>
#include <cstdint>

#include "index/isa.h"

#if defined(__x86_64__)
#pragma GCC diagnostic push
#if defined(__GNUC__) && !defined(__clang__)
// gcc 12 says it of registers that its AVX-512 intrinsics leave undefined on purpose (GCC 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop
#define XTREE_HAS_AVX2 1
#define XTREE_HAS_AVX512 1
#if defined(__clang__)
#define XTREE_AVX2_TARGET target("avx2,bmi,bmi2,popcnt,lzcnt")
#define XTREE_AVX512_TARGET \
  target("avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi,bmi2,popcnt,lzcnt")
#define XTREE_BEGIN_AVX2 \
  _Pragma("clang attribute push(__attribute__((XTREE_AVX2_TARGET)), apply_to = function)")
#define XTREE_END_AVX2 _Pragma("clang attribute pop")
#define XTREE_BEGIN_AVX512 \
  _Pragma("clang attribute push(__attribute__((XTREE_AVX512_TARGET)), apply_to = function)")
#define XTREE_END_AVX512 _Pragma("clang attribute pop")
#else
#define XTREE_BEGIN_AVX2 \
  _Pragma("GCC push_options") _Pragma("GCC target(\"avx2,bmi,bmi2,popcnt,lzcnt\")")
#define XTREE_END_AVX2 _Pragma("GCC pop_options")
#define XTREE_BEGIN_AVX512    \
  _Pragma("GCC push_options") \
  _Pragma("GCC target(\"avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi,bmi2,popcnt,lzcnt\")")
#define XTREE_END_AVX512 _Pragma("GCC pop_options")
#endif
#else
#define XTREE_HAS_AVX2 0
#define XTREE_HAS_AVX512 0
#endif

#define XTREE_SIMD [[gnu::always_inline]] inline

namespace xtree::index::baseline {
#define XTREE_REGISTER_BYTES 16
#include "index/simd_register.inc"
#include "index/simd_vector.inc"
#include "index/simd_words.inc"
#undef XTREE_REGISTER_BYTES
}  // namespace xtree::index::baseline

#if XTREE_HAS_AVX2
XTREE_BEGIN_AVX2
namespace xtree::index::avx2 {
#define XTREE_REGISTER_BYTES 32
#include "index/simd_register.inc"
#include "index/simd_vector.inc"
#include "index/simd_words.inc"
#undef XTREE_REGISTER_BYTES
}  // namespace xtree::index::avx2
XTREE_END_AVX2
#endif

#if XTREE_HAS_AVX512
XTREE_BEGIN_AVX512
namespace xtree::index::avx512 {
#define XTREE_REGISTER_BYTES 64
#include "index/simd_avx512.inc"
#include "index/simd_vector.inc"
#undef XTREE_REGISTER_BYTES
}  // namespace xtree::index::avx512
XTREE_END_AVX512
#endif
