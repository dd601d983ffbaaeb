// The rule by which nodes are split, written without vectors and without shortcuts.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "index/bounds.h"

namespace xtree::index {

// Boxes as a split sees them: mapped to floats, in which the longest side of all together is one.
class SplitRule {
 public:
  struct Cut {
    std::vector<bool> left;  // by entry
    std::size_t left_count = 0;
    float overlap = 0;
    bool found = false;
  };

  // D minima and D maxima of each entry.
  template <class Scalar>
  SplitRule(const std::vector<std::vector<Scalar>>& boxes, std::size_t dimensions)
      : dims_(dimensions) {
    constexpr Scalar kMost = std::numeric_limits<Scalar>::max();
    const auto clamped = [&](Scalar x) { return std::clamp(x, -kMost, kMost); };
    std::vector<Scalar> origin(dims_);
    Scalar longest = 0;
    for (std::size_t axis = 0; axis < dims_; ++axis) {
      Scalar low = kMost, high = -kMost;
      for (const auto& box : boxes) {
        low = std::min(low, clamped(box[axis]));
        high = std::max(high, clamped(box[dims_ + axis]));
      }
      origin[axis] = low / 2;
      longest = std::max(longest, high / 2 - low / 2);
    }
    const Scalar scale = 1 / std::max(longest, std::numeric_limits<Scalar>::min());
    for (const auto& box : boxes) {
      Row row;
      for (std::size_t axis = 0; axis < dims_; ++axis) {
        row.low.push_back(static_cast<float>((clamped(box[axis]) / 2 - origin[axis]) * scale));
        row.high.push_back(
            static_cast<float>((clamped(box[dims_ + axis]) / 2 - origin[axis]) * scale));
      }
      rows_.push_back(std::move(row));
    }
    all_ = united(std::vector<bool>(rows_.size(), true), true);
  }

  // From here on the last entries are the newest. A side that has them all, and shares no more than
  // half of its volume with the other one, may have so few, and cuts with such a side are best when
  // the other one has 85 per cent of all.
  void set_newest(std::size_t count, std::size_t min_fill) {
    newest_ = count;
    newest_fill_ = min_fill;
  }

  // The best of the cuts between any two entries, by centre, along every axis.
  Cut best_of_all(std::size_t min_fill) {
    Cut best;
    for (std::size_t axis = 0; axis < dims_; ++axis) {
      const std::vector<float> keys = centres(axis);
      std::vector<std::size_t> order(keys.size());
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::stable_sort(order.begin(), order.end(),
                       [&](std::size_t a, std::size_t b) { return keys[a] < keys[b]; });
      std::vector<bool> left(keys.size(), false);
      for (std::size_t cut = 1; cut < keys.size(); ++cut) {
        left[order[cut - 1]] = true;
        weigh(left, cut, min_fill, best);
      }
    }
    return best;
  }

  // The best of the cuts between 32 cells of equal width, along the four axes on which the centres
  // spread most; none is found where no cut leaves both sides filled.
  Cut best_of_cells(std::size_t min_fill) {
    constexpr std::uint32_t kCells = 32;
    Cut best;
    for (const std::size_t axis : widest_axes()) {
      const std::vector<float> keys = centres(axis);
      const float lowest = *std::min_element(keys.begin(), keys.end());
      const float highest = *std::max_element(keys.begin(), keys.end());
      const float scale = static_cast<float>(kCells) / (highest - lowest);
      if (!(scale < 3e38f)) continue;
      for (std::uint32_t cut = 1; cut < kCells; ++cut) {
        std::vector<bool> left(keys.size());
        std::size_t count = 0;
        for (std::size_t i = 0; i < keys.size(); ++i) {
          left[i] =
              std::min(static_cast<std::uint32_t>((keys[i] - lowest) * scale), kCells - 1) < cut;
          count += left[i];
        }
        weigh(left, count, min_fill, best);
      }
    }
    return best;
  }

 private:
  struct Row {
    std::vector<float> low, high;
  };

  std::vector<float> centres(std::size_t axis) const {
    std::vector<float> keys;
    for (const Row& row : rows_) keys.push_back(row.low[axis] + row.high[axis]);
    return keys;
  }

  std::vector<std::size_t> widest_axes() const {
    std::vector<std::size_t> axes(dims_);
    std::iota(axes.begin(), axes.end(), std::size_t{0});
    if (dims_ <= 4) return axes;
    std::vector<float> spread;
    for (std::size_t axis = 0; axis < dims_; ++axis) {
      const std::vector<float> keys = centres(axis);
      spread.push_back(*std::max_element(keys.begin(), keys.end()) -
                       *std::min_element(keys.begin(), keys.end()));
    }
    std::stable_sort(axes.begin(), axes.end(),
                     [&](std::size_t a, std::size_t b) { return spread[a] > spread[b]; });
    axes.resize(4);
    std::sort(axes.begin(), axes.end());
    return axes;
  }

  Row united(const std::vector<bool>& which, bool side) const {
    Row box;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (which[i] != side) continue;
      if (box.low.empty()) box = rows_[i];
      for (std::size_t axis = 0; axis < dims_; ++axis) {
        box.low[axis] = std::min(box.low[axis], rows_[i].low[axis]);
        box.high[axis] = std::max(box.high[axis], rows_[i].high[axis]);
      }
    }
    return box;
  }

  // Volumes are in parts of the box of all; axes on which that is flat do not count.
  float inverse(std::size_t axis) const {
    const float side = all_.high[axis] - all_.low[axis];
    return side > 1e-30f ? 1 / side : 0;
  }
  float volume(const Row& box) const {
    float product = 1;
    for (std::size_t axis = 0; axis < dims_; ++axis) {
      if (inverse(axis) > 0) product *= (box.high[axis] - box.low[axis]) * inverse(axis);
    }
    return product;
  }
  float shared(const Row& a, const Row& b) const {
    Row both = a;
    for (std::size_t axis = 0; axis < dims_; ++axis) {
      both.low[axis] = std::max(a.low[axis], b.low[axis]);
      both.high[axis] = std::max(std::min(a.high[axis], b.high[axis]), both.low[axis]);
    }
    return volume(both);
  }
  float margin(const Row& box) const {
    float total = 0;
    for (const float x : box.low) total += x;
    for (const float x : box.high) total -= x;
    return -total;
  }
  float most_margin() const {
    float total = 0;
    float shortest = std::numeric_limits<float>::max();
    for (std::size_t axis = 0; axis < dims_; ++axis) {
      const float side = all_.high[axis] - all_.low[axis];
      total += 2 * side;
      shortest = std::min(shortest, side);
    }
    return total - shortest;
  }

  // Cuts without overlap are better than others. Of the former the best has the least margins, of
  // the latter the least overlap, each weighted for balance.
  void weigh(const std::vector<bool>& left, std::size_t count, std::size_t min_fill, Cut& best) {
    const auto newest = left.end() - static_cast<std::ptrdiff_t>(newest_);
    const auto newest_left = static_cast<std::size_t>(std::count(newest, left.end(), true));
    if (count == 0 || count == rows_.size()) return;
    const Row a = united(left, true);
    const Row b = united(left, false);
    const float overlap = shared(a, b);
    const bool all_left = newest_ != 0 && newest_left == newest_ && 2 * overlap <= volume(a);
    const bool all_right = newest_ != 0 && newest_left == 0 && 2 * overlap <= volume(b);
    if (count < (all_left ? newest_fill_ : min_fill)) return;
    if (rows_.size() - count < (all_right ? newest_fill_ : min_fill)) return;
    const float best_lean = all_right ? 0.7f : all_left ? -0.7f : 0;
    const float lean = 2 * static_cast<float>(count) / static_cast<float>(rows_.size()) - 1;
    const float off = (lean - best_lean) / (lean < best_lean ? 1 + best_lean : 1 - best_lean);
    const float square = (1 - off * off) * (1 - off * off);
    const float weight = square * square + 1e-6f;
    const bool is_free = overlap <= 0;
    const float goal =
        is_free ? (margin(a) + margin(b) - most_margin()) * weight : overlap / weight;
    if (best.found && (best_is_free_ != is_free ? best_is_free_ : !(goal < best_goal_))) return;
    best_goal_ = goal;
    best_is_free_ = is_free;
    const float together = volume(a) + volume(b) - overlap;
    best = {left, count, together > 0 ? overlap / together : 0, true};
  }

  std::size_t dims_;
  std::size_t newest_ = 0;
  std::size_t newest_fill_ = 0;
  std::vector<Row> rows_;
  Row all_;
  float best_goal_ = 0;
  bool best_is_free_ = false;
};

}  // namespace xtree::index
