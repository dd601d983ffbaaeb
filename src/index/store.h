// What the tree asks of the place where its nodes live: the one door between the tree and the
// persistence layer. MemoryStore and DurableStore model it.
#pragma once

#include <concepts>
#include <cstddef>

#include "index/node.h"

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

// A view whose `node` looks references up may have `prefetch_family` too: it starts to bring near
// what the lookup of the node's children will read, before the node itself can say who they are. A
// guess is good enough.
template <NodeView V>
void prefetch_family(const V& view, Ref ref) noexcept {
  if constexpr (requires { view.prefetch_family(ref); }) view.prefetch_family(ref);
}

// A view that can asks for one line of a node, at an offset that may lie behind its end.
template <NodeView V>
void prefetch_at(const V& view, Ref ref, std::size_t offset) noexcept {
  if constexpr (requires { view.prefetch_at(ref, offset); }) view.prefetch_at(ref, offset);
}

// How the one writer makes and changes nodes. `bytes` are whole nodes, header included, multiples
// of 64. Frames that `create`, `edit` and `resize` return may be changed in place until the
// operation ends; the tree fills everything behind the FrameHeader.
template <class S>
concept NodeStore = NodeView<typename S::View> && requires(S& store, Ref ref, std::size_t bytes) {
  // What the writer itself sees: every change so far.
  { store.view() } noexcept -> std::same_as<typename S::View>;
  // Makes sure that creates, edits and resizes of `bytes` in all cannot fail for want of
  // memory; false when there is not so much. Called before an operation changes anything.
  { store.reserve(bytes) } noexcept -> std::same_as<bool>;
  // The same for nodes of at most so many bytes each, which costs less memory.
  { store.reserve(bytes, bytes) } noexcept -> std::same_as<bool>;
  // A new node with zeroed memory behind its FrameHeader's fields. Its reference is
  // `frame.node_id`.
  { store.create(bytes) } noexcept -> std::same_as<Node*>;
  // As `create`, but what is behind the FrameHeader holds anything.
  { store.create_unwritten(bytes) } noexcept -> std::same_as<Node*>;
  // The node, ready to be changed: itself, or a copy when readers may still need it as it is.
  // The reference stays. Null when it cannot be read.
  { store.edit(ref) } noexcept -> std::same_as<Node*>;
  // As `edit`, with room for `bytes`; contents are kept up to the smaller size, and what is new
  // is zero. In memory mode the reference changes with the address: read it from the result.
  { store.resize(ref, bytes) } noexcept -> std::same_as<Node*>;
  { store.destroy(ref) } noexcept;
};

}  // namespace xtree::index
