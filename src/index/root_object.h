// The object that holds an index's Root, and how its count of entries changes in place.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "index/catalog_format.h"
#include "index/node.h"
#include "persistence/frame.h"

namespace xtree::index {

// Most epochs change nothing of a root but how many entries there are. So that they need no version
// of the object, each adds a line to a list in front of its frame: from which epoch on how many
// entries there are. The first line is of the version's birth. What follows the header stays as it
// is, and readers who want no more than the tree share that cache line with nobody who writes; a
// cut brings it up to date, as the image has no list. A frame that was read from disk has no list
// either.
//
// The number of lines stands next to the header, and is stored behind the line that it counts.
struct EntryLine {
  std::uint64_t epoch;
  std::uint64_t entries;
};
inline constexpr std::size_t kMostEntryLines = 31;
inline constexpr persistence::FrameFront kRootFront{.links = 0, .stamps = 2 * kMostEntryLines + 2};
static_assert(kRootFront.stamps % 8 == 0);
inline constexpr std::size_t kRootBytes = sizeof(persistence::FrameHeader) + sizeof(RootContent);
static_assert(kRootBytes % persistence::kFrameAlignment == 0);

[[nodiscard]] inline std::uint64_t& entry_line_count(
    const persistence::FrameHeader& frame) noexcept {
  return *(reinterpret_cast<std::uint64_t*>(const_cast<persistence::FrameHeader*>(&frame)) - 1);
}
[[nodiscard]] inline EntryLine& entry_line(const persistence::FrameHeader& frame,
                                           std::size_t index) noexcept {
  return *(reinterpret_cast<EntryLine*>(const_cast<persistence::FrameHeader*>(&frame)) - 2 - index);
}
[[nodiscard]] inline RootContent& root_content(const persistence::FrameHeader& frame) noexcept {
  return *reinterpret_cast<RootContent*>(const_cast<persistence::FrameHeader*>(&frame) + 1);
}

// The writer's.

// Fills a version of the running epoch.
inline void write_root(persistence::FrameHeader& frame, const RootContent& content) noexcept {
  root_content(frame) = content;
  entry_line(frame, 0) = {frame.birth, content.root.entries};
  entry_line_count(frame) = 1;
}

// Lets a version that has readers say how many entries there are from this epoch on; false when it
// cannot say that the root is this one.
[[nodiscard]] inline bool change_root_in_place(persistence::FrameHeader& frame, const Root& root,
                                               std::uint64_t epoch) noexcept {
  const Root& held = root_content(frame).root;
  const std::uint64_t lines = entry_line_count(frame);
  if (held.node != root.node || held.height != root.height) return false;
  if (lines == kMostEntryLines) return false;
  entry_line(frame, lines) = {epoch, root.entries};
  std::atomic_ref(entry_line_count(frame)).store(lines + 1, std::memory_order_release);
  return true;
}

// Before the cut's image is taken.
inline void complete_root_image(persistence::FrameHeader& frame) noexcept {
  root_content(frame).root.entries = entry_line(frame, entry_line_count(frame) - 1).entries;
}

// A reader's: the root as an epoch has it that the version is for. Acquire pairs with the release
// in `change_root_in_place`.
[[nodiscard]] inline Root root_at(const persistence::FrameHeader& frame,
                                  std::uint64_t epoch) noexcept {
  const Root& held = root_content(frame).root;
  // `reserved` too, as it makes one store: what is stored in halves is late when loaded as a whole.
  Root root{.node = held.node,
            .entries = 0,
            .height = held.height,
            .reserved = held.reserved};
  if (frame.front.stamps == 0) {
    root.entries = held.entries;
    return root;
  }
  std::uint64_t line =
      std::atomic_ref(entry_line_count(frame)).load(std::memory_order_acquire) - 1;
  while (entry_line(frame, line).epoch > epoch) --line;
  root.entries = entry_line(frame, line).entries;
  return root;
}

}  // namespace xtree::index
