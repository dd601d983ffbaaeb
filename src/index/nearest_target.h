// Makes of what a caller asks for the target that kernels measure distances to.
#pragma once

#include <cstddef>
#include <limits>

#include "index/node.h"
#include "index/search_kernels.h"

namespace xtree::index {

// `box` is D minima followed by D maxima.
template <class Scalar>
void set_target(const Layout& layout, const Scalar* box, NearestTarget& target) noexcept {
  target.point = true;
  target.weighted = false;
  for (std::size_t axis = 0; axis < layout.dimensions; ++axis) {
    target.min[axis] = box[axis];
    target.max[axis] = box[layout.dimensions + axis];
    target.point = target.point && target.min[axis] == target.max[axis];
  }
  if (layout.code_pairs == 0) return;
  for (std::size_t axis = layout.dimensions; axis < pair_grid_axes(layout.dimensions); ++axis) {
    target.min[axis] = target.max[axis] = 0;  // kernels of codes in pairs read whole vectors
  }
}

inline void weigh_target(const Layout& layout, const double* weights,
                         NearestTarget& target) noexcept {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  target.weighted = true;
  for (std::size_t axis = 0; axis < layout.dimensions; ++axis) {
    target.weight[axis] = weights[axis];
    if (weights[axis] > 0) continue;
    target.min[axis] = -kInfinity;
    target.max[axis] = kInfinity;
    target.point = false;
  }
}

}  // namespace xtree::index
