// Distances between a target and boxes: from what the kernels have measured, and without them where
// squares would leave the range of double.
#pragma once

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstddef>
#include <limits>

#include "index/search_kernels.h"

namespace xtree::index {

// Squares below this have lost bits to underflow, or are zero by it.
inline constexpr double kLeastExactSquare = 0x1p-960;

// How measures become distances. A measure from kLeastExact to kMostExact is exact, and `limit_for`
// gives the greatest measure that a distance up to `bound` may have in the kernels' arithmetic.
// kFloatsExact says that all measures between floats are exact.

// Squares, of which the distance is the root.
template <bool weighted>
struct SquaredMeasure {
  static constexpr double kLeastExact = kLeastExactSquare;
  static constexpr double kMostExact = std::numeric_limits<double>::max();
  // The squares of differences of floats are always in range; a weight may put them out of it.
  static constexpr bool kFloatsExact = !weighted;

  [[nodiscard]] static double distance(double square) noexcept { return std::sqrt(square); }
  [[nodiscard]] static double limit_for(double bound) noexcept {
    const double square = bound * bound * (1 + 4 * std::numeric_limits<double>::epsilon());
    return square < kLeastExact ? kLeastExact : square;
  }
};

// The distance itself. Sums and differences of doubles underflow nowhere, and are infinite only
// where the distance is.
struct PlainMeasure {
  static constexpr double kLeastExact = 0;
  static constexpr double kMostExact = std::numeric_limits<double>::infinity();
  static constexpr bool kFloatsExact = true;

  [[nodiscard]] static double distance(double measure) noexcept { return measure; }
  [[nodiscard]] static double limit_for(double bound) noexcept { return bound; }
};

// The gaps between the target and a box on each axis, in `unit`s, and the greatest of them. The
// ends of the box lie `stride` apart.
template <class Scalar>
[[nodiscard]] double axis_gaps(const NearestTarget& target, std::size_t dimensions,
                               const Scalar* low, const Scalar* high, std::size_t stride,
                               double unit, double* gaps) noexcept {
  double largest = 0;
  for (std::size_t axis = 0; axis < dimensions; ++axis) {
    const double above = low[axis * stride] * unit - target.max[axis] * unit;
    const double below = target.min[axis] * unit - high[axis * stride] * unit;
    gaps[axis] = std::max({above, below, 0.0});
    largest = std::max(largest, gaps[axis]);
  }
  return largest;
}

// The Euclidean distance from the target to a box, weighted or not, without overflow or underflow
// on the way. Where the kernels' squares are in range it is what they say, and like them it never
// puts a box farther than what it encloses.
template <class Scalar>
[[nodiscard]] double careful_distance(const NearestTarget& target, std::size_t dimensions,
                                      const Scalar* low, const Scalar* high,
                                      std::size_t stride) noexcept {
  double gaps[kMaxDimensions];
  double unit = 1;
  double largest = axis_gaps(target, dimensions, low, high, stride, unit, gaps);
  if (largest > std::numeric_limits<double>::max()) {
    // Only a quarter of such coordinates has differences in range.
    unit = 0.25;
    largest = axis_gaps(target, dimensions, low, high, stride, unit, gaps);
  }
  if (largest == 0 || std::isinf(largest)) return largest;
  // Each axis's square as a mantissa, which rounds as the kernels round, and a power of two.
  double squares[kMaxDimensions];
  int powers[kMaxDimensions];
  int greatest = INT_MIN;
  for (std::size_t axis = 0; axis < dimensions; ++axis) {
    squares[axis] = 0;
    powers[axis] = 0;
    if (gaps[axis] == 0) continue;
    int gap_power = 0;
    int weight_power = 0;
    const double gap = std::frexp(gaps[axis], &gap_power);
    const double weight = target.weighted ? std::frexp(target.weight[axis], &weight_power) : 1;
    squares[axis] = weight * gap * gap;
    powers[axis] = weight_power + 2 * gap_power;
    greatest = std::max(greatest, powers[axis]);
  }
  greatest += greatest & 1;  // so that it has a root
  double sum = 0;
  for (std::size_t axis = 0; axis < dimensions; ++axis) {
    sum += std::scalbn(squares[axis], powers[axis] - greatest);
  }
  return std::scalbn(std::sqrt(sum), greatest / 2) / unit;
}

}  // namespace xtree::index
