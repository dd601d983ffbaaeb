// SearchKernels: the small functions that look at whole nodes for queries, one table of them for
// each schema and instruction set, chosen once per index.
#pragma once

#include <cstddef>
#include <cstdint>

#include "index/isa.h"
#include "index/node.h"
#include "index/pair_codes.h"
#include "xtree/detail/engine.h"

namespace xtree::index {

// Children of a directory node are looked at in chunks of one 64-bit mask.
inline constexpr std::size_t kChunkBlocks = 4;
inline constexpr std::size_t kChunkChildren = kChunkBlocks * kDirectoryLanes;
static_assert(kChunkChildren == 64);

// What a window asks of the boxes in directory nodes, which are floats rounded outward: a subtree
// may hold hits when its box reaches the window on each axis, and holds nothing else when it lies
// inside. The first pair is rounded towards more hits, the second towards fewer.
struct DirectoryWindow {
  float reach_low[kMaxDimensions];    // max >= reach_low
  float reach_high[kMaxDimensions];   // min <= reach_high
  float inside_low[kMaxDimensions];   // min >= inside_low
  float inside_high[kMaxDimensions];  // max <= inside_high
};

// Bit i says it of the i-th child of a chunk. Only children that hit are tried for `inside`.
struct ChildMasks {
  std::uint64_t hits;
  std::uint64_t inside;
};

// The box from which nearest queries measure. An axis of weight 0 has none of it: there the box is
// all that there is, so that no gap is wider than 0.
struct NearestTarget {
  double min[kMaxDimensions];
  double max[kMaxDimensions];
  double weight[kMaxDimensions];  // of squares; only if `weighted`
  bool point;                     // min == max
  bool weighted;
};

// How the distances of a node's boxes to a target are measured: in double, axis by axis, in the
// same order for directory nodes and leaves and for every instruction set. Each step is monotone,
// so that a directory box never measures more than what it encloses, rounding included. What is
// measured is the distance itself, or its square where the metric has squares.
template <class Scalar>
struct MeasureKernels {
  // The measures of a chunk's children, and a mask of those that are not above the limit; what is
  // above it may hold any value above it. There is room for a whole chunk of measures, aligned to
  // 64 bytes.
  std::uint64_t (*children)(const Node& node, const Layout& layout, const NearestTarget& target,
                            std::uint32_t first_block, double limit, double* measures) noexcept;
  // The same for the first `count` entries of a leaf; says whether any is not above the limit.
  // Where codes tell which entries are above a finite limit, their measures may stay as they were.
  bool (*leaf)(const Node& leaf, std::uint32_t count, const Layout& layout,
               const NearestTarget& target, double limit, double* measures,
               std::uint64_t* mask) noexcept;
};

// What is known of the entries of a leaf with codes in pairs: those that surely answer a window,
// and those that may.
struct LeafMarks {
  // An entry that its codes leave open in these rows: a bit for each axis, of boxes' maxima from
  // bit kMaxDimensions on.
  struct OpenEntry {
    std::uint64_t rows;
    std::uint32_t index;
  };
  static constexpr std::uint32_t kMostAlone = 8;

  std::uint64_t surely[detail::kMaxLeafEntries / 64];
  std::uint64_t open[detail::kMaxLeafEntries / 64];
  PairBounds bounds;
  OpenEntry alone[kMostAlone];  // few open entries are looked at one by one, and are not in `open`
  std::uint32_t alone_count;
  bool maxima_are_near;  // so that the first step looks at them, too
  bool maxima_are_needed;  // the first step says whether minima left anything open
};

inline constexpr std::size_t kDistanceLanes = 8;
inline constexpr std::uint32_t kMostRanked = 64;

template <class Scalar>
struct SearchKernels {
  using Window = detail::Window<Scalar>;

  // Makes of a window what the other kernels ask for, and says whether it bounds only high_min and
  // low_max.
  bool (*ready_window)(const Layout& layout, const Window& window, DirectoryWindow& directory,
                       Window& exact) noexcept;

  ChildMasks (*scan_children)(const Node& node, const Layout& layout, const DirectoryWindow& window,
                              std::uint32_t first_block) noexcept;

  // Of a leaf's first `count` entries. While a writer adds more behind them, lanes behind `count`
  // may be read in any state, and are masked off.
  using ScanLeaf = bool (*)(const Node& leaf, std::uint32_t count, const Layout& layout,
                            const Window& window, std::uint64_t* mask) noexcept;
  using CountLeaf = std::uint32_t (*)(const Node& leaf, std::uint32_t count, const Layout& layout,
                                      const Window& window) noexcept;

  // Fill the mask words up to the count and say whether any bit is set. `intersecting` is for
  // windows that bound only high_min and low_max, as those of points always do. Where leaves have
  // codes a second word is filled if one may have so many entries.
  ScanLeaf scan_leaf;
  ScanLeaf scan_leaf_intersecting;
  // The number of hits.
  CountLeaf count_leaf;
  CountLeaf count_leaf_intersecting;

  // The intersecting forms for a leaf in a near cache, where looking at all rows takes less time
  // than codes.
  ScanLeaf scan_near_leaf;
  CountLeaf count_near_leaf;

  MeasureKernels<Scalar> euclidean;  // squares
  MeasureKernels<Scalar> weighted;   // squares
  MeasureKernels<Scalar> manhattan;
  MeasureKernels<Scalar> chebyshev;
  // The first of `count` distances, 1 or more, that is not above any other. As below it may read,
  // but not heed, whatever stands behind the last, up to a multiple of 64.
  std::uint32_t (*least_distance)(const double* distances, std::uint32_t count) noexcept;
  // Fills the mask words up to the count: which of the distances are not above the limit.
  void (*mask_distances)(const double* distances, std::uint32_t count, double limit,
                         std::uint64_t* mask) noexcept;
  // A distance that at least `wanted` of `count`, 1 to `count`, are not above, and mostly few more
  // than `wanted`. It may write up to kDistanceLanes distances behind the last, as below.
  double (*bound_distances)(double* distances, std::uint32_t count,
                            std::uint32_t wanted) noexcept;
  // Numbers up to kMostRanked distances by growing size, equal ones by their places: `order[0]` is
  // the place of the least.
  void (*rank_distances)(double* distances, std::uint32_t count, std::uint32_t* order) noexcept;

  // What `euclidean.leaf` does in leaves with codes in pairs for a finite limit, in two steps; null
  // for all else. The first marks the entries that may be within the limit, and asks for what the
  // second reads of them; the limit may have fallen meanwhile.
  bool (*mark_near)(const Node& leaf, std::uint32_t count, const Layout& layout,
                    const NearestTarget& target, double limit, std::uint64_t* mask) noexcept;
  bool (*measure_marked)(const Node& leaf, std::uint32_t count, const Layout& layout,
                         const NearestTarget& target, double limit, double* measures,
                         std::uint64_t* mask) noexcept;

  // What `scan_leaf` does in leaves with codes in pairs, in three steps; null for all else. Each
  // asks for what the next one reads of the entries that are left open. The first two say whether
  // any entry may answer; if maxima are near, the second has nothing to do. The third says how many
  // do.
  using MarkLeaf = bool (*)(const Node& leaf, std::uint32_t count, const Layout& layout,
                            const Window& window, LeafMarks& marks) noexcept;
  using NarrowLeaf = bool (*)(const Node& leaf, std::uint32_t count, const Layout& layout,
                              LeafMarks& marks) noexcept;
  using DecideLeaf = std::uint32_t (*)(const Node& leaf, std::uint32_t count,
                                       const Layout& layout, const Window& window,
                                       const LeafMarks& marks, std::uint64_t* mask) noexcept;
  MarkLeaf mark_leaf;
  MarkLeaf mark_leaf_intersecting;
  NarrowLeaf narrow_leaf;
  NarrowLeaf narrow_leaf_intersecting;
  DecideLeaf decide_leaf;
  DecideLeaf decide_leaf_intersecting;
};

// The kernels for a schema. The instruction set must be supported.
template <class Scalar>
[[nodiscard]] SearchKernels<Scalar> make_search_kernels(const Layout& layout, Isa isa) noexcept;

extern template SearchKernels<float> make_search_kernels(const Layout& layout, Isa isa) noexcept;
extern template SearchKernels<double> make_search_kernels(const Layout& layout, Isa isa) noexcept;

}  // namespace xtree::index
