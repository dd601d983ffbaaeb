#include "index/spatial_order.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
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
  Quantizer() = default;
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
  double low_ = 0;
  double scale_ = 0;
};

// The Hilbert curve as Hamilton has it, "Compact Hilbert Indices" (2006), section 2: the curve
// through each of a cube's 2^D parts is the cube's own, turned so that it begins in the corner
// `entry` and ends beside it along `axis`. A corner has a bit for each axis.
struct Turn {
  std::uint32_t entry = 0;
  std::uint32_t axis = 0;
};
struct Step {
  std::uint32_t place;  // the part's place on the cube's curve
  Turn turn;            // of the curve through the part
};

// By up to D, of D bits.
constexpr std::uint32_t rotate_left(std::uint32_t bits, std::uint32_t by,
                                    std::uint32_t d) noexcept {
  const std::uint64_t turned = std::uint64_t{bits} << by;
  return static_cast<std::uint32_t>((turned | turned >> d) & ((std::uint64_t{1} << d) - 1));
}
constexpr std::uint32_t gray_code(std::uint32_t i) noexcept { return i ^ i >> 1; }
constexpr std::uint32_t gray_code_inverse(std::uint32_t code) noexcept {
  for (unsigned shift = 1; shift < 32; shift *= 2) code ^= code >> shift;
  return code;
}

constexpr Step step_into(std::uint32_t corner, Turn turn, std::uint32_t d) noexcept {
  const std::uint32_t place = gray_code_inverse(rotate_left(corner ^ turn.entry,
                                                            d - 1 - turn.axis, d));
  if (place == 0) return {place, {turn.entry, (turn.axis + 1) % d}};
  const std::uint32_t entry = gray_code((place - 1) & ~1u);
  const auto axis = static_cast<std::uint32_t>(std::countr_one(place % 2 == 0 ? place - 1 : place));
  return {place, {turn.entry ^ rotate_left(entry, turn.axis + 1, d), (turn.axis + axis + 1) % d}};
}

// Every step from every turn. A turn is (D bits of axis, D of entry, D of 0), so that the corner
// fills the zeros, and in a step the place does.
template <std::uint32_t D>
constexpr auto all_steps() noexcept {
  std::array<std::uint8_t, D << (2 * D)> steps = {};
  for (std::uint32_t i = 0; i < steps.size(); ++i) {
    constexpr std::uint32_t kCorner = (1u << D) - 1;
    const Step step = step_into(i & kCorner, {i >> D & kCorner, i >> (2 * D)}, D);
    steps[i] = static_cast<std::uint8_t>((step.turn.axis << D | step.turn.entry) << D | step.place);
  }
  return steps;
}

constexpr std::uint32_t corner_of(const std::uint32_t* x, std::uint32_t d, unsigned bit) noexcept {
  std::uint32_t corner = 0;
  for (std::uint32_t axis = 0; axis < d; ++axis) corner |= (x[axis] >> bit & 1) << axis;
  return corner;
}

// The place of a cell on the curve through a cube of 2^bits on each axis; D is the number of
// dimensions, or 0 where only `d` says it.
template <std::uint32_t D>
std::uint32_t hilbert_key(const std::uint32_t* x, std::uint32_t, unsigned bits) noexcept {
  static constexpr auto kSteps = all_steps<D>();
  constexpr std::uint32_t kCorner = (1u << D) - 1;
  std::uint32_t key = 0;
  std::uint32_t turn = 0;
  for (unsigned bit = bits; bit-- > 0;) {
    const std::uint32_t step = kSteps[turn | corner_of(x, D, bit)];
    key = key << D | (step & kCorner);
    turn = step & ~kCorner;
  }
  return key;
}
template <>
std::uint32_t hilbert_key<0>(const std::uint32_t* x, std::uint32_t d, unsigned bits) noexcept {
  std::uint64_t key = 0;
  Turn turn;
  for (unsigned bit = bits; bit-- > 0;) {
    const Step step = step_into(corner_of(x, d, bit), turn, d);
    key = key << d | step.place;
    turn = step.turn;
  }
  return static_cast<std::uint32_t>(key);
}

// The keys of all entries, on the curve through the box of their centres.
template <std::uint32_t D, class Scalar>
void list_keys(const Centres<Scalar>& centres, std::size_t count, std::uint32_t dimensions,
               unsigned bits, Item* items) noexcept {
  const std::uint32_t axes = D != 0 ? D : dimensions;
  Interval intervals[kMaxDimensions];
  for (std::size_t i = 0; i < count; ++i) {
    for (std::uint32_t axis = 0; axis < axes; ++axis) intervals[axis].include(centres.at(i, axis));
  }
  Quantizer quantizers[kMaxDimensions];
  for (std::uint32_t axis = 0; axis < axes; ++axis) quantizers[axis] = Quantizer(intervals[axis]);
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t cell[kMaxDimensions];
    for (std::uint32_t axis = 0; axis < axes; ++axis) {
      cell[axis] = quantizers[axis](centres.at(i, axis)) >> (32 - bits);
    }
    items[i] = item(hilbert_key<D>(cell, axes, bits), static_cast<std::uint32_t>(i));
  }
}

// Sorts by the keys, which are the upper halves and have so many bits; equal ones stay in order.
// Returns where they are then: in `items` or in `scratch`.
Item* radix_sort(Item* items, Item* scratch, std::size_t count, unsigned key_bits) noexcept {
  constexpr unsigned kDigitBits = 8;
  constexpr std::size_t kDigits = std::size_t{1} << kDigitBits;
  for (unsigned shift = 32; shift < 32 + key_bits; shift += kDigitBits) {
    std::size_t next[kDigits] = {};
    for (std::size_t i = 0; i < count; ++i) ++next[items[i] >> shift & (kDigits - 1)];
    std::size_t sum = 0;
    for (std::size_t& n : next) sum += std::exchange(n, sum);
    for (std::size_t i = 0; i < count; ++i) {
      scratch[next[items[i] >> shift & (kDigits - 1)]++] = items[i];
    }
    std::swap(items, scratch);
  }
  return items;
}

// Bits for each axis that tell the cells of a curve apart on which so many points lie, a few to a
// cell: what is finer costs steps and passes and changes the order of neighbours only.
unsigned bits_for(std::size_t dimensions, std::size_t count) noexcept {
  const std::size_t most = std::min<std::size_t>(16, 32 / dimensions);
  const std::size_t useful = (std::bit_width(count) + 2 + dimensions - 1) / dimensions;
  return static_cast<unsigned>(std::min(most, useful));
}

}  // namespace

template <class Scalar>
bool hilbert_order(const Layout& layout, const EntryRange& entries,
                   std::span<std::uint32_t> order) noexcept {
  const std::size_t count = order.size();
  const Centres<Scalar> centres(layout, entries);
  const Memory<Item> items = allocate<Item>(2 * count);
  if (items == nullptr) return count == 0;
  const auto dimensions = static_cast<std::uint32_t>(layout.dimensions);
  const unsigned bits = bits_for(dimensions, count);
  const auto list = dimensions == 2   ? &list_keys<2, Scalar>
                    : dimensions == 3 ? &list_keys<3, Scalar>
                                      : &list_keys<0, Scalar>;
  list(centres, count, dimensions, bits, items.get());
  const Item* sorted = radix_sort(items.get(), items.get() + count, count,
                                  dimensions * bits);
  for (std::size_t i = 0; i < count; ++i) order[i] = number_of(sorted[i]);
  return true;
}

template bool hilbert_order<float>(const Layout&, const EntryRange&,
                                   std::span<std::uint32_t>) noexcept;
template bool hilbert_order<double>(const Layout&, const EntryRange&,
                                    std::span<std::uint32_t>) noexcept;

}  // namespace xtree::index
