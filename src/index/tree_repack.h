// Repacking in a Tree: once erasing has left the leaves of one parent half empty, they are packed
// as a bulk load would pack them.
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
  if (root_.height > 1 && path.at[0].node->count <= min_leaf_entries(layout_)) {
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

// How many entries the leaves below a directory node hold, if they are sparse; else 0. Nodes that
// are on disk only are not read for that.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
std::size_t Tree<Scalar, Store, Policy>::sparse_entries(const Node& parent) const noexcept {
  const View view = store_.view();
  if (parent.count < kMinChildren) return 0;
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
  const std::size_t room = parent.count * layout_.leaf_capacity();
  return entries * 100 <= room * kRepackPercent ? entries : 0;
}

// Packs what the leaves below the path's lowest directory node hold into as few as possible. The
// path then leads to a new directory node in that one's place. False, and nothing has changed, when
// there is no memory to sort the entries in, or a node cannot be read.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::repack(Path& path) noexcept {
  struct Free {
    void operator()(std::byte* memory) const noexcept { std::free(memory); }
  };
  const Node& old = *path.at[1].node;
  const std::size_t geometry_bytes = layout_.rows * sizeof(Scalar);
  const std::size_t stride = (geometry_bytes + layout_.value_bytes + alignof(Scalar) - 1) /
                             alignof(Scalar) * alignof(Scalar);
  const std::size_t count = sparse_entries(old);
  if (count == 0 || (root_.height > 2 && edit(path, 2) == nullptr)) return false;
  const std::unique_ptr<std::byte, Free> entries(
      static_cast<std::byte*>(std::malloc(count * stride)));
  if (entries == nullptr) return false;
  gather(old, stride, entries.get());
  using Loader = BulkLoader<Scalar, Store>;
  Loader loader(layout_, kernels_, store_,
                {{entries.get(), stride}, entries.get() + geometry_bytes}, count,
                TreeShape(packed_leaf_entries(layout_)), Loader::Memory::reserved);
  Root packed;
  if (!loader.run(1, packed)) return false;
  XTREE_CHECK(packed.height == 2);
  for (std::size_t i = 0; i < old.count; ++i) store_.destroy(child_ref(old, layout_, i));
  store_.destroy(path.at[1].ref);
  return replace(path, 1, *store_.edit(*store_.view().node(packed.node)));
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
