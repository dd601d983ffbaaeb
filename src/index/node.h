// Node: the bytes of an X-tree node, the same in memory, in a durable frame and on disk.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "index/object_tag.h"
#include "persistence/frame.h"
#include "xtree/detail/engine.h"

namespace xtree::index {

// A child reference: the child's `frame.node_id`. In memory mode that is the frame's address, in
// durable mode its NodeID; the tree never looks inside.
using Ref = std::uint64_t;

// The header fills one cache line; blocks follow it. design/file_format.md, "Tree nodes".
struct Node {
  persistence::FrameHeader frame;
  std::uint32_t count;    // entries of a leaf, children of a directory node
  std::uint16_t level;    // 0 is a leaf
  std::uint16_t blocks;   // blocks that follow the header: the room there is
  // The epoch of the last change that the version got in place (growth.h); 0 when there was none.
  std::uint64_t changed;
  NodeOwner owner;        // as the store made it; the tree leaves it alone

  [[nodiscard]] std::byte* block(std::size_t index, std::size_t block_bytes) noexcept {
    return reinterpret_cast<std::byte*>(this) + sizeof(Node) + index * block_bytes;
  }
  [[nodiscard]] const std::byte* block(std::size_t index, std::size_t block_bytes) const noexcept {
    return const_cast<Node*>(this)->block(index, block_bytes);
  }
};
static_assert(sizeof(Node) == 64 && offsetof(Node, count) == 32);
static_assert(offsetof(Node, owner) + offsetof(NodeOwner, tag) == kObjectTagOffset);

// Where a tree begins. It is a versioned object of its own in durable mode.
struct Root {
  Ref node = 0;               // 0 when the tree is empty
  std::uint64_t entries = 0;
  std::uint32_t height = 0;   // levels; the root's level is height - 1
  std::uint32_t reserved = 0;
};

inline constexpr std::uint32_t kMaxHeight = 24;
[[nodiscard]] inline bool is_sound(const Root& root) noexcept {
  return root.height <= kMaxHeight && (root.node == 0) == (root.height == 0);
}

inline constexpr std::size_t kDirectoryLanes = 16;
// A directory node has this many blocks; a supernode grows block by block to kMaxSupernodeBlocks.
inline constexpr std::size_t kDirectoryBlocks = 4;
inline constexpr std::size_t kMaxSupernodeBlocks = 16 * kDirectoryBlocks;

// How many links a node's frame has in durable mode: one for each child that it has room for.
[[nodiscard]] constexpr std::size_t link_count(std::size_t level, std::size_t blocks) noexcept {
  return level == 0 ? 0 : blocks * kDirectoryLanes;
}

// What stands in front of such a frame: links, or a stamp of 4 bytes for each entry of a leaf.
[[nodiscard]] constexpr persistence::FrameFront front_of(std::size_t level, std::size_t blocks,
                                                         std::size_t leaf_lanes) noexcept {
  const std::size_t stamp_words = (blocks * leaf_lanes + 15) / 16 * 8;
  return {static_cast<std::uint16_t>(link_count(level, blocks)),
          static_cast<std::uint16_t>(level == 0 ? stamp_words : 0)};
}

// Bytes of the code that a leaf of boxes keeps of each; 0 in more than four dimensions.
// leaf_codes.h says what it is for.
[[nodiscard]] constexpr std::size_t code_bytes_for(std::size_t dimensions) noexcept {
  return dimensions == 0 || dimensions > 4 ? 0 : std::bit_ceil(2 * dimensions);
}
// The grid that codes refer to stands behind a leaf's header, and the codes behind it.
[[nodiscard]] constexpr std::size_t grid_bytes_for(std::size_t dimensions) noexcept {
  return (2 * dimensions * sizeof(double) + 31) / 32 * 32;
}

// In more than four dimensions, codes lie in groups of so many entries, two axes side by side:
// pair_codes.h. The grid has an origin and a scale for each axis, floats, and room for whole
// vectors of eight. Behind it, in leaves of boxes, is a line with a byte for each axis: how many
// cells the longest box has.
inline constexpr std::size_t kCodeGroup = 16;
inline constexpr std::size_t kLongestBytes = 64;
static_assert(kLongestBytes >= kMaxDimensions);
[[nodiscard]] constexpr std::size_t pair_grid_axes(std::size_t dimensions) noexcept {
  return (dimensions + 7) / 8 * 8;
}

// In up to four dimensions small entries could be more in 4096 bytes, but small queries would read
// them for nothing.
inline constexpr std::size_t kMostLeafEntries = 96;

// How a schema's nodes are laid out. A block is rows of 64 bytes, one lane per entry: all minima by
// axis, then all maxima (a leaf of points has the D coordinate rows only); then the values of the
// lanes (leaf, if values do not stand in front) or their child references (directory). Leaf rows
// hold the exact scalars, 8 or 16 lanes. Directory rows hold floats rounded outward, 16 lanes. Free
// lanes of a block that holds at least one entry have minimum rows at +max and maximum rows at -max
// (point rows at NaN), so that a free lane answers no query. Of a leaf that has readers the lanes
// behind the count may be in the making, so kernels mask off what is behind the count that they are
// given.
struct Layout {
  std::size_t dimensions;
  std::size_t rows;               // of a leaf block
  std::size_t value_bytes;
  std::size_t leaf_lanes;
  std::size_t leaf_block_bytes;   // rows and perhaps values, rounded up to 64
  std::size_t max_leaf_blocks;
  std::size_t code_bytes;         // of each entry in a leaf; may be 0
  std::size_t code_pairs;         // of axes, in leaves whose codes lie in groups; may be 0
  std::size_t pairs_at;           // offset of such codes: of points, or of boxes' minima
  std::size_t max_pairs_at;       // the same of boxes' maxima
  std::size_t norms_at;           // offset in a leaf of points whose codes lie in groups
  std::size_t values_at;          // offset in a leaf of the first block's values
  std::size_t values_step;        // from there to those of the next block
  std::size_t leaf_front_bytes;   // header, grid, codes and perhaps values: a leaf's blocks follow
  std::size_t usual_end;          // of a leaf with as many blocks as most have
  std::size_t tried_end;          // of what a window looks at first in such a leaf
  std::size_t directory_block_bytes;
  bool points;

  explicit Layout(const detail::Schema& schema) noexcept
      : dimensions(schema.dimensions),
        rows(schema.rows()),
        value_bytes(schema.value_bytes),
        leaf_lanes(detail::kLeafVectorBytes / schema.scalar_bytes()),
        leaf_block_bytes(0),
        max_leaf_blocks(0),
        code_bytes(0),
        code_pairs(0),
        pairs_at(0),
        max_pairs_at(0),
        norms_at(0),
        values_at(0),
        values_step(0),
        leaf_front_bytes(sizeof(Node)),
        usual_end(0),
        tried_end(0),
        directory_block_bytes(2 * dimensions * 64 + kDirectoryLanes * sizeof(Ref)),
        points(schema.shape == Shape::points) {
    const std::size_t in_front = detail::values_in_front(dimensions, value_bytes);
    leaf_block_bytes =
        detail::leaf_block_bytes_for(rows, leaf_lanes, in_front != 0 ? 0 : value_bytes);
    if (dimensions > 4) {
      code_pairs = (dimensions + 1) / 2;
      max_leaf_blocks = kPairedLeafEntries / leaf_lanes;
    } else {
      if (!points) code_bytes = code_bytes_for(dimensions);
      max_leaf_blocks = blocks_by_bytes();
    }
    if (has_codes()) leaf_front_bytes += (bytes_of_codes() + 63) / 64 * 64;
    values_at = leaf_front_bytes + (in_front != 0 ? 0 : rows * 64);
    values_step = in_front != 0 ? leaf_lanes * value_bytes : leaf_block_bytes;
    leaf_front_bytes += in_front;
    const std::size_t usual_blocks = max_leaf_blocks * 3 / 4;
    usual_end = leaf_bytes(usual_blocks);
    tried_end = has_codes() ? codes_end(usual_blocks * leaf_lanes) : usual_end;
  }

  // Whether leaves have codes, of one kind or the other.
  [[nodiscard]] bool has_codes() const noexcept { return code_bytes != 0 || code_pairs != 0; }
  // Whether values stand in front of a leaf's blocks. Those of entries that it does not have are
  // zero.
  [[nodiscard]] bool has_values_in_front() const noexcept { return values_at < leaf_front_bytes; }
  // Where what stands in front of the values or the blocks ends: the codes, rounded up to 64.
  [[nodiscard]] std::size_t coded_end() const noexcept {
    return has_values_in_front() ? values_at : leaf_front_bytes;
  }
  // What a query reads of a leaf of so many entries before it reads anything else.
  [[nodiscard]] std::size_t codes_end(std::size_t entries) const noexcept {
    return code_pairs == 0 ? leaf_front_bytes : pairs_at + bytes_of_pairs(entries);
  }

  [[nodiscard]] std::size_t leaf_capacity() const noexcept { return max_leaf_blocks * leaf_lanes; }
  [[nodiscard]] std::size_t leaf_bytes(std::size_t blocks) const noexcept {
    return leaf_front_bytes + blocks * leaf_block_bytes;
  }
  [[nodiscard]] std::byte* leaf_block(Node& leaf, std::size_t index) const noexcept {
    return reinterpret_cast<std::byte*>(&leaf) + leaf_bytes(index);
  }
  [[nodiscard]] const std::byte* leaf_block(const Node& leaf, std::size_t index) const noexcept {
    return reinterpret_cast<const std::byte*>(&leaf) + leaf_bytes(index);
  }
  [[nodiscard]] persistence::FrameFront front(std::size_t level,
                                              std::size_t blocks) const noexcept {
    return front_of(level, blocks, leaf_lanes);
  }
  [[nodiscard]] std::size_t directory_bytes(std::size_t blocks) const noexcept {
    return sizeof(Node) + blocks * directory_block_bytes;
  }

 private:
  [[nodiscard]] std::size_t blocks_by_bytes() const noexcept {
    std::size_t blocks = 0;
    for (std::size_t node_bytes = 4096; blocks * leaf_lanes < kMinLeafEntries; node_bytes *= 2) {
      blocks = (node_bytes - sizeof(Node)) / leaf_block_bytes;
    }
    const std::size_t most = kMostLeafEntries / leaf_lanes;
    return blocks < most ? blocks : most;
  }

  // Behind the header: grid and codes, and what belongs to codes that lie in groups.
  [[nodiscard]] std::size_t bytes_of_codes() noexcept {
    if (code_pairs == 0) return grid_bytes_for(dimensions) + leaf_capacity() * code_bytes;
    const std::size_t codes = bytes_of_pairs(leaf_capacity());
    pairs_at = sizeof(Node) + 2 * pair_grid_axes(dimensions) * sizeof(float);
    if (points) {
      norms_at = pairs_at + codes;
      return norms_at - sizeof(Node) + leaf_capacity() * sizeof(float);
    }
    pairs_at += kLongestBytes;
    max_pairs_at = pairs_at + codes;
    return max_pairs_at - sizeof(Node) + codes;
  }
  [[nodiscard]] std::size_t bytes_of_pairs(std::size_t entries) const noexcept {
    return (entries + kCodeGroup - 1) / kCodeGroup * code_pairs * 2 * kCodeGroup;
  }

  static constexpr std::size_t kMinLeafEntries = 48;
  // Where codes say which few of a leaf's entries are looked at, what lies in front of them costs
  // more, so there are more to a leaf, whatever their size.
  static constexpr std::size_t kPairedLeafEntries = 128;
  static_assert(kPairedLeafEntries == detail::kMaxLeafEntries);  // detail::values_in_front
};

}  // namespace xtree::index
