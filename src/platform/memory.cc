#include "platform/memory.h"

#include <sys/mman.h>

#include <cerrno>

#include "platform/check.h"

namespace xtree::platform {

Result<ReservedRange> ReservedRange::create(std::size_t bytes, std::size_t huge_bytes) {
  XTREE_CHECK(bytes > 0 && huge_bytes <= bytes);
  void* address = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) {
    return Error(ErrorCode::out_of_memory, errno, "memory", "cannot reserve address space");
  }
  if (huge_bytes != 0) {
    // A system without huge pages refuses, and the range is as good as before.
    static_cast<void>(::madvise(address, huge_bytes, MADV_HUGEPAGE));
  }
  return ReservedRange(static_cast<std::byte*>(address), bytes);
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
