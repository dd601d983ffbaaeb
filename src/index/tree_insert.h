// Insertion into a Tree: choosing a leaf, splitting what overflows, and growing the boxes above.
#pragma once

#include <array>

#include "index/tree.h"

namespace xtree::index {

template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
Result<void> Tree<Scalar, Store, Policy>::insert(const Scalar* geometry, const std::byte* value) {
  if (root_.node == 0) return plant(geometry, value);
  FloatBox box;
  round_outward(geometry, layout_.points, layout_.dimensions, box);
  Path path;
  if (!approach(box, path) || !arrive(path)) return unreadable();
  return insert_at(path, box, geometry, value);
}

template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
Result<void> Tree<Scalar, Store, Policy>::insert_at(Path& path, const FloatBox& box,
                                                    const Scalar* geometry,
                                                    const std::byte* value) {
  if (path.at[0].node->count < layout_.leaf_capacity()) return append(path, box, geometry, value);
  switch (repack_full(path)) {
    case Repacked::no: return split_insert(path, box, geometry, value);
    case Repacked::unreadable: return unreadable();
    case Repacked::yes: break;
  }
  return insert_without_repacking(box, geometry, value);
}

// Into a tree that is not empty, and where the memory for an insertion is made sure of.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
Result<void> Tree<Scalar, Store, Policy>::insert_without_repacking(const FloatBox& box,
                                                                   const Scalar* geometry,
                                                                   const std::byte* value) {
  Path path;
  if (!approach(box, path) || !arrive(path)) return unreadable();
  if (path.at[0].node->count < layout_.leaf_capacity()) return append(path, box, geometry, value);
  return split_insert(path, box, geometry, value);
}

// The ways of the next few entries are chosen before they are inserted, so that their leaves come
// near meanwhile. A way is good while no node is split; that boxes have grown since does no harm.
// Else it is chosen once more.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
Result<void> Tree<Scalar, Store, Policy>::insert_all(const detail::EntryBlock& entries,
                                                     std::span<const std::uint32_t> order) {
  struct Coming {
    FloatBox box;
    Path path;
    std::uint64_t splits;  // those before it was chosen, and the moves
    std::uint64_t moves;
    bool is_known;
  };
  std::array<Coming, kAhead> coming;
  const auto offset = [&](std::size_t i) {
    return (order.empty() ? i : order[i]) * entries.stride;
  };
  const auto geometry = [&](std::size_t i) {
    const auto* first = static_cast<const std::byte*>(entries.geometry);
    return reinterpret_cast<const Scalar*>(first + offset(i));
  };
  const auto choose_way = [&](std::size_t i) {
    Coming& next = coming[i % kAhead];
    round_outward(geometry(i), layout_.points, layout_.dimensions, next.box);
    next.is_known = root_.node != 0 && approach(next.box, next.path);
    next.splits = splits_;
    next.moves = moves_;
  };
  std::size_t chosen = 0;
  for (std::size_t i = 0; i < entries.count; ++i) {
    for (; chosen < std::min(i + kAhead, entries.count); ++chosen) choose_way(chosen);
    const auto* value = static_cast<const std::byte*>(entries.value) + offset(i);
    if (root_.node == 0) {
      XTREE_TRY(plant(geometry(i), value));
      continue;
    }
    Coming& now = coming[i % kAhead];
    if (now.splits != splits_) {
      choose_way(i);
    } else if (now.is_known && now.moves != moves_) {
      now.is_known = go_again(now.path);
    }
    if (!now.is_known || !arrive(now.path)) return unreadable();
    XTREE_TRY(insert_at(now.path, now.box, geometry(i), value));
  }
  return {};
}

// The first entry of an empty tree.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
Result<void> Tree<Scalar, Store, Policy>::plant(const Scalar* geometry, const std::byte* value) {
  if (!store_.reserve(room_at(0, 1))) return out_of_memory();
  Node* leaf = create(0, 1);
  if (leaf == nullptr) return out_of_memory();
  append(*leaf, geometry, value);
  FloatBox box;
  box_of(*leaf, box);
  encode(*leaf, box);
  root_.node = leaf->frame.node_id;
  root_.entries = 1;
  root_.height = 1;
  ++splits_;
  return {};
}

// Goes down to the parent of the leaf that takes the box with least harm, and asks for the leaf.
// Changes nothing but the trail.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::approach(const FloatBox& box, Path& path) const noexcept {
  const View view = store_.view();
  Trail* const trail = trail_of(store_);
  Lead<View> lead = lead_to_node(view, root_.node);
  bool is_same = true;
  for (std::uint32_t level = retrace(box, path, lead); level > 0; --level) {
    Step& step = path.at[level];
    step.node = view.node(lead);
    if (step.node == nullptr) return false;
    step.ref = step.node->frame.node_id;
    const Choice choice = policy_.choose(*step.node, box);
    step.index = choice.index;
    step.covers = choice.covers;
    lead = lead_to_child(view, *step.node, layout_, choice.index);
    view.prefetch(lead);
    if (level == 2) prefetch_family(view, lead);
    if (trail == nullptr) continue;
    if (level == 1) prefetch_lane(lead, trail->fills.guess(address_of<View>(lead)));
    is_same = is_same && (level == 1 || trail->at[level] == choice.index);
    trail->at[level] = choice.index;
  }
  path.leaf = lead;
  if (trail != nullptr) trail->steps = is_same ? trail->steps + 1 : 0;
  return true;
}

// A way that was approached, over what its nodes are now: they may lie elsewhere, but have the same
// children.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::go_again(Path& path) const noexcept {
  const View view = store_.view();
  Lead<View> lead = lead_to_node(view, root_.node);
  for (std::uint32_t level = root_.height - 1; level > 0; --level) {
    Step& step = path.at[level];
    step.node = view.node(lead);
    if (step.node == nullptr) return false;
    step.ref = step.node->frame.node_id;
    lead = lead_to_child(view, *step.node, layout_, step.index);
  }
  path.leaf = lead;
  return true;
}

// The last step of a way; false when the leaf cannot be read.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::arrive(Path& path) const noexcept {
  Step& step = path.at[0];
  step.node = store_.view().node(path.leaf);
  if (step.node == nullptr) return false;
  step.ref = step.node->frame.node_id;
  return true;
}

// Starts to bring near what an entry at this place of a leaf writes, beside the leaf's first lines.
// At the first place of a block the leaf is going to be copied.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
inline void Tree<Scalar, Store, Policy>::prefetch_lane(Lead<View> leaf,
                                                       std::size_t place) const noexcept {
  if (place % kLeafLanes<Scalar> == 0) return;
  const View view = store_.view();
  const std::size_t block = layout_.leaf_bytes(place / kLeafLanes<Scalar>);
  for (std::size_t at = 0; at < std::min(layout_.leaf_block_bytes, kMostLaneBytes); at += 64) {
    prefetch_at(view, leaf, block + at);
  }
  if (layout_.has_values_in_front()) {
    prefetch_at(view, leaf, layout_.values_at + place * layout_.value_bytes);
  }
  if (layout_.code_bytes != 0) {
    prefetch_at(view, leaf, leaf_code_offset(layout_.dimensions) + place * layout_.code_bytes);
  }
  if constexpr (Store::kFrontWordBytes != 0) {
    prefetch_at(view, leaf, -(place + 1) * sizeof(std::uint32_t));  // its stamp
  }
}

// Where the last insertions all went below one lowest directory node, and the boxes on the way to
// it cover this one too, mostly goes there without choosing, and on to the same leaf if that covers
// it. Else it stays at the root. Returns the level on which choosing begins.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
std::uint32_t Tree<Scalar, Store, Policy>::retrace(const FloatBox& box, Path& path,
                                                   Lead<View>& lead) const noexcept {
  const std::uint32_t top = root_.height - 1;
  const Trail* const trail = trail_of(store_);
  if (trail == nullptr || !trail->is_to_be_followed() || top < 2) return top;
  const View view = store_.view();
  const Lead<View> root = lead;
  std::uint32_t level = top;
  for (; level > 0; --level) {
    const Node* node = view.node(lead);
    const std::uint32_t index = trail->at[level];
    if (node == nullptr || index >= node->count) break;
    if (!kernels_.covers(*node, layout_, index, box)) break;
    path.at[level] = {node->frame.node_id, node, index, true};
    lead = lead_to_child(view, *node, layout_, index);
  }
  if (level <= 1) return level;
  lead = root;
  return top;
}

// Adds the entry to a leaf that has room, if need be in more blocks.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
Result<void> Tree<Scalar, Store, Policy>::append(Path& path, const FloatBox& box,
                                                 const Scalar* geometry, const std::byte* value) {
  const Node& old = *path.at[0].node;
  const bool full = old.count == old.blocks * kLeafLanes<Scalar>;
  const std::size_t longer = grown_blocks(old.count + 1u);
  std::size_t bytes = full ? room_at(0, longer) : room_to_grow(old);
  for (std::uint32_t level = 1; level < root_.height && !path.at[level].covers; ++level) {
    bytes += room_to_grow(*path.at[level].node);
  }
  if (bytes != 0 && !store_.reserve(bytes)) return out_of_memory();
  Node* leaf = full ? resize(path, 0, longer) : grow(path, 0);
  if (leaf == nullptr) return unreadable();
  append(*leaf, geometry, value);
  // The grid of a leaf that is not the root has to follow its box only in many dimensions: codes of
  // what lies beside it say little there.
  if (full && (root_.height == 1 || layout_.code_pairs != 0)) {
    FloatBox all;
    box_of(*leaf, all);
    if (root_.height == 1 || !pair_grid_holds(*leaf, layout_.dimensions, all)) encode(*leaf, all);
  }
  ++root_.entries;
  if (!grow_boxes(path, 1, box)) return unreadable();
  return {};
}

// Adds the entry behind the leaf's last; there must be room.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
void Tree<Scalar, Store, Policy>::append(Node& leaf, const Scalar* geometry,
                                         const std::byte* value) noexcept {
  kernels_.write_geometry(leaf, layout_, leaf.count, geometry);
  write_value_behind<Scalar>(leaf, layout_, value);
  show_entry(store_, leaf);
  note_fill(leaf);
}

// Widens the boxes on the path from `level` up until one holds the new box already.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::grow_boxes(Path& path, std::uint32_t level, const FloatBox& box) {
  for (; level < root_.height && !path.at[level].covers; ++level) {
    Node* node = grow(path, level);
    if (node == nullptr) return false;
    note_growth(store_, *node);
    grow_child_box(*node, layout_, path.at[level].index, box);
  }
  return true;
}

// Makes sure of all memory that splitting the leaf, and what overflows above it, can take.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::prepare_split(const Path& path) noexcept {
  std::size_t bytes = 4 * room_at(0, layout_.max_leaf_blocks);
  std::size_t lanes = path.at[0].node->count + 1;
  std::size_t copied = path.at[0].node->frame.bytes;
  bool splits = true;
  for (std::uint32_t level = 1; level < root_.height; ++level) {
    const Node& node = *path.at[level].node;
    splits = splits && node.count == node.blocks * kDirectoryLanes;
    bytes += room_of(node);
    if (!splits) continue;
    bytes += 3 * room_at(level, node.blocks + Policy::kLongerBlocks);
    lanes = std::max<std::size_t>(lanes, node.count + 1);
    copied = std::max<std::size_t>(copied, node.frame.bytes);
  }
  bytes += room_at(root_.height, kDirectoryBlocks);
  return policy_.prepare(lanes, copied + policy_.extra_bytes()) && store_.reserve(bytes);
}

template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
Result<void> Tree<Scalar, Store, Policy>::split_insert(Path& path, const FloatBox& box,
                                               const Scalar* geometry, const std::byte* value) {
  if (!prepare_split(path)) return out_of_memory();
  ++splits_;
  Halves halves;
  if (!split_leaf(path, geometry, value, halves)) return unreadable();
  ++root_.entries;
  if (Trail* const trail = trail_of(store_)) trail->fills.fit(root_.entries);
  std::uint32_t level = 1;
  if (!hand_up(path, halves, level) || !grow_boxes(path, level + 1, box)) return unreadable();
  return {};
}

// Puts the sides of a node into the place of that node in its parent on `level`, and splits upwards
// what overflows. Leaves the level of the node that had room, which may be a new root.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::hand_up(Path& path, Halves& halves, std::uint32_t& level) {
  for (; level < root_.height; ++level) {
    Step& step = path.at[level];
    Node* node = edit(path, level);
    if (node == nullptr) return false;
    set_child_ref(*node, layout_, step.index, halves.left);
    set_child_box(*node, layout_, step.index, halves.left_box);
    bool whole = true;
    if (node->count < node->blocks * kDirectoryLanes) {
      append_child(*node, layout_, halves.right_box, halves.right);
    } else if (!split_directory(path, level, halves, whole)) {
      return false;
    }
    if (whole) return true;
  }
  return plant_root(halves);
}

template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::plant_root(const Halves& halves) {
  XTREE_CHECK(root_.height < kMaxHeight);
  Node* node = create(root_.height, kDirectoryBlocks);
  if (node == nullptr) return false;
  append_child(*node, layout_, halves.left_box, halves.left);
  append_child(*node, layout_, halves.right_box, halves.right);
  root_.node = node->frame.node_id;
  ++root_.height;
  return true;
}

// The leaf keeps its handle and the left entries; a new one takes the right.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::split_leaf(Path& path, const Scalar* geometry,
                                             const std::byte* value, Halves& halves) {
  policy_.begin();
  const Node* sources[] = {policy_.copy(*path.at[0].node), policy_.entry(geometry, value)};
  const Sides sides = policy_.split_leaf(sources);
  Node* right = create(0, blocks_at(0, sides.right.size()));
  if (right == nullptr) return false;
  fill(*right, sides.right, halves.right_box);
  Node* left = resize(path, 0, blocks_at(0, sides.left.size()));
  if (left == nullptr) return false;
  fill(*left, sides.left, halves.left_box);
  halves.left = left->frame.node_id;
  halves.right = right->frame.node_id;
  note_fill(*left);
  note_fill(*right);
  policy_.has_split(halves);
  return true;
}

// Splits a full directory node that is to take the right half of a child too, or, where its sides
// would overlap too much, makes it a longer node and leaves it `whole`.
template <class Scalar, NodeStore Store, SplitPolicy<Scalar> Policy>
bool Tree<Scalar, Store, Policy>::split_directory(Path& path, std::uint32_t level, Halves& halves,
                                          bool& whole) {
  policy_.begin();
  const Node& node = *path.at[level].node;
  const Node* sources[] = {policy_.copy(node),
                           policy_.child(halves.right_box, halves.right)};
  const Sides sides = policy_.split_directory(sources);
  whole = sides.keep_whole;
  if (whole) {
    Node* longer = resize(path, level, node.blocks + Policy::kLongerBlocks);
    if (longer == nullptr) return false;
    append_child(*longer, layout_, halves.right_box, halves.right);
    return true;
  }
  Node* right = create(level, blocks_at(level, sides.right.size()));
  if (right == nullptr) return false;
  fill(*right, sides.right, halves.right_box);
  Node* left = resize(path, level, blocks_at(level, sides.left.size()));
  if (left == nullptr) return false;
  fill(*left, sides.left, halves.left_box);
  halves.left = left->frame.node_id;
  halves.right = right->frame.node_id;
  policy_.has_split(halves);
  return true;
}

}  // namespace xtree::index
