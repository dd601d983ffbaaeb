// Address space that is reserved at once and becomes memory page by page, as it is touched.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "xtree/result.h"

namespace xtree::platform {

// What a huge page has; it begins at a multiple of that.
inline constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;

// Owns zeroed pages at an address that never moves. Reserving costs nothing until pages are
// touched, so tables are reserved at the largest size that they may ever have; the memory that was
// touched stays until the range is destroyed. Move-only; a moved-from range is empty.
class ReservedRange {
 public:
  // `out_of_memory` when the system has no such range. For the first `huge_bytes` it wishes for
  // huge pages: fewer misses in the translation buffer, and memory in steps of 2 MiB.
  [[nodiscard]] static Result<ReservedRange> create(std::size_t bytes, std::size_t huge_bytes = 0);
  // As `create`, but its pages are read as zeros and written to only behind `make_writable`. A
  // system that promises no more memory than it has (vm.overcommit_memory 2) does not count others.
  [[nodiscard]] static Result<ReservedRange> create_unwritable(std::size_t bytes,
                                                               std::size_t huge_bytes = 0);

  ReservedRange() = default;
  ReservedRange(ReservedRange&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  ReservedRange& operator=(ReservedRange&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ReservedRange(const ReservedRange&) = delete;
  ReservedRange& operator=(const ReservedRange&) = delete;
  ~ReservedRange();

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

  // Makes a part writable, and what is around it in its first and its last huge page. As often as
  // you like; false when the system has no such memory to promise.
  [[nodiscard]] bool make_writable(const void* begin, const void* end) const noexcept;

 private:
  [[nodiscard]] static Result<ReservedRange> map(std::size_t bytes, int protection,
                                                 std::size_t huge_bytes);
  ReservedRange(std::byte* data, std::size_t bytes) noexcept : data_(data), bytes_(bytes) {}

  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

// Has the system make whole pages of mapped memory present now, as writing to them would, and
// changes no byte. Where it declines, they come when they are touched.
void make_present(std::span<std::byte> pages) noexcept;

}  // namespace xtree::platform
