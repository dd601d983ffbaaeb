#include "persistence/links.h"

#include <algorithm>

#include "platform/plant.h"

namespace xtree::persistence {

void set_link(const FrameHeader* frame, std::size_t index, const FrameHeader* child) noexcept {
  if (index >= frame->front.links || platform::planted(platform::Plant::link_not_renewed)) return;
  std::atomic_ref(link_word(frame, index))
      .store(reinterpret_cast<std::uintptr_t>(child), std::memory_order_release);
}

void close_link(const FrameHeader* frame, std::size_t index) noexcept {
  const bool left_open = platform::planted(platform::Plant::link_left_open);
  std::atomic_ref(link_word(frame, index))
      .store(left_open ? kUnknownLink : kClosedLink, std::memory_order_relaxed);
}

// Release: who finds the link unknown and looks the slot up does not find what stood there before.
void open_link(const FrameHeader* frame, std::size_t index) noexcept {
  std::uint64_t closed = kClosedLink;
  std::atomic_ref(link_word(frame, index))
      .compare_exchange_strong(closed, kUnknownLink, std::memory_order_release,
                               std::memory_order_relaxed);
}

void close_links(FrameHeader* frame) noexcept {
  if (platform::planted(platform::Plant::link_not_closed)) return;
  for (std::size_t i = 0; i < frame->front.links; ++i) {
    std::atomic_ref(link_word(frame, i)).store(kClosedLink, std::memory_order_relaxed);
  }
}

// Acquire in `load_link`: a reader may have filled the link with what another thread has read from
// disk, and the new frame's release passes that on. What a reader fills in between the load and the
// closing is lost, which is allowed.
void take_links(FrameHeader* frame, FrameHeader* old) noexcept {
  const std::size_t kept = std::min(frame->front.links, old->front.links);
  for (std::size_t i = 0; i < frame->front.links; ++i) {
    const std::uint64_t link = i < kept ? load_link(old, i) & ~kCoolLink : kUnknownLink;
    link_word(frame, i) = is_address(link) ? link : kUnknownLink;
  }
  close_links(old);
}

void move_link(FrameHeader* frame, std::size_t from, std::size_t to) noexcept {
  link_word(frame, to) = link_word(frame, from);
  link_word(frame, from) = kUnknownLink;
}

void forget_links(FrameHeader* frame) noexcept {
  for (std::size_t i = 0; i < frame->front.links; ++i) link_word(frame, i) = kUnknownLink;
}

}  // namespace xtree::persistence
