// fill_leaf: writes the entries of a whole leaf at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "index/centres.h"
#include "index/kd_cut.h"
#include "index/node.h"
#include "index/node_access.h"

namespace xtree::index {

// The entries' values lie as far apart as their geometry.
struct Source {
  EntryRange entries;
  const std::byte* values;
};

// Asks for an entry that lies anywhere in the caller's memory, long before it is needed.
template <class Scalar>
void fetch_entry(const Source& source, const Layout& layout, std::size_t number) noexcept {
  const std::byte* geometry = source.entries.at(number);
  for (std::size_t i = 0; i < layout.rows * sizeof(Scalar); i += 64) {
    __builtin_prefetch(geometry + i);
  }
  __builtin_prefetch(source.values + number * source.entries.stride);
}

// Fills a leaf whose memory behind the header may hold anything, padding included. `fixed_rows` is
// the layout's number of rows, or 0 when it is known only at run time.
template <class Scalar, std::size_t fixed_rows>
void fill_leaf(const Source& source, const Layout& layout, const LeafRows& from,
               Node& leaf) noexcept {
  constexpr std::size_t kLanes = kLeafLanes<Scalar>;
  constexpr std::size_t kAhead = 24;
  const std::size_t rows = fixed_rows != 0 ? fixed_rows : layout.rows;
  std::memset(leaf_grid(leaf), 0, layout.leaf_front_bytes - sizeof(Node));
  const std::size_t used = rows * kRowBytes +
                           (layout.has_values_in_front() ? 0 : kLanes * layout.value_bytes);
  for (std::size_t first = 0; first < from.count; first += kLanes) {
    std::byte* block = layout.leaf_block(leaf, first / kLanes);
    auto* lanes = reinterpret_cast<Scalar*>(block);
    std::byte* values = entry_value<Scalar>(leaf, layout, first);
    const std::size_t here = from.count - first < kLanes ? from.count - first : kLanes;
    for (std::size_t lane = 0; lane < here; ++lane) {
      const std::size_t i = first + lane;
      if (i + kAhead < from.known) fetch_entry<Scalar>(source, layout, from.number(i + kAhead));
      const std::size_t number = from.number(i);
      Scalar geometry[fixed_rows != 0 ? fixed_rows : 2 * kMaxDimensions];
      std::memcpy(geometry, source.entries.at(number), rows * sizeof(Scalar));
      for (std::size_t row = 0; row < rows; ++row) lanes[row * kLanes + lane] = geometry[row];
      copy_value(values + lane * layout.value_bytes,
                 source.values + number * source.entries.stride, layout.value_bytes);
    }
    std::memset(block + used, 0, layout.leaf_block_bytes - used);
  }
  clear_entries_behind<Scalar>(leaf, layout, from.count);
}

template <class Scalar>
using FillLeaf = void (*)(const Source&, const Layout&, const LeafRows&, Node&) noexcept;

template <class Scalar>
[[nodiscard]] FillLeaf<Scalar> leaf_filler(const Layout& layout) noexcept {
  switch (layout.rows) {
    case 1: return &fill_leaf<Scalar, 1>;
    case 2: return &fill_leaf<Scalar, 2>;
    case 3: return &fill_leaf<Scalar, 3>;
    case 4: return &fill_leaf<Scalar, 4>;
    case 6: return &fill_leaf<Scalar, 6>;
    default: return &fill_leaf<Scalar, 0>;
  }
}

}  // namespace xtree::index
