// Random numbers from a seed that is printed, so that a failing run can be had again.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>

namespace xtree::test {

// SplitMix64: small, the same everywhere, and good enough to choose test data with.
class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed) {}

  std::uint64_t next() noexcept {
    state_ += 0x9E3779B97F4A7C15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  // 0 to n - 1.
  std::uint64_t below(std::uint64_t n) noexcept { return next() % n; }
  std::uint64_t between(std::uint64_t low, std::uint64_t high) noexcept {
    return low + below(high - low + 1);
  }
  // 0 to just below 1.
  double unit() noexcept { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  bool one_in(std::uint64_t n) noexcept { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

// The seed of a test: XTREE_TEST_SEED, or another one every time. It is printed under `name`.
inline std::uint64_t test_seed(const char* name) {
  std::uint64_t seed = 0;
  if (const char* text = std::getenv("XTREE_TEST_SEED")) {
    seed = std::strtoull(text, nullptr, 0);
  } else {
    std::random_device device;
    seed = (std::uint64_t{device()} << 32) | device();
  }
  std::cout << name << ": XTREE_TEST_SEED=" << seed << std::endl;
  return seed;
}

// Whether the code runs under a sanitizer, which makes it several times slower.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace xtree::test
