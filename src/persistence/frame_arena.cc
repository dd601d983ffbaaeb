#include "persistence/frame_arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "platform/check.h"

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
constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;

// Memory that is not allocated must not be touched; AddressSanitizer watches over that.
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

std::byte* map(std::size_t bytes) noexcept {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<std::byte*>(memory);
}

// Maps whole huge pages on their boundary: maps one more than is needed and gives the edges back.
std::byte* map_huge(std::size_t bytes) noexcept {
  std::byte* memory = map(bytes + kHugePageBytes);
  if (memory == nullptr) return nullptr;
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  const std::size_t before = (kHugePageBytes - address % kHugePageBytes) % kHugePageBytes;
  if (before != 0) ::munmap(memory, before);
  ::munmap(memory + before + bytes, kHugePageBytes - before);
#ifdef MADV_HUGEPAGE
  ::madvise(memory + before, bytes, MADV_HUGEPAGE);
#endif
  return memory + before;
}

}  // namespace

FrameArena::~FrameArena() {
  while (chunks_ != nullptr) {
    Chunk* chunk = chunks_;
    chunks_ = chunk->previous;
    const std::size_t bytes = chunk->bytes;
    unpoison(chunk, bytes);
    ::munmap(chunk, bytes);
  }
}

void* FrameArena::allocate(std::size_t bytes) noexcept {
  XTREE_DCHECK(bytes != 0 && bytes <= kMaxFrameBytes);
  const std::size_t class_bytes = allocation_bytes(bytes);
  const std::size_t index = class_of(class_bytes);
  std::byte* memory = nullptr;
  if (free_[index] != nullptr) {
    memory = pop(index);
    bytes_free_ -= class_bytes;
  } else if (bytes_free_ > bytes_in_use_ / 8 &&
             (memory = take_split(index, class_bytes)) != nullptr) {
    // Much is free in other sizes: a larger piece was cut, which bounds what fragmentation costs.
  } else if ((memory = bump(rest_, rest_end_, class_bytes)) == nullptr) {
    if (!reserve(class_bytes)) return nullptr;
    memory = bump(next_, end_, class_bytes);
  }
  unpoison(memory, class_bytes);
  bytes_in_use_ += class_bytes;
  return memory;
}

void FrameArena::release(void* frame, std::size_t bytes) noexcept {
  XTREE_DCHECK(frame != nullptr && bytes != 0 && bytes <= kMaxFrameBytes);
  const std::size_t class_bytes = allocation_bytes(bytes);
  XTREE_DCHECK(bytes_in_use_ >= class_bytes);
  bytes_in_use_ -= class_bytes;
  push(static_cast<std::byte*>(frame), class_bytes);
}

std::byte* FrameArena::bump(std::byte*& next, const std::byte* end, std::size_t bytes) noexcept {
  if (static_cast<std::size_t>(end - next) < bytes) return nullptr;
  std::byte* memory = next;
  next += bytes;
  return memory;
}

// Cuts `bytes` from the smallest larger free piece and keeps the rest of it free.
std::byte* FrameArena::take_split(std::size_t index, std::size_t bytes) noexcept {
  std::size_t word = (index + 1) / 64;
  if (word >= occupied_.size()) return nullptr;
  std::uint64_t candidates = occupied_[word] & ~std::uint64_t{0} << (index + 1) % 64;
  while (candidates == 0) {
    if (++word == occupied_.size()) return nullptr;
    candidates = occupied_[word];
  }
  const std::size_t larger = word * 64 + static_cast<std::size_t>(std::countr_zero(candidates));
  std::size_t larger_bytes = (larger + 1) * kFrameAlignment;
  if (larger >= kFineClasses) {
    const std::size_t floor = kFineBytes << (larger - kFineClasses) / 8;
    larger_bytes = floor + floor / 8 * ((larger - kFineClasses) % 8 + 1);
  }
  std::byte* memory = pop(larger);
  bytes_free_ -= larger_bytes;
  push_pieces(memory + bytes, larger_bytes - bytes);
  return memory;
}

std::byte* FrameArena::pop(std::size_t index) noexcept {
  Free* piece = free_[index];
  unpoison(piece, sizeof(Free));
  free_[index] = piece->next;
  if (free_[index] == nullptr) occupied_[index / 64] &= ~(std::uint64_t{1} << index % 64);
  return reinterpret_cast<std::byte*>(piece);
}

void FrameArena::push(std::byte* memory, std::size_t class_bytes) noexcept {
  const std::size_t index = class_of(class_bytes);
  unpoison(memory, sizeof(Free));
  free_[index] = ::new (static_cast<void*>(memory)) Free{free_[index]};
  occupied_[index / 64] |= std::uint64_t{1} << index % 64;
  bytes_free_ += class_bytes;
  poison(memory, class_bytes);
}

// Puts memory of any multiple of 64 bytes into the lists, the largest class that fits first.
void FrameArena::push_pieces(std::byte* memory, std::size_t bytes) noexcept {
  while (bytes != 0) {
    std::size_t piece = std::min(bytes, kMaxFrameBytes);
    if (piece > kFineBytes) {
      const std::size_t step = std::max(kFrameAlignment, std::bit_floor(piece) / 8);
      piece = piece / step * step;
    }
    push(memory, piece);
    memory += piece;
    bytes -= piece;
  }
}

// Makes a new chunk with room for `bytes` the one to allocate from.
bool FrameArena::map_chunk(std::size_t bytes) noexcept {
  if (bytes > std::numeric_limits<std::size_t>::max() / 2) return false;
  const std::size_t needed = bytes + kFrameAlignment;
  std::size_t size = chunks_ == nullptr ? kFirstChunkBytes
                                        : std::min(std::bit_floor(bytes_mapped_), kHugePageBytes);
  while (size < needed && size < kHugePageBytes) size *= 2;
  if (size < needed) size = (needed + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
  if (size > limit_bytes_ - bytes_mapped_) {
    // The last chunk below the limit is as small as it can be.
    size = (needed + kFirstChunkBytes - 1) / kFirstChunkBytes * kFirstChunkBytes;
    if (size > limit_bytes_ - bytes_mapped_) return false;
  }
  std::byte* memory = size % kHugePageBytes == 0 ? map_huge(size) : map(size);
  if (memory == nullptr) return false;
  push_pieces(rest_, static_cast<std::size_t>(rest_end_ - rest_));
  rest_ = next_;
  rest_end_ = end_;
  chunks_ = ::new (static_cast<void*>(memory)) Chunk{chunks_, size};
  static_assert(sizeof(Chunk) <= kFrameAlignment);
  bytes_mapped_ += size;
  next_ = memory + kFrameAlignment;
  end_ = memory + size;
  poison(next_, size - kFrameAlignment);
  return true;
}

}  // namespace xtree::persistence
