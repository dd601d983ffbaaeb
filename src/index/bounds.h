// FloatBox: the box of a child as directory nodes hold it.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "xtree/config.h"

namespace xtree::index {

// What leads from a float's bits to those of the next float above. Rounding to zero keeps the sign,
// so nobody asks for a step across zero.
inline std::int32_t step_up(std::int32_t bits) noexcept { return bits >> 31 | 1; }

// The nearest float below or at `x`, and above or at `x`. Beyond the range of float they are the
// largest float or an infinity, whichever lies on the right side. Whether the nearest float at all
// lies on the wrong side nobody can predict, so no branch depends on it.
struct FloatsAround {
  float below, above;
};
inline FloatsAround floats_around(double x) noexcept {
  const auto f = static_cast<float>(x);
  const auto bits = std::bit_cast<std::int32_t>(f);
  const std::int32_t step = step_up(bits);
  return {std::bit_cast<float>(bits - (step & -(static_cast<double>(f) > x))),
          std::bit_cast<float>(bits + (step & -(static_cast<double>(f) < x)))};
}
inline FloatsAround floats_around(float x) noexcept { return {x, x}; }
template <class Scalar>
float round_down(Scalar x) noexcept {
  return floats_around(x).below;
}
template <class Scalar>
float round_up(Scalar x) noexcept {
  return floats_around(x).above;
}

// D minima followed by D maxima, each a float that was rounded outward; what lies behind is unused.
struct FloatBox {
  alignas(64) float at[2 * kMaxDimensions];
};

// The smallest FloatBox around one entry's geometry.
template <class Scalar>
inline void round_outward(const Scalar* geometry, bool points, std::size_t dimensions,
                          FloatBox& box) noexcept {
  const Scalar* maxima = points ? geometry : geometry + dimensions;
  for (std::size_t axis = 0; axis < dimensions; ++axis) {
    box.at[axis] = round_down(geometry[axis]);
    box.at[dimensions + axis] = round_up(maxima[axis]);
  }
}

inline void unite(FloatBox& box, const FloatBox& other, std::size_t dimensions) noexcept {
  for (std::size_t axis = 0; axis < dimensions; ++axis) {
    const std::size_t top = dimensions + axis;
    if (other.at[axis] < box.at[axis]) box.at[axis] = other.at[axis];
    if (other.at[top] > box.at[top]) box.at[top] = other.at[top];
  }
}

// False where a side is no number, as a damaged node's may be.
[[nodiscard]] inline bool covers(const FloatBox& outer, const FloatBox& inner,
                                 std::size_t dimensions) noexcept {
  for (std::size_t axis = 0; axis < dimensions; ++axis) {
    const std::size_t top = dimensions + axis;
    if (!(outer.at[axis] <= inner.at[axis] && inner.at[top] <= outer.at[top])) return false;
  }
  return true;
}

[[nodiscard]] inline bool equal(const FloatBox& a, const FloatBox& b,
                                std::size_t dimensions) noexcept {
  for (std::size_t row = 0; row < 2 * dimensions; ++row) {
    if (!(a.at[row] == b.at[row])) return false;
  }
  return true;
}

}  // namespace xtree::index
