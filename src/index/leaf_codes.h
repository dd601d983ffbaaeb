// The codes of a leaf of boxes in up to four dimensions: a byte for each coordinate of each entry,
// all in one place, so that most searches find an entry without reading the rows of those that they
// do not want.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "index/bounds.h"
#include "index/node.h"

namespace xtree::index {

// A leaf's grid is D origins by axis, then D scales: how many cells a unit of length has.
[[nodiscard]] inline const double* leaf_grid(const Node& leaf) noexcept {
  return reinterpret_cast<const double*>(&leaf + 1);
}
[[nodiscard]] inline double* leaf_grid(Node& leaf) noexcept {
  return reinterpret_cast<double*>(&leaf + 1);
}

// Where the codes of a leaf begin, `layout.code_bytes` each.
[[nodiscard]] constexpr std::size_t leaf_code_offset(std::size_t dimensions) noexcept {
  return sizeof(Node) + grid_bytes_for(dimensions);
}
[[nodiscard]] inline const std::byte* leaf_codes(const Node& leaf,
                                                 std::size_t dimensions) noexcept {
  return reinterpret_cast<const std::byte*>(&leaf) + leaf_code_offset(dimensions);
}
[[nodiscard]] inline std::byte* leaf_codes(Node& leaf, std::size_t dimensions) noexcept {
  return const_cast<std::byte*>(leaf_codes(static_cast<const Node&>(leaf), dimensions));
}

inline constexpr double kLastCell = 255;
// Adding it leaves a small number, rounded to an integer, in the low bits.
inline constexpr double kIntegerShift = 0x1p52;

// The cell in which a coordinate lies, 0 to 255. It never falls as `x` grows, whatever the grid and
// however the steps round, so comparing cells can leave open how two coordinates compare, but never
// be wrong. What lies beside the grid counts to its first or last cell.
[[nodiscard]] inline std::uint64_t cell_of(double x, double origin, double scale) noexcept {
  const double at = (x - origin) * scale;
  const double from_first = at > 0 ? at : 0;  // 0 for what is no number
  const double within = from_first < kLastCell ? from_first : kLastCell;
  return std::bit_cast<std::uint64_t>(within + kIntegerShift) & 0xff;
}

// The code of a box in D dimensions: the cells of its rows, the first in the lowest byte.
template <std::size_t D, class Scalar>
[[nodiscard]] std::uint64_t code_of(const double* grid, const Scalar* geometry) noexcept {
  std::uint64_t code = 0;
  for (std::size_t axis = 0; axis < D; ++axis) {
    code |= cell_of(geometry[axis], grid[axis], grid[D + axis]) << 8 * axis;
    code |= cell_of(geometry[D + axis], grid[axis], grid[D + axis]) << 8 * (D + axis);
  }
  return code;
}

[[nodiscard]] inline std::uint64_t read_code(const Node& leaf, const Layout& layout,
                                             std::size_t index) noexcept {
  std::uint64_t code = 0;
  std::memcpy(&code, leaf_codes(leaf, layout.dimensions) + index * layout.code_bytes,
              layout.code_bytes);
  return code;
}
inline void set_code(Node& leaf, const Layout& layout, std::size_t index,
                     std::uint64_t code) noexcept {
  std::byte* at = leaf_codes(leaf, layout.dimensions) + index * layout.code_bytes;
  switch (layout.code_bytes) {
    case 2: std::memcpy(at, &code, 2); break;
    case 4: std::memcpy(at, &code, 4); break;
    case 8: std::memcpy(at, &code, 8); break;
    default: break;
  }
}

// The code of a box by the leaf's grid, for layouts that have codes.
template <class Scalar>
[[nodiscard]] std::uint64_t code_in(const Node& leaf, const Layout& layout,
                                    const Scalar* geometry) noexcept {
  switch (layout.dimensions) {
    case 1: return code_of<1>(leaf_grid(leaf), geometry);
    case 2: return code_of<2>(leaf_grid(leaf), geometry);
    case 3: return code_of<3>(leaf_grid(leaf), geometry);
    default: return code_of<4>(leaf_grid(leaf), geometry);
  }
}

// Lays the grid over a leaf's box, and leaves the first and the last cell to what comes to lie
// beside it. Flat boxes get the finest scale, endless ones have one cell.
inline void set_grid(Node& leaf, std::size_t dimensions, const FloatBox& box) noexcept {
  double* grid = leaf_grid(leaf);
  for (std::size_t axis = 0; axis < dimensions; ++axis) {
    const double low = box.at[axis];
    const double side = box.at[dimensions + axis] - low;
    grid[axis] = low - side / (kLastCell - 2);
    grid[dimensions + axis] = std::min((kLastCell - 2) / side, std::numeric_limits<double>::max());
  }
}

}  // namespace xtree::index
