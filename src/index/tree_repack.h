// Repacking in a Tree: the leaves of one parent are packed as a bulk load would pack them, once
// erasing has left them half empty, and in many dimensions when the parent has no room for more.
#pragma once

#include <cstdlib>
#include <memory>

#include "index/bulk_load.h"
#include "index/tree.h"

namespace xtree::index {

// Reserves what erasing along the path can take, and so many bytes beside it. Plans to repack the
// leaf and its siblings if they are sparse and there is memory for that too.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::reserve_erase(Path& path, std::size_t beside) noexcept {
  path.packed_leaves = 0;
  if (root_.height > 1 && may_merge(0, path.at[0].node->count - 1)) {
    const std::size_t entries = sparse_entries(*path.at[1].node);
    const TreeShape shape(packed_leaf_entries(layout_));
    // One entry goes before they are packed, and then they still make a directory node.
    if (entries > packed_leaf_entries(layout_) + 1 && shape.root_level(entries) == 1) {
      TreeShape::Nodes nodes;
      shape.add_nodes(layout_, entries, 1, Store::kFrontWordBytes, nodes);
      path.packed_leaves = nodes.leaves;
      if (store_.reserve(erase_bytes(path) + nodes.bytes + beside)) return true;
      path.packed_leaves = 0;
    }
  }
  return store_.reserve(erase_bytes(path) + beside);
}

// How many entries the leaves below a directory node hold, if they are sparse; else 0.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
std::size_t Tree<Scalar, Store, Policy>::sparse_entries(const Node& parent) const noexcept {
  if (parent.count < kMinChildren) return 0;
  const std::size_t entries = near_entries(parent);
  const std::size_t room = parent.count * layout_.leaf_capacity();
  return entries * 100 <= room * kRepackPercent ? entries : 0;
}

// How many entries the leaves below a directory node hold; 0 where one of them is on disk only, for
// none is read for that.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
std::size_t Tree<Scalar, Store, Policy>::near_entries(const Node& parent) const noexcept {
  const View view = store_.view();
  for (std::size_t i = 0; i < parent.count; ++i) {
    const Lead<View> leaf = lead_to_child(view, parent, layout_, i);
    if (is_far(view, leaf)) return 0;
    prefetch_at(view, leaf, 0);
  }
  std::size_t entries = 0;
  for (std::size_t i = 0; i < parent.count; ++i) {
    const Node* leaf = view.node(lead_to_child(view, parent, layout_, i));
    if (leaf == nullptr) return 0;
    entries += leaf->count;
  }
  return entries;
}

// Packs what the leaves below the path's lowest directory node hold into as few as possible. The
// path then leads to a new directory node in that one's place. False, and nothing has changed, when
// there is no memory to sort the entries in, or a node cannot be read.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::repack(Path& path) noexcept {
  const std::size_t entries = sparse_entries(*path.at[1].node);
  Root packed;
  if (entries == 0) return false;
  if (!pack(path, TreeShape(packed_leaf_entries(layout_)), entries, packed)) return false;
  XTREE_CHECK(packed.height == 2);
  return replace(path, 1, *store_.edit(*store_.view().node(packed.node)));
}

// Where the path's lowest directory node has no room for another leaf, packs its leaves: into fewer
// if that leaves enough room in each, else into two directory nodes. All ways are to be chosen anew
// then. What it declines has changed nothing.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
auto Tree<Scalar, Store, Policy>::repack_full(Path& path) noexcept -> Repacked {
  if (!Policy::kRepacks || layout_.dimensions < kRepackDimensions || root_.height == 1) {
    return Repacked::no;
  }
  const Node& parent = *path.at[1].node;
  if (parent.count != kDirectoryCapacity || parent.blocks != kDirectoryBlocks) return Repacked::no;
  const std::size_t entries = near_entries(parent);
  if (entries == 0) return Repacked::no;
  const TreeShape shape(repacked_leaf_entries(layout_, entries));
  const std::uint32_t level = shape.root_level(entries);
  TreeShape::Nodes nodes;
  shape.add_nodes(layout_, entries, level, Store::kFrontWordBytes, nodes);
  if (!store_.reserve(nodes.bytes + insertion_bytes()) || !prepare_plans()) return Repacked::no;
  if (level == 2 && stays_whole(parent)) return Repacked::no;
  Root packed;
  if (!pack(path, shape, entries, packed)) return Repacked::no;
  ++splits_;
  return adopt(path, packed) ? Repacked::yes : Repacked::unreadable;
}

// Whether a directory node becomes a supernode rather than two.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::stays_whole(const Node& node) noexcept {
  policy_.begin();
  const Node* sources[] = {policy_.copy(node)};
  return policy_.split_directory(sources).keep_whole;
}

// Puts what the leaves below the path's lowest directory node became, one such node or two below
// a third, into its place.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::adopt(Path& path, const Root& packed) noexcept {
  const Node& top = *store_.view().node(packed.node);
  if (packed.height == 2) return replace(path, 1, *store_.edit(top));
  XTREE_CHECK(packed.height == 3 && top.count == 2);
  Halves halves;
  halves.left = child_ref(top, layout_, 0);
  halves.right = child_ref(top, layout_, 1);
  read_child_box(top, layout_, 0, halves.left_box);
  read_child_box(top, layout_, 1, halves.right_box);
  store_.destroy(packed.node);
  std::uint32_t level = 2;
  // The parent's link led to the node that was there before.
  return replace(path, 1, *store_.edit(*store_.view().node(halves.left))) &&
         hand_up(path, halves, level);
}

// Makes a tree of what the leaves below the path's lowest directory node hold, and destroys them
// and that node. False, and nothing has changed, when there is no memory to sort the entries in, or
// a node cannot be read.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::pack(Path& path, const TreeShape& shape, std::size_t count,
                                       Root& packed) noexcept {
  struct Free {
    void operator()(std::byte* memory) const noexcept { std::free(memory); }
  };
  const std::size_t geometry_bytes = layout_.rows * sizeof(Scalar);
  const std::size_t stride = (geometry_bytes + layout_.value_bytes + alignof(Scalar) - 1) /
                             alignof(Scalar) * alignof(Scalar);
  if (root_.height > 2 && edit(path, 2) == nullptr) return false;
  const std::unique_ptr<std::byte, Free> entries(
      static_cast<std::byte*>(std::malloc(count * stride)));
  if (entries == nullptr) return false;
  const Node& old = *path.at[1].node;
  gather(old, stride, entries.get());
  using Loader = BulkLoader<Scalar, Store>;
  Loader loader(layout_, kernels_, store_,
                {{entries.get(), stride}, entries.get() + geometry_bytes}, count, shape,
                Loader::Memory::reserved);
  if (!loader.run(1, packed)) return false;
  for (std::size_t i = 0; i < old.count; ++i) store_.destroy(child_ref(old, layout_, i));
  store_.destroy(path.at[1].ref);
  return true;
}

// Copies the entries of all leaves below a directory node, of each its geometry and then its value.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
void Tree<Scalar, Store, Policy>::gather(const Node& parent, std::size_t stride,
                                         std::byte* to) const noexcept {
  const View view = store_.view();
  for (std::size_t i = 0; i < parent.count; ++i) {
    if (i + 1 < parent.count) {
      const Lead<View> next = lead_to_child(view, parent, layout_, i + 1);
      for (std::size_t at = 0; at < layout_.leaf_bytes(layout_.max_leaf_blocks / 2); at += 64) {
        prefetch_at(view, next, at);
      }
    }
    const Node& leaf = *view.node(lead_to_child(view, parent, layout_, i));
    for (std::size_t entry = 0; entry < leaf.count; ++entry, to += stride) {
      read_geometry(leaf, layout_, entry, reinterpret_cast<Scalar*>(to));
      copy_value(to + layout_.rows * sizeof(Scalar), entry_value<Scalar>(leaf, layout_, entry),
                 layout_.value_bytes);
    }
  }
}

}  // namespace xtree::index
