// CentreRows: what is moved about in memory while entries are cut into the leaves of a packed tree.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "index/centres.h"
#include "index/node.h"
#include "platform/memory.h"

namespace xtree::index {

// How centres become floats: (x / 2 - origin) * scale, which overflows for no finite x. Origins are
// medians, and the scale makes the longest middle half of an axis 1, both by a sample, so that
// floats are fine where the entries are and far from their limits, which clip what lies very far
// out.
struct CentreFrame {
  double origin[kMaxDimensions];
  double scale;

  [[nodiscard]] float place(double x, std::size_t axis) const noexcept {
    const double at = (x * 0.5 - origin[axis]) * scale;
    return static_cast<float>(at < kMost ? (at > -kMost ? at : -kMost) : kMost);
  }

 private:
  static constexpr double kMost = 0x1p126;  // so that differences are finite
};

// One row of words for each entry, its number and its centre's floats, as much room again to move
// the rows into, and some for those who move them together.
class CentreRows {
 public:
  // False when there is not enough memory.
  [[nodiscard]] bool allocate(std::size_t dimensions, std::size_t count) noexcept;

  [[nodiscard]] std::size_t dimensions() const noexcept { return stride_ - 1; }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  // Words from one row to the next.
  [[nodiscard]] std::size_t stride() const noexcept { return stride_; }
  // `fill` writes into half 0.
  [[nodiscard]] std::uint32_t* half(std::size_t which) noexcept {
    return rows_ + which * count_ * stride_;
  }

  // Room for the counts of kMostChunks, which takes memory once it is used.
  static constexpr std::size_t kMostChunks = 128;
  static constexpr std::size_t kScratchWords = kMostChunks << 11;
  [[nodiscard]] std::uint32_t* scratch() noexcept { return half(2); }

  // Writes the rows of the entries `first` to `end`. False, and rows that mean nothing, when the
  // geometry of one of them is not finite or inverted.
  template <class Scalar>
  [[nodiscard]] bool fill(const Layout& layout, const EntryRange& entries, const CentreFrame& frame,
                          std::size_t first, std::size_t end) noexcept;

 private:
  platform::ReservedRange memory_;
  std::uint32_t* rows_ = nullptr;
  std::size_t stride_ = 0;
  std::size_t count_ = 0;
};

// The frame for `count` entries. Those that are not finite are ignored.
template <class Scalar>
[[nodiscard]] CentreFrame centre_frame(const Layout& layout, const EntryRange& entries,
                                       std::size_t count) noexcept;

extern template bool CentreRows::fill<float>(const Layout&, const EntryRange&, const CentreFrame&,
                                             std::size_t, std::size_t) noexcept;
extern template bool CentreRows::fill<double>(const Layout&, const EntryRange&, const CentreFrame&,
                                              std::size_t, std::size_t) noexcept;
extern template CentreFrame centre_frame<float>(const Layout&, const EntryRange&,
                                                std::size_t) noexcept;
extern template CentreFrame centre_frame<double>(const Layout&, const EntryRange&,
                                                 std::size_t) noexcept;

}  // namespace xtree::index
