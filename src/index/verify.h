// Verifying a tree: every rule that its structure keeps, checked without the code that keeps them.
#pragma once

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <vector>

#include "index/growth.h"
#include "index/node_access.h"
#include "index/policy.h"
#include "index/store.h"
#include "platform/check.h"
#include "xtree/metrics.h"
#include "xtree/result.h"

namespace xtree::index {

// Walks a whole tree, reports the first rule that it breaks as `corruption` with the node, its
// level and the rule, and counts what there is. The boxes are computed in plain scalar code, so
// that a fault in a kernel shows too.
//
//   IndexStats stats;
//   XTREE_TRY(verify_tree<double>(layout, view, root, stats, [](Ref) {}));
//
// `visit` is called once with the reference of every node that is reached. `stats` is complete only
// if the tree is in order. Every node must say that it is `owner`'s.
template <class Scalar, NodeView View, class Visit>
[[nodiscard]] Result<void> verify_tree(const Layout& layout, View view, const Root& root,
                                       IndexStats& stats, Visit&& visit,
                                       const NodeOwner& owner = {});

template <class Scalar, NodeView View, class Visit>
class Verifier {
 public:
  Verifier(const Layout& layout, View view, const Root& root, const NodeOwner& owner,
           IndexStats& stats, Visit& visit) noexcept
      : layout_(layout), view_(view), root_(root), owner_(owner), stats_(stats), visit_(visit) {}

  Result<void> run() {
    stats_ = IndexStats{};
    if (root_.node == 0) {
      if (root_.entries == 0 && root_.height == 0) return {};
      return fault(0, 0, "an empty tree has entries or a height");
    }
    if (root_.height == 0 || root_.height > kMaxHeight) {
      return fault(root_.node, 0, "the height is out of range");
    }
    stats_.height = root_.height;
    FloatBox box;
    XTREE_TRY(check_node(root_.node, root_.height - 1, box));
    XTREE_TRY(check_reached_once());
    for (const Ref ref : reached_) visit_(ref);
    if (stats_.entries != root_.entries) {
      return fault(root_.node, root_.height - 1, "the root counts other entries than there are");
    }
    stats_.leaf_fill = static_cast<double>(stats_.entries) / static_cast<double>(leaf_room_);
    return {};
  }

 private:
  // What a node may keep when it has lost entries: a block for those that come next.
  static constexpr std::size_t kSpareBlocks = 1;

  static Error fault(Ref ref, std::size_t level, const char* rule) noexcept {
    char text[200];
    std::snprintf(text, sizeof text, "node %" PRIx64 ", level %zu: %s", ref, level, rule);
    return {ErrorCode::corruption, "index", text};
  }

  // Checks a node and all below it; `box` becomes what its parent must hold of it.
  Result<void> check_node(Ref ref, std::size_t level, FloatBox& box) {
    const Node* node = view_.node(ref);
    if (node == nullptr) return Error(ErrorCode::io_error, "index", "a node cannot be read");
    XTREE_TRY(check_header(*node, ref, level));
    reached_.push_back(ref);
    if (reached_.size() == next_look_) {
      XTREE_TRY(check_reached_once());
      next_look_ *= 2;
    }
    stats_.node_bytes += node->frame.bytes;
    if (level == 0) return check_leaf(*node, ref, box);
    return check_directory(*node, ref, box);
  }

  Result<void> check_header(const Node& node, Ref ref, std::size_t level) const {
    if (node.frame.node_id != ref) return fault(ref, level, "the node has another's reference");
    if (node.level != level) return fault(ref, level, "the node is of another level");
    const std::size_t lanes = level == 0 ? kLeafLanes<Scalar> : kDirectoryLanes;
    const std::size_t fewest_blocks = level == 0 ? 1 : kDirectoryBlocks;
    const std::size_t most_blocks = level == 0 ? layout_.max_leaf_blocks : kMaxSupernodeBlocks;
    if (node.blocks < fewest_blocks || node.blocks > most_blocks) {
      return fault(ref, level, "the number of blocks is out of range");
    }
    const std::size_t bytes =
        level == 0 ? layout_.leaf_bytes(node.blocks) : layout_.directory_bytes(node.blocks);
    if (node.frame.bytes != bytes) return fault(ref, level, "the size is not that of its blocks");
    const std::uint32_t count = count_of(node);
    if (count > node.blocks * lanes) return fault(ref, level, "it counts more than it can hold");
    const bool is_root = level + 1 == root_.height;
    const std::size_t fewest = is_root      ? (level == 0 ? 1 : 2)
                               : level == 0 ? fewest_leaf_entries(layout_)
                                            : kMinChildren;
    if (count < fewest) return fault(ref, level, "it is filled less than it must be");
    if (node.blocks > std::max(blocks_for(count, lanes), fewest_blocks) + kSpareBlocks) {
      return fault(ref, level, "it has more free blocks than it may keep");
    }
    const std::uint64_t changed = epoch_of_change(node);  // a writer may be at work beside it
    if (changed != 0 && (node.frame.birth == 0 || changed <= node.frame.birth)) {
      return fault(ref, level, "it has changed before there was anything to change");
    }
    if (node.owner != owner_) return fault(ref, level, "the node says that it is another tree's");
    return {};
  }

  Result<void> check_directory(const Node& node, Ref ref, FloatBox& box) {
    const std::size_t level = node.level;
    ++stats_.directory_nodes;
    if (node.blocks > kDirectoryBlocks) ++stats_.supernodes;
    XTREE_TRY(check_free_children(node, ref));
    XTREE_TRY(check_links(node, ref));
    for (std::size_t i = 0; i < node.count; ++i) {
      const Ref child = child_ref(node, layout_, i);
      if (child == 0) return fault(ref, level, "a child has no reference");
      FloatBox held, exact;
      read_shared_child_box(node, layout_, i, held);
      XTREE_TRY(check_node(child, level - 1, exact));
      if (!covers(held, exact, layout_.dimensions)) {
        return fault(ref, level, "a child's box does not cover what the child holds");
      }
      // A box that has grown since the view's epoch holds more than the view shows of the child.
      if (is_of_epoch(view_, node) && !equal(held, exact, layout_.dimensions)) {
        return fault(ref, level, "a child's box is larger than what the child holds");
      }
      // Nor need an older version of the parent cover what has grown since.
      if (i == 0) {
        box = exact;
      } else {
        unite(box, exact, layout_.dimensions);
      }
    }
    return {};
  }

  // That a link leads to the same version as the child's reference.
  Result<void> check_links(const Node& node, Ref ref) const {
    if constexpr (requires { view_.link_is_right(node, 0, &node); }) {
      if (node.frame.front.links != link_count(node.level, node.blocks)) {
        return fault(ref, node.level, "it has other links than its blocks need");
      }
      for (std::size_t i = 0; i < node.frame.front.links; ++i) {
        const Node* child = i < node.count ? view_.node(child_ref(node, layout_, i)) : nullptr;
        if (!view_.link_is_right(node, i, child)) {
          return fault(ref, node.level, "a link leads to another version than the reference");
        }
      }
    }
    return {};
  }

  Result<void> check_free_children(const Node& node, Ref ref) const {
    constexpr float kMost = std::numeric_limits<float>::max();
    for (std::size_t i = node.count; i % kDirectoryLanes != 0; ++i) {
      FloatBox held;
      read_child_box(node, layout_, i, held);
      for (std::size_t axis = 0; axis < layout_.dimensions; ++axis) {
        if (held.at[axis] != kMost || held.at[layout_.dimensions + axis] != -kMost) {
          return fault(ref, node.level, "a free lane holds a box");
        }
      }
      if (child_ref(node, layout_, i) != 0) {
        return fault(ref, node.level, "a free lane holds a reference");
      }
    }
    return {};
  }

  Result<void> check_leaf(const Node& leaf, Ref ref, FloatBox& box) {
    ++stats_.leaves;
    const std::uint32_t count = count_of(leaf);
    stats_.entries += count;
    leaf_room_ += leaf.blocks * kLeafLanes<Scalar>;
    if (stats_.entries > root_.entries) {
      XTREE_TRY(check_reached_once());
      return fault(ref, 0, "there are more entries than the root counts");
    }
    // Otherwise what is free may be in use by the time that it is looked at.
    if (is_still(view_, leaf)) XTREE_TRY(check_free_entries(leaf, ref));
    for (std::size_t i = 0; i < count; ++i) {
      Scalar geometry[2 * kMaxDimensions];
      read_geometry(leaf, layout_, i, geometry);
      if (!valid(geometry)) return fault(ref, 0, "an entry is not a box of finite numbers");
      FloatBox own;
      round_outward(geometry, layout_.points, layout_.dimensions, own);
      if (i == 0) {
        box = own;
      } else {
        unite(box, own, layout_.dimensions);
      }
    }
    return check_codes(leaf, ref);
  }

  Result<void> check_codes(const Node& leaf, Ref ref) {
    if (layout_.code_pairs != 0) return check_pair_codes(leaf, ref);
    if (layout_.code_bytes == 0) return {};
    const double* grid = leaf_grid(leaf);
    for (std::size_t axis = 0; axis < layout_.dimensions; ++axis) {
      if (std::isnan(grid[axis]) || !(grid[layout_.dimensions + axis] >= 0)) {
        return fault(ref, 0, "the grid of its codes is none");
      }
    }
    const std::uint32_t count = count_of(leaf);
    const std::size_t end = is_still(view_, leaf) ? layout_.leaf_capacity() : count;
    for (std::size_t i = 0; i < end; ++i) {
      std::uint64_t code = 0;
      if (i < count) {
        Scalar geometry[2 * kMaxDimensions];
        read_geometry(leaf, layout_, i, geometry);
        code = code_in(leaf, layout_, geometry);
      }
      if (read_code(leaf, layout_, i) != code) {
        return fault(ref, 0, "a code is not that of its entry");
      }
    }
    const std::size_t used = 2 * layout_.dimensions * sizeof(double);
    const auto* front = reinterpret_cast<const std::byte*>(grid);
    const std::byte* behind =
        leaf_codes(leaf, layout_.dimensions) + layout_.leaf_capacity() * layout_.code_bytes;
    if (!all_zero(front + used, grid_bytes_for(layout_.dimensions) - used) ||
        !all_zero(behind, static_cast<std::size_t>(layout_.leaf_block(leaf, 0) - behind))) {
      return fault(ref, 0, "the padding of its codes is not zero");
    }
    return {};
  }

  // Makes all that stands in front of the blocks once more, and compares.
  Result<void> check_pair_codes(const Node& leaf, Ref ref) {
    const std::size_t axes = pair_grid_axes(layout_.dimensions);
    const float* origins = pair_origins(leaf);
    const float* scales = pair_scales(leaf, layout_.dimensions);
    for (std::size_t axis = 0; axis < axes; ++axis) {
      const bool used = axis < layout_.dimensions;
      const bool sound = used ? std::isfinite(origins[axis]) && std::isfinite(scales[axis]) &&
                                    scales[axis] >= 0
                              : origins[axis] == 0 && !std::signbit(origins[axis]) &&
                                    scales[axis] == std::numeric_limits<float>::max();
      if (!sound) return fault(ref, 0, "the grid of its codes is none");
    }
    front_.assign(layout_.coded_end(), std::byte{0});
    Node& made = *reinterpret_cast<Node*>(front_.data());
    std::memcpy(pair_origins(made), origins, 2 * axes * sizeof(float));
    const std::uint32_t count = count_of(leaf);
    bool same = true;
    for (std::size_t i = 0; i < count; ++i) {
      Scalar geometry[2 * kMaxDimensions];
      read_geometry(leaf, layout_, i, geometry);
      set_pair_code(made, layout_, i, geometry);
      same = same && pair_codes_equal(made, leaf, layout_, i);
    }
    if (!layout_.points && !keep_longest(leaf, made)) {
      return fault(ref, 0, "its longest box is longer than it says");
    }
    const auto* held = reinterpret_cast<const std::byte*>(&leaf);
    if (is_still(view_, leaf)) {
      same = std::equal(front_.begin() + sizeof(Node), front_.end(), held + sizeof(Node));
    }
    return same ? Result<void>() : fault(ref, 0, "a code is not that of its entry");
  }

  // What is said of the longest box may be of one that is gone: if the leaf's boxes are not longer,
  // `made` gets it.
  [[nodiscard]] bool keep_longest(const Node& leaf, Node& made) const noexcept {
    std::uint8_t* needed = longest_boxes(made, layout_.dimensions);
    for (std::size_t axis = 0; axis < layout_.dimensions; ++axis) {
      const std::uint8_t said = longest_box(leaf, layout_.dimensions, axis);
      if (said < needed[axis]) return false;
      needed[axis] = said;
    }
    return true;
  }

  Result<void> check_free_entries(const Node& leaf, Ref ref) const {
    constexpr Scalar kMost = std::numeric_limits<Scalar>::max();
    for (std::size_t i = leaf.count; i % kLeafLanes<Scalar> != 0; ++i) {
      Scalar geometry[2 * kMaxDimensions];
      read_geometry(leaf, layout_, i, geometry);
      for (std::size_t axis = 0; axis < layout_.dimensions; ++axis) {
        const bool free = layout_.points ? std::isnan(geometry[axis])
                                         : geometry[axis] == kMost &&
                                               geometry[layout_.dimensions + axis] == -kMost;
        if (!free) return fault(ref, 0, "a free lane holds an entry");
      }
    }
    const std::size_t values_end = layout_.has_values_in_front()
                                       ? layout_.leaf_capacity()
                                       : blocks_for(leaf.count, kLeafLanes<Scalar>) *
                                             kLeafLanes<Scalar>;
    for (std::size_t i = leaf.count; i < values_end; ++i) {
      if (!all_zero(entry_value<Scalar>(leaf, layout_, i), layout_.value_bytes)) {
        return fault(ref, 0, "a free lane holds a value");
      }
    }
    const std::size_t used =
        layout_.rows * kRowBytes +
        (layout_.has_values_in_front() ? 0 : kLeafLanes<Scalar> * layout_.value_bytes);
    for (std::size_t b = 0; b * kLeafLanes<Scalar> < leaf.count; ++b) {
      const std::byte* block = layout_.leaf_block(leaf, b);
      if (!all_zero(block + used, layout_.leaf_block_bytes - used)) {
        return fault(ref, 0, "the padding of a block is not zero");
      }
    }
    return {};
  }

  // As the view shows it.
  [[nodiscard]] std::uint32_t count_of(const Node& node) const noexcept {
    return node.level == 0 ? entry_count(view_, node) : node.count;
  }

  bool valid(const Scalar* geometry) const noexcept {
    for (std::size_t axis = 0; axis < layout_.dimensions; ++axis) {
      const Scalar low = geometry[axis];
      const Scalar high = layout_.points ? low : geometry[layout_.dimensions + axis];
      if (!std::isfinite(low) || !std::isfinite(high) || low > high) return false;
    }
    return true;
  }

  static bool all_zero(const void* memory, std::size_t bytes) noexcept {
    const auto* first = static_cast<const std::byte*>(memory);
    return std::all_of(first, first + bytes, [](std::byte byte) { return byte == std::byte{0}; });
  }

  // Done at the end, and on the way each time that twice as many nodes have been reached: so the
  // walk is never longer than twice the nodes that there are, however they refer to each other.
  // What lies below a node that is reached twice is reached twice as well: names the highest.
  Result<void> check_reached_once() {
    std::sort(reached_.begin(), reached_.end());
    Ref twice = 0;
    std::size_t highest = 0;
    for (std::size_t i = 1; i < reached_.size(); ++i) {
      if (reached_[i] != reached_[i - 1]) continue;
      const Node* node = view_.node(reached_[i]);
      const std::size_t level = node == nullptr ? 0 : node->level;
      if (twice != 0 && level <= highest) continue;
      twice = reached_[i];
      highest = level;
    }
    if (twice == 0) return {};
    return fault(twice, highest, "the node is reached more than once");
  }

  const Layout& layout_;
  const View view_;
  const Root& root_;
  const NodeOwner owner_;
  IndexStats& stats_;
  Visit& visit_;
  std::vector<Ref> reached_;
  std::vector<std::byte> front_;  // of a leaf, as it should be
  std::size_t next_look_ = 1024;
  std::uint64_t leaf_room_ = 0;
};

template <class Scalar, NodeView View, class Visit>
Result<void> verify_tree(const Layout& layout, View view, const Root& root, IndexStats& stats,
                         Visit&& visit, const NodeOwner& owner) {
  return Verifier<Scalar, View, std::remove_reference_t<Visit>>(layout, view, root, owner, stats,
                                                                visit)
      .run();
}

}  // namespace xtree::index
