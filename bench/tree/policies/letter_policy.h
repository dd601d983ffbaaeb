// LetterPolicy: the X-tree by the letter of its paper.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "index/node_access.h"
#include "tree/policies/rstar_policy.h"

namespace bench {

// Berchtold, Keim and Kriegel, "The X-tree: an index structure for high-dimensional data", VLDB
// 1996, figures 7 to 9. Leaves are chosen and split as in the R*-tree. A directory node is split so
// too, unless its sides would overlap more than MAX_OVERLAP; then as its split history says, which
// for points is without overlap; and where that leaves one side less than MIN_FANOUT, it stays
// whole and becomes a supernode, one directory node longer, of any length.
//
// The split history is a binary tree in each directory node, whose leaves are the node's children.
// Here each node has its way down that tree: on which side of each split it came out. Splits whose
// other side is in another directory node drop out by themselves, since all children came out on
// the same side.
template <int D>
class LetterPolicy : public RStarPolicy<D> {
 public:
  static constexpr std::size_t kLongerBlocks = xtree::index::kDirectoryBlocks;
  static constexpr bool kRepacks = false;
  static constexpr double kMaxOverlap = 0.2;
  static constexpr std::size_t kMinFanoutPercent = 35;

  using RStarPolicy<D>::RStarPolicy;

  [[nodiscard]] xtree::index::Sides split_directory(
      std::span<const xtree::index::Node* const> sources) noexcept {
    this->overflow_.take_directory(sources, this->layout_);
    Cut cut = this->topological_cut(this->overflow_.rectangles());
    if (overlap_of(cut) <= kMaxOverlap) return this->overflow_.deal(cut);
    cut = historical_cut(sources);
    xtree::index::Sides sides = this->overflow_.deal(cut);
    const std::size_t least = cut.order.size() * kMinFanoutPercent / 100;
    sides.keep_whole = sides.left.size() < least || sides.right.size() < least;
    return sides;
  }
  void has_split(const xtree::index::Halves& halves) noexcept {
    Way way = ways_[halves.left];
    way.push_back(Side::left);
    ways_[halves.left] = way;
    way.back() = Side::right;
    ways_[halves.right] = std::move(way);
  }

 private:
  enum class Side : std::uint8_t { left, right };
  using Way = std::vector<Side>;

  // What the sides share, in parts of what they cover together.
  [[nodiscard]] double overlap_of(const Cut& cut) const {
    const std::vector<Rectangle<D>>& rectangles = this->overflow_.rectangles();
    Rectangle<D> sides[2];
    for (std::size_t i = 0; i < cut.order.size(); ++i) {
      const Rectangle<D>& rectangle = rectangles[cut.order[i]];
      Rectangle<D>& side = sides[i < cut.left ? 0 : 1];
      side = i == 0 || i == cut.left ? rectangle : united(side, rectangle);
    }
    const double shared = shared_volume(sides[0], sides[1]);
    const double together = sides[0].volume() + sides[1].volume() - shared;
    return together > 0 ? shared / together : 0;
  }

  // By the oldest split from which children came out on both sides.
  [[nodiscard]] Cut historical_cut(std::span<const xtree::index::Node* const> sources) const {
    std::vector<const Way*> ways;
    for (const xtree::index::Node* node : sources) {
      for (std::size_t i = 0; i < node->count; ++i) {
        ways.push_back(&ways_.at(child_ref(*node, this->layout_, i)));
      }
    }
    std::size_t depth = 0;
    while (agree(ways, depth)) ++depth;
    Cut cut;
    for (const Side side : {Side::left, Side::right}) {
      for (std::size_t i = 0; i < ways.size(); ++i) {
        if ((*ways[i])[depth] == side) cut.order.push_back(static_cast<std::uint32_t>(i));
      }
      if (side == Side::left) cut.left = cut.order.size();
    }
    return cut;
  }
  // Two nodes never came the same way, so this ends.
  static bool agree(const std::vector<const Way*>& ways, std::size_t depth) {
    for (const Way* way : ways) {
      if ((*way)[depth] != (*ways[0])[depth]) return false;
    }
    return true;
  }

  std::unordered_map<xtree::index::Ref, Way> ways_;
};

}  // namespace bench
