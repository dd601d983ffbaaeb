// The links between the versions of one node.
#pragma once

#include <atomic>

#include "persistence/frame.h"

namespace xtree::persistence {

// Of a linked frame's header one word changes: `previous`, when the collector takes an older
// version out of the chain. These are the only accesses to that word while others may follow it.

// Acquire pairs with `link_older`. Both the version that was taken out and the one behind it are
// right for any reader that comes by.
[[nodiscard]] inline FrameHeader* older_version(const FrameHeader* frame) noexcept {
  return std::atomic_ref(const_cast<FrameHeader*&>(frame->previous))
      .load(std::memory_order_acquire);
}

inline void link_older(FrameHeader* frame, FrameHeader* older) noexcept {
  std::atomic_ref(frame->previous).store(older, std::memory_order_release);
}

// The version that `epoch` sees, from `newest` on; null when the node is younger, or `newest` null.
[[nodiscard]] inline FrameHeader* version_for(FrameHeader* newest, std::uint64_t epoch) noexcept {
  for (FrameHeader* frame = newest; frame != nullptr; frame = older_version(frame)) {
    if (frame->birth <= epoch) [[likely]] return frame;
  }
  return nullptr;
}

}  // namespace xtree::persistence
