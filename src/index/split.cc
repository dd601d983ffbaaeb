#include "index/split.h"

#include <algorithm>
#include <limits>

#include "platform/check.h"

namespace xtree::index {
namespace {

constexpr std::size_t kFewestCells = 32;

std::size_t lanes_of(std::span<const Node* const> sources) noexcept {
  std::size_t lanes = 0;
  for (const Node* node : sources) lanes += node->count;
  return lanes;
}

}  // namespace

template <class Scalar>
std::size_t Splitter<Scalar>::plan_bytes(std::size_t lanes) const noexcept {
  const std::size_t stride = split_stride(layout_.dimensions);
  const std::size_t cells = 2 * std::max(lanes, kFewestCells);
  return Scratch::room<float>(lanes * stride) + Scratch::room<float>(cells * stride) +
         Scratch::room<float>(lanes + kDirectoryLanes) + 2 * Scratch::room<std::uint16_t>(lanes) +
         2 * Scratch::room<Lane>(lanes);
}

template <class Scalar>
Node* Splitter<Scalar>::blank(std::size_t bytes) noexcept {
  auto* memory = scratch_.template take<std::byte>(bytes);
  XTREE_CHECK(memory != nullptr);
  std::memset(memory, 0, std::min(bytes, layout_.leaf_front_bytes));
  auto* node = reinterpret_cast<Node*>(memory);
  node->blocks = 1;
  return node;
}

template <class Scalar>
const Node* Splitter<Scalar>::entry(const Scalar* geometry, const std::byte* value) noexcept {
  Node* node = blank(layout_.leaf_bytes(1));
  append_entry(*node, layout_, geometry, value);
  return node;
}

template <class Scalar>
const Node* Splitter<Scalar>::child(const FloatBox& box, Ref ref) noexcept {
  Node* node = blank(layout_.directory_bytes(1));
  append_child(*node, layout_, box, ref);
  return node;
}

template <class Scalar>
const Node* Splitter<Scalar>::copy(const Node& node) noexcept {
  auto* memory = scratch_.template take<std::byte>(node.frame.bytes);
  XTREE_CHECK(memory != nullptr);
  std::memcpy(memory, &node, node.frame.bytes);
  return reinterpret_cast<const Node*>(memory);
}

// Infinite bounds of directory boxes count as the largest number, so that all that follows is
// finite; sides too short for their inverse to be finite count as flat.
template <class Scalar>
template <class Element>
SplitFrame<Element> Splitter<Scalar>::frame_of(const Element* bounds) const noexcept {
  constexpr Element kMost = std::numeric_limits<Element>::max();
  SplitFrame<Element> frame;
  Element longest = 0;
  for (std::size_t axis = 0; axis < layout_.dimensions; ++axis) {
    const Element low = std::clamp(bounds[axis], -kMost, kMost) / 2;
    const Element high = std::clamp(bounds[layout_.dimensions + axis], -kMost, kMost) / 2;
    frame.origin[axis] = low;
    longest = std::max(longest, high - low);
  }
  frame.scale = 1 / std::max(longest, std::numeric_limits<Element>::min());
  return frame;
}

// The left and the right lanes, each in the order of the nodes.
template <class Scalar>
void Splitter<Scalar>::deal(const SplitTask& task, const Lane* lanes, Sides& sides) noexcept {
  Lane* dealt = scratch_.template take<Lane>(task.count);
  std::size_t left = 0;
  std::size_t right = task.left_count;
  for (std::size_t i = 0; i < task.count; ++i) {
    const bool goes_left = task.cell[i] < task.cut;
    dealt[goes_left ? left : right] = lanes[i];
    left += goes_left;
    right += !goes_left;
  }
  XTREE_DCHECK(left == task.left_count && right == task.count);
  sides.left = {dealt, left};
  sides.right = {dealt + left, task.count - left};
}

template <class Scalar>
template <class Element, class WriteRows>
Sides Splitter<Scalar>::plan(std::span<const Node* const> sources, const NodeShape& shape,
                             SplitTask& task, WriteRows&& write_rows) noexcept {
  const std::size_t stride = split_stride(layout_.dimensions);
  task.count = lanes_of(sources);
  auto* rows = scratch_.template take<float>(task.count * stride);
  auto* lanes = scratch_.template take<Lane>(task.count);
  task.rows = rows;
  task.cells = scratch_.template take<float>(2 * std::max(task.count, kFewestCells) * stride);
  task.keys = scratch_.template take<float>(task.count + kDirectoryLanes);
  task.trial = scratch_.template take<std::uint16_t>(task.count);
  task.cell = scratch_.template take<std::uint16_t>(task.count);
  XTREE_CHECK(task.cell != nullptr);
  std::size_t first = 0;
  for (const Node* node : sources) {
    write_rows(*node, rows + first * stride);
    list_lanes<Element>(*node, shape, lanes + first);
    first += node->count;
  }
  if (!kernels_.cut(task, layout_.dimensions)) {
    // Most centres crowd in few cells: only ranks tell them apart. Those of equal ones follow the
    // order in which they came, but the next may go to either side.
    task.exact = true;
    task.newest = 0;
    XTREE_CHECK(kernels_.cut(task, layout_.dimensions));
  }
  Sides sides;
  sides.overlap = task.overlap;
  deal(task, lanes, sides);
  return sides;
}

template <class Scalar>
Sides Splitter<Scalar>::split_leaf(std::span<const Node* const> sources) noexcept {
  constexpr Scalar kMost = std::numeric_limits<Scalar>::max();
  Scalar bounds[2 * kMaxDimensions];
  std::fill_n(bounds, layout_.dimensions, kMost);
  std::fill_n(bounds + layout_.dimensions, layout_.dimensions, -kMost);
  for (const Node* node : sources) kernels_.leaf_bounds(*node, layout_, bounds);
  const SplitFrame<Scalar> frame = frame_of(bounds);
  SplitTask task{};
  task.min_fill = min_leaf_entries(layout_);
  // Lanes stand in the order in which they came, as far as none was erased; the one that makes the
  // leaf overflow is the last. Where two leaves share, nobody knows.
  if (sources.back()->count == 1) {
    task.newest = newest_leaf_entries(layout_);
    task.newest_fill = fewest_leaf_entries(layout_);
  }
  return plan<Scalar>(sources, leaf_shape(layout_), task, [&](const Node& node, float* rows) {
    kernels_.leaf_rows(node, layout_, frame, rows);
  });
}

template <class Scalar>
Sides Splitter<Scalar>::split_directory(std::span<const Node* const> sources) noexcept {
  FloatBox bounds;
  kernels_.directory_box(*sources[0], layout_, bounds);
  for (const Node* node : sources.subspan(1)) {
    FloatBox box;
    kernels_.directory_box(*node, layout_, box);
    unite(bounds, box, layout_.dimensions);
  }
  const SplitFrame<float> frame = frame_of(bounds.at);
  SplitTask task{};
  task.min_fill = std::max(kMinChildren, lanes_of(sources) * kMinFillPercent / 100);
  task.exact = true;
  return plan<float>(sources, directory_shape(layout_), task, [&](const Node& node, float* rows) {
    kernels_.directory_rows(node, layout_, frame, rows);
  });
}

template class Splitter<float>;
template class Splitter<double>;

}  // namespace xtree::index
