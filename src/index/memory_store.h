// MemoryStore: where the nodes of an IN_MEMORY index live. A reference is the node's address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>

#include "index/node.h"
#include "index/store.h"
#include "persistence/frame_arena.h"

namespace xtree::index {

// Follows references of a MemoryStore: an address needs no looking up.
class MemoryView {
 public:
  [[nodiscard]] const Node* node(Ref ref) const noexcept {
    return reinterpret_cast<const Node*>(static_cast<std::uintptr_t>(ref));
  }
  [[gnu::always_inline]] void prefetch(Ref ref) const noexcept {
    const auto* line = reinterpret_cast<const char*>(static_cast<std::uintptr_t>(ref));
    for (std::size_t i = 0; i < kPrefetchedLines; ++i) __builtin_prefetch(line + 64 * i);
  }
  [[gnu::always_inline]] void prefetch_at(Ref ref, std::size_t offset) const noexcept {
    __builtin_prefetch(reinterpret_cast<const char*>(static_cast<std::uintptr_t>(ref)) + offset);
  }
};

// Models NodeStore over a FrameArena: changes happen in place, for there is one reader or writer
// at a time. Nodes that are left when the store dies go with its arena.
class MemoryStore {
 public:
  using View = MemoryView;
  static constexpr std::size_t kFrontWordBytes = 0;
  static constexpr bool kEditsInPlace = true;

  explicit MemoryStore(std::size_t limit_bytes = std::numeric_limits<std::size_t>::max()) noexcept
      : arena_(limit_bytes) {}

  [[nodiscard]] View view() const noexcept { return {}; }

  [[nodiscard]] bool reserve(std::size_t bytes,
                             std::size_t largest = persistence::kMaxFrameBytes) noexcept {
    return arena_.reserve(bytes, largest);
  }
  [[nodiscard]] std::span<std::byte> map_ahead(std::size_t bytes, std::size_t largest) noexcept {
    return arena_.map_ahead(bytes, largest);
  }
  [[nodiscard]] Node* create(std::size_t bytes, persistence::FrameFront = {}) noexcept {
    Node* node = create_unwritten(bytes);
    if (node != nullptr) std::memset(&node->frame + 1, 0, bytes - sizeof(node->frame));
    return node;
  }
  [[nodiscard]] Node* create_unwritten(std::size_t bytes,
                                       persistence::FrameFront = {}) noexcept {
    void* memory = arena_.allocate(bytes);
    if (memory == nullptr) return nullptr;
    std::memset(memory, 0, sizeof(Node));
    ++nodes_;
    return name(static_cast<Node*>(memory), bytes);
  }
  [[nodiscard]] Node* edit(Ref ref) noexcept { return const_cast<Node*>(view().node(ref)); }
  [[nodiscard]] Node* edit(const Node& newest) noexcept { return const_cast<Node*>(&newest); }
  [[nodiscard]] static bool grows_in_place(const Node&) noexcept { return true; }
  [[nodiscard]] Node* resize(Ref ref, std::size_t bytes, persistence::FrameFront = {}) noexcept {
    Node* old = edit(ref);
    const std::size_t old_bytes = old->frame.bytes;
    if (old_bytes == bytes) return old;
    if (bytes < old_bytes && 4 * bytes >= 3 * old_bytes) {
      arena_.shrink(old, old_bytes, bytes);
      return name(old, bytes);
    }
    void* memory = arena_.allocate(bytes);
    if (memory == nullptr) return nullptr;
    const std::size_t kept = old_bytes < bytes ? old_bytes : bytes;
    std::memcpy(memory, old, kept);
    std::memset(static_cast<std::byte*>(memory) + kept, 0, bytes - kept);
    arena_.release(old, old_bytes);
    return name(static_cast<Node*>(memory), bytes);
  }
  void destroy(Ref ref) noexcept {
    Node* node = edit(ref);
    arena_.release(node, node->frame.bytes);
    --nodes_;
  }

  [[nodiscard]] Trail& trail() noexcept { return trail_; }

  // Nodes that exist.
  [[nodiscard]] std::uint64_t nodes() const noexcept { return nodes_; }
  // Memory that nodes take now, and what the store holds of the operating system's in all.
  [[nodiscard]] std::size_t bytes_in_use() const noexcept { return arena_.bytes_in_use(); }
  [[nodiscard]] std::size_t bytes_mapped() const noexcept { return arena_.bytes_mapped(); }

 private:
  static Node* name(Node* node, std::size_t bytes) noexcept {
    node->frame.node_id = reinterpret_cast<std::uintptr_t>(node);
    node->frame.bytes = static_cast<std::uint32_t>(bytes);
    return node;
  }

  persistence::FrameArena arena_;
  Trail trail_{};
  std::uint64_t nodes_ = 0;
};

static_assert(NodeStore<MemoryStore>);

}  // namespace xtree::index
