// Random: the same numbers from the same seed, with every standard library.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <random>

namespace bench {

class Random {
 public:
  explicit Random(std::uint64_t seed) : bits_(seed) {}

  // In [0, 1).
  double unit() { return static_cast<double>(bits_() >> 11) * 0x1p-53; }
  double between(double low, double high) { return low + (high - low) * unit(); }
  // In [0, bound); the bias of the remainder is far below what a benchmark can see.
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(bits_() % bound); }
  // Of the standard normal distribution, by Box and Muller's transform.
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - unit()));
    return radius * std::cos(2 * std::numbers::pi * unit());
  }

 private:
  // Its sequence is fixed by the standard, that of the standard's distributions is not.
  std::mt19937_64 bits_;
};

}  // namespace bench
