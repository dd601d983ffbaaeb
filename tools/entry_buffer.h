// EntryBuffer: entries of a schema that is known only at run time, in a row.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "xtree/detail/engine.h"

namespace xtree::tool {

// Calls `function` with a zero of the scalar type: how code that is generic over the scalar is
// chosen once for an index.
template <class F>
decltype(auto) with_scalar(detail::ScalarType type, F&& function) {
  return type == detail::ScalarType::float32 ? function(float{}) : function(double{});
}

// Each entry is its geometry as the engine wants it (see detail/engine.h), and behind it the value,
// both aligned for any scalar. Pointers hold until the next append.
class EntryBuffer {
 public:
  explicit EntryBuffer(const detail::Schema& schema) noexcept
      : schema_(schema),
        value_offset_(aligned(schema.rows() * schema.scalar_bytes())),
        stride_(value_offset_ + aligned(schema.value_bytes)) {}

  // Makes room for one more entry, which the caller fills.
  std::size_t append() {
    bytes_.resize(bytes_.size() + stride_);
    return size() - 1;
  }
  void drop_last() noexcept { bytes_.resize(bytes_.size() - stride_); }
  void clear() noexcept { bytes_.clear(); }

  [[nodiscard]] const detail::Schema& schema() const noexcept { return schema_; }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size() / stride_; }
  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
  [[nodiscard]] std::size_t stride() const noexcept { return stride_; }

  [[nodiscard]] std::byte* geometry(std::size_t entry) noexcept {
    return bytes_.data() + entry * stride_;
  }
  [[nodiscard]] const std::byte* geometry(std::size_t entry) const noexcept {
    return bytes_.data() + entry * stride_;
  }
  [[nodiscard]] std::byte* value(std::size_t entry) noexcept {
    return geometry(entry) + value_offset_;
  }
  [[nodiscard]] const std::byte* value(std::size_t entry) const noexcept {
    return geometry(entry) + value_offset_;
  }

 private:
  static constexpr std::size_t aligned(std::size_t bytes) noexcept { return (bytes + 7) / 8 * 8; }

  detail::Schema schema_;
  std::size_t value_offset_;
  std::size_t stride_;
  std::vector<std::byte> bytes_;
};

}  // namespace xtree::tool
