#include "index/centre_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

namespace xtree::index {
namespace {

// Writes one row per entry; everything about an entry is known at compile time, unless D is 0.
template <class Scalar, int D, bool points>
bool fill_rows(std::size_t dimensions, const EntryRange& entries, const CentreFrame& frame,
               std::size_t first, std::size_t end, std::uint32_t* row) noexcept {
  constexpr Scalar kLargest = std::numeric_limits<Scalar>::max();
  const std::size_t axes = D != 0 ? static_cast<std::size_t>(D) : dimensions;
  bool good = true;
  for (std::size_t i = first; i < end; ++i) {
    Scalar geometry[2 * (D != 0 ? D : kMaxDimensions)];
    std::memcpy(geometry, entries.at(i), axes * (points ? 1 : 2) * sizeof(Scalar));
    const Scalar* maxima = points ? geometry : geometry + axes;
    *row++ = static_cast<std::uint32_t>(i);
    for (std::size_t axis = 0; axis < axes; ++axis) {
      const Scalar low = geometry[axis];
      const Scalar high = maxima[axis];
      // NaN fails every comparison; no branch, as nearly every entry is good.
      good = good & (low >= -kLargest) & (low <= high) & (high <= kLargest);
      const double centre = points ? double{low} : double{low} * 0.5 + double{high} * 0.5;
      *row++ = std::bit_cast<std::uint32_t>(frame.place(centre, axis));
    }
  }
  return good;
}

template <class Scalar, bool points>
auto filler_for(std::size_t dimensions) noexcept {
  switch (dimensions) {
    case 1: return &fill_rows<Scalar, 1, points>;
    case 2: return &fill_rows<Scalar, 2, points>;
    case 3: return &fill_rows<Scalar, 3, points>;
    case 4: return &fill_rows<Scalar, 4, points>;
    default: return &fill_rows<Scalar, 0, points>;
  }
}

// The median of values, and how far the middle half of them spreads; if that is nothing, how far
// all of them do.
struct Middle {
  double median = 0;
  double spread = 0;
};
Middle middle_of(double* values, std::size_t count) noexcept {
  if (count == 0) return {};
  std::sort(values, values + count);
  Middle middle{values[count / 2], values[count * 3 / 4] - values[count / 4]};
  if (middle.spread == 0) middle.spread = values[count - 1] - values[0];
  return middle;
}

}  // namespace

bool CentreRows::allocate(std::size_t dimensions, std::size_t count) noexcept {
  stride_ = dimensions + 1;
  count_ = count;
  const std::size_t words = 2 * stride_;
  constexpr std::size_t kMostWords = std::numeric_limits<std::ptrdiff_t>::max() / 8;
  if (count > kMostWords / words) return false;
  // From the boundary of a huge page on, there are as many of them as there can be. For little, the
  // system would clear one for nothing.
  const std::size_t row_bytes = count * words * sizeof(std::uint32_t);
  const std::size_t bytes =
      row_bytes + kScratchWords * sizeof(std::uint32_t) + platform::kHugePageBytes;
  const bool is_large = row_bytes >= platform::kHugePageBytes;
  auto memory = platform::ReservedRange::create(bytes, is_large ? bytes : 0);
  if (!memory) return false;
  memory_ = std::move(*memory);
  const auto address = reinterpret_cast<std::uintptr_t>(memory_.data());
  rows_ = reinterpret_cast<std::uint32_t*>((address + platform::kHugePageBytes - 1) /
                                           platform::kHugePageBytes * platform::kHugePageBytes);
  return true;
}

template <class Scalar>
bool CentreRows::fill(const Layout& layout, const EntryRange& entries, const CentreFrame& frame,
                      std::size_t first, std::size_t end) noexcept {
  const auto fill_range = layout.points ? filler_for<Scalar, true>(layout.dimensions)
                                        : filler_for<Scalar, false>(layout.dimensions);
  return fill_range(layout.dimensions, entries, frame, first, end, half(0) + first * stride_);
}

template <class Scalar>
CentreFrame centre_frame(const Layout& layout, const EntryRange& entries,
                         std::size_t count) noexcept {
  constexpr std::size_t kSample = 1024;
  const Centres<Scalar> centres(layout, entries);
  // Of few entries a part, as sorting a sample would take as long as the rest of the load.
  const std::size_t sample = std::clamp<std::size_t>(count / 16, kSample / 16, kSample);
  const std::size_t step = (count + sample - 1) / sample;
  CentreFrame frame;
  double longest = 0;
  for (std::size_t axis = 0; axis < layout.dimensions; ++axis) {
    double values[kSample];
    std::size_t finite = 0;
    for (std::size_t i = 0; i < count; i += step) {
      values[finite] = centres.at(i, axis) * 0.5;
      if (std::isfinite(values[finite])) ++finite;
    }
    const Middle middle = middle_of(values, finite);
    frame.origin[axis] = middle.median;
    longest = std::max(longest, middle.spread);
  }
  frame.scale = longest > 0 ? std::min(1 / longest, std::numeric_limits<double>::max()) : 1;
  return frame;
}

template bool CentreRows::fill<float>(const Layout&, const EntryRange&, const CentreFrame&,
                                      std::size_t, std::size_t) noexcept;
template bool CentreRows::fill<double>(const Layout&, const EntryRange&, const CentreFrame&,
                                       std::size_t, std::size_t) noexcept;
template CentreFrame centre_frame<float>(const Layout&, const EntryRange&, std::size_t) noexcept;
template CentreFrame centre_frame<double>(const Layout&, const EntryRange&, std::size_t) noexcept;

}  // namespace xtree::index
