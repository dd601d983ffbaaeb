// NearestFetch: which lines of a node a search for the nearest asks for, before it looks at them.
#pragma once

#include <cstddef>

#include "index/node.h"
#include "index/store.h"

namespace xtree::index {

// Leaves whose codes tell distances are looked at there first, all others at their rows. Nothing is
// known of a node that is not there yet, so what most leaves have is asked for.
template <NodeView View>
class NearestFetch {
 public:
  NearestFetch(View view, const Layout& layout) noexcept : view_(view), layout_(layout) {}

  // What is looked at first of a child.
  void first(const Node& parent, Lead<View> child) const noexcept {
    if (parent.level == 1) {
      prefetch_at(view_, child, 0);
      if (layout_.code_pairs == 0) rows(child, 0, kPrefetchedLines - 1);
      return;
    }
    view_.prefetch(child);
    if (parent.level == 2) prefetch_family(view_, child);
  }
  // For the child that is looked at next: a leaf's lines, or what will lead to its children.
  void next(const Node& parent, Lead<View> child) const noexcept {
    if (parent.level == 2) prefetch_family(view_, child);
    if (parent.level != 1) return;
    first(parent, child);
    leaf(child);
  }
  // The rest of a leaf.
  void leaf(Lead<View> leaf) const noexcept {
    if (layout_.code_pairs != 0) return codes(leaf);
    rows(leaf, kPrefetchedLines - 1,
         layout_.max_leaf_blocks * 3 / 4 * layout_.leaf_block_bytes / 64);
  }
  // All of a leaf.
  void whole(Lead<View> child) const noexcept {
    prefetch_at(view_, child, 0);
    if (layout_.code_pairs == 0) rows(child, 0, kPrefetchedLines - 1);
    leaf(child);
  }
  // All of a node that will be looked at whatever its distance is, probably a leaf.
  void unseen(Lead<View> node) const noexcept {
    prefetch_at(view_, node, 0);
    rows(node, 0, kPrefetchedLines - 1);
    leaf(node);
  }

 private:
  void codes(Lead<View> leaf) const noexcept {
    const std::size_t entries = layout_.leaf_capacity() * 3 / 4;
    const std::size_t end = layout_.codes_end(entries);
    for (std::size_t at = sizeof(Node); at < layout_.pairs_at; at += 64) {
      prefetch_at(view_, leaf, at);
    }
    // Most leaves have no box that minima leave near.
    for (std::size_t at = layout_.pairs_at; at < end; at += 64) prefetch_at(view_, leaf, at);
    for (std::size_t at = 0; layout_.points && at < entries * sizeof(float); at += 64) {
      prefetch_at(view_, leaf, layout_.norms_at + at);
    }
  }
  void rows(Lead<View> leaf, std::size_t first_line, std::size_t end) const noexcept {
    for (std::size_t line = first_line; line < end; ++line) {
      prefetch_at(view_, leaf, layout_.leaf_front_bytes + 64 * line);
    }
  }

  View view_;
  const Layout& layout_;
};

}  // namespace xtree::index
