// WriteKernels: the inner loops of changing a tree, one table per instruction set and dimension.
#pragma once

#include <cstddef>
#include <cstdint>

#include "index/bounds.h"
#include "index/isa.h"
#include "index/node.h"

namespace xtree::index {

// The most children that a directory node, or entries that a leaf, can hold.
inline constexpr std::size_t kMaxLanes = kMaxSupernodeBlocks * kDirectoryLanes;

// One bit for each child of a node or entry of a leaf.
struct LaneSet {
  std::uint64_t words[kMaxLanes / 64];
};

// Where an insertion goes on.
struct Choice {
  std::uint32_t index;
  bool covers;  // the child's box holds the new one already
};

// How exact coordinates become the floats that a split compares: (x / 2 - origin) * scale, which
// maps the longest side of the node to [0, 1], overflows for no finite x, and keeps the sides'
// proportions.
template <class Scalar>
struct SplitFrame {
  Scalar origin[kMaxDimensions];
  Scalar scale;
};

// Rows of a split are D scaled minima followed by D negated scaled maxima, so that one minimum
// unites two boxes, and padded with zeros to `split_stride`.
[[nodiscard]] constexpr std::size_t split_stride(std::size_t dimensions) noexcept {
  return (2 * dimensions + 7) / 8 * 8;
}

// What a split works on. All arrays are aligned to 64 bytes.
struct SplitTask {
  const float* rows;        // `count` rows of `split_stride` floats
  std::size_t count;
  std::size_t min_fill;     // on each side
  std::size_t newest;       // how many at the end came last; 0 when nobody knows
  std::size_t newest_fill;  // instead of min_fill on a side that has all of these
  bool exact;               // consider every cut rather than 32 to an axis
  float* cells;             // room for max(count, 32) rows, rounded up to 16
  float* keys;              // room for `count` floats, rounded up to 16
  std::uint16_t* trial;     // room for `count`
  // The answer: entry i goes to the left when cell[i] < cut.
  std::uint16_t* cell;      // room for `count`
  std::uint32_t cut;
  std::uint32_t left_count;
  float overlap;            // volume shared by the sides, to what they cover together
};

template <class Scalar>
struct WriteKernels {
  // The child of a directory node into which `box` fits best; see choose.inc.
  Choice (*choose)(const Node& node, const Layout& layout, const FloatBox& box) noexcept;
  // Whether the child at `index` covers `box`.
  bool (*covers)(const Node& node, const Layout& layout, std::size_t index,
                 const FloatBox& box) noexcept;
  // The children of a directory node that cover `box`. Sets the words that the node's count needs.
  void (*covering)(const Node& node, const Layout& layout, const FloatBox& box,
                   LaneSet& found) noexcept;
  // The entries of a leaf whose geometry equals `geometry`.
  void (*equal)(const Node& leaf, const Layout& layout, const Scalar* geometry,
                LaneSet& found) noexcept;
  // The union of what the node holds; a leaf's is rounded outward once, at the end.
  void (*leaf_box)(const Node& leaf, const Layout& layout, FloatBox& box) noexcept;
  void (*directory_box)(const Node& node, const Layout& layout, FloatBox& box) noexcept;
  // The same for some sides of it, a bit for each row of the box; the others stay.
  void (*leaf_sides)(const Node& leaf, const Layout& layout, std::uint64_t sides,
                     FloatBox& box) noexcept;
  void (*directory_sides)(const Node& node, const Layout& layout, std::uint64_t sides,
                          FloatBox& box) noexcept;
  // Widens `bounds`, D minima and D maxima, by what the leaf holds.
  void (*leaf_bounds)(const Node& leaf, const Layout& layout, Scalar* bounds) noexcept;
  // Writes the geometry of one entry, and its code: what `set_geometry` does.
  void (*write_geometry)(Node& leaf, const Layout& layout, std::size_t index,
                         const Scalar* geometry) noexcept;
  // Writes the codes of a leaf's entries after its grid, and zeros for those that it does not have.
  void (*encode)(Node& leaf, const Layout& layout) noexcept;
  // Writes one row of a split for each entry or child.
  void (*leaf_rows)(const Node& leaf, const Layout& layout, const SplitFrame<Scalar>& frame,
                    float* rows) noexcept;
  void (*directory_rows)(const Node& node, const Layout& layout, const SplitFrame<float>& frame,
                         float* rows) noexcept;
  // Finds the best cut; false when no cut of the 32 to an axis leaves both sides filled, and
  // `exact` must be asked for, which always finds one.
  bool (*cut)(SplitTask& task, std::size_t dimensions) noexcept;
};

// The kernels for a layout, which the instruction set must be supported for. The table is static.
template <class Scalar>
[[nodiscard]] const WriteKernels<Scalar>& write_kernels(const Layout& layout, Isa isa) noexcept;

extern template const WriteKernels<float>& write_kernels(const Layout&, Isa) noexcept;
extern template const WriteKernels<double>& write_kernels(const Layout&, Isa) noexcept;

}  // namespace xtree::index
