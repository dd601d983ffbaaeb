// Policy: how full nodes are kept, and when a directory node becomes a supernode. The reasons and
// the measurements are in design/xtree.md.
#pragma once

#include <algorithm>
#include <cstddef>

#include "index/node.h"

namespace xtree::index {

// A node but the root that an erasure leaves with less than this part of its capacity is merged
// away, and a split leaves each side as much; but one with the newest entries of a leaf alone.
inline constexpr std::size_t kMinFillPercent = 30;
inline constexpr std::size_t kNewestFillPercent = 15;
// One that holds no more than this part is merged with a sibling where that makes a good node.
inline constexpr std::size_t kSparsePercent = 50;
// Where a leaf is that sparse or would be merged away, it is packed anew with all its siblings when
// they are no fuller than this together, and then they are this full: enough for queries, and not
// so full that a few insertions split each of them.
inline constexpr std::size_t kRepackPercent = 52;
inline constexpr std::size_t kPackedPercent = 90;
// Two nodes are merged when the result is at most this full, so that it is not split again at once;
// otherwise they share what they have.
inline constexpr std::size_t kMergedFillPercent = 85;
// In so many dimensions or more, a directory node is not split if its halves would share more than
// this part of what they cover together: a longer node is cheaper to search than two that nearly
// every query enters. In fewer dimensions it never is.
inline constexpr std::size_t kSupernodeDimensions = 5;
inline constexpr float kMaxOverlap = 0.4f;
// In so many dimensions or more, the leaves of a directory node that is full are packed anew before
// one of them is split: into so many if these are then no fuller than this, and no emptier than the
// other; else into those of two directory nodes.
inline constexpr std::size_t kRepackDimensions = 5;
inline constexpr std::size_t kRepackedLeaves = 52;
inline constexpr std::size_t kRepackedPercent = 85;
inline constexpr std::size_t kLeastRepackedPercent = 50;

inline constexpr std::size_t kDirectoryCapacity = kDirectoryBlocks * kDirectoryLanes;
static_assert(kRepackedLeaves < kDirectoryCapacity && kRepackedPercent < 100);

[[nodiscard]] inline std::size_t min_leaf_entries(const Layout& layout) noexcept {
  return std::max<std::size_t>(1, layout.leaf_capacity() * kMinFillPercent / 100);
}
// Where entries come in some order of their places, the newest lie at one side of the leaf that
// they make overflow. Few will come to the others, so these get a fuller leaf: as few as this may
// be left with the newest.
[[nodiscard]] inline std::size_t fewest_leaf_entries(const Layout& layout) noexcept {
  return std::max<std::size_t>(1, layout.leaf_capacity() * kNewestFillPercent / 100);
}
// Where there is no such order, so many hardly ever lie on one side of a cut near the middle.
[[nodiscard]] inline std::size_t newest_leaf_entries(const Layout& layout) noexcept {
  return std::max<std::size_t>(8, layout.leaf_capacity() / 8);
}
// The most entries of a leaf that is packed anew.
[[nodiscard]] inline std::size_t packed_leaf_entries(const Layout& layout) noexcept {
  return layout.leaf_capacity() * kPackedPercent / 100;
}
// The most entries of a leaf where those of a full directory node, so many, are packed anew.
[[nodiscard]] inline std::size_t repacked_leaf_entries(const Layout& layout,
                                                       std::size_t entries) noexcept {
  const auto share = [&](std::size_t leaves) { return (entries + leaves - 1) / leaves; };
  const std::size_t most = layout.leaf_capacity() * kRepackedPercent / 100;
  const std::size_t least = layout.leaf_capacity() * kLeastRepackedPercent / 100;
  if (share(kRepackedLeaves) <= most) return std::max(share(kRepackedLeaves), least);
  return share(kDirectoryCapacity + 2);
}
// Of one that is bulk loaded; `fill` is a share of what it has room for.
[[nodiscard]] inline std::size_t filled_leaf_entries(const Layout& layout, double fill) noexcept {
  return static_cast<std::size_t>(static_cast<double>(layout.leaf_capacity()) * fill);
}
inline constexpr std::size_t kMinChildren = kDirectoryCapacity * kMinFillPercent / 100;

}  // namespace xtree::index
