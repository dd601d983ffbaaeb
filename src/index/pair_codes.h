// The codes of a leaf in more than four dimensions: as those of leaf_codes.h a byte for each
// coordinate, but laid out for registers that hold two coordinates of many entries. Boxes have one
// code of their minima and one of their maxima, and all of the first stand together: with the side
// of the longest box they mostly decide alone.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "index/bounds.h"
#include "index/leaf_codes.h"
#include "index/node.h"

namespace xtree::index {

// Two axes of one group.
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

// Of boxes, by axis: the longest side that any has had since the grid was laid, in cells from that
// of the minimum to that of the maximum. Readers may look at it while it grows: it does before the
// entry counts for which it has to (growth.h).
[[nodiscard]] inline std::uint8_t* longest_boxes(Node& leaf, std::size_t dimensions) noexcept {
  return reinterpret_cast<std::uint8_t*>(pair_origins(leaf) + 2 * pair_grid_axes(dimensions));
}
[[nodiscard]] inline const std::uint8_t* longest_boxes(const Node& leaf,
                                                       std::size_t dimensions) noexcept {
  return longest_boxes(const_cast<Node&>(leaf), dimensions);
}
// One of them, beside a writer.
[[nodiscard]] inline std::uint8_t longest_box(const Node& leaf, std::size_t dimensions,
                                              std::size_t axis) noexcept {
  std::uint8_t& longest = longest_boxes(const_cast<Node&>(leaf), dimensions)[axis];
  return std::atomic_ref(longest).load(std::memory_order_relaxed);
}
inline void note_length(std::uint8_t& longest, std::uint8_t length) noexcept {
  if (length > longest) std::atomic_ref(longest).store(length, std::memory_order_relaxed);
}

// Where the first two bytes of an entry's code are, of points or of one of a box's corners; the
// others follow kPairBytes apart. Groups lie one behind the other, each of them pair by pair.
[[nodiscard]] inline std::byte* pair_code(Node& leaf, const Layout& layout, std::size_t codes_at,
                                          std::size_t index) noexcept {
  return reinterpret_cast<std::byte*>(&leaf) + codes_at +
         index / kCodeGroup * layout.code_pairs * kPairBytes + index % kCodeGroup * 2;
}
// Calls `f` with where the codes of points begin, or with both places for boxes.
template <class F>
void for_each_corner(const Layout& layout, F&& f) noexcept {
  f(layout.pairs_at);
  if (!layout.points) f(layout.max_pairs_at);
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

// What a window asks of a leaf's codes in pairs: the first and the last cell, by axis, in which
// something can be that answers. In the cells in which the window ends codes leave that open. Of
// points there are minima only.
struct CellBounds {
  std::uint8_t first[kMaxDimensions];
  std::uint8_t last[kMaxDimensions];
};
struct PairBounds {
  CellBounds minima;
  CellBounds maxima;
};

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

// The cells of one corner, or of a point, by axis.
template <class Scalar>
void write_cells(Node& leaf, const Layout& layout, std::size_t codes_at, std::size_t index,
                 const Scalar* corner, std::uint8_t* cells) noexcept {
  const float* origins = pair_origins(leaf);
  const float* scales = pair_scales(leaf, layout.dimensions);
  std::byte* code = pair_code(leaf, layout, codes_at, index);
  for (std::size_t axis = 0; axis < layout.dimensions; ++axis) {
    cells[axis] = static_cast<std::uint8_t>(cell_of(corner[axis], origins[axis], scales[axis]));
    code[axis / 2 * kPairBytes + axis % 2] = std::byte{cells[axis]};
  }
}

// Writes the code of one entry, and the norm of a point.
template <class Scalar>
void set_pair_code(Node& leaf, const Layout& layout, std::size_t index,
                   const Scalar* geometry) noexcept {
  std::uint8_t first[kMaxDimensions], last[kMaxDimensions];
  write_cells(leaf, layout, layout.pairs_at, index, geometry, first);
  if (!layout.points) {
    write_cells(leaf, layout, layout.max_pairs_at, index, geometry + layout.dimensions, last);
    std::uint8_t* longest = longest_boxes(leaf, layout.dimensions);
    for (std::size_t axis = 0; axis < layout.dimensions; ++axis) {
      note_length(longest[axis], static_cast<std::uint8_t>(last[axis] - first[axis]));
    }
    return;
  }
  double weights[kMaxDimensions];
  cell_weights(leaf, layout.dimensions, weights);
  pair_norms(leaf, layout)[index] = norm_of(leaf, layout.dimensions, weights, geometry);
}

inline void copy_pair_code(Node& leaf, const Layout& layout, std::size_t from,
                           std::size_t to) noexcept {
  for_each_corner(layout, [&](std::size_t codes_at) {
    const std::byte* source = pair_code(leaf, layout, codes_at, from);
    std::byte* target = pair_code(leaf, layout, codes_at, to);
    for (std::size_t at = 0; at < layout.code_pairs * kPairBytes; at += kPairBytes) {
      target[at] = source[at];
      target[at + 1] = source[at + 1];
    }
  });
  if (layout.points) pair_norms(leaf, layout)[to] = pair_norms(leaf, layout)[from];
}

[[nodiscard]] inline bool pair_codes_equal(const Node& a, const Node& b, const Layout& layout,
                                           std::size_t index) noexcept {
  bool equal = true;
  for_each_corner(layout, [&](std::size_t codes_at) {
    const std::byte* first = pair_code(const_cast<Node&>(a), layout, codes_at, index);
    const std::byte* second = pair_code(const_cast<Node&>(b), layout, codes_at, index);
    for (std::size_t at = 0; at < layout.code_pairs * kPairBytes; at += kPairBytes) {
      equal = equal && first[at] == second[at] && first[at + 1] == second[at + 1];
    }
  });
  return equal && (!layout.points || pair_norms(a, layout)[index] == pair_norms(b, layout)[index]);
}

inline void clear_pair_code(Node& leaf, const Layout& layout, std::size_t index) noexcept {
  for_each_corner(layout, [&](std::size_t codes_at) {
    std::byte* code = pair_code(leaf, layout, codes_at, index);
    for (std::size_t at = 0; at < layout.code_pairs * kPairBytes; at += kPairBytes) {
      code[at] = std::byte{0};
      code[at + 1] = std::byte{0};
    }
  });
  if (layout.points) pair_norms(leaf, layout)[index] = 0;
}

// Whether no part of a box lies beside a leaf's grid.
[[nodiscard]] inline bool pair_grid_holds(const Node& leaf, std::size_t dimensions,
                                          const FloatBox& box) noexcept {
  const float* origins = pair_origins(leaf);
  const float* scales = pair_scales(leaf, dimensions);
  bool holds = true;
  for (std::size_t axis = 0; axis < dimensions; ++axis) {
    const double end = (static_cast<double>(box.at[dimensions + axis]) - origins[axis]) *
                       scales[axis];
    holds = holds && box.at[axis] >= origins[axis] && end <= kLastCell;
  }
  return holds;
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
