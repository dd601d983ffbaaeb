// Nodes made by hand, and the odd numbers that kernels must cope with.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "index/isas.h"
#include "index/node_access.h"
#include "index/write_kernels.h"
#include "support/random.h"

namespace xtree::index {

// Dimensions with kernels of their own, and without.
inline constexpr int kAllDimensions[] = {1, 2, 3, 4, 5, 6, 8, 12, 16, 19, 32};

struct FreeNode {
  void operator()(Node* node) const noexcept { std::free(node); }
};
using OwnedNode = std::unique_ptr<Node, FreeNode>;

inline OwnedNode make_node(std::size_t bytes, std::size_t blocks, std::uint16_t level) {
  OwnedNode node(static_cast<Node*>(std::aligned_alloc(64, bytes)));
  std::memset(static_cast<void*>(node.get()), 0, bytes);
  node->frame.bytes = static_cast<std::uint32_t>(bytes);
  node->blocks = static_cast<std::uint16_t>(blocks);
  node->level = level;
  return node;
}

// The reference of child i is `first` + i + 1.
inline OwnedNode make_directory(const Layout& layout, std::span<const FloatBox> boxes,
                                std::size_t first = 0) {
  const std::size_t blocks = std::max(blocks_for(boxes.size(), kDirectoryLanes), kDirectoryBlocks);
  OwnedNode node = make_node(layout.directory_bytes(blocks), blocks, 1);
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    append_child(*node, layout, boxes[i], first + i + 1);
  }
  return node;
}

template <class Scalar>
using Geometries = std::vector<std::vector<Scalar>>;

// The value of entry i is `first` + i; values have at least 8 bytes. The grid of its codes, if it
// has any, fits the first half of the entries, so that others may lie beside it.
template <class Scalar>
OwnedNode make_leaf(const Layout& layout, std::span<const std::vector<Scalar>> entries,
                    std::size_t first = 0) {
  const std::size_t blocks =
      std::max<std::size_t>(1, blocks_for(entries.size(), kLeafLanes<Scalar>));
  OwnedNode node = make_node(layout.leaf_bytes(blocks), blocks, 0);
  if (layout.has_codes() && !entries.empty()) {
    FloatBox box;
    round_outward(entries[0].data(), layout.points, layout.dimensions, box);
    for (const auto& entry : entries.first((entries.size() + 1) / 2)) {
      FloatBox other;
      round_outward(entry.data(), layout.points, layout.dimensions, other);
      unite(box, other, layout.dimensions);
    }
    set_leaf_grid(*node, layout, box);
  }
  std::vector<std::byte> value(layout.value_bytes);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::uint64_t number = first + i;
    std::memcpy(value.data(), &number, sizeof number);
    append_entry(*node, layout, entries[i].data(), value.data());
  }
  return node;
}

// How numbers are spread.
enum class Spread { unit, grid, equal, flat, tiny, wide, odd };

inline constexpr Spread kAllSpreads[] = {Spread::unit, Spread::grid, Spread::equal, Spread::flat,
                                         Spread::tiny, Spread::wide, Spread::odd};

inline const char* name_of(Spread spread) {
  constexpr const char* kNames[] = {"unit", "grid", "equal", "flat", "tiny", "wide", "odd"};
  return kNames[static_cast<int>(spread)];
}

// Numbers that are all finite; `odd` ones are the extremes of the type.
template <class Scalar>
Scalar any_number(Spread spread, std::size_t axis, test::Random& random) {
  using Limits = std::numeric_limits<Scalar>;
  const auto unit = static_cast<Scalar>(random.unit());
  switch (spread) {
    case Spread::unit: return unit;
    case Spread::grid: return static_cast<Scalar>(random.below(5));
    case Spread::equal: return Scalar{3};
    case Spread::flat: return axis % 2 == 0 ? unit : Scalar{-2};
    case Spread::tiny: return unit * Limits::denorm_min() * 1000;
    case Spread::wide: return (unit * 2 - 1) * Limits::max();
    case Spread::odd: {
      const Scalar odd[] = {0,
                            -Scalar{0},
                            Limits::max(),
                            Limits::lowest(),
                            Limits::min(),
                            -Limits::min(),
                            Limits::denorm_min(),
                            -Limits::denorm_min(),
                            1,
                            static_cast<Scalar>(3e38),
                            static_cast<Scalar>(-3e38)};
      return odd[random.below(std::size(odd))];
    }
  }
  return 0;
}

// Geometry of an entry.
template <class Scalar>
std::vector<Scalar> any_geometry(const Layout& layout, Spread spread, test::Random& random) {
  std::vector<Scalar> geometry(layout.rows);
  for (std::size_t axis = 0; axis < layout.dimensions; ++axis) {
    Scalar a = any_number<Scalar>(spread, axis, random);
    Scalar b = any_number<Scalar>(spread, axis, random);
    if (!layout.points && random.one_in(2) && spread == Spread::unit) b = a + b / 16;
    geometry[axis] = layout.points ? a : std::min(a, b);
    if (!layout.points) geometry[layout.dimensions + axis] = std::max(a, b);
  }
  return geometry;
}

// A child's box; where numbers are wide or odd, sides may be infinite.
inline FloatBox any_box(std::size_t dimensions, Spread spread, test::Random& random) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  FloatBox box;
  for (std::size_t axis = 0; axis < dimensions; ++axis) {
    const float a = any_number<float>(spread, axis, random);
    float b = any_number<float>(spread, axis, random);
    if (random.one_in(2) && spread == Spread::unit) b = a + b / 16;
    box.at[axis] = std::min(a, b);
    box.at[dimensions + axis] = std::max(a, b);
    if (spread != Spread::wide && spread != Spread::odd) continue;
    if (random.one_in(8)) box.at[axis] = -kInfinity;
    if (random.one_in(8)) box.at[dimensions + axis] = kInfinity;
  }
  return box;
}

}  // namespace xtree::index
