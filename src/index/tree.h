// Tree: the X-tree's write path over any store.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "index/node_access.h"
#include "index/partners.h"
#include "index/policy.h"
#include "index/split_policy.h"
#include "index/store.h"
#include "index/tree_shape.h"
#include "index/write_kernels.h"
#include "platform/check.h"
#include "xtree/result.h"

namespace xtree::index {

// Changes the tree that begins at a Root. It holds references only, so it may be made for one
// operation or kept for many; the tree's state is all in the root and the store's nodes.
//
//   Tree<double, MemoryStore> tree(layout, write_kernels<double>(layout, best_isa()), store, root);
//   XTREE_TRY(tree.insert(geometry, value));
//
// Geometry is `layout.rows` finite scalars with no minimum above its maximum; values are
// `layout.value_bytes` bytes. `out_of_memory` leaves the tree as it was. `io_error` says that the
// store could not read a node; the tree may then be half changed.
//
// Every box of a directory node is the union of its child's boxes, rounded outward and no larger;
// nodes but the root are filled as policy.h says. design/xtree.md has the algorithms' sources.
// Which child takes an entry and how an overfull node is divided is the split policy's to say.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy = DefaultSplitPolicy<Scalar>>
class Tree {
 public:
  Tree(const Layout& layout, const WriteKernels<Scalar>& kernels, Store& store, Root& root) noexcept
      : layout_(layout),
        kernels_(kernels),
        store_(store),
        root_(root),
        policy_(layout, kernels) {}

  Result<void> insert(const Scalar* geometry, const std::byte* value);
  // Inserts one after the other. An error leaves those before it in the tree.
  Result<void> insert_all(const detail::EntryBlock& entries,
                          std::span<const std::uint32_t> order = {});
  // Takes out one entry that equals geometry and value; false when there is none.
  Result<bool> erase(const Scalar* geometry, const std::byte* value);
  // Moves one entry; false, and nothing changed, when there is none at `from`.
  Result<bool> update(const Scalar* from, const Scalar* to, const std::byte* value);
  Result<void> clear();

 private:
  using View = typename Store::View;

  // How many entries are on their way at once, the one that is being inserted included.
  static constexpr std::size_t kAhead = 4;
  // What is asked for of a leaf at once: more than the lines of a place in many dimensions would
  // only wait for one another.
  static constexpr std::size_t kMostLaneBytes = 1024;

  // The way from the root to a leaf, by level.
  struct Step {
    Ref ref;
    const Node* node;
    std::uint32_t index;  // of the child on the way; of the entry in a leaf
    bool covers;          // the child's box held the new entry before it came
  };
  struct Path {
    Step at[kMaxHeight];
    Lead<View> leaf;  // of an insertion that has not arrived there
    // What an erasure will make of the leaves beside the path's, packed anew; else 0.
    std::size_t packed_leaves;
    bool is_plain = false;  // no sibling is wanted, or there is no memory to merge nodes
  };
  enum class Found : std::uint8_t { yes, no, unreadable };

  static Error out_of_memory() noexcept {
    return {ErrorCode::out_of_memory, "index", "there is no memory for its nodes"};
  }
  static Error unreadable() noexcept {
    return {ErrorCode::io_error, "index", "a node cannot be read"};
  }

  // tree_insert.h
  Result<void> plant(const Scalar* geometry, const std::byte* value);
  Result<void> insert_at(Path& path, const FloatBox& box, const Scalar* geometry,
                         const std::byte* value);
  Result<void> insert_without_repacking(const FloatBox& box, const Scalar* geometry,
                                        const std::byte* value);
  [[nodiscard]] bool approach(const FloatBox& box, Path& path) const noexcept;
  [[nodiscard]] bool go_again(Path& path) const noexcept;
  [[nodiscard]] bool arrive(Path& path) const noexcept;
  [[nodiscard]] std::uint32_t retrace(const FloatBox& box, Path& path,
                                      Lead<View>& lead) const noexcept;
  // Inline, or gcc takes it for a function without effect, whose calls it leaves out.
  [[gnu::always_inline]] void prefetch_lane(Lead<View> leaf, std::size_t place) const noexcept;
  Result<void> append(Path& path, const FloatBox& box, const Scalar* geometry,
                      const std::byte* value);
  Result<void> split_insert(Path& path, const FloatBox& box, const Scalar* geometry,
                            const std::byte* value);
  [[nodiscard]] bool prepare_split(const Path& path) noexcept;
  [[nodiscard]] bool split_leaf(Path& path, const Scalar* geometry, const std::byte* value,
                                Halves& halves);
  [[nodiscard]] bool hand_up(Path& path, Halves& halves, std::uint32_t& level);
  [[nodiscard]] bool split_directory(Path& path, std::uint32_t level, Halves& halves, bool& whole);
  [[nodiscard]] bool plant_root(const Halves& halves);
  void append(Node& leaf, const Scalar* geometry, const std::byte* value) noexcept;
  void note_fill(const Node& leaf) noexcept {
    if (Trail* const trail = trail_of(store_)) {
      trail->fills.note(reinterpret_cast<std::uintptr_t>(&leaf), leaf.count);
    }
  }
  [[nodiscard]] bool grow_boxes(Path& path, std::uint32_t level, const FloatBox& box);

  // tree_erase.h
  [[nodiscard]] Found find(const Scalar* geometry, const std::byte* value, const FloatBox& box,
                           Path& path) const noexcept;
  [[gnu::always_inline]] void prefetch_first_rows(const Node& leaf) const noexcept;
  [[gnu::always_inline]] void prefetch_last_entry(const Node& leaf) const noexcept;
  [[nodiscard]] bool find_in_leaf(const Scalar* geometry, const std::byte* value,
                                  Step& step) const noexcept;
  [[nodiscard]] std::size_t erase_bytes(const Path& path) const noexcept;
  [[nodiscard]] std::size_t children_kept(const Path& path, std::uint32_t level) const noexcept;
  [[nodiscard]] bool prepare_erase(Path& path) noexcept;
  [[nodiscard]] bool stays_good(const Node& leaf) const noexcept;
  [[nodiscard]] bool prepare_merge(const Path& path) noexcept;
  [[nodiscard]] bool prepare_plain(Path& path) noexcept;
  [[nodiscard]] bool prepare_move(Path& path) noexcept;
  [[nodiscard]] std::size_t insertion_bytes() const noexcept;
  [[nodiscard]] bool prepare_plans() noexcept;
  [[nodiscard]] bool remove_found(Path& path, const FloatBox& box);
  [[nodiscard]] bool settle(Path& path, const FloatBox& box);
  [[nodiscard]] std::size_t find_partner(const Path& path, std::uint32_t level) const noexcept;
  [[nodiscard]] bool dissolve(Path& path, std::uint32_t level, std::size_t partner);
  [[nodiscard]] bool merge(Path& path, std::uint32_t level, std::size_t sibling);
  [[nodiscard]] bool share(Path& path, std::uint32_t level, std::size_t sibling);
  [[nodiscard]] bool trim(Path& path, std::uint32_t level);
  [[nodiscard]] bool tighten(Path& path, std::uint32_t level, const FloatBox& removed);
  [[nodiscard]] bool lower_root();

  static constexpr std::size_t kNoPartner = static_cast<std::size_t>(-1);
  // Whether a node that has so many left after an erasure looks for a partner. Leaves do each time
  // that a block has become empty, and not with every entry.
  [[nodiscard]] bool may_merge(std::uint32_t level, std::size_t count) const noexcept {
    if (level != 0) return count * 100 <= kDirectoryCapacity * kSparsePercent;
    return count * 100 <= layout_.leaf_capacity() * kSparsePercent &&
           (count % kLeafLanes<Scalar> == 0 || count < min_leaf_entries(layout_));
  }
  // Whether two nodes with so many together may be one.
  [[nodiscard]] bool fits_merged(std::uint32_t level, std::size_t count) const noexcept {
    const std::size_t capacity = level == 0 ? layout_.leaf_capacity() : kDirectoryCapacity;
    return count * 100 <= capacity * kMergedFillPercent;
  }

  // tree_repack.h
  [[nodiscard]] bool reserve_erase(Path& path, std::size_t beside) noexcept;
  [[nodiscard]] std::size_t sparse_entries(const Node& parent) const noexcept;
  [[nodiscard]] std::size_t near_entries(const Node& parent) const noexcept;
  [[nodiscard]] bool repack(Path& path) noexcept;
  enum class Repacked : std::uint8_t { no, yes, unreadable };
  [[nodiscard]] Repacked repack_full(Path& path) noexcept;
  [[nodiscard]] bool stays_whole(const Node& node) noexcept;
  [[nodiscard]] bool adopt(Path& path, const Root& packed) noexcept;
  [[nodiscard]] bool pack(Path& path, const TreeShape& shape, std::size_t count,
                          Root& packed) noexcept;
  void gather(const Node& parent, std::size_t stride, std::byte* to) const noexcept;

  // All.
  [[nodiscard]] std::size_t lanes_at(std::uint32_t level) const noexcept {
    return level == 0 ? kLeafLanes<Scalar> : kDirectoryLanes;
  }
  [[nodiscard]] std::size_t bytes_at(std::uint32_t level, std::size_t blocks) const noexcept {
    return level == 0 ? layout_.leaf_bytes(blocks) : layout_.directory_bytes(blocks);
  }
  // The memory of a node, with what stands in front of it.
  [[nodiscard]] std::size_t room_at(std::uint32_t level, std::size_t blocks) const noexcept {
    return bytes_at(level, blocks) + layout_.front(level, blocks).words() * Store::kFrontWordBytes;
  }
  [[nodiscard]] std::size_t room_of(const Node& node) const noexcept {
    return room_at(node.level, node.blocks);
  }
  // What it takes to `grow` the node.
  [[nodiscard]] std::size_t room_to_grow(const Node& node) const noexcept {
    return grows_in_place(store_, node) ? 0 : room_of(node);
  }
  [[nodiscard]] std::size_t blocks_at(std::uint32_t level, std::size_t count) const noexcept {
    const std::size_t blocks = blocks_for(count, lanes_at(level));
    return level == 0 ? std::max<std::size_t>(blocks, 1) : std::max(blocks, kDirectoryBlocks);
  }
  // The blocks of a leaf that has grown to so many entries. Where each change of its size is
  // another version of it, it has one to spare.
  [[nodiscard]] std::size_t grown_blocks(std::size_t count) const noexcept {
    const std::size_t spare = kEditsInPlace<Store> ? 0 : 1;
    return std::min(blocks_at(0, count) + spare, layout_.max_leaf_blocks);
  }
  void box_of(const Node& node, FloatBox& box) const noexcept {
    if (node.level == 0) {
      kernels_.leaf_box(node, layout_, box);
    } else {
      kernels_.directory_box(node, layout_, box);
    }
  }
  [[nodiscard]] Node* create(std::uint32_t level, std::size_t blocks) noexcept;
  [[nodiscard]] Node* resize(Path& path, std::uint32_t level, std::size_t blocks) noexcept;
  [[nodiscard]] Node* edit(Path& path, std::uint32_t level) noexcept;
  [[nodiscard]] Node* grow(Path& path, std::uint32_t level) noexcept;
  [[nodiscard]] bool replace(Path& path, std::uint32_t level, Node& node) noexcept;
  void changed_place(Path& path, std::uint32_t level, const Node& node) noexcept;
  void fill(Node& node, std::span<const Lane> lanes, FloatBox& box) noexcept;
  void encode(Node& leaf, const FloatBox& box) noexcept;
  void append_all(Node& node, std::span<const Lane> lanes) noexcept;

  const Layout& layout_;
  const WriteKernels<Scalar>& kernels_;
  Store& store_;
  Root& root_;
  Policy policy_;
  std::uint64_t splits_ = 0;  // of nodes, by this object, and beginnings of the tree
  std::uint64_t moves_ = 0;   // of nodes to other memory
};

template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
Node* Tree<Scalar, Store, Policy>::create(std::uint32_t level, std::size_t blocks) noexcept {
  Node* node = store_.create(bytes_at(level, blocks), layout_.front(level, blocks));
  if (node == nullptr) return nullptr;
  node->level = static_cast<std::uint16_t>(level);
  node->blocks = static_cast<std::uint16_t>(blocks);
  return node;
}

// A node of the path, ready to be changed.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
Node* Tree<Scalar, Store, Policy>::edit(Path& path, std::uint32_t level) noexcept {
  Node* node = store_.edit(*path.at[level].node);
  if (node != nullptr) changed_place(path, level, *node);
  return node;
}

// As `edit`, for what older readers may see.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
Node* Tree<Scalar, Store, Policy>::grow(Path& path, std::uint32_t level) noexcept {
  Node* node = index::grow(store_, *path.at[level].node);
  if (node != nullptr) changed_place(path, level, *node);
  return node;
}

// The path's nodes are the newest, so a new frame goes into the link of the path's parent.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
void Tree<Scalar, Store, Policy>::changed_place(Path& path, std::uint32_t level,
                                        const Node& node) noexcept {
  Step& step = path.at[level];
  if (step.node == &node) return;
  step.node = &node;
  ++moves_;
  if (level + 1 == root_.height) return;
  const Step& up = path.at[level + 1];
  link_child(store_, *up.node, up.index, node);
}

// Gives a node of the path room for so many blocks, and its parent the reference if that changes.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
Node* Tree<Scalar, Store, Policy>::resize(Path& path, std::uint32_t level,
                                          std::size_t blocks) noexcept {
  Step& step = path.at[level];
  Node* node = store_.resize(step.ref, bytes_at(level, blocks), layout_.front(level, blocks));
  if (node == nullptr) return nullptr;
  node->blocks = static_cast<std::uint16_t>(blocks);
  if (node->frame.node_id != step.ref) return replace(path, level, *node) ? node : nullptr;
  changed_place(path, level, *node);
  return node;
}

// Puts another node into a node's place in the path, and into its parent.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::replace(Path& path, std::uint32_t level, Node& node) noexcept {
  path.at[level].ref = node.frame.node_id;
  if (level + 1 == root_.height) {
    root_.node = path.at[level].ref;
  } else {
    Node* parent = edit(path, level + 1);
    if (parent == nullptr) return false;
    set_child_ref(*parent, layout_, path.at[level + 1].index, path.at[level].ref);
  }
  changed_place(path, level, node);
  return true;
}

template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
void Tree<Scalar, Store, Policy>::append_all(Node& node, std::span<const Lane> lanes) noexcept {
  if (node.level == 0) {
    append_lanes<Scalar>(node, leaf_shape(layout_), lanes);
    clear_entries_behind<Scalar>(node, layout_, node.count);
    clear_values_behind<Scalar>(node, layout_, node.count);
  } else {
    append_lanes<float>(node, directory_shape(layout_), lanes);
    clear_children_behind(node, layout_, node.count);
  }
}

// Replaces what the node holds; there must be room. Leaves its box in `box`.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
void Tree<Scalar, Store, Policy>::fill(Node& node, std::span<const Lane> lanes,
                                       FloatBox& box) noexcept {
  forget_links(store_, node);
  node.count = 0;
  append_all(node, lanes);
  box_of(node, box);
  if (node.level == 0) encode(node, box);
}

// Gives a leaf the grid that fits its box, and codes for it.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
void Tree<Scalar, Store, Policy>::encode(Node& leaf, const FloatBox& box) noexcept {
  if (!layout_.has_codes()) return;
  set_leaf_grid(leaf, layout_, box);
  kernels_.encode(leaf, layout_);
}

}  // namespace xtree::index

#include "index/tree_erase.h"
#include "index/tree_insert.h"
#include "index/tree_repack.h"
