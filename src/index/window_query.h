// WindowQuery: a window made ready for the kernels that look at nodes.
#pragma once

#include <cstddef>

#include "index/node.h"
#include "index/search_kernels.h"
#include "xtree/detail/engine.h"

namespace xtree::index {

// Its kernels are chosen where they are called, which costs less than to note which they are.
template <class Scalar>
class WindowQuery {
 public:
  WindowQuery(const Layout& layout, const SearchKernels<Scalar>& kernels,
              const detail::Window<Scalar>& window) noexcept
      : kernels_(kernels),
        is_intersecting_(kernels.ready_window(layout, window, directory, exact)) {
    if (layout.code_pairs != 0) [[unlikely]] fill_up(layout.dimensions);
  }

  DirectoryWindow directory;
  detail::Window<Scalar> exact;

  [[nodiscard]] bool scan_leaf(const Node& leaf, std::uint32_t count, const Layout& layout,
                               std::uint64_t* mask) const noexcept {
    return choose(kernels_.scan_leaf, kernels_.scan_leaf_intersecting)(leaf, count, layout, exact,
                                                                       mask);
  }
  [[nodiscard]] std::uint32_t count_leaf(const Node& leaf, std::uint32_t count,
                                         const Layout& layout) const noexcept {
    return choose(kernels_.count_leaf, kernels_.count_leaf_intersecting)(leaf, count, layout,
                                                                         exact);
  }
  [[nodiscard]] bool mark_leaf(const Node& leaf, std::uint32_t count, const Layout& layout,
                               LeafMarks& marks) const noexcept {
    return choose(kernels_.mark_leaf, kernels_.mark_leaf_intersecting)(leaf, count, layout, exact,
                                                                       marks);
  }
  [[nodiscard]] bool narrow_leaf(const Node& leaf, std::uint32_t count, const Layout& layout,
                                 LeafMarks& marks) const noexcept {
    return choose(kernels_.narrow_leaf, kernels_.narrow_leaf_intersecting)(leaf, count, layout,
                                                                           marks);
  }
  [[nodiscard]] std::uint32_t decide_leaf(const Node& leaf, std::uint32_t count,
                                          const Layout& layout, const LeafMarks& marks,
                                          std::uint64_t* mask) const noexcept {
    return choose(kernels_.decide_leaf, kernels_.decide_leaf_intersecting)(leaf, count, layout,
                                                                           exact, marks, mask);
  }

 private:
  template <class Kernel>
  [[nodiscard]] Kernel choose(Kernel any, Kernel intersecting) const noexcept {
    return is_intersecting_ ? intersecting : any;
  }
  // Kernels of codes in pairs read whole vectors of a window's ends.
  [[gnu::noinline, gnu::cold]] void fill_up(std::size_t dimensions) noexcept {
    for (std::size_t axis = dimensions; axis < pair_grid_axes(dimensions); ++axis) {
      exact.low_min[axis] = exact.low_max[axis] = exact.high_min[axis] = exact.high_max[axis] = 0;
    }
  }

  const SearchKernels<Scalar>& kernels_;
  const bool is_intersecting_;
};

}  // namespace xtree::index
