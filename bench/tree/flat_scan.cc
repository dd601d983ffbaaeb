#include "tree/flat_scan.h"

#if defined(__x86_64__)
#pragma GCC diagnostic push
#if !defined(__clang__)
// gcc 12 says it of registers that its AVX-512 intrinsics leave undefined on purpose (GCC 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

namespace bench {
namespace portable {
namespace {

inline unsigned lanes_within(const double* row, double low, double high) {
  unsigned mask = 0;
  for (std::size_t lane = 0; lane < kScanLanes; ++lane) {
    mask |= static_cast<unsigned>(row[lane] >= low && row[lane] <= high) << lane;
  }
  return mask;
}

// The squared distances of a block's points, as far as they have been added up.
struct Sums {
  double at[kScanLanes] = {};

  void add_square(const double* row, double target) {
    for (std::size_t lane = 0; lane < kScanLanes; ++lane) {
      at[lane] += (row[lane] - target) * (row[lane] - target);
    }
  }
  [[nodiscard]] bool any_at_most(double bound) const {
    bool any = false;
    for (const double sum : at) any |= sum <= bound;
    return any;
  }
  void store(double* distances) const {
    for (std::size_t lane = 0; lane < kScanLanes; ++lane) distances[lane] = at[lane];
  }
};

#include "tree/flat_scan.inc"

}  // namespace
}  // namespace portable

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,popcnt"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,bmi,bmi2,popcnt")
#endif
namespace avx2 {
namespace {

inline unsigned lanes_within(const double* row, double low, double high) {
  const __m256d first = _mm256_load_pd(row);
  const __m256d second = _mm256_load_pd(row + 4);
  const __m256d floor = _mm256_set1_pd(low);
  const __m256d roof = _mm256_set1_pd(high);
  const auto within = [&](__m256d values) {
    return static_cast<unsigned>(_mm256_movemask_pd(_mm256_and_pd(
        _mm256_cmp_pd(values, floor, _CMP_GE_OQ), _mm256_cmp_pd(values, roof, _CMP_LE_OQ))));
  };
  return within(first) | within(second) << 4;
}

struct Sums {
  __m256d first;
  __m256d second;

  // An implicit constructor would not be compiled for these instructions.
  Sums() : first(_mm256_setzero_pd()), second(_mm256_setzero_pd()) {}

  void add_square(const double* row, double target) {
    const __m256d to = _mm256_set1_pd(target);
    const __m256d first_gap = _mm256_sub_pd(_mm256_load_pd(row), to);
    const __m256d second_gap = _mm256_sub_pd(_mm256_load_pd(row + 4), to);
    first = _mm256_add_pd(first, _mm256_mul_pd(first_gap, first_gap));
    second = _mm256_add_pd(second, _mm256_mul_pd(second_gap, second_gap));
  }
  [[nodiscard]] bool any_at_most(double bound) const {
    const __m256d roof = _mm256_set1_pd(bound);
    return _mm256_movemask_pd(_mm256_or_pd(_mm256_cmp_pd(first, roof, _CMP_LE_OQ),
                                           _mm256_cmp_pd(second, roof, _CMP_LE_OQ))) != 0;
  }
  void store(double* distances) const {
    _mm256_store_pd(distances, first);
    _mm256_store_pd(distances + 4, second);
  }
};

#include "tree/flat_scan.inc"

}  // namespace
}  // namespace avx2
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,bmi,bmi2,popcnt"))), \
                             apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,bmi,bmi2,popcnt")
#endif
namespace avx512 {
namespace {

inline unsigned lanes_within(const double* row, double low, double high) {
  const __m512d values = _mm512_load_pd(row);
  const __mmask8 above = _mm512_cmp_pd_mask(values, _mm512_set1_pd(low), _CMP_GE_OQ);
  return _mm512_mask_cmp_pd_mask(above, values, _mm512_set1_pd(high), _CMP_LE_OQ);
}

struct Sums {
  __m512d all;

  Sums() : all(_mm512_setzero_pd()) {}

  void add_square(const double* row, double target) {
    const __m512d gap = _mm512_sub_pd(_mm512_load_pd(row), _mm512_set1_pd(target));
    all = _mm512_add_pd(all, _mm512_mul_pd(gap, gap));
  }
  [[nodiscard]] bool any_at_most(double bound) const {
    return _mm512_cmp_pd_mask(all, _mm512_set1_pd(bound), _CMP_LE_OQ) != 0;
  }
  void store(double* distances) const { _mm512_store_pd(distances, all); }
};

#include "tree/flat_scan.inc"

}  // namespace
}  // namespace avx512
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

FlatScanKernels flat_scan_kernels() {
#if defined(__x86_64__)
  // Where XTree's own kernels use it (src/index/isa.h).
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("bmi2")) {
    return {avx512::scan_window, avx512::scan_distances};
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) {
    return {avx2::scan_window, avx2::scan_distances};
  }
#endif
  return {portable::scan_window, portable::scan_distances};
}

}  // namespace bench
