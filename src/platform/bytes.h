// Little-endian integers in byte buffers, and bounds-checked cursors over such buffers.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace xtree::platform {

// Everything on disk is little-endian, and structures are copied to disk as they stand in memory.
static_assert(std::endian::native == std::endian::little, "XTree needs a little-endian machine");

inline std::uint16_t load_u16(const void* from) noexcept {
  std::uint16_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
inline std::uint32_t load_u32(const void* from) noexcept {
  std::uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
inline std::uint64_t load_u64(const void* from) noexcept {
  std::uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
inline void store_u16(void* to, std::uint16_t value) noexcept {
  std::memcpy(to, &value, sizeof value);
}
inline void store_u32(void* to, std::uint32_t value) noexcept {
  std::memcpy(to, &value, sizeof value);
}
inline void store_u64(void* to, std::uint64_t value) noexcept {
  std::memcpy(to, &value, sizeof value);
}

// Reads a buffer from front to back. A read past the end fails the reader: that read and all later
// ones give zeros or nothing, so a decoder reads all of its fields and asks `ok()` once, before it
// believes any of them.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) noexcept : rest_(bytes) {}

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] std::size_t remaining() const noexcept { return rest_.size(); }

  std::uint8_t u8() noexcept {
    const auto found = bytes(1);
    return found.empty() ? std::uint8_t{0} : std::to_integer<std::uint8_t>(found[0]);
  }
  std::uint16_t u16() noexcept {
    const auto found = bytes(2);
    return found.empty() ? std::uint16_t{0} : load_u16(found.data());
  }
  std::uint32_t u32() noexcept {
    const auto found = bytes(4);
    return found.empty() ? 0 : load_u32(found.data());
  }
  std::uint64_t u64() noexcept {
    const auto found = bytes(8);
    return found.empty() ? 0 : load_u64(found.data());
  }
  // The next `count` bytes, where they lie; none of them when there are fewer.
  std::span<const std::byte> bytes(std::size_t count) noexcept {
    if (count > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const auto found = rest_.first(count);
    rest_ = rest_.subspan(count);
    return found;
  }

 private:
  std::span<const std::byte> rest_;
  bool ok_ = true;
};

// Writes into a buffer of fixed size from front to back. A write that does not fit fails the
// writer: it and all later ones write nothing.
class ByteWriter {
 public:
  explicit ByteWriter(std::span<std::byte> bytes) noexcept : buffer_(bytes) {}

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] std::size_t written() const noexcept { return written_; }

  void u8(std::uint8_t value) noexcept { put(&value, sizeof value); }
  void u16(std::uint16_t value) noexcept { put(&value, sizeof value); }
  void u32(std::uint32_t value) noexcept { put(&value, sizeof value); }
  void u64(std::uint64_t value) noexcept { put(&value, sizeof value); }
  void bytes(std::span<const std::byte> from) noexcept { put(from.data(), from.size()); }

 private:
  void put(const void* from, std::size_t count) noexcept {
    if (!ok_ || count > buffer_.size() - written_) {
      ok_ = false;
      return;
    }
    // An empty span may have no address, which memcpy must not be given.
    if (count > 0) std::memcpy(buffer_.data() + written_, from, count);
    written_ += count;
  }

  std::span<std::byte> buffer_;
  std::size_t written_ = 0;
  bool ok_ = true;
};

}  // namespace xtree::platform
