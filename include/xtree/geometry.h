// Point and Box: the coordinates that go in and come out.
#pragma once

#include <concepts>
#include <cstddef>
#include <type_traits>

#include "xtree/config.h"

namespace xtree {

// Scalars that an index can hold: the exact coordinates of its entries.
template <class T>
concept Coordinate = std::same_as<T, double> || std::same_as<T, float>;

// A point in D dimensions.
//
//   xtree::Point<2> here{2.35, 48.86};
//
// It is D scalars in a row and nothing else. An index accepts finite coordinates only.
template <int D, Coordinate T = double>
class Point {
  static_assert(D >= 1 && D <= kMaxDimensions, "1 to 32 dimensions");

 public:
  using Scalar = T;
  static constexpr int kDimensions = D;

  constexpr Point() noexcept = default;
  template <class... U>
    requires(sizeof...(U) == D && (std::is_arithmetic_v<std::remove_cvref_t<U>> && ...))
  constexpr Point(U... coordinates) noexcept : at_{static_cast<T>(coordinates)...} {}

  constexpr T& operator[](std::size_t axis) noexcept { return at_[axis]; }
  constexpr const T& operator[](std::size_t axis) const noexcept { return at_[axis]; }
  constexpr const T* data() const noexcept { return at_; }
  constexpr T* data() noexcept { return at_; }
  friend constexpr bool operator==(const Point&, const Point&) noexcept = default;

 private:
  T at_[D] = {};
};

// An axis-aligned box, closed on all sides: `min[i] <= max[i]` on every axis.
//
//   xtree::Box<2> window{{0, 0}, {10, 5}};
//
// It is 2 * D scalars in a row, min before max. A point converts to the box that holds only it.
template <int D, Coordinate T = double>
class Box {
 public:
  using Scalar = T;
  static constexpr int kDimensions = D;

  Point<D, T> min;
  Point<D, T> max;

  constexpr Box() noexcept = default;
  constexpr Box(const Point<D, T>& low, const Point<D, T>& high) noexcept : min(low), max(high) {}
  constexpr Box(const Point<D, T>& point) noexcept : min(point), max(point) {}

  constexpr const T* data() const noexcept { return min.data(); }
  friend constexpr bool operator==(const Box&, const Box&) noexcept = default;
};

static_assert(sizeof(Box<3, float>) == 6 * sizeof(float) && sizeof(Box<2>) == 4 * sizeof(double));

}  // namespace xtree
