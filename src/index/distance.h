// Distances between a target and boxes, where squares would leave the range of double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "index/search_kernels.h"

namespace xtree::index {

// Squares below this have lost bits to underflow, or are zero by it.
inline constexpr double kLeastExactSquare = 0x1p-960;

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

// The distance from the target to a box without overflow or underflow on the way. Where the
// kernels' squares are in range it is what they say, and like them it never puts a box farther than
// what it encloses.
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
  if (largest == 0) return 0;
  const int exponent = std::ilogb(largest);
  double sum = 0;
  for (std::size_t axis = 0; axis < dimensions; ++axis) {
    const double scaled = std::scalbn(gaps[axis], -exponent);
    sum += scaled * scaled;
  }
  return std::scalbn(std::sqrt(sum), exponent) / unit;
}

// The greatest square that a distance up to `bound` may have in the kernels' arithmetic.
[[nodiscard]] inline double square_limit(double bound) noexcept {
  const double square = bound * bound * (1 + 4 * std::numeric_limits<double>::epsilon());
  return square < kLeastExactSquare ? kLeastExactSquare : square;
}

}  // namespace xtree::index
