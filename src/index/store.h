// What the tree asks of the place where its nodes live: the one door between the tree and the
// persistence layer. MemoryStore and DurableStore model it.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <span>

#include "index/leaf_fills.h"
#include "index/node.h"
#include "index/node_access.h"

namespace xtree::index {

// As much of a node as a view's `prefetch` asks for: the header, and the rows that are looked at
// first.
inline constexpr std::size_t kPrefetchedLines = 4;

// How readers follow references. A view is a few words, passed by value.
template <class V>
concept NodeView = std::copyable<V> && requires(const V& view, Ref ref) {
  // The node, or null when it cannot be read (never in memory mode). A reader that gets null gives
  // up and reports that it failed; the view's owner knows the error.
  { view.node(ref) } noexcept -> std::same_as<const Node*>;
  // Starts to bring the node's first lines near.
  { view.prefetch(ref) } noexcept;
};

// A view that has a shorter way to a node's child than its reference has `lead`, a word or so that
// says where the child can be found, and `node` and `prefetch` of a Lead. It is good for as long as
// the view is, so a search may keep it for later. For all other views a Lead is the reference.
template <class V>
concept LeadingView = requires(const V& view, const Node& node, const Layout& layout) {
  view.lead(node, layout, std::size_t{0});
};
template <class V>
struct LeadOf {
  using Type = Ref;
};
template <LeadingView V>
struct LeadOf<V> {
  using Type = typename V::Lead;
};
template <NodeView V>
using Lead = typename LeadOf<V>::Type;

// To a node that is no node's child, or whose parent is not at hand.
template <NodeView V>
[[nodiscard]] Lead<V> lead_to_node(const V& view, Ref ref) noexcept {
  if constexpr (LeadingView<V>) {
    return view.lead(ref);
  } else {
    return ref;
  }
}
template <NodeView V>
[[nodiscard]] [[gnu::always_inline]] inline Lead<V> lead_to_child(const V& view,
                                                                  const Node& node,
                                                                  const Layout& layout,
                                                                  std::size_t index) noexcept {
  if constexpr (LeadingView<V>) {
    return view.lead(node, layout, index);
  } else {
    return child_ref(node, layout, index);
  }
}

// A view may have `prefetch_family` too: it starts to bring near what the way to the children of a
// directory node will read, before the node itself is there. A guess is good enough. (Whatever only
// asks for lines is always inlined: gcc 12 takes such a function for one without any effect, and
// drops calls of it.)
template <NodeView V>
[[gnu::always_inline]] inline void prefetch_family(const V& view, Lead<V> node) noexcept {
  if constexpr (requires { view.prefetch_family(node); }) view.prefetch_family(node);
}

// A view whose nodes may be on disk tells of a lead whether it seems to be so, and loads several at
// once, as far as it can.
template <NodeView V>
[[nodiscard]] bool is_far(const V& view, Lead<V> node) noexcept {
  if constexpr (requires { view.is_far(node); }) {
    return view.is_far(node);
  } else {
    return false;
  }
}
template <NodeView V>
void load_ahead(const V& view, std::span<const Lead<V>> far) noexcept {
  if constexpr (requires { view.load_ahead(far); }) view.load_ahead(far);
}

// A view that can asks for one line of a node, at an offset that may lie behind its end.
template <NodeView V>
[[gnu::always_inline]] inline void prefetch_at(const V& view, Lead<V> child,
                                               std::size_t offset) noexcept {
  if constexpr (requires { view.prefetch_at(child, offset); }) view.prefetch_at(child, offset);
}

// How the one writer makes and changes nodes. `bytes` are whole nodes, header included, multiples
// of 64. Frames that `create`, `edit` and `resize` return may be changed in place until the
// operation ends; the tree fills everything behind the FrameHeader.
template <class S>
concept NodeStore = NodeView<typename S::View> && requires(S& store, Ref ref, std::size_t bytes,
                                                            persistence::FrameFront front,
                                                            const Node& newest) {
  // What each word in front of a node adds to its memory: 0 when there are none.
  { S::kFrontWordBytes } -> std::convertible_to<std::size_t>;
  // What the writer itself sees: every change so far.
  { store.view() } noexcept -> std::same_as<typename S::View>;
  // Makes sure that creates, edits and resizes of `bytes` in all cannot fail for want of
  // memory; false when there is not so much. Called before an operation changes anything.
  { store.reserve(bytes) } noexcept -> std::same_as<bool>;
  // The same for nodes of at most so many bytes each, which costs less memory.
  { store.reserve(bytes, bytes) } noexcept -> std::same_as<bool>;
  // A new node with zeroed memory behind its FrameHeader's fields. Its reference is
  // `frame.node_id`. `front` is what Layout::front says, and nothing to a store that keeps nothing
  // in front of nodes.
  { store.create(bytes, front) } noexcept -> std::same_as<Node*>;
  // As `create`, but the blocks hold anything.
  { store.create_unwritten(bytes, front) } noexcept -> std::same_as<Node*>;
  // The node, ready to be changed: itself, or a copy when readers may still need it as it is. The
  // reference stays. Null when there is no memory that was reserved.
  { store.edit(newest) } noexcept -> std::same_as<Node*>;
  // As `edit`, with room for `bytes`; contents are kept up to the smaller size, and what is new
  // is zero. In memory mode the reference changes with the address: read it from the result.
  { store.resize(ref, bytes, front) } noexcept -> std::same_as<Node*>;
  { store.destroy(ref) } noexcept;
};

// A store may map what a `reserve` of the same size is going to want of the system, so that several
// threads can make it present; it is theirs for nothing else.
template <NodeStore S>
[[nodiscard]] std::span<std::byte> map_ahead(S& store, std::size_t bytes,
                                             std::size_t largest) noexcept {
  if constexpr (requires { store.map_ahead(bytes, largest); }) {
    return store.map_ahead(bytes, largest);
  } else {
    return {};
  }
}

// Whether `edit` takes no memory, as a node never has an older state that is to be kept.
template <class S>
inline constexpr bool kEditsInPlace = false;
template <class S>
  requires S::kEditsInPlace
inline constexpr bool kEditsInPlace<S> = true;

// A store that shows readers older states of its nodes may have a way to change them nonetheless,
// where older readers are not misled: an entry more behind the last of a leaf, which `show_entry`
// shows once its bytes are there, and a child's box that grows, which `note_growth` announces;
// `grow` makes the node ready for either, and takes no memory where it `grows_in_place`. Such
// a store's views say how many entries of a leaf their epoch has, whether nothing in a node is
// younger than that, and whether nobody will change the node while they look at it.
template <NodeStore S>
[[nodiscard]] Node* grow(S& store, const Node& newest) noexcept {
  if constexpr (requires { store.grow(newest); }) {
    return store.grow(newest);
  } else {
    return store.edit(newest);
  }
}
template <NodeStore S>
[[nodiscard]] bool grows_in_place(const S& store, const Node& newest) noexcept {
  if constexpr (requires { store.grows_in_place(newest); }) {
    return store.grows_in_place(newest);
  } else {
    return false;
  }
}
template <NodeStore S>
void show_entry(S& store, Node& leaf) noexcept {
  if constexpr (requires { store.show_entry(leaf); }) {
    store.show_entry(leaf);
  } else {
    ++leaf.count;
  }
}
template <NodeStore S>
void note_growth(S& store, Node& node) noexcept {
  if constexpr (requires { store.note_growth(node); }) store.note_growth(node);
}
template <NodeView V>
[[nodiscard]] [[gnu::always_inline]] inline std::uint32_t entry_count(const V& view,
                                                                      const Node& leaf) noexcept {
  if constexpr (requires { view.entry_count(leaf); }) {
    return view.entry_count(leaf);
  } else {
    return leaf.count;
  }
}
template <NodeView V>
[[nodiscard]] bool is_still(const V& view, const Node& node) noexcept {
  if constexpr (requires { view.is_still(node); }) {
    return view.is_still(node);
  } else {
    return true;
  }
}
template <NodeView V>
[[nodiscard]] bool is_of_epoch(const V& view, const Node& node) noexcept {
  if constexpr (requires { view.is_of_epoch(node); }) {
    return view.is_of_epoch(node);
  } else {
    return true;
  }
}

// The address that a lead is likely to lead to.
template <NodeView V>
[[nodiscard]] std::uint64_t address_of(Lead<V> lead) noexcept {
  if constexpr (requires { lead.frame(); }) {
    return reinterpret_cast<std::uintptr_t>(lead.frame());
  } else {
    return lead;
  }
}

// The way of the last insertion, by level the child's place, and how many insertions in a row went
// below the same lowest directory node; and how full leaves are. It is a guess where the next one
// may go, and may be of nodes that have changed since.
struct Trail {
  // In so many steps entries that come in no order never go one way, and those in some order seldom
  // go below a node that is there for its few large boxes.
  static constexpr std::uint32_t kSteady = 16;
  // Each so many-th step is chosen, as what covers an entry need not be the best for it.
  static constexpr std::uint32_t kChosenStep = 4;

  [[nodiscard]] bool is_to_be_followed() const noexcept {
    return steps >= kSteady && steps % kChosenStep != 0;
  }

  std::array<std::uint32_t, kMaxHeight> at{};
  std::uint32_t steps = 0;
  LeafFills fills;
};

// A store may keep one for its tree.
template <NodeStore S>
[[nodiscard]] Trail* trail_of(S& store) noexcept {
  if constexpr (requires { store.trail(); }) {
    return &store.trail();
  } else {
    return nullptr;
  }
}

// What the tree says to a store that keeps links in its nodes: the child at `index` of the newest
// version of `parent` has got another frame; the last child's place is now `index`; all children
// are others than before. Links of places behind the last child are unknown, so whoever appends a
// child says nothing.
template <NodeStore S>
void link_child(S& store, const Node& parent, std::size_t index, const Node& child) noexcept {
  if constexpr (S::kFrontWordBytes != 0) store.link_child(parent, index, child);
}
template <NodeStore S>
void move_last_link(S& store, Node& parent, std::size_t index) noexcept {
  if constexpr (S::kFrontWordBytes != 0) store.move_last_link(parent, index);
}
template <NodeStore S>
void forget_links(S& store, Node& parent) noexcept {
  if constexpr (S::kFrontWordBytes != 0) store.forget_links(parent);
}

}  // namespace xtree::index
