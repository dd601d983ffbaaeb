// Rectangle: what policies of the literature compute with boxes, in plain doubles.
#pragma once

#include <algorithm>
#include <cstddef>

#include "index/node_access.h"

namespace bench {

template <int D>
struct Rectangle {
  double low[D];
  double high[D];

  [[nodiscard]] double side(int axis) const { return high[axis] - low[axis]; }
  [[nodiscard]] double centre(int axis) const { return (low[axis] + high[axis]) / 2; }
  [[nodiscard]] double volume() const {
    double product = 1;
    for (int axis = 0; axis < D; ++axis) product *= side(axis);
    return product;
  }
  // The papers' margin and perimeter are multiples of this.
  [[nodiscard]] double margin() const {
    double sum = 0;
    for (int axis = 0; axis < D; ++axis) sum += side(axis);
    return sum;
  }
  [[nodiscard]] double shortest_side() const {
    double shortest = side(0);
    for (int axis = 1; axis < D; ++axis) shortest = std::min(shortest, side(axis));
    return shortest;
  }
  [[nodiscard]] bool covers(const Rectangle& other) const {
    for (int axis = 0; axis < D; ++axis) {
      if (other.low[axis] < low[axis] || other.high[axis] > high[axis]) return false;
    }
    return true;
  }
};

template <int D>
Rectangle<D> united(const Rectangle<D>& a, const Rectangle<D>& b) {
  Rectangle<D> both;
  for (int axis = 0; axis < D; ++axis) {
    both.low[axis] = std::min(a.low[axis], b.low[axis]);
    both.high[axis] = std::max(a.high[axis], b.high[axis]);
  }
  return both;
}

// The volume and the margin of what two share; 0 when they share nothing.
template <int D>
double shared_volume(const Rectangle<D>& a, const Rectangle<D>& b) {
  double product = 1;
  for (int axis = 0; axis < D; ++axis) {
    const double side = std::min(a.high[axis], b.high[axis]) - std::max(a.low[axis], b.low[axis]);
    if (!(side > 0)) return 0;
    product *= side;
  }
  return product;
}
template <int D>
double shared_margin(const Rectangle<D>& a, const Rectangle<D>& b) {
  double sum = 0;
  for (int axis = 0; axis < D; ++axis) {
    const double side = std::min(a.high[axis], b.high[axis]) - std::max(a.low[axis], b.low[axis]);
    if (side < 0) return 0;
    sum += side;
  }
  return sum;
}

template <int D>
Rectangle<D> as_rectangle(const xtree::index::FloatBox& box) {
  Rectangle<D> rectangle;
  for (int axis = 0; axis < D; ++axis) {
    rectangle.low[axis] = box.at[axis];
    rectangle.high[axis] = box.at[D + axis];
  }
  return rectangle;
}

template <int D>
Rectangle<D> child_rectangle(const xtree::index::Node& node, const xtree::index::Layout& layout,
                             std::size_t index) {
  xtree::index::FloatBox box;
  xtree::index::read_child_box(node, layout, index, box);
  return as_rectangle<D>(box);
}

// An entry of a leaf, exactly.
template <int D>
Rectangle<D> entry_rectangle(const xtree::index::Node& leaf, const xtree::index::Layout& layout,
                             std::size_t index) {
  double rows[2 * D];
  xtree::index::read_geometry(leaf, layout, index, rows);
  Rectangle<D> rectangle;
  for (int axis = 0; axis < D; ++axis) {
    rectangle.low[axis] = rows[axis];
    rectangle.high[axis] = rows[layout.points ? axis : D + axis];
  }
  return rectangle;
}

}  // namespace bench
