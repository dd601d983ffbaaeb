#include "persistence/frame_arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "platform/check.h"
#include "platform/memory.h"

#if defined(__SANITIZE_ADDRESS__)
#define XTREE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define XTREE_ASAN 1
#endif
#endif
#ifdef XTREE_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace xtree::persistence {
namespace {

constexpr std::size_t kFirstChunkBytes = std::size_t{64} << 10;
constexpr std::size_t kChunkBytes = platform::kHugePageBytes;

// AddressSanitizer watches over memory that is not allocated.
void poison([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) noexcept {
#ifdef XTREE_ASAN
  ASAN_POISON_MEMORY_REGION(memory, bytes);
#endif
}

void unpoison([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) noexcept {
#ifdef XTREE_ASAN
  ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
#endif
}

// `bytes` on a boundary of kChunkBytes, and the mapping around them.
struct Aligned {
  std::byte* memory = nullptr;  // null when there was none
  void* mapping = nullptr;
  std::size_t mapped_bytes = 0;
};

// Maps more than is asked for. Whole chunks give the edges back; smaller ones are few, and leave
// their edges untouched, which costs addresses but neither memory nor two calls.
Aligned map_aligned(std::size_t bytes) noexcept {
  const std::size_t mapped_bytes = bytes + kChunkBytes;
  void* mapping = ::mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return {};
  auto* begin = static_cast<std::byte*>(mapping);
  const auto address = reinterpret_cast<std::uintptr_t>(begin);
  const std::size_t before = (kChunkBytes - address % kChunkBytes) % kChunkBytes;
  std::byte* memory = begin + before;
  if (bytes % kChunkBytes != 0) return {memory, mapping, mapped_bytes};
  if (before != 0) ::munmap(begin, before);
  ::munmap(memory + bytes, kChunkBytes - before);
#ifdef MADV_HUGEPAGE
  ::madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  return {memory, memory, bytes};
}

bool bit(const std::uint64_t* map, std::size_t index) noexcept {
  return (map[index / 64] >> index % 64 & 1) != 0;
}
void set_bit(std::uint64_t* map, std::size_t index) noexcept {
  map[index / 64] |= std::uint64_t{1} << index % 64;
}
void clear_bit(std::uint64_t* map, std::size_t index) noexcept {
  map[index / 64] &= ~(std::uint64_t{1} << index % 64);
}

}  // namespace

// Stands at the beginning of each chunk, which lies on a boundary of kChunkBytes and is no longer.
// Behind it lie two bit maps of the chunk's granules: which begin free memory, and which end it.
struct FrameArena::Chunk {
  Chunk* previous;
  std::size_t bytes;
  void* mapping;
  std::size_t mapped_bytes;

  [[nodiscard]] std::size_t map_words() const noexcept { return bytes / kGranule / 64; }
  [[nodiscard]] std::uint64_t* begins() noexcept {
    return reinterpret_cast<std::uint64_t*>(this + 1);
  }
  [[nodiscard]] std::uint64_t* ends() noexcept { return begins() + map_words(); }
  [[nodiscard]] std::size_t granule(const std::byte* at) const noexcept {
    return static_cast<std::size_t>(at - reinterpret_cast<const std::byte*>(this)) / kGranule;
  }
  static constexpr std::size_t header_bytes(std::size_t chunk_bytes) noexcept {
    return rounded(sizeof(Chunk) + 2 * (chunk_bytes / kGranule / 8));
  }
  // Of a whole chunk, what is left behind its header.
  static constexpr std::size_t usable() noexcept { return kChunkBytes - header_bytes(kChunkBytes); }
  static Chunk* of(const std::byte* at) noexcept {
    return reinterpret_cast<Chunk*>(reinterpret_cast<std::uintptr_t>(at) / kChunkBytes *
                                    kChunkBytes);
  }
};

FrameArena::~FrameArena() {
  while (chunks_ != nullptr) {
    Chunk* chunk = chunks_;
    chunks_ = chunk->previous;
    unpoison(chunk, chunk->bytes);
    ::munmap(chunk->mapping, chunk->mapped_bytes);
  }
  if (!ahead_.empty()) ::munmap(ahead_.data(), ahead_.size());
}

// The list that a piece of free memory belongs into: that of the largest size it can serve.
std::size_t FrameArena::list_of(std::size_t bytes) noexcept {
  if (bytes <= kFineBytes) return bytes / kGranule - 1;
  const std::size_t floor = std::bit_floor(bytes);
  const auto doublings =
      static_cast<std::size_t>(std::bit_width(floor) - std::bit_width(kFineBytes));
  const std::size_t list = kFineLists - 1 + 8 * doublings + (bytes - floor) / (floor / 8);
  return std::min(list, kLists - 1);
}

// The first list all of whose pieces have `bytes`.
std::size_t FrameArena::list_for_request(std::size_t bytes) noexcept {
  if (bytes <= kFineBytes) return bytes / kGranule - 1;
  const std::size_t step = std::bit_floor(bytes - 1) / 8;
  return list_of((bytes + step - 1) / step * step);
}

void* FrameArena::allocate(std::size_t bytes) noexcept {
  XTREE_DCHECK(bytes != 0 && bytes <= kMaxFrameBytes);
  const std::size_t taken = rounded(bytes);
  std::byte* memory = nullptr;
  if (Free* piece = find(taken); piece != nullptr) {
    memory = reinterpret_cast<std::byte*>(piece);
    const std::size_t rest = piece->bytes - taken;
    unlink(piece);
    if (rest != 0) link(memory + taken, rest);
  } else {
    if (static_cast<std::size_t>(end_ - next_) < taken && !map_chunk(taken, next_chunk_bytes())) {
      return nullptr;
    }
    memory = next_;
    next_ += taken;
  }
  unpoison(memory, taken);
  bytes_in_use_ += taken;
  return memory;
}

const std::byte* FrameArena::place_of_next(std::size_t bytes) const noexcept {
  const Free* piece = find(rounded(bytes));
  return piece != nullptr ? reinterpret_cast<const std::byte*>(piece) : next_;
}

void FrameArena::release(void* frame, std::size_t bytes) noexcept {
  XTREE_DCHECK(frame != nullptr && bytes != 0 && bytes <= kMaxFrameBytes);
  std::size_t freed = rounded(bytes);
  XTREE_DCHECK(bytes_in_use_ >= freed);
  bytes_in_use_ -= freed;
  auto* memory = static_cast<std::byte*>(frame);
  poison(memory, freed);
  Chunk* chunk = Chunk::of(memory);
  const std::size_t first = chunk->granule(memory);
  const std::size_t behind = first + freed / kGranule;
  if (behind * kGranule != chunk->bytes && bit(chunk->begins(), behind)) {
    auto* after = reinterpret_cast<Free*>(memory + freed);
    freed += after->bytes;
    unlink(after);
  }
  if (bit(chunk->ends(), first - 1)) {
    std::size_t before;
    std::memcpy(&before, memory - sizeof before, sizeof before);
    memory -= before;
    freed += before;
    unlink(reinterpret_cast<Free*>(memory));
  }
  if (memory + freed == next_) {
    next_ = memory;
  } else {
    link(memory, freed);
  }
}

// A free piece for a request, from the first list that has one; null when there is none.
FrameArena::Free* FrameArena::find(std::size_t bytes) const noexcept {
  const std::size_t list = list_for_request(bytes);
  std::size_t word = list / 64;
  std::uint64_t candidates = occupied_[word] & ~std::uint64_t{0} << list % 64;
  while (candidates == 0) {
    if (++word == occupied_.size()) return nullptr;
    candidates = occupied_[word];
  }
  return lists_[word * 64 + static_cast<std::size_t>(std::countr_zero(candidates))];
}

void FrameArena::link(std::byte* memory, std::size_t bytes) noexcept {
  const std::size_t list = list_of(bytes);
  unpoison(memory, sizeof(Free));
  unpoison(memory + bytes - sizeof bytes, sizeof bytes);
  Free* head = lists_[list];
  auto* piece = ::new (static_cast<void*>(memory)) Free{head, nullptr, bytes};
  if (head != nullptr) head->previous = piece;
  lists_[list] = piece;
  occupied_[list / 64] |= std::uint64_t{1} << list % 64;
  std::memcpy(memory + bytes - sizeof bytes, &bytes, sizeof bytes);
  Chunk* chunk = Chunk::of(memory);
  set_bit(chunk->begins(), chunk->granule(memory));
  set_bit(chunk->ends(), chunk->granule(memory + bytes - 1));
}

void FrameArena::unlink(Free* piece) noexcept {
  auto* memory = reinterpret_cast<std::byte*>(piece);
  const std::size_t bytes = piece->bytes;
  const std::size_t list = list_of(bytes);
  if (piece->next != nullptr) piece->next->previous = piece->previous;
  if (piece->previous != nullptr) {
    piece->previous->next = piece->next;
  } else {
    lists_[list] = piece->next;
    if (piece->next == nullptr) occupied_[list / 64] &= ~(std::uint64_t{1} << list % 64);
  }
  Chunk* chunk = Chunk::of(memory);
  clear_bit(chunk->begins(), chunk->granule(memory));
  clear_bit(chunk->ends(), chunk->granule(memory + bytes - 1));
  poison(memory, sizeof(Free));
  poison(memory + bytes - sizeof bytes, sizeof bytes);
}

// What it takes so that `bytes` are free, which are more than one chunk holds. Any memory that is
// free in one piece can be counted on but for less than the largest frame; and as a piece is found
// by its list, for less than the next power of two.
FrameArena::Shortage FrameArena::shortage(std::size_t bytes, std::size_t largest) const noexcept {
  const std::size_t lost = std::bit_ceil(largest);
  std::size_t granted = 0;
  for (std::size_t list = kLists; list-- > list_of(kFirstChunkBytes / 2) && granted < bytes;) {
    for (const Free* piece = lists_[list]; piece != nullptr && granted < bytes;
         piece = piece->next) {
      granted += piece->bytes - std::min(piece->bytes, lost);
    }
  }
  if (granted >= bytes) return {};
  const std::size_t each = Chunk::usable() - lost;
  const std::size_t missing = bytes - granted;
  const std::size_t rest = missing % each == 0 ? 0 : missing % each + lost;
  // More than half a chunk is one.
  const bool is_whole = rest > kChunkBytes / 2 - Chunk::header_bytes(kChunkBytes / 2);
  return {missing / each + (is_whole ? 1 : 0), is_whole ? 0 : rest};
}

// More than the newest chunk has left.
bool FrameArena::reserve_more(std::size_t bytes, std::size_t largest) noexcept {
  if (bytes <= Chunk::usable()) return map_chunk(bytes, next_chunk_bytes());
  Shortage missing = shortage(bytes, largest);
  for (; missing.chunks > 0; --missing.chunks) {
    if (!map_chunk(Chunk::usable(), kChunkBytes)) return false;
    retire_bump();
  }
  if (missing.rest == 0) return true;
  if (!map_chunk(missing.rest, kFirstChunkBytes)) return false;
  retire_bump();
  return true;
}

std::span<std::byte> FrameArena::map_ahead(std::size_t bytes, std::size_t largest) noexcept {
  if (bytes <= Chunk::usable() || !ahead_.empty()) return {};
  const std::size_t chunks = shortage(bytes, largest).chunks;
  if (chunks == 0 || chunks > (limit_bytes_ - bytes_mapped_) / kChunkBytes) return {};
  const Aligned mapped = map_aligned(chunks * kChunkBytes);
  if (mapped.memory != nullptr) ahead_ = {mapped.memory, mapped.mapped_bytes};
  return ahead_;
}

void FrameArena::retire_bump() noexcept {
  if (next_ != end_) link(next_, static_cast<std::size_t>(end_ - next_));
  next_ = end_ = nullptr;
}

std::size_t FrameArena::next_chunk_bytes() const noexcept {
  if (chunks_ == nullptr) return kFirstChunkBytes;
  return std::min(std::bit_floor(bytes_mapped_), kChunkBytes);
}

// Makes a new chunk with room for `bytes` the one to allocate from, of so much or more.
bool FrameArena::map_chunk(std::size_t bytes, std::size_t size) noexcept {
  // Near its limit the arena takes no more than it must.
  if (size > limit_bytes_ - bytes_mapped_) size = kFirstChunkBytes;
  while (size - Chunk::header_bytes(size) < bytes) size *= 2;
  if (size > limit_bytes_ - bytes_mapped_) return false;
  Aligned mapped;
  if (size == kChunkBytes && !ahead_.empty()) {
    mapped = {ahead_.data(), ahead_.data(), size};
    ahead_ = ahead_.subspan(size);
  } else {
    mapped = map_aligned(size);
  }
  const auto [memory, mapping, mapped_bytes] = mapped;
  if (memory == nullptr) return false;
  retire_bump();
  chunks_ = ::new (static_cast<void*>(memory)) Chunk{chunks_, size, mapping, mapped_bytes};
  bytes_mapped_ += size;
  next_ = memory + Chunk::header_bytes(size);
  end_ = memory + size;
  poison(next_, static_cast<std::size_t>(end_ - next_));
  return true;
}

}  // namespace xtree::persistence
