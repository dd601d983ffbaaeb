// FrameArena: the memory that frames live in.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "persistence/frame.h"

namespace xtree::persistence {

// Memory for frames: aligned to a cache line, cut from chunks that come from the operating system,
// and kept in one list per size once it is released. It calls the operating system only when it
// needs another chunk; chunks begin at 64 KiB, so that an empty index is small, and grow to 2 MiB
// on huge-page boundaries, so that a large one costs few translations.
//
//   FrameArena arena;
//   if (!arena.reserve(8192)) return out_of_memory;
//   void* frame = arena.allocate(4096);   // cannot be null now
//   arena.release(frame, 4096);
//
// One thread at a time. Chunks go back to the operating system when the arena is destroyed. Under
// AddressSanitizer memory that is not allocated is poisoned.
class FrameArena {
 public:
  FrameArena() noexcept = default;
  // Never holds more than `limit_bytes` of the operating system's memory.
  explicit FrameArena(std::size_t limit_bytes) noexcept : limit_bytes_(limit_bytes) {}
  FrameArena(const FrameArena&) = delete;
  FrameArena& operator=(const FrameArena&) = delete;
  ~FrameArena();

  // Memory for `bytes`, 1 to kMaxFrameBytes, with arbitrary contents; null when there is no more.
  [[nodiscard]] void* allocate(std::size_t bytes) noexcept;
  // Takes back what `allocate` gave for the same number of bytes.
  void release(void* frame, std::size_t bytes) noexcept;
  // Until the next `reserve`, allocations whose sizes, each rounded up to `allocation_bytes`, come
  // to `bytes` in all cannot fail. Frames of up to 8 KiB in multiples of 64 are not rounded.
  [[nodiscard]] bool reserve(std::size_t bytes) noexcept {
    return static_cast<std::size_t>(end_ - next_) >= bytes || map_chunk(bytes);
  }

  // What an allocation of `bytes` takes: a multiple of 64, at most an eighth more than asked for.
  [[nodiscard]] static constexpr std::size_t allocation_bytes(std::size_t bytes) noexcept {
    const std::size_t step = bytes <= kFineBytes ? kFrameAlignment : coarse_step(bytes);
    return (bytes + step - 1) / step * step;
  }
  // Memory that is allocated now.
  [[nodiscard]] std::size_t bytes_in_use() const noexcept { return bytes_in_use_; }
  // Memory taken from the operating system.
  [[nodiscard]] std::size_t bytes_mapped() const noexcept { return bytes_mapped_; }

 private:
  // Stands at the beginning of each chunk.
  struct Chunk {
    Chunk* previous;
    std::size_t bytes;
  };
  // Stands in released memory.
  struct Free {
    Free* next;
  };

  // Up to here one class for every 64 bytes; above, eight classes to each doubling.
  static constexpr std::size_t kFineBytes = 8192;
  static constexpr std::size_t kFineClasses = kFineBytes / kFrameAlignment;
  static constexpr std::size_t kClasses =
      kFineClasses + 8 * (std::bit_width(kMaxFrameBytes) - std::bit_width(kFineBytes));

  static constexpr std::size_t coarse_step(std::size_t bytes) noexcept {
    return std::bit_floor(bytes - 1) / 8;
  }
  static constexpr std::size_t class_of(std::size_t class_bytes) noexcept {
    if (class_bytes <= kFineBytes) return class_bytes / kFrameAlignment - 1;
    const std::size_t floor = std::bit_floor(class_bytes - 1);
    const std::size_t doublings = std::bit_width(floor) - std::bit_width(kFineBytes);
    return kFineClasses + 8 * doublings + (class_bytes - floor) / (floor / 8) - 1;
  }

  bool map_chunk(std::size_t bytes) noexcept;
  std::byte* bump(std::byte*& next, const std::byte* end, std::size_t bytes) noexcept;
  std::byte* take_split(std::size_t index, std::size_t bytes) noexcept;
  std::byte* pop(std::size_t index) noexcept;
  void push(std::byte* memory, std::size_t class_bytes) noexcept;
  void push_pieces(std::byte* memory, std::size_t bytes) noexcept;

  std::byte* next_ = nullptr;  // the unused part of the newest chunk
  std::byte* end_ = nullptr;
  std::byte* rest_ = nullptr;  // the unused part of the chunk before, spent first
  std::byte* rest_end_ = nullptr;
  Chunk* chunks_ = nullptr;
  std::size_t limit_bytes_ = std::numeric_limits<std::size_t>::max();
  std::size_t bytes_in_use_ = 0;
  std::size_t bytes_mapped_ = 0;
  std::size_t bytes_free_ = 0;  // in the lists
  std::array<std::uint64_t, (kClasses + 63) / 64> occupied_ = {};  // one bit per list: not empty
  std::array<Free*, kClasses> free_ = {};
};

}  // namespace xtree::persistence
