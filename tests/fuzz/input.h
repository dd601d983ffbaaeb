// Takes a fuzzer's input apart.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace xtree::test {

// Numbers out of the input, and zeros when it is used up.
class FuzzInput {
 public:
  FuzzInput(const std::uint8_t* data, std::size_t size) noexcept : bytes_(data, size) {}

  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
  template <class T>
  [[nodiscard]] T take() noexcept {
    T value{};
    const std::size_t size = std::min(sizeof value, bytes_.size());
    std::memcpy(&value, bytes_.data(), size);
    bytes_ = bytes_.subspan(size);
    return value;
  }
  [[nodiscard]] std::span<const std::byte> rest() const noexcept { return std::as_bytes(bytes_); }

 private:
  std::span<const std::uint8_t> bytes_;
};

// Ends the program, which is how a fuzzer says that it has found something.
inline void require(bool condition) noexcept {
  if (!condition) __builtin_trap();
}

}  // namespace xtree::test
