#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "index/simd.h"

// Every operation on every lane, as each instruction set does it.
namespace xtree::index {

template <class T>
struct Results {
  T sum[64 / sizeof(T)];
  T difference[64 / sizeof(T)];
  T product[64 / sizeof(T)];
  T quotient[64 / sizeof(T)];
  T rest[64 / sizeof(T)];
  T smaller[64 / sizeof(T)];
  T larger[64 / sizeof(T)];
  T selected[64 / sizeof(T)];
  std::uint32_t less, less_equal, greater, greater_equal, equal, both, either;
  T least, greatest, total;
};

#define XTREE_SIMD_PROBE                                                  \
  template <class T>                                                      \
  void probe(const T* left, const T* right, Results<T>& r) noexcept {     \
    const auto a = V<T>::load(left);                                      \
    const auto b = V<T>::load_unaligned(right);                           \
    (a + b).store(r.sum);                                                 \
    (a - b).store(r.difference);                                          \
    (a * b).store(r.product);                                             \
    (a / b).store(r.quotient);                                            \
    (a / b * b - a).store(r.rest);                                        \
    min(a, b).store(r.smaller);                                           \
    max(a, b).store(r.larger);                                            \
    select(a <= b, a, V<T>::broadcast(T{7})).store(r.selected);           \
    r.less = bits(a < b);                                                 \
    r.less_equal = bits(a <= b);                                          \
    r.greater = bits(a > b);                                              \
    r.greater_equal = bits(a >= b);                                       \
    r.equal = bits(a == b);                                               \
    r.both = bits((a <= b) & (a >= b));                                   \
    r.either = bits((a < b) | (a > b));                                   \
    r.least = least(a);                                                   \
    r.greatest = greatest(a);                                             \
    r.total = sum(a);                                                     \
  }                                                                       \
  inline void widen_probe(const float* from, double* to) noexcept {       \
    const auto wide = widen(V<float>::load(from));                        \
    wide.store(to);                                                       \
  }

namespace baseline {
XTREE_SIMD_PROBE
}
#if XTREE_HAS_AVX2
XTREE_BEGIN_AVX2
namespace avx2 {
XTREE_SIMD_PROBE
}
XTREE_END_AVX2
#endif
#if XTREE_HAS_AVX512
XTREE_BEGIN_AVX512
namespace avx512 {
XTREE_SIMD_PROBE
}
XTREE_END_AVX512
#endif

namespace {

template <class T>
using Probe = void (*)(const T*, const T*, Results<T>&) noexcept;

template <class T>
void check_lanes(Probe<T> probe) {
  constexpr std::size_t kLanes = 64 / sizeof(T);
  alignas(64) T a[kLanes];
  alignas(64) T memory[kLanes + 1];
  T* b = memory + 1;
  for (std::size_t i = 0; i < kLanes; ++i) {
    a[i] = static_cast<T>(i * 7 % kLanes) - T{3};
    b[i] = static_cast<T>(i * 5 % 11) - T{2.5};
  }
  b[2] = a[2];
  alignas(64) Results<T> r;
  probe(a, b, r);
  T least = a[0], greatest = a[0], total = 0;
  for (std::size_t i = 0; i < kLanes; ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(r.sum[i], a[i] + b[i]);
    EXPECT_EQ(r.difference[i], a[i] - b[i]);
    EXPECT_EQ(r.product[i], a[i] * b[i]);
    EXPECT_EQ(r.quotient[i], a[i] / b[i]);
    const T back = r.quotient[i] * b[i];
    EXPECT_EQ(r.rest[i], back - a[i]) << "each operation is rounded";
    EXPECT_EQ(r.smaller[i], std::min(a[i], b[i]));
    EXPECT_EQ(r.larger[i], std::max(a[i], b[i]));
    EXPECT_EQ(r.selected[i], a[i] <= b[i] ? a[i] : T{7});
    EXPECT_EQ(r.less >> i & 1, a[i] < b[i]);
    EXPECT_EQ(r.less_equal >> i & 1, a[i] <= b[i]);
    EXPECT_EQ(r.greater >> i & 1, a[i] > b[i]);
    EXPECT_EQ(r.greater_equal >> i & 1, a[i] >= b[i]);
    EXPECT_EQ(r.equal >> i & 1, a[i] == b[i]);
    EXPECT_EQ(r.both >> i & 1, a[i] == b[i]);
    EXPECT_EQ(r.either >> i & 1, a[i] != b[i]);
    least = std::min(least, a[i]);
    greatest = std::max(greatest, a[i]);
    total += a[i];
  }
  EXPECT_EQ(r.least, least);
  EXPECT_EQ(r.greatest, greatest);
  EXPECT_EQ(r.total, total);
  EXPECT_EQ(r.less >> (kLanes - 1) >> 1, 0u) << "bits beyond the lanes";
}

template <class T>
void check_not_a_number(Probe<T> probe) {
  constexpr std::size_t kLanes = 64 / sizeof(T);
  alignas(64) T a[kLanes];
  alignas(64) T b[kLanes];
  std::fill_n(a, kLanes, std::numeric_limits<T>::quiet_NaN());
  std::fill_n(b, kLanes, std::numeric_limits<T>::infinity());
  alignas(64) Results<T> r;
  probe(a, b, r);
  EXPECT_EQ(r.less | r.less_equal | r.greater | r.greater_equal | r.equal | r.either, 0u);
  for (std::size_t i = 0; i < kLanes; ++i) {
    EXPECT_EQ(r.smaller[i], b[i]);
    EXPECT_EQ(r.larger[i], b[i]);
  }
}

void check_widen(void (*widen)(const float*, double*) noexcept) {
  alignas(64) float from[16];
  alignas(64) double to[16];
  for (std::size_t i = 0; i < 16; ++i) from[i] = std::ldexp(1.1f, static_cast<int>(i) * 17 - 140);
  widen(from, to);
  for (std::size_t i = 0; i < 16; ++i) EXPECT_EQ(to[i], static_cast<double>(from[i]));
}

TEST(Simd, BaselineDoesInEachLaneWhatScalarsDo) {
  check_lanes<float>(&baseline::probe<float>);
  check_lanes<double>(&baseline::probe<double>);
  check_not_a_number<float>(&baseline::probe<float>);
  check_not_a_number<double>(&baseline::probe<double>);
  check_widen(&baseline::widen_probe);
}

#if XTREE_HAS_AVX2
TEST(Simd, Avx2DoesInEachLaneWhatScalarsDo) {
  if (!isa_supported(Isa::avx2)) GTEST_SKIP() << "this processor has no AVX2";
  check_lanes<float>(&avx2::probe<float>);
  check_lanes<double>(&avx2::probe<double>);
  check_not_a_number<float>(&avx2::probe<float>);
  check_not_a_number<double>(&avx2::probe<double>);
  check_widen(&avx2::widen_probe);
}
#endif

#if XTREE_HAS_AVX512
TEST(Simd, Avx512DoesInEachLaneWhatScalarsDo) {
  if (!isa_supported(Isa::avx512)) GTEST_SKIP() << "this processor has no AVX-512";
  check_lanes<float>(&avx512::probe<float>);
  check_lanes<double>(&avx512::probe<double>);
  check_not_a_number<float>(&avx512::probe<float>);
  check_not_a_number<double>(&avx512::probe<double>);
  check_widen(&avx512::widen_probe);
}
#endif

TEST(Isa, BestIsSupported) {
  EXPECT_TRUE(isa_supported(Isa::baseline));
  EXPECT_TRUE(isa_supported(best_isa()));
}

}  // namespace
}  // namespace xtree::index
