// Centres: the centre of each entry in the caller's memory.
#pragma once

#include <cstddef>
#include <cstring>

#include "index/node.h"

namespace xtree::index {

// Entries in the caller's memory: the geometry of entry i lies i * stride bytes behind the first
// one's. It need not be aligned.
struct EntryRange {
  const std::byte* geometry;
  std::size_t stride;

  [[nodiscard]] const std::byte* at(std::size_t index) const noexcept {
    return geometry + index * stride;
  }
};

// The centre of an entry on one axis. Halves are added, as a sum could leave the range.
template <class Scalar>
class Centres {
 public:
  Centres(const Layout& layout, const EntryRange& entries) noexcept
      : entries_(entries), dimensions_(layout.dimensions), points_(layout.points) {}

  [[nodiscard]] double at(std::size_t entry, std::size_t axis) const noexcept {
    const double low = scalar(entry, axis);
    return points_ ? low : low * 0.5 + scalar(entry, dimensions_ + axis) * 0.5;
  }

 private:
  [[nodiscard]] double scalar(std::size_t entry, std::size_t row) const noexcept {
    Scalar x;
    std::memcpy(&x, entries_.at(entry) + row * sizeof(Scalar), sizeof(Scalar));
    return x;
  }

  EntryRange entries_;
  std::size_t dimensions_;
  bool points_;
};

}  // namespace xtree::index
