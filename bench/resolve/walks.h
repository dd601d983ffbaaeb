// The ways from a NodeID to its node's frame, each as the loop that is timed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "contest.h"
#include "handle_world.h"
#include "persistence/links.h"

namespace xtree::bench {

[[noreturn]] inline void unexpected() {
  std::fprintf(stderr, "a live NodeID did not resolve\n");
  std::abort();
}

inline const Link* as_link(const FrameHeader* frame) {
  return reinterpret_cast<const Link*>(reinterpret_cast<const std::byte*>(frame) -
                                       offsetof(Link, header));
}

// One after the other: each step needs the frame that the last one found.

inline const Link* walk_pointers(const Link* at, std::uint64_t steps) {
  for (; steps != 0; --steps) at = at->next;
  return at;
}

inline const Link* walk_words(const std::uint64_t* words, const Link* at, std::uint64_t steps) {
  for (; steps != 0; --steps) at = reinterpret_cast<const Link*>(words[at->next_word]);
  return at;
}

inline const Link* walk_ids(const ObjectTable::Reader reader, const Link* at, std::uint64_t steps) {
  const FrameHeader* frame = &at->header;
  for (; steps != 0; --steps) {
    frame = reader.resident(as_link(frame)->next_id, HandleWorld::kEpoch);
    if (frame == nullptr) [[unlikely]]
      unexpected();
  }
  return as_link(frame);
}

// As readers go from a parent to a child (ReadView::lead and ReadView::version).
inline const Link* walk_links(const Link* at, std::uint64_t steps) {
  const FrameHeader* frame = &at->header;
  for (; steps != 0; --steps) {
    if (frame->front.links == 0) [[unlikely]]
      unexpected();
    const std::uint64_t link = persistence::load_link(frame, 0);
    if (!persistence::is_address(link)) [[unlikely]]
      unexpected();
    frame = persistence::frame_at(link);
    if (frame->birth > HandleWorld::kEpoch) [[unlikely]]
      unexpected();
  }
  return as_link(frame);
}

// Independent: the ids are known before. The sums stand for the use of what was found.

inline std::uint64_t visit_pointers(const Link* const* links, std::size_t count) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += links[i]->header.birth;
  return sum;
}

inline std::uint64_t visit_words(const std::uint64_t* words, const std::uint32_t* numbers,
                                 std::size_t count) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    sum += reinterpret_cast<const Link*>(words[numbers[i]])->header.birth;
  }
  return sum;
}

inline std::uint64_t visit_ids(const ObjectTable::Reader reader, const NodeId* ids,
                               std::size_t count) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const FrameHeader* frame = reader.resident(ids[i], HandleWorld::kEpoch);
    if (frame == nullptr) [[unlikely]]
      unexpected();
    sum += frame->birth;
  }
  return sum;
}

// A node's children at a time, as the tree does: all of them are asked for, then looked at.
inline std::uint64_t visit_children(const ObjectTable::Reader reader, const NodeId* ids,
                                    std::size_t count, std::size_t children) {
  std::uint64_t sum = 0;
  for (std::size_t first = 0; first + children <= count; first += children) {
    for (std::size_t i = 0; i < children; ++i) reader.prefetch_frame(ids[first + i]);
    sum += visit_ids(reader, ids + first, children);
  }
  return sum;
}

// The same for who knows the next batches too: one is looked at while the frames of the next and
// the slots of the one after that are on their way.
inline std::uint64_t visit_in_pipeline(const ObjectTable::Reader reader, const NodeId* ids,
                                       std::size_t count) {
  constexpr std::size_t kBatch = 32;
  std::uint64_t sum = 0;
  for (std::size_t first = 0; first < count; first += kBatch) {
    const std::size_t slots = std::min(first + 3 * kBatch, count);
    for (std::size_t i = first + 2 * kBatch; i < slots; ++i) reader.prefetch_slot(ids[i]);
    const std::size_t frames = std::min(first + 2 * kBatch, count);
    for (std::size_t i = first + kBatch; i < frames; ++i) reader.prefetch_frame(ids[i]);
    sum += visit_ids(reader, ids + first, std::min(kBatch, count - first));
  }
  return sum;
}

inline std::uint64_t visit_child_pointers(const Link* const* links, std::size_t count,
                                          std::size_t children) {
  std::uint64_t sum = 0;
  for (std::size_t first = 0; first + children <= count; first += children) {
    for (std::size_t i = 0; i < children; ++i) __builtin_prefetch(links[first + i]);
    sum += visit_pointers(links + first, children);
  }
  return sum;
}

}  // namespace xtree::bench
