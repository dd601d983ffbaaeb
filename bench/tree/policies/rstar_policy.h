// RStarPolicy: choosing and splitting of the R*-tree.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "index/split.h"
#include "tree/policies/overflow.h"

namespace bench {

// Beckmann, Kriegel, Schneider and Seeger, "The R*-tree: an efficient and robust access method for
// points and rectangles", SIGMOD 1990: ChooseSubtree of section 4.1 with its limit of 32
// candidates, and the split of section 4.2, at least 40 per cent to each side. Without the forced
// reinsertion of section 4.3, which is no part of either.
template <int D>
class RStarPolicy : public xtree::index::Splitter<double> {
 public:
  static constexpr std::size_t kLongerBlocks = 1;
  static constexpr bool kRepacks = false;
  static constexpr std::size_t kLeastPercent = 40;

  using Splitter<double>::Splitter;

  [[nodiscard]] xtree::index::Choice choose(const xtree::index::Node& node,
                                            const xtree::index::FloatBox& box) const noexcept {
    const Rectangle<D> added = as_rectangle<D>(box);
    std::vector<Rectangle<D>> children(node.count);
    for (std::size_t i = 0; i < children.size(); ++i) {
      children[i] = child_rectangle<D>(node, layout_, i);
    }
    const std::size_t index =
        node.level == 1 ? least_overlap(children, added) : least_enlargement(children, added);
    return {static_cast<std::uint32_t>(index), children[index].covers(added)};
  }

  [[nodiscard]] xtree::index::Sides split_leaf(
      std::span<const xtree::index::Node* const> sources) noexcept {
    overflow_.take_leaf(sources, layout_);
    return overflow_.deal(topological_cut(overflow_.rectangles()));
  }
  [[nodiscard]] xtree::index::Sides split_directory(
      std::span<const xtree::index::Node* const> sources) noexcept {
    overflow_.take_directory(sources, layout_);
    return overflow_.deal(topological_cut(overflow_.rectangles()));
  }
  void has_split(const xtree::index::Halves&) noexcept {}

 protected:
  // The axis whose cuts have the least margins in all; on it the cut of least overlap, or of least
  // volume among equals.
  static Cut topological_cut(const std::vector<Rectangle<D>>& rectangles) {
    const std::size_t least = std::max<std::size_t>(1, rectangles.size() * kLeastPercent / 100);
    const int axis = axis_of_least_margins(rectangles, least);
    Cut best;
    std::pair<double, double> best_cost(std::numeric_limits<double>::infinity(), 0);
    for (const By by : {By::low, By::high}) {
      const std::vector<std::uint32_t> order = sorted(rectangles, axis, by);
      for_each_cut(rectangles, order, least,
                   [&](std::size_t left, const Rectangle<D>& first, const Rectangle<D>& second) {
                     const std::pair cost(shared_volume(first, second),
                                          first.volume() + second.volume());
                     if (!(cost < best_cost)) return;
                     best_cost = cost;
                     best = {order, left};
                   });
    }
    return best;
  }

  Overflow<D> overflow_;

 private:
  using Children = std::vector<Rectangle<D>>;
  static constexpr std::size_t kCandidates = 32;

  struct Enlargement {
    double growth;
    double volume;
    friend auto operator<=>(const Enlargement&, const Enlargement&) = default;
  };
  static Enlargement enlargement(const Rectangle<D>& child, const Rectangle<D>& added) {
    const double volume = child.volume();
    return {united(child, added).volume() - volume, volume};
  }

  static std::size_t least_enlargement(const Children& children, const Rectangle<D>& added) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < children.size(); ++i) {
      if (enlargement(children[i], added) < enlargement(children[best], added)) best = i;
    }
    return best;
  }

  // Above the leaves: of the candidates, those that grow least, the one whose overlap with all
  // others grows least.
  static std::size_t least_overlap(const Children& children, const Rectangle<D>& added) {
    std::vector<std::pair<Enlargement, std::size_t>> ranked(children.size());
    for (std::size_t i = 0; i < children.size(); ++i) {
      ranked[i] = {enlargement(children[i], added), i};
    }
    const std::size_t candidates = std::min(kCandidates, ranked.size());
    std::partial_sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(candidates),
                      ranked.end());
    std::size_t best = ranked[0].second;
    double best_growth = std::numeric_limits<double>::infinity();
    for (std::size_t rank = 0; rank < candidates && best_growth > 0; ++rank) {
      const std::size_t index = ranked[rank].second;
      const double growth = overlap_growth(children, index, added);
      if (growth < best_growth) {
        best_growth = growth;
        best = index;
      }
    }
    return best;
  }

  static double overlap_growth(const Children& children, std::size_t index,
                               const Rectangle<D>& added) {
    if (children[index].covers(added)) return 0;
    const Rectangle<D> grown = united(children[index], added);
    double growth = 0;
    for (std::size_t i = 0; i < children.size(); ++i) {
      if (i == index) continue;
      const double after = shared_volume(grown, children[i]);
      if (after > 0) growth += after - shared_volume(children[index], children[i]);
    }
    return growth;
  }
};

}  // namespace bench
