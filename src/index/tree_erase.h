// Erasing from a Tree: finding the entry, tightening the boxes above it, and giving what is left
// of an underfull node to a sibling.
#pragma once

#include "index/tree.h"

namespace xtree::index {

// Looks for the entry in every leaf whose box covers it. On success the path leads to it.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
auto Tree<Scalar, Store, Policy>::find(const Scalar* geometry, const std::byte* value,
                                       const FloatBox& box, Path& path) const noexcept -> Found {
  if (root_.node == 0) return Found::no;
  const View view = store_.view();
  LaneSet pending[kMaxHeight];  // by level: children that are still to be visited
  std::uint32_t level = root_.height - 1;
  Ref ref = root_.node;
  for (;;) {
    Step& step = path.at[level];
    step.ref = ref;
    step.node = view.node(ref);
    if (step.node == nullptr) return Found::unreadable;
    if (level == 0) prefetch_first_rows(*step.node);
    if (level != 0) {
      kernels_.covering(*step.node, layout_, box, pending[level]);
    } else {
      if (find_in_leaf(geometry, value, step)) return Found::yes;
      level = 1;
    }
    // Up to the next node that has a child to visit, and down into that child.
    std::size_t word = 0;
    for (; level < root_.height; ++level) {
      const std::size_t words = blocks_for(path.at[level].node->count, 64);
      for (word = 0; word < words && pending[level].words[word] == 0;) ++word;
      if (word < words) break;
    }
    if (level >= root_.height) return Found::no;
    std::uint64_t& candidates = pending[level].words[word];
    const auto bit = static_cast<std::size_t>(std::countr_zero(candidates));
    candidates &= candidates - 1;
    path.at[level].index = static_cast<std::uint32_t>(word * 64 + bit);
    ref = child_ref(*path.at[level].node, layout_, path.at[level].index);
    --level;
  }
}

// Asks for the lines that a search in the leaf reads first, all at once and before its header has
// come: blocks that it does not have cost a wasted prefetch.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
inline void Tree<Scalar, Store, Policy>::prefetch_first_rows(const Node& leaf) const noexcept {
  if (layout_.has_codes()) {
    const auto* front = reinterpret_cast<const std::byte*>(&leaf);
    for (std::size_t at = 0; at < layout_.leaf_front_bytes; at += 64) {
      __builtin_prefetch(front + at);
    }
    return;
  }
  __builtin_prefetch(&leaf);
  for (std::size_t block = 0; block < layout_.max_leaf_blocks; ++block) {
    __builtin_prefetch(layout_.leaf_block(leaf, block));
  }
}

// Asks for the entry that takes the place of one that is erased.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
inline void Tree<Scalar, Store, Policy>::prefetch_last_entry(const Node& leaf) const noexcept {
  if (leaf.count == 0) return;
  const Scalar* lane = entry_lane<Scalar>(leaf, layout_, leaf.count - 1);
  for (std::size_t row = 0; row < layout_.rows; ++row) {
    __builtin_prefetch(lane + row * kLeafLanes<Scalar>);
  }
  __builtin_prefetch(entry_value<Scalar>(leaf, layout_, leaf.count - 1));
}

template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::find_in_leaf(const Scalar* geometry, const std::byte* value,
                                       Step& step) const noexcept {
  LaneSet found;
  prefetch_last_entry(*step.node);
  kernels_.equal(*step.node, layout_, geometry, found);
  for (std::size_t word = 0; word * 64 < step.node->count; ++word) {
    for (std::uint64_t lanes = found.words[word]; lanes != 0; lanes &= lanes - 1) {
      const std::size_t index = word * 64 + static_cast<std::size_t>(std::countr_zero(lanes));
      const std::byte* held = entry_value<Scalar>(*step.node, layout_, index);
      if (equal_values(held, value, layout_.value_bytes)) {
        step.index = static_cast<std::uint32_t>(index);
        return true;
      }
    }
  }
  return false;
}

// How many children a directory node of the path has when its leaves have been packed anew, if they
// will be.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
std::size_t Tree<Scalar, Store, Policy>::children_kept(const Path& path,
                                                       std::uint32_t level) const noexcept {
  const std::size_t packed = level == 1 ? path.packed_leaves : 0;
  return packed != 0 ? packed : path.at[level].node->count;
}

// The most memory that erasing along the path can take: on each level the node, a sibling that it
// shares with, and room for what moves between them.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
std::size_t Tree<Scalar, Store, Policy>::erase_bytes(const Path& path) const noexcept {
  std::size_t bytes = 4 * room_at(0, layout_.max_leaf_blocks);
  for (std::uint32_t level = 1; level < root_.height; ++level) {
    const Node& node = *path.at[level].node;
    const std::size_t count = children_kept(path, level);
    bytes += room_of(node);
    if (count <= kMinChildren || node.blocks > kDirectoryBlocks) {
      bytes += 3 * room_at(level, kMaxSupernodeBlocks);
    } else if (may_merge(level, count - 1)) {
      bytes += 2 * room_at(level, kDirectoryBlocks + 1);
    }
  }
  return bytes;
}

// Makes sure of all memory that the erasure can take, before it changes anything. Most erasures
// leave all nodes as they are.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::prepare_erase(Path& path) noexcept {
  if (stays_good(*path.at[0].node)) return prepare_plain(path);
  return (reserve_erase(path, 0) && prepare_merge(path)) || prepare_plain(path);
}

// Whether a leaf that loses an entry needs no sibling.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::stays_good(const Node& leaf) const noexcept {
  return leaf.count > min_leaf_entries(layout_) && !may_merge(0, leaf.count - 1);
}

// The rest of that for nodes that may give what they have to a sibling.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::prepare_merge(const Path& path) noexcept {
  if (!may_merge(0, path.at[0].node->count - 1) || root_.height == 1) return true;
  std::size_t lanes = 2 * layout_.leaf_capacity();
  std::size_t copied = 2 * layout_.leaf_bytes(layout_.max_leaf_blocks);
  // A node that is merged away leaves its parent with a child less. Only one that becomes too empty
  // shares, which is what takes memory here.
  for (std::uint32_t level = 1; level + 1 < root_.height; ++level) {
    const std::size_t children = children_kept(path, level);
    if (!may_merge(level, children - 1)) break;
    if (children > kMinChildren) continue;
    lanes = std::max(lanes, kMaxLanes + kMinChildren);
    copied = std::max(copied, layout_.directory_bytes(kMaxSupernodeBlocks) +
                                  path.at[level].node->frame.bytes);
  }
  return policy_.prepare(lanes, copied);
}

// Without that memory a leaf that keeps enough need not have it: a half empty one stays as it is.
// So whoever takes back what it inserted, for want of memory, can mostly do so.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::prepare_plain(Path& path) noexcept {
  const Node& leaf = *path.at[0].node;
  if (leaf.count <= (root_.height == 1 ? 1 : min_leaf_entries(layout_))) return false;
  path.is_plain = true;
  path.packed_leaves = 0;
  std::size_t bytes = 0;
  if (leaf.blocks >= blocks_at(0, leaf.count - 1u) + 2) bytes += room_at(0, leaf.blocks);
  for (std::uint32_t level = 0; level < root_.height && !kEditsInPlace<Store>; ++level) {
    bytes += room_of(*path.at[level].node);
  }
  return bytes == 0 || store_.reserve(bytes);
}

// As prepare_erase, for an erasure and an insertion anywhere in the tree behind it.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::prepare_move(Path& path) noexcept {
  return reserve_erase(path, insertion_bytes()) && prepare_plans();
}

// The most memory that an insertion anywhere in the tree can take.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
std::size_t Tree<Scalar, Store, Policy>::insertion_bytes() const noexcept {
  return 4 * room_at(0, layout_.max_leaf_blocks) +
         root_.height * 4 * room_at(1, kMaxSupernodeBlocks);
}

// Makes sure of what the policy needs to divide any nodes.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::prepare_plans() noexcept {
  const std::size_t longest = layout_.directory_bytes(kMaxSupernodeBlocks);
  const std::size_t copied = std::max(2 * layout_.leaf_bytes(layout_.max_leaf_blocks),
                                      longest + layout_.directory_bytes(kDirectoryBlocks));
  const std::size_t lanes = std::max(2 * layout_.leaf_capacity(), kMaxLanes + kMinChildren);
  return policy_.prepare(lanes, copied + policy_.extra_bytes());
}

template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
Result<bool> Tree<Scalar, Store, Policy>::erase(const Scalar* geometry, const std::byte* value) {
  FloatBox box;
  round_outward(geometry, layout_.points, layout_.dimensions, box);
  Path path;
  switch (find(geometry, value, box, path)) {
    case Found::no: return false;
    case Found::unreadable: return unreadable();
    case Found::yes: break;
  }
  if (!prepare_erase(path)) return out_of_memory();
  if (!remove_found(path, box)) return unreadable();
  return true;
}

// Takes the entry that the path leads to out of its leaf, and restores the tree's order above it.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::remove_found(Path& path, const FloatBox& box) {
  Node* leaf = edit(path, 0);
  if (leaf == nullptr) return false;
  remove_entry<Scalar>(*leaf, layout_, path.at[0].index);
  --root_.entries;
  return settle(path, box) && lower_root();
}

// Works its way up from a leaf that has lost an entry: nodes that have become too empty give what
// they have to a sibling, those that are half empty do so where that makes one good node of two,
// the others give back blocks, and boxes that `removed` touched are tightened.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::settle(Path& path, const FloatBox& removed) {
  if (path.is_plain) return trim(path, 0) && tighten(path, 1, removed);
  for (std::uint32_t level = 0; level < root_.height; ++level) {
    const Node& node = *path.at[level].node;
    const std::size_t fewest = level == 0 ? min_leaf_entries(layout_) : kMinChildren;
    if (level == 0 && path.packed_leaves != 0 && repack(path)) continue;
    const bool alone = level + 1 == root_.height || path.at[level + 1].node->count == 1;
    const std::size_t partner = alone || !may_merge(level, node.count) ? kNoPartner
                                                                       : find_partner(path, level);
    if (partner == kNoPartner && (node.count >= fewest || (alone && node.count != 0))) {
      return trim(path, level) && tighten(path, level + 1, removed);
    }
    if (level + 1 == root_.height) break;
    const std::size_t before = path.at[level + 1].node->count;
    if (!dissolve(path, level, partner)) return false;
    if (path.at[level + 1].node->count == before) return tighten(path, level + 2, removed);
  }
  // Nothing is left in the root.
  store_.destroy(root_.node);
  root_ = Root{};
  return true;
}

// The sibling with which a node of the path makes one good node: both fit into one, with some room
// to spare, whose box is hardly longer than that of the larger of them. kNoPartner if none is among
// those that need not be read from disk for that.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
std::size_t Tree<Scalar, Store, Policy>::find_partner(const Path& path,
                                                      std::uint32_t level) const noexcept {
  const Node& node = *path.at[level].node;
  const Step& up = path.at[level + 1];
  const Partners partners(*up.node, layout_, up.index);
  const View view = store_.view();
  const auto sibling = [&](std::uint32_t index) {
    return lead_to_child(view, *up.node, layout_, index);
  };
  for (const std::uint32_t index : partners.best()) view.prefetch(sibling(index));
  for (const std::uint32_t index : partners.best()) {
    const Node* other = is_far(view, sibling(index)) ? nullptr : view.node(sibling(index));
    if (other != nullptr && fits_merged(level, node.count + other->count)) return index;
  }
  return kNoPartner;
}

// Merges a node with `partner`, or, if that is kNoPartner, with the sibling that its box fits best,
// or lets the two share their contents evenly. The parent has one child less, or as many as before
// and both boxes right.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::dissolve(Path& path, std::uint32_t level, std::size_t partner) {
  Step& step = path.at[level];
  Node* parent = edit(path, level + 1);
  if (parent == nullptr) return false;
  const std::size_t place = path.at[level + 1].index;
  remove_child(*parent, layout_, place);
  move_last_link(store_, *parent, place);
  if (step.node->count == 0) {
    store_.destroy(step.ref);
    return true;
  }
  if (partner != kNoPartner) return merge(path, level, partner == parent->count ? place : partner);
  FloatBox box;
  box_of(*step.node, box);
  const std::size_t sibling = policy_.choose(*parent, box).index;
  const Node* other = store_.view().node(child_ref(*parent, layout_, sibling));
  if (other == nullptr) return false;
  return fits_merged(level, step.node->count + other->count) ? merge(path, level, sibling)
                                                             : share(path, level, sibling);
}

// Moves all that a node of the path has to a sibling, and destroys it. The parent no longer lists
// the node.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::merge(Path& path, std::uint32_t level, std::size_t sibling) {
  const Ref gone = path.at[level].ref;
  const Node& node = *path.at[level].node;
  FloatBox box, joined;
  box_of(node, box);
  Step& up = path.at[level + 1];
  up.index = static_cast<std::uint32_t>(sibling);
  read_child_box(*up.node, layout_, sibling, joined);
  unite(joined, box, layout_.dimensions);
  // From here on the path leads through the sibling.
  const Ref into = child_ref(*up.node, layout_, sibling);
  path.at[level] = {into, store_.view().node(into), 0, false};
  const std::size_t total = path.at[level].node->count + node.count;
  const std::size_t blocks = std::max<std::size_t>(blocks_at(level, total),
                                                   path.at[level].node->blocks);
  Node* other = blocks > path.at[level].node->blocks ? resize(path, level, blocks)
                                                     : edit(path, level);
  Node* parent = edit(path, level + 1);
  if (other == nullptr || parent == nullptr) return false;
  set_child_box(*parent, layout_, sibling, joined);
  Lane lanes[detail::kMaxLeafEntries];
  static_assert(detail::kMaxLeafEntries >= kDirectoryCapacity);
  if (level == 0) {
    list_lanes<Scalar>(node, leaf_shape(layout_), lanes);
  } else {
    list_lanes<float>(node, directory_shape(layout_), lanes);
  }
  append_all(*other, {lanes, node.count});
  if (level == 0) encode(*other, joined);
  store_.destroy(gone);
  return true;
}

// Deals what an underfull node and its sibling have between the two by a fresh split. Puts the node
// back into the parent.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::share(Path& path, std::uint32_t level, std::size_t sibling) {
  Step& up = path.at[level + 1];
  Step& step = path.at[level];
  const Ref other_ref = child_ref(*up.node, layout_, sibling);
  policy_.begin();
  const Node* sources[] = {policy_.copy(*step.node),
                           policy_.copy(*store_.view().node(other_ref))};
  const Sides sides =
      level == 0 ? policy_.split_leaf(sources) : policy_.split_directory(sources);
  Node* parent = edit(path, level + 1);
  if (parent == nullptr) return false;
  FloatBox box;
  up.index = parent->count;
  box_of(*sources[0], box);
  append_child(*parent, layout_, box, step.ref);
  Node* node = resize(path, level, blocks_at(level, sides.left.size()));
  if (node == nullptr) return false;
  fill(*node, sides.left, box);
  set_child_box(*parent, layout_, up.index, box);
  up.index = static_cast<std::uint32_t>(sibling);
  step = {other_ref, store_.view().node(other_ref), 0, false};
  Node* other = resize(path, level, blocks_at(level, sides.right.size()));
  if (other == nullptr) return false;
  fill(*other, sides.right, box);
  set_child_box(*parent, layout_, sibling, box);
  return true;
}

// Gives back blocks once two are spare, and keeps one, so that a node at the edge of a block is not
// resized again and again.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::trim(Path& path, std::uint32_t level) {
  const Node& node = *path.at[level].node;
  const std::size_t needed = blocks_at(level, node.count);
  if (node.blocks < needed + 2) return true;
  return resize(path, level, needed + 1) != nullptr;
}

// Recomputes the boxes of the path's nodes from the one below `level` up, as long as what went
// away touched them and they shrink.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::tighten(Path& path, std::uint32_t level,
                                          const FloatBox& removed) {
  FloatBox gone = removed;
  for (; level < root_.height; ++level) {
    Step& step = path.at[level];
    FloatBox held, box;
    const std::uint64_t sides = touched_sides(*step.node, layout_, step.index, gone);
    if (sides == 0) return true;
    read_child_box(*step.node, layout_, step.index, held);
    box = held;
    const Node& child = *path.at[level - 1].node;
    (level == 1 ? kernels_.leaf_sides : kernels_.directory_sides)(child, layout_, sides, box);
    if (equal(held, box, layout_.dimensions)) return true;
    Node* node = edit(path, level);
    if (node == nullptr) return false;
    set_child_box(*node, layout_, step.index, box);
    gone = held;
  }
  return true;
}

// A root with one child gives way to it.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::lower_root() {
  while (root_.height > 1) {
    const Node* node = store_.view().node(root_.node);
    if (node == nullptr) return false;
    if (node->count != 1) return true;
    const Ref old = root_.node;
    root_.node = child_ref(*node, layout_, 0);
    --root_.height;
    store_.destroy(old);
  }
  return true;
}

// In place when the leaf's box holds the new geometry; the tree's shape stays as it is.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
Result<bool> Tree<Scalar, Store, Policy>::update(const Scalar* from, const Scalar* to,
                                         const std::byte* value) {
  FloatBox old_box, new_box;
  round_outward(from, layout_.points, layout_.dimensions, old_box);
  round_outward(to, layout_.points, layout_.dimensions, new_box);
  Path path;
  switch (find(from, value, old_box, path)) {
    case Found::no: return false;
    case Found::unreadable: return unreadable();
    case Found::yes: break;
  }
  bool stays = root_.height == 1;
  if (!stays) {
    FloatBox leaf_box;
    read_child_box(*path.at[1].node, layout_, path.at[1].index, leaf_box);
    stays = covers(leaf_box, new_box, layout_.dimensions);
  }
  if (!(stays ? prepare_erase(path) : prepare_move(path))) return out_of_memory();
  if (stays) {
    Node* leaf = edit(path, 0);
    if (leaf == nullptr) return unreadable();
    set_geometry(*leaf, layout_, path.at[0].index, to);
    if (!tighten(path, 1, old_box)) return unreadable();
    return true;
  }
  if (!remove_found(path, old_box)) return unreadable();
  if (root_.node == 0) {
    XTREE_TRY(plant(to, value));
  } else {
    XTREE_TRY(insert_without_repacking(new_box, to, value));
  }
  return true;
}

// Destroys every node, children before their parents. Leaves need not be read for that.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
Result<void> Tree<Scalar, Store, Policy>::clear() {
  const View view = store_.view();
  Path path;
  std::uint32_t level = root_.height;
  Ref ref = root_.node;
  while (ref != 0) {
    // Down to the leaves along first children that remain.
    for (--level; level > 0; --level) {
      const Node* node = view.node(ref);
      if (node == nullptr) return unreadable();
      path.at[level] = {ref, node, 0, false};
      ref = child_ref(*node, layout_, 0);
    }
    store_.destroy(ref);
    ref = 0;
    // Up past all nodes that have no child left, on to the next child.
    for (level = 1; level < root_.height; ++level) {
      Step& step = path.at[level];
      if (++step.index < step.node->count) {
        ref = child_ref(*step.node, layout_, step.index);
        break;
      }
      store_.destroy(step.ref);
    }
  }
  root_ = Root{};
  return {};
}

}  // namespace xtree::index
