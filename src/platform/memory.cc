#include "platform/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>

#include "platform/check.h"

namespace xtree::platform {

Result<ReservedRange> ReservedRange::create(std::size_t bytes, std::size_t huge_bytes) {
  return map(bytes, PROT_READ | PROT_WRITE, huge_bytes);
}

Result<ReservedRange> ReservedRange::create_unwritable(std::size_t bytes, std::size_t huge_bytes) {
  return map(bytes, PROT_READ, huge_bytes);
}

Result<ReservedRange> ReservedRange::map(std::size_t bytes, int protection,
                                         std::size_t huge_bytes) {
  XTREE_CHECK(bytes > 0 && huge_bytes <= bytes);
  void* address =
      ::mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) {
    const int error = errno;
    char text[64];
    std::snprintf(text, sizeof text, "cannot reserve %zu bytes of address space", bytes);
    return Error(ErrorCode::out_of_memory, error, "memory", text);
  }
  if (huge_bytes != 0) {
    // A system without huge pages refuses, and the range is as good as before.
    static_cast<void>(::madvise(address, huge_bytes, MADV_HUGEPAGE));
  }
  return ReservedRange(static_cast<std::byte*>(address), bytes);
}

bool ReservedRange::make_writable(const void* begin, const void* end) const noexcept {
  const auto range = reinterpret_cast<std::uintptr_t>(data_);
  const auto from = reinterpret_cast<std::uintptr_t>(begin);
  const auto to = reinterpret_cast<std::uintptr_t>(end);
  XTREE_CHECK(from >= range && from <= to && to <= range + bytes_);
  // Whole huge pages are whole pages, whatever these have, and one that is writable in part would
  // be none.
  const std::uintptr_t first = std::max(range, from / kHugePageBytes * kHugePageBytes);
  const std::uintptr_t behind =
      std::min(range + bytes_, (to + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes);
  return ::mprotect(data_ + (first - range), behind - first, PROT_READ | PROT_WRITE) == 0;
}

ReservedRange::~ReservedRange() {
  if (data_ != nullptr) XTREE_CHECK(::munmap(data_, bytes_) == 0);
}

void make_present([[maybe_unused]] std::span<std::byte> pages) noexcept {
#ifdef MADV_POPULATE_WRITE
  static_cast<void>(::madvise(pages.data(), pages.size(), MADV_POPULATE_WRITE));
#endif
}

}  // namespace xtree::platform
