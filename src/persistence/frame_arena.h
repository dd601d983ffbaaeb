// FrameArena: the memory that frames live in.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "persistence/frame.h"
#include "platform/check.h"

namespace xtree::persistence {

// Memory for frames: aligned to a cache line and cut from chunks of the operating system's. What is
// released is joined with the free memory around it and serves the smallest request that fits:
// nodes grow block by block, and would otherwise leave memory behind in sizes that nobody wants
// again. It is the good-fit scheme of Masmano, Ripoll, Crespo and Real ("TLSF", ECRTS 2004) with
// exact lists for small sizes: every call takes constant time.
//
//   FrameArena arena;
//   if (!arena.reserve(8192)) return out_of_memory;
//   void* frame = arena.allocate(4096);   // cannot be null now
//   arena.release(frame, 4096);
//
// It calls the operating system only when it needs another chunk; chunks begin at 64 KiB, so that
// an empty index is small, and grow to 2 MiB, a huge page; of a large reservation the last one is
// no larger than it must be. They go back when the arena is destroyed. One thread at a time. Under
// AddressSanitizer free memory is poisoned.
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
  // What `allocate` for so many bytes would give now, if it needs no other chunk.
  [[nodiscard]] const std::byte* place_of_next(std::size_t bytes) const noexcept;
  // Takes back what `allocate` gave for the same number of bytes.
  void release(void* frame, std::size_t bytes) noexcept;
  // Takes back all of it but the first `kept` bytes, 1 or more, which stay where they are.
  void shrink(void* frame, std::size_t bytes, std::size_t kept) noexcept {
    XTREE_DCHECK(kept != 0 && kept <= bytes);
    const std::size_t stay = rounded(kept);
    if (stay == rounded(bytes)) return;
    release(static_cast<std::byte*>(frame) + stay, rounded(bytes) - stay);
  }
  // Until the next `reserve`, allocations whose sizes, each rounded up to a multiple of 64, come to
  // `bytes` in all cannot fail, if none is larger than `largest`. The smaller that is, the less is
  // taken beyond `bytes`.
  [[nodiscard]] bool reserve(std::size_t bytes, std::size_t largest = kMaxFrameBytes) noexcept {
    return static_cast<std::size_t>(end_ - next_) >= bytes || reserve_more(bytes, largest);
  }

  // Maps the chunks that a `reserve` of the same size is going to want, if it wants whole ones, and
  // leaves them untouched. The system clears memory when it is touched, so whoever has several
  // threads lets each of them make a part of it present before it is reserved. Empty when there
  // is nothing to map, or no memory, which `reserve` will find out.
  [[nodiscard]] std::span<std::byte> map_ahead(std::size_t bytes, std::size_t largest) noexcept;

  // Memory that is allocated now, in multiples of 64.
  [[nodiscard]] std::size_t bytes_in_use() const noexcept { return bytes_in_use_; }
  // Memory taken from the operating system, also what was mapped ahead and nobody has reserved.
  [[nodiscard]] std::size_t bytes_mapped() const noexcept { return bytes_mapped_ + ahead_.size(); }

 private:
  struct Chunk;
  // Stands at the beginning of free memory; its size stands at the end as well.
  struct Free {
    Free* next;
    Free* previous;
    std::size_t bytes;
  };

  static constexpr std::size_t kGranule = kFrameAlignment;
  // Up to here one list for every 64 bytes; above, eight lists to each doubling.
  static constexpr std::size_t kFineBytes = 8192;
  static constexpr std::size_t kFineLists = kFineBytes / kGranule;
  static constexpr std::size_t kLists =
      kFineLists + 8 * (std::bit_width(kMaxFrameBytes) - std::bit_width(kFineBytes)) + 1;

  static constexpr std::size_t rounded(std::size_t bytes) noexcept {
    return (bytes + kGranule - 1) / kGranule * kGranule;
  }
  static std::size_t list_of(std::size_t bytes) noexcept;
  static std::size_t list_for_request(std::size_t bytes) noexcept;

  // Whole chunks, and the bytes that a smaller one has to have.
  struct Shortage {
    std::size_t chunks = 0;
    std::size_t rest = 0;
  };
  [[nodiscard]] Shortage shortage(std::size_t bytes, std::size_t largest) const noexcept;
  [[nodiscard]] std::size_t next_chunk_bytes() const noexcept;
  bool reserve_more(std::size_t bytes, std::size_t largest) noexcept;
  bool map_chunk(std::size_t bytes, std::size_t size) noexcept;
  void retire_bump() noexcept;
  [[nodiscard]] Free* find(std::size_t bytes) const noexcept;
  void link(std::byte* memory, std::size_t bytes) noexcept;
  void unlink(Free* piece) noexcept;

  std::byte* next_ = nullptr;  // the part of the newest chunk that was never used
  std::byte* end_ = nullptr;
  Chunk* chunks_ = nullptr;
  std::span<std::byte> ahead_;  // whole chunks that are mapped and not in use yet
  std::size_t limit_bytes_ = std::numeric_limits<std::size_t>::max();
  std::size_t bytes_in_use_ = 0;
  std::size_t bytes_mapped_ = 0;  // in chunks
  std::array<std::uint64_t, (kLists + 63) / 64> occupied_ = {};  // one bit per list: not empty
  std::array<Free*, kLists> lists_ = {};
};

}  // namespace xtree::persistence
