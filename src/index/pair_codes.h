// The codes of a leaf in more than four dimensions: as those of leaf_codes.h a byte for each
// coordinate, but laid out for registers that hold two coordinates of many entries.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "index/bounds.h"
#include "index/leaf_codes.h"
#include "index/node.h"

namespace xtree::index {

// Two rows of one group.
inline constexpr std::size_t kPairBytes = 2 * kCodeGroup;

// A leaf's grid: origins by axis, and the scales of the axes behind them. Places behind the last
// axis have the origin 0 and the greatest scale, which makes a cell that counts for nothing.
[[nodiscard]] inline float* pair_origins(Node& leaf) noexcept {
  return reinterpret_cast<float*>(&leaf + 1);
}
[[nodiscard]] inline const float* pair_origins(const Node& leaf) noexcept {
  return reinterpret_cast<const float*>(&leaf + 1);
}
[[nodiscard]] inline const float* pair_scales(const Node& leaf, std::size_t dimensions) noexcept {
  return pair_origins(leaf) + pair_grid_axes(dimensions);
}

// The codes: groups one behind the other, each of them pair by pair.
[[nodiscard]] inline const std::byte* pair_codes(const Node& leaf,
                                                 std::size_t dimensions) noexcept {
  return reinterpret_cast<const std::byte*>(pair_scales(leaf, dimensions) +
                                            pair_grid_axes(dimensions));
}
[[nodiscard]] inline std::byte* pair_codes(Node& leaf, std::size_t dimensions) noexcept {
  return const_cast<std::byte*>(pair_codes(static_cast<const Node&>(leaf), dimensions));
}
// Where the first two bytes of an entry's code are; the others follow kPairBytes apart.
[[nodiscard]] inline std::byte* pair_code(Node& leaf, const Layout& layout,
                                          std::size_t index) noexcept {
  return pair_codes(leaf, layout.dimensions) +
         index / kCodeGroup * layout.code_pairs * kPairBytes + index % kCodeGroup * 2;
}

// Which row the cell at this place of a code is of: of points the rows follow each other, of boxes
// the minimum and the maximum of an axis lie side by side.
[[nodiscard]] inline std::size_t row_at(const Layout& layout, std::size_t place) noexcept {
  return layout.points ? place : place / 2 + place % 2 * layout.dimensions;
}

// A norm for each point: the sum of the squares of its cells, by weight. With it the square of the
// distance from a target to the middles of the cells is one product of the cells and a constant.
// Points that lie beside the grid have minus infinity, which no distance rules out.
[[nodiscard]] inline const float* pair_norms(const Node& leaf, const Layout& layout) noexcept {
  return reinterpret_cast<const float*>(reinterpret_cast<const std::byte*>(&leaf) +
                                        layout.norms_at);
}
[[nodiscard]] inline float* pair_norms(Node& leaf, const Layout& layout) noexcept {
  return const_cast<float*>(pair_norms(static_cast<const Node&>(leaf), layout));
}

// The weights of the axes: squares of how long a cell is, in parts of the longest.
inline void cell_weights(const Node& leaf, std::size_t dimensions, double* weights) noexcept {
  const float* scales = pair_scales(leaf, dimensions);
  const double least = *std::min_element(scales, scales + dimensions);
  for (std::size_t axis = 0; axis < dimensions; ++axis) {
    const double length = scales[axis] > 0 ? least / scales[axis] : 1;
    weights[axis] = length * length;
  }
}

// The norm of a point by weights of its leaf.
template <class Scalar>
[[nodiscard]] float norm_of(const Node& leaf, std::size_t dimensions, const double* weights,
                            const Scalar* geometry) noexcept {
  const float* origins = pair_origins(leaf);
  const float* scales = pair_scales(leaf, dimensions);
  double norm = 0;
  bool within = true;
  for (std::size_t axis = 0; axis < dimensions; ++axis) {
    const double at = (static_cast<double>(geometry[axis]) - origins[axis]) * scales[axis];
    within = within && at >= 0 && at <= kLastCell;
    const auto cell = static_cast<double>(cell_of(geometry[axis], origins[axis], scales[axis]));
    norm += weights[axis] * (cell * cell);
  }
  return within ? static_cast<float>(norm) : -std::numeric_limits<float>::infinity();
}

// Writes the code of one entry, and the norm of a point.
template <class Scalar>
void set_pair_code(Node& leaf, const Layout& layout, std::size_t index,
                   const Scalar* geometry) noexcept {
  const float* origins = pair_origins(leaf);
  const float* scales = pair_scales(leaf, layout.dimensions);
  std::byte* code = pair_code(leaf, layout, index);
  for (std::size_t place = 0; place < layout.rows; ++place) {
    const std::size_t row = row_at(layout, place);
    const std::size_t axis = row < layout.dimensions ? row : row - layout.dimensions;
    code[place / 2 * kPairBytes + place % 2] =
        static_cast<std::byte>(cell_of(geometry[row], origins[axis], scales[axis]));
  }
  if (!layout.points) return;
  double weights[kMaxDimensions];
  cell_weights(leaf, layout.dimensions, weights);
  pair_norms(leaf, layout)[index] = norm_of(leaf, layout.dimensions, weights, geometry);
}

inline void copy_pair_code(Node& leaf, const Layout& layout, std::size_t from,
                           std::size_t to) noexcept {
  const std::byte* source = pair_code(leaf, layout, from);
  std::byte* target = pair_code(leaf, layout, to);
  for (std::size_t at = 0; at < layout.code_pairs * kPairBytes; at += kPairBytes) {
    target[at] = source[at];
    target[at + 1] = source[at + 1];
  }
  if (layout.points) pair_norms(leaf, layout)[to] = pair_norms(leaf, layout)[from];
}

[[nodiscard]] inline bool pair_codes_equal(const Node& a, const Node& b, const Layout& layout,
                                           std::size_t index) noexcept {
  const std::byte* first = pair_code(const_cast<Node&>(a), layout, index);
  const std::byte* second = pair_code(const_cast<Node&>(b), layout, index);
  for (std::size_t at = 0; at < layout.code_pairs * kPairBytes; at += kPairBytes) {
    if (first[at] != second[at] || first[at + 1] != second[at + 1]) return false;
  }
  return !layout.points || pair_norms(a, layout)[index] == pair_norms(b, layout)[index];
}

inline void clear_pair_code(Node& leaf, const Layout& layout, std::size_t index) noexcept {
  std::byte* code = pair_code(leaf, layout, index);
  for (std::size_t at = 0; at < layout.code_pairs * kPairBytes; at += kPairBytes) {
    code[at] = std::byte{0};
    code[at + 1] = std::byte{0};
  }
  if (layout.points) pair_norms(leaf, layout)[index] = 0;
}

// Lays the grid over a leaf's box, with some cells on either side for what is appended until the
// next grid. Flat boxes get the finest scale, endless ones have one cell.
inline void set_pair_grid(Node& leaf, std::size_t dimensions, const FloatBox& box) noexcept {
  constexpr double kBeside = 48;
  constexpr double kAcross = kLastCell - 2 * kBeside;
  constexpr double kMost = std::numeric_limits<float>::max();
  float* origins = pair_origins(leaf);
  float* scales = origins + pair_grid_axes(dimensions);
  for (std::size_t axis = 0; axis < dimensions; ++axis) {
    const double low = box.at[axis];
    const double side = box.at[dimensions + axis] - low;
    origins[axis] = static_cast<float>(std::max(low - side / kAcross * kBeside, -kMost));
    scales[axis] = static_cast<float>(std::min(kAcross / side, kMost));
  }
  for (std::size_t axis = dimensions; axis < pair_grid_axes(dimensions); ++axis) {
    origins[axis] = 0;
    scales[axis] = static_cast<float>(kMost);
  }
}

}  // namespace xtree::index
