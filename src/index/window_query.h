// WindowQuery: a window made ready for the kernels that look at nodes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

#include "index/bounds.h"
#include "index/node.h"
#include "index/search_kernels.h"
#include "xtree/detail/engine.h"

namespace xtree::index {

// A box inside [max(low_min, high_min), min(low_max, high_max)] has both of its ends there, so
// everything below it answers; a box that misses that range on one axis (which may be inverted, as
// for `covers`) holds no answer.
template <class Scalar>
class WindowQuery {
 public:
  WindowQuery(const Layout& layout, const SearchKernels<Scalar>& kernels,
              const detail::Window<Scalar>& window) noexcept {
    bool intersecting = true;
    for (std::size_t axis = 0; axis < layout.dimensions; ++axis) {
      const Scalar low = std::max(window.low_min[axis], window.high_min[axis]);
      const Scalar high = std::min(window.low_max[axis], window.high_max[axis]);
      const FloatsAround about_low = floats_around(low);
      const FloatsAround about_high = floats_around(high);
      directory.reach_low[axis] = about_low.below;
      directory.reach_high[axis] = about_high.above;
      directory.inside_low[axis] = about_low.above;
      directory.inside_high[axis] = about_high.below;
      exact.low_min[axis] = window.low_min[axis];
      exact.high_max[axis] = window.high_max[axis];
      // The ends of a point are one, and so are their bounds.
      exact.high_min[axis] = layout.points ? low : window.high_min[axis];
      exact.low_max[axis] = layout.points ? high : window.low_max[axis];
      constexpr Scalar kInfinity = std::numeric_limits<Scalar>::infinity();
      intersecting &= window.low_min[axis] == -kInfinity && window.high_max[axis] == kInfinity;
    }
    intersecting = intersecting || layout.points;
    scan_leaf = intersecting ? kernels.scan_leaf_intersecting : kernels.scan_leaf;
    count_leaf = intersecting ? kernels.count_leaf_intersecting : kernels.count_leaf;
    mark_leaf = intersecting ? kernels.mark_leaf_intersecting : kernels.mark_leaf;
    narrow_leaf = intersecting ? kernels.narrow_leaf_intersecting : kernels.narrow_leaf;
    decide_leaf = intersecting ? kernels.decide_leaf_intersecting : kernels.decide_leaf;
    if (layout.code_pairs != 0) [[unlikely]] fill_up(layout.dimensions);
  }

  DirectoryWindow directory;
  detail::Window<Scalar> exact;
  typename SearchKernels<Scalar>::ScanLeaf scan_leaf;
  typename SearchKernels<Scalar>::CountLeaf count_leaf;
  typename SearchKernels<Scalar>::MarkLeaf mark_leaf;
  typename SearchKernels<Scalar>::NarrowLeaf narrow_leaf;
  typename SearchKernels<Scalar>::DecideLeaf decide_leaf;

 private:
  // Kernels of codes in pairs read whole vectors of a window's ends.
  [[gnu::noinline, gnu::cold]] void fill_up(std::size_t dimensions) noexcept {
    for (std::size_t axis = dimensions; axis < pair_grid_axes(dimensions); ++axis) {
      exact.low_min[axis] = exact.low_max[axis] = exact.high_min[axis] = exact.high_max[axis] = 0;
    }
  }
};

}  // namespace xtree::index
