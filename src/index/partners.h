// Partners: the siblings with which a node could best be one.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "index/bounds.h"
#include "index/node.h"
#include "index/node_access.h"

namespace xtree::index {

// Of a directory node's children the few whose union with the child at `index` is the least longer,
// in the sum of its sides, than the larger of the two. Unions that are much longer are left out:
// they would lie over other children.
class Partners {
 public:
  static constexpr std::size_t kMost = 3;

  Partners(const Node& parent, const Layout& layout, std::uint32_t index) noexcept {
    FloatBox own;
    read_child_box(parent, layout, index, own);
    float own_margin = 0;
    for (std::size_t axis = 0; axis < layout.dimensions; ++axis) {
      own_margin += own.at[layout.dimensions + axis] - own.at[axis];
    }
    for (std::uint32_t first = 0; first < parent.count; first += kDirectoryLanes) {
      Margins margins;
      measure(parent, layout, first, own, margins);
      const auto here = std::min<std::uint32_t>(kDirectoryLanes, parent.count - first);
      for (std::uint32_t lane = 0; lane < here; ++lane) {
        if (first + lane == index) continue;
        const auto [shorter, longer] = std::minmax(margins.child[lane], own_margin);
        const float growth = margins.joined[lane] - longer;
        if (growth <= kMostGrowth * shorter) offer(first + lane, growth);
      }
    }
  }

  // The best first.
  [[nodiscard]] std::span<const std::uint32_t> best() const noexcept {
    return {best_.data(), count_};
  }

 private:
  // In parts of the shorter of the two. Equal squares side by side have 0.5.
  static constexpr float kMostGrowth = 0.5f;

  struct Margins {
    float child[kDirectoryLanes] = {};
    float joined[kDirectoryLanes] = {};
  };

  // The margins of the children of one block, and of their unions with a box.
  static void measure(const Node& parent, const Layout& layout, std::size_t first,
                      const FloatBox& own, Margins& margins) noexcept {
    for (std::size_t axis = 0; axis < layout.dimensions; ++axis) {
      const float* low = child_lane(parent, layout, first) + axis * kDirectoryLanes;
      const float* high = low + layout.dimensions * kDirectoryLanes;
      const float own_low = own.at[axis];
      const float own_high = own.at[layout.dimensions + axis];
      for (std::size_t lane = 0; lane < kDirectoryLanes; ++lane) {
        margins.child[lane] += high[lane] - low[lane];
        margins.joined[lane] += std::max(high[lane], own_high) - std::min(low[lane], own_low);
      }
    }
  }

  void offer(std::uint32_t child, float growth) noexcept {
    if (count_ == kMost && growth >= growths_[kMost - 1]) return;
    std::size_t place = count_ < kMost ? count_++ : kMost - 1;
    for (; place > 0 && growth < growths_[place - 1]; --place) {
      growths_[place] = growths_[place - 1];
      best_[place] = best_[place - 1];
    }
    growths_[place] = growth;
    best_[place] = child;
  }

  std::array<std::uint32_t, kMost> best_;
  std::array<float, kMost> growths_;
  std::size_t count_ = 0;
};

}  // namespace xtree::index
