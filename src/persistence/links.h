// Links: from a node's frame straight to the frames of its children.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "persistence/frame.h"
#include "platform/check.h"

namespace xtree::persistence {

// In front of a frame stand its links, one word for each child that it has room for, the first next
// to the header: the address of the child's newest version, or kUnknownLink or kClosedLink. They
// exist in memory only. To find one takes nothing but the frame's address and the child's number.
//
// Only the newest version of a node that has not ended has links that are not closed, and each is
// unknown or leads to the newest version of its child. The writer keeps it so; readers fill in what
// they have looked up. An address with kCoolLink leads there too, and says that no reader has come
// this way since it was set. These are the only accesses to links that others may use.
// design/concurrency.md, "Links" and "Eviction".
inline constexpr std::uint64_t kUnknownLink = 0;
inline constexpr std::uint64_t kClosedLink = 1;
inline constexpr std::uint64_t kCoolLink = std::uint64_t{1} << 63;

[[nodiscard]] inline std::uint64_t& link_word(const FrameHeader* frame,
                                              std::size_t index) noexcept {
  XTREE_DCHECK(index < frame->front.links);
  // A sum and no difference, so that it is one step of an address.
  const auto place = static_cast<std::ptrdiff_t>(~index);
  return reinterpret_cast<std::uint64_t*>(const_cast<FrameHeader*>(frame))[place];
}

// Whether it leads somewhere and is not cool: one comparison, as a cool link is below 0.
[[nodiscard]] inline bool is_address(std::uint64_t link) noexcept {
  return static_cast<std::int64_t>(link) > static_cast<std::int64_t>(kClosedLink);
}
[[nodiscard]] inline bool is_cool(std::uint64_t link) noexcept { return (link & kCoolLink) != 0; }
[[nodiscard]] inline FrameHeader* frame_at(std::uint64_t link) noexcept {
  return reinterpret_cast<FrameHeader*>(static_cast<std::uintptr_t>(link));
}

// Acquire pairs with the releases of `set_link` and `fill_link`: who sees the address of a frame
// sees its header, and the whole of it once its epoch is published.
[[nodiscard]] inline std::uint64_t load_link(const FrameHeader* frame, std::size_t index) noexcept {
  return std::atomic_ref(link_word(frame, index)).load(std::memory_order_acquire);
}

// The writer's, once the slot has the child's new version. Nothing to a frame without links.
void set_link(const FrameHeader* frame, std::size_t index, const FrameHeader* child) noexcept;

// A reader's, with what the child's slot held. It does nothing once the writer has set the link or
// closed it, so an address that has grown old on the way is never stored. Release passes on the
// frame's header, which the reader has from the slot; a failure reads nothing that is used.
inline void fill_link(const FrameHeader* frame, std::size_t index,
                      const FrameHeader* child) noexcept {
  std::uint64_t unknown = kUnknownLink;
  std::atomic_ref(link_word(frame, index))
      .compare_exchange_strong(unknown, reinterpret_cast<std::uintptr_t>(child),
                               std::memory_order_release, std::memory_order_relaxed);
}

// A reader's, who has come by a cool link. Nothing is published, since the address stays: it does
// nothing once the writer has changed the link.
inline void warm_link(const FrameHeader* frame, std::size_t index, std::uint64_t link) noexcept {
  std::atomic_ref(link_word(frame, index))
      .compare_exchange_strong(link, link & ~kCoolLink, std::memory_order_relaxed,
                               std::memory_order_relaxed);
}
// The writer's, for a link that is an address. Readers leave such a link alone.
inline void cool_link(const FrameHeader* frame, std::size_t index, std::uint64_t link) noexcept {
  std::atomic_ref(link_word(frame, index)).store(link | kCoolLink, std::memory_order_release);
}
// The writer's: nobody finds or fills in the child here, whose frame is about to go, until the link
// is opened again. That is once no reader is left who may have had the frame's address from the
// slot; it opens if the writer has not set it meanwhile.
void close_link(const FrameHeader* frame, std::size_t index) noexcept;
void open_link(const FrameHeader* frame, std::size_t index) noexcept;

// The writer's: nobody finds anything by this frame's links from now on, and nobody fills one in.
// Relaxed: it happens before the publication of the epoch that supersedes or ends the version, and
// before the clock moves that the collector's grace period waits for.
void close_links(FrameHeader* frame) noexcept;

// The writer's: the links of a new version, which nobody has seen yet, begin as those of the old
// one, as far as there is room, and the old one's are closed.
void take_links(FrameHeader* frame, FrameHeader* old) noexcept;

// The writer's, for a frame of the running epoch, which no reader looks into: the link at `from`
// moves to `to`, or all of them become unknown.
void move_link(FrameHeader* frame, std::size_t from, std::size_t to) noexcept;
void forget_links(FrameHeader* frame) noexcept;

}  // namespace xtree::persistence
