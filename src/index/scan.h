// Scan: the hits of a window, or how many they are.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <new>
#include <span>

#include "index/leaf_walk.h"
#include "index/marked_leaves.h"
#include "index/node.h"
#include "index/node_access.h"
#include "index/search_kernels.h"
#include "index/store.h"
#include "index/window_query.h"
#include "xtree/detail/engine.h"

namespace xtree::index {

// The hits of a window, leaf by leaf, in no particular order.
//
//   Scan<double, MemoryView> scan(view, layout, kernels, root, window);
//   for (detail::LeafHits hits; scan.next(hits);) ...
//   if (scan.failed()) ...
//
// It refers to the layout and to nodes of the view, stays where it was made, and may simply be
// forgotten when it is no longer wanted.
template <class Scalar, NodeView View>
class Scan {
 public:
  Scan(View view, const Layout& layout, const SearchKernels<Scalar>& kernels, Ref root,
       const detail::Window<Scalar>& window) noexcept
      : view_(view),
        layout_(layout),
        query_(layout, kernels, window),
        walk_(view, layout, kernels, root, query_.directory) {
    if (layout.code_pairs != 0) [[unlikely]] ::new (static_cast<void*>(&marked_)) Marked();
  }
  Scan(const Scan&) = delete;
  Scan& operator=(const Scan&) = delete;

  // The next leaf that has hits; false at the end or when the view failed.
  [[nodiscard]] [[gnu::always_inline]] bool next(detail::LeafHits& hits) noexcept {
    return layout_.code_pairs != 0 ? find_marked(hits) : find(hits);
  }

  // Before the first leaf, as LeafWalk's.
  [[nodiscard]] bool approach(FarNodes<View>& far) noexcept { return walk_.approach(far); }
  // Between two leaves, as LeafWalk's.
  template <class F>
  void renew(F&& let_go) {
    if (layout_.code_pairs == 0) return walk_.renew(let_go);
    marked_.renew(walk_, let_go);
  }

  [[nodiscard]] const View& view() const noexcept { return view_; }
  // Whether the view could not follow a reference: the hits so far are not all.
  [[nodiscard]] bool failed() const noexcept { return walk_.failed(); }

 private:
  using Marked = MarkedLeaves<Scalar>;

  [[gnu::noinline]] bool find_marked(detail::LeafHits& hits) noexcept {
    for (std::uint64_t& word : hits.mask) word = 0;
    const auto found = marked_.next(view_, walk_, layout_, query_, hits.mask);
    hits.last = found.last;
    if (found.leaf == nullptr) return false;
    show(*found.leaf, hits);
    return true;
  }

  [[gnu::always_inline]] bool find(detail::LeafHits& hits) noexcept {
    bool inside = false;
    while (const Node* leaf = walk_.next(inside)) {
      for (std::uint64_t& word : hits.mask) word = 0;
      const std::uint32_t count = entry_count(view_, *leaf);
      if (inside) {
        for (std::size_t i = 0; i * 64 < count; ++i) hits.mask[i] = first_of_word(count - i * 64);
      } else if (!query_.scan_leaf(*leaf, count, layout_, hits.mask)) {
        continue;
      }
      show(*leaf, hits);
      hits.last = walk_.ended();
      return true;
    }
    return false;
  }
  void show(const Node& leaf, detail::LeafHits& hits) const noexcept {
    hits.blocks = layout_.leaf_block(leaf, 0);
    hits.block_bytes = layout_.leaf_block_bytes;
  }

  View view_;
  const Layout& layout_;
  WindowQuery<Scalar> query_;
  LeafWalk<Scalar, View, InsideUse::values> walk_;
  union {
    Marked marked_;  // where leaves have codes in pairs
  };
};

// Takes scans that have not found anything yet to their first leaves, each one step at a time: what
// one waits for, others look at meanwhile, and what is far is loaded for all of them.
template <class Scalar, NodeView View>
void approach_all(std::span<Scan<Scalar, View>* const> scans) noexcept {
  static_assert(detail::IndexCore::kMostScans < 32);
  FarNodes<View> far;
  for (std::uint32_t rest = (std::uint32_t{1} << scans.size()) - 1; rest != 0;) {
    for (std::uint32_t turn = rest; turn != 0; turn &= turn - 1) {
      Scan<Scalar, View>& scan = *scans[static_cast<std::size_t>(std::countr_zero(turn))];
      if (!scan.approach(far)) rest &= ~(turn & (0 - turn));
    }
    far.load(scans[0]->view());
  }
}

struct Count {
  std::uint64_t hits = 0;
  bool failed = false;  // the view could not follow a reference
};

// The number of hits of a window. Leaves that lie inside the window are not looked at.
template <class Scalar, NodeView View>
[[nodiscard]] Count count_hits(View view, const Layout& layout,
                               const SearchKernels<Scalar>& kernels, Ref root,
                               const detail::Window<Scalar>& window) noexcept {
  const WindowQuery<Scalar> query(layout, kernels, window);
  LeafWalk<Scalar, View, InsideUse::count> walk(view, layout, kernels, root, query.directory);
  Count count;
  if (layout.code_pairs != 0) {
    MarkedLeaves<Scalar> marked;
    std::uint64_t mask[detail::kMaxLeafEntries / 64];
    for (bool last = false; !last;) {
      const auto found = marked.next(view, walk, layout, query, mask);
      count.hits += found.hits;
      last = found.last;
    }
  } else {
    bool inside = false;
    while (const Node* leaf = walk.next(inside)) {
      const std::uint32_t entries = entry_count(view, *leaf);
      count.hits += inside ? entries : query.count_leaf(*leaf, entries, layout);
    }
  }
  count.failed = walk.failed();
  return count;
}

}  // namespace xtree::index
