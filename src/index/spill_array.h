// SpillArray: a growing array whose first elements need no allocation.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <type_traits>

namespace xtree::index {

// Holds up to `kInline` elements in itself and more of them on the heap. `push` says whether there
// was memory; nothing is lost when there was not.
template <class T, std::size_t kInline>
class SpillArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  SpillArray() noexcept {}
  SpillArray(const SpillArray&) = delete;
  SpillArray& operator=(const SpillArray&) = delete;
  ~SpillArray() {
    if (data_ != inline_) std::free(data_);
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  T& operator[](std::size_t index) noexcept { return data_[index]; }
  T* begin() noexcept { return data_; }
  T* end() noexcept { return data_ + size_; }

  [[nodiscard]] bool push(const T& element) noexcept {
    if (size_ == capacity_ && !reserve(2 * capacity_)) [[unlikely]]
      return false;
    data_[size_++] = element;
    return true;
  }
  void pop() noexcept { --size_; }

  [[nodiscard]] bool reserve(std::size_t capacity) noexcept {
    if (capacity <= capacity_) return true;
    if (capacity > std::numeric_limits<std::ptrdiff_t>::max() / sizeof(T)) return false;
    void* memory = std::malloc(capacity * sizeof(T));
    if (memory == nullptr) return false;
    std::memcpy(memory, static_cast<const void*>(data_), size_ * sizeof(T));
    if (data_ != inline_) std::free(data_);
    data_ = static_cast<T*>(memory);
    capacity_ = capacity;
    return true;
  }

 private:
  T* data_ = inline_;
  std::size_t size_ = 0;
  std::size_t capacity_ = kInline;
  T inline_[kInline];
};

}  // namespace xtree::index
