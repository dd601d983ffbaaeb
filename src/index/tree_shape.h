// TreeShape: how many nodes of which fill hold a given number of entries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "index/node.h"

namespace xtree::index {

// The shape of a packed tree: as few nodes as possible on each level, and nearly the same number of
// leaves below all nodes of one parent. All leaves have as many entries as they may but those of
// one parent, which share its entries evenly. So every leaf but the root has at least half of what
// it may have, and every directory node but the root is at least half full.
class TreeShape {
 public:
  // With leaves of so many entries at most.
  explicit TreeShape(std::size_t leaf_entries) noexcept : leaf_entries_(leaf_entries) {}

  // The level of the root over `count` entries.
  [[nodiscard]] std::uint32_t root_level(std::size_t count) const noexcept {
    std::uint32_t level = 0;
    while (capacity(level) < count) ++level;
    return level;
  }

  // The number of children of a node on `level`, not a leaf, that has `count` entries below it.
  [[nodiscard]] std::size_t children(std::size_t count, std::uint32_t level) const noexcept {
    const std::size_t below = capacity(level - 1);
    return count / below + (count % below != 0 ? 1 : 0);
  }

  // What children on one level give each other in: whole leaves, or single entries between leaves.
  [[nodiscard]] std::size_t unit(std::uint32_t parent_level) const noexcept {
    return parent_level == 1 ? 1 : leaf_entries_;
  }
  // What the first `some` of `children` nodes hold of `count` entries.
  [[nodiscard]] static constexpr std::size_t share(std::size_t count, std::size_t some,
                                                   std::size_t children,
                                                   std::size_t unit) noexcept {
    if (some == children) return count;
    const std::size_t units = count / unit + (count % unit != 0 ? 1 : 0);
    return (units / children * some + units % children * some / children) * unit;
  }

  // All nodes of a tree.
  struct Nodes {
    std::size_t leaves = 0;
    std::size_t directories = 0;
    std::size_t bytes = 0;
  };

  // Adds up the nodes of a tree of `count` entries whose root is on `level`, in a store whose words
  // in front of nodes take `word_bytes` each.
  void add_nodes(const Layout& layout, std::size_t count, std::uint32_t level,
                 std::size_t word_bytes, Nodes& nodes) const noexcept {
    if (level == 0) {
      ++nodes.leaves;
      nodes.bytes += layout.leaf_bytes((count + layout.leaf_lanes - 1) / layout.leaf_lanes);
      return;
    }
    ++nodes.directories;
    nodes.bytes += layout.directory_bytes(kDirectoryBlocks) +
                   link_count(level, kDirectoryBlocks) * word_bytes;
    const std::size_t below = children(count, level);
    for (std::size_t i = 0; i < below; ++i) {
      const std::size_t begin = share(count, i, below, unit(level));
      const std::size_t end = share(count, i + 1, below, unit(level));
      add_nodes(layout, end - begin, level - 1, word_bytes, nodes);
    }
  }

 private:
  static constexpr std::size_t kFanout = kDirectoryBlocks * kDirectoryLanes;

  // The most entries below a node on `level`.
  [[nodiscard]] std::size_t capacity(std::uint32_t level) const noexcept {
    std::size_t entries = leaf_entries_;
    for (; level > 0; --level) {
      if (entries > std::numeric_limits<std::size_t>::max() / kFanout) return entries;
      entries *= kFanout;
    }
    return entries;
  }

  std::size_t leaf_entries_;
};

}  // namespace xtree::index
