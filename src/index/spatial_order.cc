#include "index/spatial_order.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

namespace xtree::index {
namespace {

// A sort key above an entry's number, so that equal keys have an order too.
using Item = std::uint64_t;

[[nodiscard]] constexpr Item item(std::uint32_t key, std::uint32_t number) noexcept {
  return Item{key} << 32 | number;
}
[[nodiscard]] constexpr std::uint32_t number_of(Item i) noexcept {
  return static_cast<std::uint32_t>(i);
}

struct Free {
  void operator()(void* memory) const noexcept { std::free(memory); }
};
template <class T>
using Memory = std::unique_ptr<T[], Free>;

template <class T>
Memory<T> allocate(std::size_t count) noexcept {
  if (count > std::numeric_limits<std::ptrdiff_t>::max() / sizeof(T)) return nullptr;
  return Memory<T>(static_cast<T*>(std::malloc(count * sizeof(T))));
}

// The centre of an entry on one axis. Halves are added, as a sum could leave the range.
template <class Scalar>
class Centres {
 public:
  Centres(const Layout& layout, const EntryRange& entries) noexcept
      : entries_(entries), dimensions_(layout.dimensions), points_(layout.points) {}

  [[nodiscard]] std::size_t dimensions() const noexcept { return dimensions_; }

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

// A range of coordinates, and where in it a coordinate lies, as 32 bits.
struct Interval {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void include(double x) noexcept {
    low = x < low ? x : low;
    high = x > high ? x : high;
  }
  // Half of the length, which is finite.
  [[nodiscard]] double half_length() const noexcept { return high * 0.5 - low * 0.5; }
};

class Quantizer {
 public:
  explicit Quantizer(const Interval& interval) noexcept : low_(interval.low * 0.5) {
    const double scale = kMost / interval.half_length();
    // An interval too short for its quotient, or empty, maps to few numbers, which is correct.
    scale_ = scale <= std::numeric_limits<double>::max() ? scale : 0;
  }
  [[nodiscard]] std::uint32_t operator()(double x) const noexcept {
    const double at = (x * 0.5 - low_) * scale_;
    return at > 0 ? static_cast<std::uint32_t>(at < kMost ? at : kMost) : 0;
  }

 private:
  static constexpr double kMost = std::numeric_limits<std::uint32_t>::max();
  double low_;
  double scale_ = 0;
};

// Some of the children of one node that is being cut: `from` to `to` of `children`, which have
// `count` entries in all.
struct Part {
  std::size_t count;
  std::size_t children;
  std::size_t from;
  std::size_t to;
  std::uint32_t level;

  [[nodiscard]] std::size_t begin_of(std::size_t child) const noexcept {
    return TreeShape::share(count, child, children);
  }
  [[nodiscard]] std::size_t size() const noexcept { return begin_of(to) - begin_of(from); }
};

// At most this many evenly spaced entries of a part decide across which axis it is cut.
inline constexpr std::size_t kSample = 128;

// A group of entries whose centres, as 32-bit numbers, fit into the caches together.
class Group {
 public:
  // Bytes of the centres: about half of a second-level cache.
  static constexpr std::size_t kBytes = 512 * 1024;

  [[nodiscard]] static std::size_t capacity(std::size_t dimensions) noexcept {
    return kBytes / (dimensions * sizeof(std::uint32_t));
  }

  [[nodiscard]] bool allocate_for(std::size_t entries, std::size_t dimensions) noexcept {
    dimensions_ = dimensions;
    const std::size_t most = std::min(entries, capacity(dimensions));
    centres_ = allocate<double>(most * dimensions);
    places_ = allocate<std::uint32_t>(most * dimensions);
    numbers_ = allocate<std::uint32_t>(most);
    return centres_ != nullptr && places_ != nullptr && numbers_ != nullptr;
  }

  // Takes the entries in, and numbers the items by their places in the group.
  template <class Scalar>
  void enter(const Centres<Scalar>& centres, Item* items, std::size_t count) noexcept {
    Interval intervals[kMaxDimensions];
    for (std::size_t i = 0; i < count; ++i) {
      numbers_[i] = number_of(items[i]);
      for (std::size_t axis = 0; axis < dimensions_; ++axis) {
        const double x = centres.at(numbers_[i], axis);
        centres_[i * dimensions_ + axis] = x;
        intervals[axis].include(x);
      }
      items[i] = i;
    }
    for (std::size_t axis = 0; axis < dimensions_; ++axis) {
      const Quantizer quantize(intervals[axis]);
      weights_[axis] = intervals[axis].half_length();
      for (std::size_t i = axis; i < count * dimensions_; i += dimensions_) {
        places_[i] = quantize(centres_[i]);
      }
    }
  }
  // Gives the items their entries' numbers again.
  void leave(Item* items, std::size_t count) const noexcept {
    for (std::size_t i = 0; i < count; ++i) items[i] = numbers_[number_of(items[i])];
  }

  // Gives the items the keys of their longest side, as far as a sample shows it.
  void set_keys(Item* items, std::size_t count) const noexcept {
    const std::uint32_t* column = places_.get() + longest_axis(items, count);
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t number = number_of(items[i]);
      items[i] = item(column[number * dimensions_], number);
    }
  }

 private:
  [[nodiscard]] std::size_t longest_axis(const Item* items, std::size_t count) const noexcept {
    std::uint32_t low[kMaxDimensions];
    std::uint32_t high[kMaxDimensions];
    std::fill_n(low, dimensions_, std::numeric_limits<std::uint32_t>::max());
    std::fill_n(high, dimensions_, 0);
    const std::size_t step = (count + kSample - 1) / kSample;
    for (std::size_t i = 0; i < count; i += step) {
      const std::uint32_t* centre = places_.get() + number_of(items[i]) * dimensions_;
      for (std::size_t axis = 0; axis < dimensions_; ++axis) {
        low[axis] = std::min(low[axis], centre[axis]);
        high[axis] = std::max(high[axis], centre[axis]);
      }
    }
    std::size_t longest = 0;
    double length = -1;
    for (std::size_t axis = 0; axis < dimensions_; ++axis) {
      const double side = (high[axis] - low[axis]) * weights_[axis];
      if (side > length) {
        length = side;
        longest = axis;
      }
    }
    return longest;
  }

  std::size_t dimensions_ = 0;
  Memory<double> centres_;
  Memory<std::uint32_t> places_;   // of the centres, one row per entry
  Memory<std::uint32_t> numbers_;  // of the entries
  double weights_[kMaxDimensions] = {};
};

// Cuts the items of whole trees; see kd_order.
template <class Scalar>
class KdCutter {
 public:
  KdCutter(const TreeShape& shape, const Centres<Scalar>& centres, Group& group) noexcept
      : shape_(shape), centres_(centres), group_(group) {}

  void cut_node(Item* items, std::size_t count, std::uint32_t level, bool grouped) noexcept {
    if (level == 0) return;
    const std::size_t children = shape_.children(count, level);
    cut(items, {count, children, 0, children, level}, grouped);
  }

 private:
  void cut(Item* items, const Part& part, bool grouped) noexcept {
    const std::size_t size = part.size();
    if (!grouped && size <= Group::capacity(centres_.dimensions())) {
      group_.enter(centres_, items, size);
      cut(items, part, true);
      group_.leave(items, size);
      return;
    }
    if (part.to - part.from == 1) {
      cut_node(items, size, part.level - 1, grouped);
      return;
    }
    if (grouped) {
      group_.set_keys(items, size);
    } else {
      set_keys(items, size);
    }
    const std::size_t middle = part.from + (part.to - part.from) / 2;
    const std::size_t rank = part.begin_of(middle) - part.begin_of(part.from);
    std::nth_element(items, items + rank, items + size);
    cut(items, {part.count, part.children, part.from, middle, part.level}, grouped);
    cut(items + rank, {part.count, part.children, middle, part.to, part.level}, grouped);
  }

  // As Group::set_keys, from the entries themselves.
  void set_keys(Item* items, std::size_t count) const noexcept {
    Interval longest;
    std::size_t axis = 0;
    for (std::size_t candidate = 0; candidate < centres_.dimensions(); ++candidate) {
      Interval interval;
      const std::size_t step = (count + kSample - 1) / kSample;
      for (std::size_t i = 0; i < count; i += step) {
        interval.include(centres_.at(number_of(items[i]), candidate));
      }
      if (candidate == 0 || interval.half_length() > longest.half_length()) {
        longest = interval;
        axis = candidate;
      }
    }
    const Quantizer quantize(longest);
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t number = number_of(items[i]);
      items[i] = item(quantize(centres_.at(number, axis)), number);
    }
  }

  const TreeShape& shape_;
  const Centres<Scalar>& centres_;
  Group& group_;
};

// The place of a point on the Hilbert curve through a cube of 2^bits cells on each axis: Skilling,
// "Programming the Hilbert curve", 2004.
std::uint32_t hilbert_key(std::uint32_t* x, std::size_t dimensions, unsigned bits) noexcept {
  for (std::uint32_t q = std::uint32_t{1} << (bits - 1); q > 1; q >>= 1) {
    const std::uint32_t below = q - 1;
    for (std::size_t axis = 0; axis < dimensions; ++axis) {
      if ((x[axis] & q) != 0) {
        x[0] ^= below;
      } else {
        const std::uint32_t swapped = (x[0] ^ x[axis]) & below;
        x[0] ^= swapped;
        x[axis] ^= swapped;
      }
    }
  }
  for (std::size_t axis = 1; axis < dimensions; ++axis) x[axis] ^= x[axis - 1];
  std::uint32_t flips = 0;
  for (std::uint32_t q = std::uint32_t{1} << (bits - 1); q > 1; q >>= 1) {
    if ((x[dimensions - 1] & q) != 0) flips ^= q - 1;
  }
  std::uint32_t key = 0;
  for (unsigned bit = bits; bit-- > 0;) {
    for (std::size_t axis = 0; axis < dimensions; ++axis) {
      key = key << 1 | ((x[axis] ^ flips) >> bit & 1);
    }
  }
  return key;
}

// Sorts by the keys, which are the upper halves; equal ones stay in order.
void radix_sort(Item* items, Item* scratch, std::size_t count) noexcept {
  constexpr unsigned kDigitBits = 8;
  constexpr std::size_t kDigits = std::size_t{1} << kDigitBits;
  for (unsigned shift = 32; shift < 64; shift += kDigitBits) {
    std::size_t next[kDigits] = {};
    for (std::size_t i = 0; i < count; ++i) ++next[items[i] >> shift & (kDigits - 1)];
    std::size_t sum = 0;
    for (std::size_t& n : next) sum += std::exchange(n, sum);
    for (std::size_t i = 0; i < count; ++i) {
      scratch[next[items[i] >> shift & (kDigits - 1)]++] = items[i];
    }
    std::swap(items, scratch);
  }
}

}  // namespace

template <class Scalar>
bool kd_order(const Layout& layout, const TreeShape& shape, const EntryRange& entries,
              std::span<std::uint32_t> order) noexcept {
  const std::size_t count = order.size();
  const Centres<Scalar> centres(layout, entries);
  Group group;
  const Memory<Item> items = allocate<Item>(count);
  if (items == nullptr || !group.allocate_for(count, layout.dimensions)) return false;
  for (std::size_t i = 0; i < count; ++i) items[i] = i;
  KdCutter<Scalar> cutter(shape, centres, group);
  cutter.cut_node(items.get(), count, shape.root_level(count), false);
  for (std::size_t i = 0; i < count; ++i) order[i] = number_of(items[i]);
  return true;
}

template <class Scalar>
bool hilbert_order(const Layout& layout, const EntryRange& entries,
                   std::span<std::uint32_t> order) noexcept {
  const std::size_t count = order.size();
  const Centres<Scalar> centres(layout, entries);
  const Memory<Item> items = allocate<Item>(2 * count);
  if (items == nullptr) return count == 0;
  Interval intervals[kMaxDimensions];
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t axis = 0; axis < layout.dimensions; ++axis) {
      intervals[axis].include(centres.at(i, axis));
    }
  }
  const auto bits = static_cast<unsigned>(std::min<std::size_t>(16, 32 / layout.dimensions));
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t cell[kMaxDimensions];
    for (std::size_t axis = 0; axis < layout.dimensions; ++axis) {
      cell[axis] = Quantizer(intervals[axis])(centres.at(i, axis)) >> (32 - bits);
    }
    items[i] = item(hilbert_key(cell, layout.dimensions, bits), static_cast<std::uint32_t>(i));
  }
  radix_sort(items.get(), items.get() + count, count);
  for (std::size_t i = 0; i < count; ++i) order[i] = number_of(items[i]);
  return true;
}

template bool kd_order<float>(const Layout&, const TreeShape&, const EntryRange&,
                              std::span<std::uint32_t>) noexcept;
template bool kd_order<double>(const Layout&, const TreeShape&, const EntryRange&,
                               std::span<std::uint32_t>) noexcept;
template bool hilbert_order<float>(const Layout&, const EntryRange&,
                                   std::span<std::uint32_t>) noexcept;
template bool hilbert_order<double>(const Layout&, const EntryRange&,
                                    std::span<std::uint32_t>) noexcept;

}  // namespace xtree::index
