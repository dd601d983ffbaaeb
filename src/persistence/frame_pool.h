// FramePool: the arena of a version store, shared by the writer and by readers that load nodes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <span>

#include "persistence/frame.h"
#include "persistence/frame_arena.h"
#include "platform/latch.h"

namespace xtree::persistence {

// A FrameArena behind a latch that is held for an allocation and no longer. What the writer has
// reserved stays its own, however much readers load meanwhile. Sizes are multiples of 64.
class FramePool {
 public:
  // The writer's allocations until its next `reserve`, `bytes` in all and none of more than
  // `largest`, will succeed; false when there is not so much memory.
  [[nodiscard]] bool reserve(std::size_t bytes, std::size_t largest = kMaxFrameBytes) noexcept {
    const std::lock_guard lock(latch_);
    reserved_ = arena_.reserve(bytes, largest) ? bytes : 0;
    return reserved_ == bytes;
  }
  // As FrameArena::map_ahead; readers may take some of it before the writer reserves.
  [[nodiscard]] std::span<std::byte> map_ahead(std::size_t bytes, std::size_t largest) noexcept {
    const std::lock_guard lock(latch_);
    return arena_.map_ahead(bytes, largest);
  }
  // The writer's allocation; null when memory is exhausted and none was reserved. `has_successor`
  // says that the next one will probably be of the same size, and of memory that no cache has.
  [[nodiscard]] void* allocate(std::size_t bytes, bool has_successor = false) noexcept {
    const std::lock_guard lock(latch_);
    reserved_ -= std::min(reserved_, bytes);
    void* const memory = arena_.allocate(bytes);
    if (has_successor) {
      const std::byte* const next = arena_.place_of_next(bytes);
      cold_ = {next, next == nullptr ? 0 : std::min(bytes, kMostWarmed)};
    }
    return memory;
  }
  // The writer asks for some lines of that memory, as many as a processor waits for at a time; in
  // a few calls for all.
  void warm_some() noexcept {
    const std::size_t bytes = std::min(cold_.size(), kWarmedAtOnce);
    for (std::size_t at = 0; at < bytes; at += 64) __builtin_prefetch(&cold_[at], 1);
    cold_ = cold_.subspan(bytes);
  }
  // Anyone's allocation, which leaves the writer its reservation.
  [[nodiscard]] void* allocate_beside_writer(std::size_t bytes) noexcept {
    const std::lock_guard lock(latch_);
    if (!arena_.reserve(reserved_ + bytes)) return nullptr;
    return arena_.allocate(bytes);
  }
  void release(void* frame, std::size_t bytes) noexcept {
    const std::lock_guard lock(latch_);
    arena_.release(frame, bytes);
  }
  void release(FrameHeader* frame) noexcept { release(memory_of(frame), frame_bytes(*frame)); }

  [[nodiscard]] std::size_t bytes_in_use() const noexcept {
    const std::lock_guard lock(latch_);
    return arena_.bytes_in_use();
  }
  [[nodiscard]] std::size_t bytes_mapped() const noexcept {
    const std::lock_guard lock(latch_);
    return arena_.bytes_mapped();
  }

 private:
  static constexpr std::size_t kMostWarmed = 4096;
  static constexpr std::size_t kWarmedAtOnce = std::size_t{16} * 64;

  mutable platform::Latch latch_;
  FrameArena arena_;          // guarded by latch_, as is `reserved_`
  std::size_t reserved_ = 0;  // what the writer may still count on
  std::span<const std::byte> cold_;  // the writer's alone: what `warm_some` has not asked for yet
};

}  // namespace xtree::persistence
