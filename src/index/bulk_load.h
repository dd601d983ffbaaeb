// Bulk loading: builds a packed tree from many entries at once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <span>

#include "index/bounds.h"
#include "index/node.h"
#include "index/node_access.h"
#include "index/spatial_order.h"
#include "index/store.h"
#include "index/tree_shape.h"
#include "platform/check.h"
#include "xtree/result.h"

namespace xtree::index {

// Fills the nodes of a packed tree with entries in a given order.
template <class Scalar, NodeStore Store>
class TreePacker {
 public:
  // The store has reserved the bytes that the shape takes.
  TreePacker(const Layout& layout, const TreeShape& shape, Store& store, const EntryRange& entries,
             const std::byte* values, std::span<const std::uint32_t> order) noexcept
      : layout_(layout),
        shape_(shape),
        store_(store),
        entries_(entries),
        values_(values),
        order_(order) {}

  // The subtree on `level` over `count` entries from place `first` of the order on, and its box.
  [[nodiscard]] Ref pack(std::size_t first, std::size_t count, std::uint32_t level,
                         FloatBox& box) noexcept {
    if (level == 0) return pack_leaf(first, count, box);
    Node* node = store_.create(layout_.directory_bytes(kDirectoryBlocks));
    XTREE_CHECK(node != nullptr);
    node->level = static_cast<std::uint16_t>(level);
    node->blocks = static_cast<std::uint16_t>(kDirectoryBlocks);
    const std::size_t children = shape_.children(count, level);
    for (std::size_t i = 0; i < children; ++i) {
      const std::size_t begin = TreeShape::share(count, i, children);
      const std::size_t end = TreeShape::share(count, i + 1, children);
      FloatBox child_box;
      const Ref child = pack(first + begin, end - begin, level - 1, child_box);
      append_child(*node, layout_, child_box, child);
      if (i == 0) {
        std::memcpy(&box, &child_box, 2 * layout_.dimensions * sizeof(float));
      } else {
        unite(box, child_box, layout_.dimensions);
      }
    }
    return node->frame.node_id;
  }

 private:
  [[nodiscard]] Ref pack_leaf(std::size_t first, std::size_t count, FloatBox& box) noexcept {
    const std::size_t blocks = blocks_for(count, kLeafLanes<Scalar>);
    Node* leaf = store_.create(layout_.leaf_bytes(blocks));
    XTREE_CHECK(leaf != nullptr);
    leaf->level = 0;
    leaf->blocks = static_cast<std::uint16_t>(blocks);
    Scalar geometry[2 * kMaxDimensions];
    Scalar bounds[2 * kMaxDimensions];
    for (std::size_t i = first; i < first + count; ++i) {
      fetch_ahead(i);
      const std::size_t entry = order_[i];
      std::memcpy(geometry, entries_.at(entry), layout_.rows * sizeof(Scalar));
      append_entry(*leaf, layout_, geometry, values_ + entry * entries_.stride);
      enclose(geometry, i == first, bounds);
    }
    round_outward(bounds, false, layout_.dimensions, box);
    return leaf->frame.node_id;
  }

  // Entries lie anywhere in the caller's memory; they are asked for long before they are needed.
  void fetch_ahead(std::size_t place) const noexcept {
    constexpr std::size_t kDistance = 24;
    if (place + kDistance >= order_.size()) return;
    const std::size_t entry = order_[place + kDistance];
    const std::byte* geometry = entries_.at(entry);
    for (std::size_t i = 0; i < layout_.rows * sizeof(Scalar); i += 64) {
      __builtin_prefetch(geometry + i);
    }
    __builtin_prefetch(values_ + entry * entries_.stride);
  }

  void enclose(const Scalar* geometry, bool first, Scalar* bounds) const noexcept {
    const std::size_t dimensions = layout_.dimensions;
    const Scalar* maxima = layout_.points ? geometry : geometry + dimensions;
    for (std::size_t axis = 0; axis < dimensions; ++axis) {
      Scalar& low = bounds[axis];
      Scalar& high = bounds[dimensions + axis];
      low = first || geometry[axis] < low ? geometry[axis] : low;
      high = first || maxima[axis] > high ? maxima[axis] : high;
    }
  }

  const Layout& layout_;
  const TreeShape& shape_;
  Store& store_;
  const EntryRange& entries_;
  const std::byte* values_;
  std::span<const std::uint32_t> order_;
};

// Builds the tree of an empty root from `count` entries whose geometry and values lie `stride`
// bytes apart from the first ones. Geometry has been checked. Beside the nodes it takes 12 bytes of
// memory for each entry while it runs. The same entries always make the same tree. On
// `out_of_memory` nothing has changed.
template <class Scalar, NodeStore Store>
[[nodiscard]] Result<void> bulk_load(const Layout& layout, Store& store, Root& root,
                                     const void* geometry, const void* values, std::size_t stride,
                                     std::size_t count) noexcept {
  XTREE_CHECK(root.node == 0);
  if (count == 0) return {};
  if (count > std::numeric_limits<std::uint32_t>::max()) {
    return Error(ErrorCode::limit_exceeded, "count", "more than 2^32 - 1 entries in one bulk load");
  }
  const Error no_memory(ErrorCode::out_of_memory, "count", "no memory for so many entries");
  struct Free {
    void operator()(std::uint32_t* memory) const noexcept { std::free(memory); }
  };
  const std::unique_ptr<std::uint32_t, Free> memory(
      static_cast<std::uint32_t*>(std::malloc(count * sizeof(std::uint32_t))));
  if (memory == nullptr) return no_memory;
  const std::span<std::uint32_t> order(memory.get(), count);
  const EntryRange entries{static_cast<const std::byte*>(geometry), stride};
  const TreeShape shape(layout);
  const std::uint32_t level = shape.root_level(count);
  const std::size_t largest = std::max(layout.leaf_bytes(layout.max_leaf_blocks),
                                       layout.directory_bytes(kDirectoryBlocks));
  if (!kd_order<Scalar>(layout, shape, entries, order) ||
      !store.reserve(shape.bytes(layout, count, level), largest)) {
    return no_memory;
  }
  TreePacker<Scalar, Store> packer(layout, shape, store, entries,
                                   static_cast<const std::byte*>(values), order);
  FloatBox box;
  root.node = packer.pack(0, count, level, box);
  root.entries = count;
  root.height = level + 1;
  return {};
}

}  // namespace xtree::index
