// LeafFills: how many entries each leaf had when the last one was added to it.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "platform/without_throwing.h"

namespace xtree::index {

// An insertion knows where its leaf is as soon as it has chosen it, but only the leaf's header says
// where in it the entry goes. In a tree that is larger than the processor's caches both are far
// away, and who waits for the one before asking for the other waits twice. So the writer remembers
// how full the leaf was, a byte by the hash of its address, and asks for both at once.
//
// It is a guess: leaves also lose entries, and two may share a byte. 0 is no guess. A tree that
// fits into the caches needs none, and has no memory for it.
class LeafFills {
 public:
  [[nodiscard]] std::uint32_t guess(std::uint64_t address) const noexcept {
    return fills_.empty() ? 0 : fills_[place_of(address)];
  }
  void note(std::uint64_t address, std::uint32_t entries) noexcept {
    if (!fills_.empty()) fills_[place_of(address)] = static_cast<std::uint8_t>(entries);
  }
  // Makes room for the leaves of a tree of so many entries, if there is memory, and begins anew.
  void fit(std::uint64_t tree_entries) noexcept {
    if (tree_entries < kFewestEntries || tree_entries <= fills_.size() * kEntriesPerByte) return;
    const std::uint64_t bytes = std::bit_ceil(tree_entries / kEntriesPerByte + 1);
    static_cast<void>(platform::try_to([&] { fills_.assign(bytes, 0); }));
  }

 private:
  // A leaf has some 60 entries, so that every other byte is in use at the most.
  static constexpr std::uint64_t kEntriesPerByte = 32;
  static constexpr std::uint64_t kFewestEntries = 32768;

  [[nodiscard]] std::size_t place_of(std::uint64_t address) const noexcept {
    const std::uint64_t scattered = (address >> 6) * 0x9E3779B97F4A7C15;
    return static_cast<std::size_t>(scattered >> 32) & (fills_.size() - 1);
  }

  std::vector<std::uint8_t> fills_;  // a power of two of them
};

}  // namespace xtree::index
