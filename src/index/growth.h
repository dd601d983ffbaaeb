// Growth: what a node's newest version may get in place, and how readers of older epochs know.
#pragma once

#include <atomic>
#include <cstdint>

#include "index/node.h"
#include "platform/check.h"
#include "platform/plant.h"

namespace xtree::index {

// An entry more behind the last of a leaf, and a child's box that grows, are no reason to copy a
// node: who reads at an older epoch must overlook the entry, and a box that is too large does not
// mislead it. In front of a leaf's frame stand stamps, 4 bytes for each entry that it has room for,
// the first next to the header: in how many epochs after the version's birth the entry came.
//
// The writer completes the entry and its stamp before `changed`, and that before `count`. So a
// reader that counts an entry also sees that the leaf has changed, and in which epoch the entry
// came. These are the only accesses to stamps, `changed` and a leaf's `count` that others may use
// while the node has readers. design/concurrency.md, "Growth".
[[nodiscard]] inline std::uint32_t& stamp_of(const Node& leaf, std::size_t index) noexcept {
  XTREE_DCHECK(index < std::size_t{leaf.frame.front.stamps} * 2);
  return *(reinterpret_cast<std::uint32_t*>(const_cast<Node*>(&leaf)) - 1 - index);
}

// The writer's, in the running epoch, once the bytes of the entry behind the last are there.
inline void show_entry(Node& leaf, std::uint64_t epoch) noexcept {
  const std::uint32_t index = leaf.count;
  if (leaf.frame.birth != epoch) {
    stamp_of(leaf, index) = static_cast<std::uint32_t>(epoch - leaf.frame.birth);
    std::atomic_ref(leaf.changed).store(epoch, std::memory_order_relaxed);
  }
  std::atomic_ref(leaf.count).store(index + 1, std::memory_order_release);
}

// The writer's, before a child's box grows in place. Release stores of the box come behind it, so a
// reader that has seen a part of the new box sees that the node has changed.
inline void note_growth(Node& node, std::uint64_t epoch) noexcept {
  if (node.frame.birth == epoch) return;
  std::atomic_ref(node.changed).store(epoch, std::memory_order_relaxed);
}

// A reader's: the epoch of the version's last change in place; 0 when there was none.
[[nodiscard]] inline std::uint64_t epoch_of_change(const Node& node) noexcept {
  return std::atomic_ref(const_cast<Node&>(node).changed).load(std::memory_order_relaxed);
}
// A reader's: whether all that the version holds is of its epoch or older.
[[nodiscard]] inline bool is_of_epoch(const Node& node, std::uint64_t epoch) noexcept {
  return epoch_of_change(node) <= epoch;
}

// A reader's: how many of the leaf's first `count` entries its epoch has.
[[nodiscard]] [[gnu::noinline]] inline std::uint32_t count_older(const Node& leaf,
                                                                 std::uint32_t count,
                                                                 std::uint64_t epoch) noexcept {
  // What came from disk has no stamps, as no reader is older than its last change.
  if (leaf.frame.front.stamps == 0) return count;
  if (platform::planted(platform::Plant::entry_seen_early)) return count;
  const std::uint64_t age = epoch - leaf.frame.birth;
  while (count > 0 && stamp_of(leaf, count - 1) > age) --count;
  return count;
}
// How many entries of a leaf it has. Acquire pairs with `show_entry`.
[[nodiscard]] [[gnu::always_inline]] inline std::uint32_t entries_at(
    const Node& leaf, std::uint64_t epoch) noexcept {
  const std::uint32_t count =
      std::atomic_ref(const_cast<Node&>(leaf).count).load(std::memory_order_acquire);
  return is_of_epoch(leaf, epoch) ? count : count_older(leaf, count, epoch);
}

}  // namespace xtree::index
