// RRStarPolicy: choosing and splitting of the revised R*-tree.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <unordered_map>
#include <vector>

#include "index/split.h"
#include "tree/policies/overflow.h"

namespace bench {

// Beckmann and Seeger, "A revised R*-tree in comparison with related index structures", SIGMOD
// 2009, section 4: subtrees are chosen by how perimeters and overlap grow; cuts by overlap or
// perimeter with a weight that prefers the middle, shifted by how far the node's centre has moved
// since a split made it. At least 20 per cent go to each side. A root that no split has made has
// not moved.
template <int D>
class RRStarPolicy : public xtree::index::Splitter<double> {
 public:
  static constexpr std::size_t kLongerBlocks = 1;
  static constexpr bool kRepacks = false;
  static constexpr std::size_t kLeastPercent = 20;

  using Splitter<double>::Splitter;

  [[nodiscard]] xtree::index::Choice choose(const xtree::index::Node& node,
                                            const xtree::index::FloatBox& box) const noexcept {
    const Rectangle<D> added = as_rectangle<D>(box);
    std::vector<Rectangle<D>> children(node.count);
    for (std::size_t i = 0; i < children.size(); ++i) {
      children[i] = child_rectangle<D>(node, layout_, i);
    }
    const std::size_t covering = least_covering(children, added);
    if (covering < children.size()) return {static_cast<std::uint32_t>(covering), true};
    return {static_cast<std::uint32_t>(Growth(children, added).choose()), false};
  }

  // Along the axis whose cuts have the least perimeters in all.
  [[nodiscard]] xtree::index::Sides split_leaf(
      std::span<const xtree::index::Node* const> sources) noexcept {
    overflow_.take_leaf(sources, layout_);
    const std::vector<Rectangle<D>>& rectangles = overflow_.rectangles();
    Search search(rectangles, first_centre(*sources[0]));
    search.try_axis(axis_of_least_margins(rectangles, least_of(rectangles)));
    return overflow_.deal(search.best);
  }
  // Along any axis.
  [[nodiscard]] xtree::index::Sides split_directory(
      std::span<const xtree::index::Node* const> sources) noexcept {
    overflow_.take_directory(sources, layout_);
    Search search(overflow_.rectangles(), first_centre(*sources[0]));
    for (int axis = 0; axis < D; ++axis) search.try_axis(axis);
    return overflow_.deal(search.best);
  }
  void has_split(const xtree::index::Halves& halves) noexcept {
    keep_centre(halves.left, as_rectangle<D>(halves.left_box));
    keep_centre(halves.right, as_rectangle<D>(halves.right_box));
  }

 private:
  using Children = std::vector<Rectangle<D>>;
  using Centre = std::array<double, D>;

  static std::size_t least_of(const std::vector<Rectangle<D>>& rectangles) {
    return std::max<std::size_t>(1, rectangles.size() * kLeastPercent / 100);
  }

  // The child that covers what is added and has the least volume; the least perimeter where there
  // is one without a volume. The number of children if none covers it.
  static std::size_t least_covering(const Children& children, const Rectangle<D>& added) {
    std::size_t smallest = children.size();
    std::size_t shortest = children.size();
    bool flat = false;
    for (std::size_t i = 0; i < children.size(); ++i) {
      if (!children[i].covers(added)) continue;
      const double volume = children[i].volume();
      flat = flat || volume == 0;
      if (smallest == children.size() || volume < children[smallest].volume()) smallest = i;
      if (shortest == children.size() || children[i].margin() < children[shortest].margin()) {
        shortest = i;
      }
    }
    return flat ? shortest : smallest;
  }

  // The search for a child that none covers: section 4.1 and its function CheckComp.
  class Growth {
   public:
    Growth(const Children& children, const Rectangle<D>& added) : children_(children.size()) {
      std::vector<double> growth(children.size());
      for (std::size_t i = 0; i < children.size(); ++i) {
        growth[i] = united(children[i], added).margin() - children[i].margin();
      }
      rank_.resize(children.size());
      std::iota(rank_.begin(), rank_.end(), std::size_t{0});
      std::stable_sort(rank_.begin(), rank_.end(),
                       [&](std::size_t a, std::size_t b) { return growth[a] < growth[b]; });
      for (std::size_t i = 0; i < rank_.size(); ++i) {
        children_[i] = children[rank_[i]];
        grown_.push_back(united(children_[i], added));
        by_volume_ = by_volume_ && grown_[i].volume() > 0;
      }
    }

    [[nodiscard]] std::size_t choose() {
      for (std::size_t j = 1; j < children_.size(); ++j) {
        if (shared_margin(grown_[0], children_[j]) > shared_margin(children_[0], children_[j])) {
          last_ = j;
        }
      }
      if (last_ == 0) return rank_[0];  // its perimeter grows least, and its overlap not at all
      overlap_.assign(children_.size(), -1);
      if (check(0)) return rank_[found_];
      std::size_t best = 0;
      for (std::size_t i = 0; i <= last_; ++i) {
        if (overlap_[i] >= 0 && overlap_[i] < overlap_[best]) best = i;
      }
      return rank_[best];
    }

   private:
    [[nodiscard]] double growth_of_overlap(std::size_t t, std::size_t j) const {
      if (by_volume_) {
        return shared_volume(grown_[t], children_[j]) - shared_volume(children_[t], children_[j]);
      }
      return shared_margin(grown_[t], children_[j]) - shared_margin(children_[t], children_[j]);
    }

    // Follows the overlap from one candidate to the next, until one is found that adds none.
    bool check(std::size_t t) {
      overlap_[t] = 0;
      for (std::size_t j = 0; j <= last_; ++j) {
        if (j == t) continue;
        const double growth = growth_of_overlap(t, j);
        overlap_[t] += growth;
        if (growth != 0 && overlap_[j] < 0 && check(j)) return true;
      }
      if (overlap_[t] != 0) return false;
      found_ = t;
      return true;
    }

    std::vector<std::size_t> rank_;  // by growth of the perimeter
    Children children_;              // by rank
    Children grown_;                 // with what is added
    std::vector<double> overlap_;    // by which that of a candidate grows; -1 of others
    bool by_volume_ = true;
    std::size_t last_ = 0;  // no later one has to do with the first
    std::size_t found_ = 0;
  };

  // The search for the cut: sections 4.2.3 and 4.2.4.
  class Search {
   public:
    Search(const std::vector<Rectangle<D>>& rectangles, const Centre* first)
        : rectangles_(rectangles),
          first_(first),
          whole_(rectangles[0]) {
      for (const Rectangle<D>& rectangle : rectangles) whole_ = united(whole_, rectangle);
    }

    void try_axis(int axis) {
      const std::size_t least = least_of(rectangles_);
      const double count = static_cast<double>(rectangles_.size());
      const double moved =
          first_ == nullptr || whole_.side(axis) == 0
              ? 0
              : 2 * (whole_.centre(axis) - (*first_)[static_cast<std::size_t>(axis)]) /
                    whole_.side(axis);
      const double middle = (1 - 2 * static_cast<double>(least) / count) * moved;
      for (const By by : {By::low, By::high}) {
        const std::vector<std::uint32_t> order = sorted(rectangles_, axis, by);
        for_each_cut(rectangles_, order, least,
                     [&](std::size_t left, const Rectangle<D>& first, const Rectangle<D>& second) {
                       const double at = 2 * static_cast<double>(left) / count - 1;
                       consider(order, left, first, second, weight(at, middle));
                     });
      }
    }

    Cut best;

   private:
    // A bell of width s = 0.5 about the middle, 0 at both ends and 1 at its top.
    static double weight(double at, double middle) {
      constexpr double kWidth = 0.5;
      const double end = std::exp(-1 / (kWidth * kWidth));
      const double from_middle = (at - middle) / (kWidth * (1 + std::abs(middle)));
      return (std::exp(-from_middle * from_middle) - end) / (1 - end);
    }

    void consider(const std::vector<std::uint32_t>& order, std::size_t left,
                  const Rectangle<D>& first, const Rectangle<D>& second, double weight) {
      const bool flat = first.volume() == 0 || second.volume() == 0;
      const double overlap = flat ? shared_margin(first, second) : shared_volume(first, second);
      const bool is_free = overlap == 0;
      if (found_free_ && !is_free) return;
      const double most_margin = 2 * whole_.margin() - whole_.shortest_side();
      const double cost =
          is_free ? (first.margin() + second.margin() - most_margin) * weight : overlap / weight;
      if (is_free == found_free_ && !(cost < best_cost_)) return;
      found_free_ = is_free;
      best_cost_ = cost;
      best = {order, left};
    }

    const std::vector<Rectangle<D>>& rectangles_;
    const Centre* first_;
    Rectangle<D> whole_;
    bool found_free_ = false;
    double best_cost_ = std::numeric_limits<double>::infinity();
  };

  [[nodiscard]] const Centre* first_centre(const xtree::index::Node& node) const {
    const auto known = centres_.find(node.frame.node_id);
    return known == centres_.end() ? nullptr : &known->second;
  }
  void keep_centre(xtree::index::Ref node, const Rectangle<D>& rectangle) {
    Centre& centre = centres_[node];
    for (int axis = 0; axis < D; ++axis) {
      centre[static_cast<std::size_t>(axis)] = rectangle.centre(axis);
    }
  }

  Overflow<D> overflow_;
  std::unordered_map<xtree::index::Ref, Centre> centres_;
};

}  // namespace bench
