// PackedNodes: the nodes of a packed tree, made before anything is in them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <span>

#include "index/node.h"
#include "index/node_access.h"
#include "index/store.h"
#include "index/tree_shape.h"
#include "platform/check.h"

namespace xtree::index {

// A store makes nodes one after the other; once they exist, any thread may fill any leaf. Nodes are
// made from above and from left to right, so that a leaf's siblings lie beside it.
class PackedNodes {
 public:
  // A node, and where its parent names it; the root has no parent.
  struct Place {
    Node* node;
    Node* parent;
    std::uint32_t index;
    std::uint32_t first;  // of its entries, in the order of all leaves
  };

  PackedNodes(const Layout& layout, const TreeShape& shape) noexcept
      : layout_(layout), shape_(shape) {}

  // Finds out what a tree of `count` entries takes in a store whose words in front of nodes take
  // `word_bytes` each. False when there is no memory for the list.
  [[nodiscard]] bool plan(std::size_t count, std::uint32_t level,
                          std::size_t word_bytes) noexcept {
    shape_.add_nodes(layout_, count, level, word_bytes, planned_);
    const std::size_t nodes = planned_.leaves + planned_.directories;
    if (nodes > std::numeric_limits<std::ptrdiff_t>::max() / sizeof(Place)) return false;
    places_.reset(static_cast<Place*>(std::malloc(nodes * sizeof(Place))));
    return places_ != nullptr;
  }
  // Makes sure that `create` finds its memory.
  template <NodeStore Store>
  [[nodiscard]] bool reserve(Store& store) const noexcept {
    return store.reserve(planned_.bytes, largest(Store::kFrontWordBytes));
  }
  // The memory that is to be reserved, as far as it can be had present before.
  template <NodeStore Store>
  [[nodiscard]] std::span<std::byte> map_ahead(Store& store) const noexcept {
    return index::map_ahead(store, planned_.bytes, largest(Store::kFrontWordBytes));
  }
  // Makes what was planned. Leaves know how many entries they will have; directory nodes name their
  // children and do not know their boxes.
  template <NodeStore Store>
  void create(Store& store, std::size_t count, std::uint32_t level) noexcept {
    create_below(store, 0, count, level, nullptr, 0);
    XTREE_CHECK(leaves_ == planned_.leaves && directories_ == planned_.directories);
  }

  // The leaf whose entries begin at `first`.
  [[nodiscard]] const Place& leaf_at(std::size_t first) const noexcept {
    const Place* behind =
        std::upper_bound(places_.get(), places_.get() + leaves_, first,
                         [](std::size_t at, const Place& leaf) { return at < leaf.first; });
    return behind[-1];
  }
  [[nodiscard]] std::size_t directories() const noexcept { return directories_; }
  // Directory nodes, parents before their children.
  [[nodiscard]] const Place& directory(std::size_t i) const noexcept {
    return places_[planned_.leaves + i];
  }

 private:
  struct Free {
    void operator()(Place* memory) const noexcept { std::free(memory); }
  };

  // Bytes that the largest node takes.
  [[nodiscard]] std::size_t largest(std::size_t word_bytes) const noexcept {
    return std::max(layout_.leaf_bytes(layout_.max_leaf_blocks),
                    layout_.directory_bytes(kDirectoryBlocks) +
                        front_of_packed(1).words() * word_bytes);
  }

  // A packed leaf gets no stamps: the first change in a later epoch copies it, and the copy has
  // them.
  [[nodiscard]] static persistence::FrameFront front_of_packed(std::uint32_t level) noexcept {
    return {static_cast<std::uint16_t>(link_count(level, kDirectoryBlocks)), 0};
  }

  template <NodeStore Store>
  void create_below(Store& store, std::size_t first, std::size_t count, std::uint32_t level,
                    Node* parent, std::uint32_t index) noexcept {
    const std::size_t blocks =
        level == 0 ? blocks_for(count, layout_.leaf_lanes) : kDirectoryBlocks;
    Node* node = store.create_unwritten(
        level == 0 ? layout_.leaf_bytes(blocks) : layout_.directory_bytes(blocks),
        front_of_packed(level));
    XTREE_CHECK(node != nullptr);
    const std::size_t children = level == 0 ? 0 : shape_.children(count, level);
    node->count = static_cast<std::uint32_t>(level == 0 ? count : children);
    node->level = static_cast<std::uint16_t>(level);
    node->blocks = static_cast<std::uint16_t>(blocks);
    node->changed = 0;
    Place& place = places_[level == 0 ? leaves_++ : planned_.leaves + directories_++];
    place = {node, parent, index, static_cast<std::uint32_t>(first)};
    if (parent != nullptr) {
      set_child_ref(*parent, layout_, index, node->frame.node_id);
      link_child(store, *parent, index, *node);
    }
    if (level == 0) return;
    std::memset(node->block(0, 0), 0, kDirectoryBlocks * layout_.directory_block_bytes);
    clear_children_behind(*node, layout_, children);
    for (std::size_t i = 0; i < children; ++i) {
      const std::size_t begin = TreeShape::share(count, i, children, shape_.unit(level));
      const std::size_t end = TreeShape::share(count, i + 1, children, shape_.unit(level));
      create_below(store, first + begin, end - begin, level - 1, node,
                   static_cast<std::uint32_t>(i));
    }
  }

  const Layout& layout_;
  const TreeShape& shape_;
  TreeShape::Nodes planned_;
  std::size_t leaves_ = 0;
  std::size_t directories_ = 0;
  std::unique_ptr<Place[], Free> places_;  // of the leaves, by first entry; then of the others
};

}  // namespace xtree::index
