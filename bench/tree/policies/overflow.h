// Overflow: what an overfull node holds, as rectangles that can be sorted and dealt to two sides.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "index/split.h"
#include "tree/policies/rectangle.h"

namespace bench {

// A split: the rectangles in an order, of which the first `left` go to the left.
struct Cut {
  std::vector<std::uint32_t> order;
  std::size_t left = 0;
};

template <int D>
class Overflow {
 public:
  void take_leaf(std::span<const xtree::index::Node* const> sources,
                 const xtree::index::Layout& layout) {
    take<double>(sources, layout, leaf_shape(layout), entry_rectangle<D>);
  }
  void take_directory(std::span<const xtree::index::Node* const> sources,
                      const xtree::index::Layout& layout) {
    take<float>(sources, layout, directory_shape(layout), child_rectangle<D>);
  }

  [[nodiscard]] const std::vector<Rectangle<D>>& rectangles() const { return rectangles_; }

  // The sides lie in this object, until it takes something else.
  [[nodiscard]] xtree::index::Sides deal(const Cut& cut) {
    dealt_.clear();
    for (const std::uint32_t i : cut.order) dealt_.push_back(lanes_[i]);
    const std::span<const xtree::index::Lane> all(dealt_);
    return {all.first(cut.left), all.subspan(cut.left)};
  }

 private:
  template <class Element, class Read>
  void take(std::span<const xtree::index::Node* const> sources, const xtree::index::Layout& layout,
            const xtree::index::NodeShape& shape, Read read) {
    rectangles_.clear();
    lanes_.clear();
    for (const xtree::index::Node* node : sources) {
      const std::size_t first = lanes_.size();
      lanes_.resize(first + node->count);
      xtree::index::list_lanes<Element>(*node, shape, lanes_.data() + first);
      for (std::size_t i = 0; i < node->count; ++i) {
        rectangles_.push_back(read(*node, layout, i));
      }
    }
  }

  std::vector<Rectangle<D>> rectangles_;
  std::vector<xtree::index::Lane> lanes_;
  std::vector<xtree::index::Lane> dealt_;
};

// The two orders of an axis in which R* and RR* look for a cut: by the lower sides, or by the upper
// ones; the other side decides between equal ones.
enum class By : std::uint8_t { low, high };

template <int D>
std::vector<std::uint32_t> sorted(const std::vector<Rectangle<D>>& rectangles, int axis, By by) {
  std::vector<std::uint32_t> order(rectangles.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    const Rectangle<D>& one = rectangles[a];
    const Rectangle<D>& other = rectangles[b];
    if (by == By::low && one.low[axis] != other.low[axis]) return one.low[axis] < other.low[axis];
    if (one.high[axis] != other.high[axis]) return one.high[axis] < other.high[axis];
    return one.low[axis] < other.low[axis];
  });
  return order;
}

// Calls `f(left, first, second)` for each cut of an order that gives both sides `least` rectangles,
// with their number on the left and the rectangles around both sides.
template <int D, class F>
void for_each_cut(const std::vector<Rectangle<D>>& rectangles,
                  const std::vector<std::uint32_t>& order, std::size_t least, F&& f) {
  const std::size_t count = order.size();
  std::vector<Rectangle<D>> behind(count);  // around the i-th and all that follow it
  behind[count - 1] = rectangles[order[count - 1]];
  for (std::size_t i = count - 1; i-- > 0;) {
    behind[i] = united(behind[i + 1], rectangles[order[i]]);
  }
  Rectangle<D> before = rectangles[order[0]];
  for (std::size_t left = 1; left + least <= count; ++left) {
    if (left >= least) f(left, before, behind[left]);
    before = united(before, rectangles[order[left]]);
  }
}

// The axis on which all cuts that give both sides `least` rectangles have the least margins in all.
template <int D>
int axis_of_least_margins(const std::vector<Rectangle<D>>& rectangles, std::size_t least) {
  int best = 0;
  double best_margins = std::numeric_limits<double>::infinity();
  for (int axis = 0; axis < D; ++axis) {
    double margins = 0;
    for (const By by : {By::low, By::high}) {
      for_each_cut(rectangles, sorted(rectangles, axis, by), least,
                   [&](std::size_t, const Rectangle<D>& first, const Rectangle<D>& second) {
                     margins += first.margin() + second.margin();
                   });
    }
    if (margins < best_margins) {
      best_margins = margins;
      best = axis;
    }
  }
  return best;
}

}  // namespace bench
