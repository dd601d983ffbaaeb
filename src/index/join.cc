#include "index/join.h"

#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "index/isa.h"
#include "index/node_access.h"
#include "platform/check.h"
#include "platform/without_throwing.h"

namespace xtree::index {
namespace {

// A box that reaches everything, for a root, whose own box nobody keeps.
void open(FloatBox& box, std::size_t dimensions) noexcept {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (std::size_t axis = 0; axis < dimensions; ++axis) {
    box.at[axis] = -kInfinity;
    box.at[dimensions + axis] = kInfinity;
  }
}

void copy(FloatBox& to, const FloatBox& from, std::size_t dimensions) noexcept {
  std::memcpy(to.at, from.at, 2 * dimensions * sizeof(float));
}

// What intersects a box, of floats or of the tree's scalar, for the kernels that look at no other
// bounds.
template <class Scalar, class Bound>
void intersecting(const Bound* low, const Bound* high, std::size_t dimensions,
                  detail::Window<Scalar>& window) noexcept {
  for (std::size_t axis = 0; axis < dimensions; ++axis) {
    window.high_min[axis] = low[axis];
    window.low_max[axis] = high[axis];
  }
}

}  // namespace

template <class Scalar>
Join<Scalar>::Join(const detail::Schema& first, Reader first_reader, const detail::Schema& second,
                   Reader second_reader)
    : dimensions_(first.dimensions),
      first_(std::move(first_reader)),
      second_(std::move(second_reader)),
      sides_{
          {Layout(first), make_search_kernels<Scalar>(Layout(first), best_isa()), first_->view()},
          {Layout(second), make_search_kernels<Scalar>(Layout(second), best_isa()),
           second_->view()}} {
  begin();
}

static_assert(sizeof(Join<double>) < (std::size_t{64} << 10));  // include/xtree/join.h promises it

template <class Scalar>
Result<void> Join<Scalar>::status() const {
  XTREE_TRY(first_->status());
  XTREE_TRY(second_->status());
  if (!failed_) return {};
  return Error(ErrorCode::corruption, "index", "a node is not of the level below its parent");
}

template <class Scalar>
void Join<Scalar>::fail() noexcept {
  failed_ = true;
  in_leaves_ = false;
  depth_ = 0;
}

template <class Scalar>
void Join<Scalar>::begin() noexcept {
  if (first_->root().node == 0 || second_->root().node == 0) return;
  const Node* first = sides_[0].view.node(first_->root().node);
  const Node* second = sides_[1].view.node(second_->root().node);
  if (first == nullptr || second == nullptr) return fail();
  FloatBox everything;
  open(everything, dimensions_);
  enter(first, everything, second, everything);
}

// The children of a node's chunk that reach a box.
template <class Scalar>
std::uint64_t Join<Scalar>::reaching(std::uint32_t side, const Node& node, std::uint32_t block,
                                     const FloatBox& box) const noexcept {
  DirectoryWindow window;
  for (std::size_t axis = 0; axis < dimensions_; ++axis) {
    window.reach_low[axis] = window.inside_low[axis] = box.at[axis];
    window.reach_high[axis] = window.inside_high[axis] = box.at[dimensions_ + axis];
  }
  const Side& tree = sides_[side];
  return tree.kernels.scan_children(node, tree.layout, window, block).hits;
}

// The same for a leaf's entries; returns how many they are.
template <class Scalar>
std::size_t Join<Scalar>::entries_reaching(std::uint32_t side, const Node& leaf,
                                           const FloatBox& box,
                                           std::uint64_t* mask) const noexcept {
  detail::Window<Scalar> window;
  intersecting(box.at, box.at + dimensions_, dimensions_, window);
  const Side& tree = sides_[side];
  const std::uint32_t count = entry_count(tree.view, leaf);
  if (!tree.kernels.scan_near_leaf(leaf, count, tree.layout, window, mask)) return 0;
  std::size_t entries = 0;
  for (std::size_t word = 0; word * 64 < count; ++word) {
    entries += static_cast<std::size_t>(std::popcount(mask[word]));
  }
  return entries;
}

// Null, and the join has failed, when the child cannot be read or is on a level of its own.
template <class Scalar>
const Node* Join<Scalar>::child_of(std::uint32_t side, const Node& node, std::size_t child,
                                   FloatBox& box) noexcept {
  const Side& tree = sides_[side];
  const Node* found = tree.view.node(child_ref(node, tree.layout, child));
  if (found == nullptr || found->level + 1 != node.level) {
    fail();
    return nullptr;
  }
  read_shared_child_box(node, tree.layout, child, box);
  return found;
}

template <class Scalar>
void Join<Scalar>::enter(const Node* first, const FloatBox& first_box, const Node* second,
                         const FloatBox& second_box) noexcept {
  if (depth_ == kMostLevels) return fail();
  Level& level = levels_[depth_];
  level.node[0] = first;
  level.node[1] = second;
  copy(level.box[0], first_box, dimensions_);
  copy(level.box[1], second_box, dimensions_);
  if (first->level == 0 && second->level == 0) return enter_leaves(level);
  level.both = first->level == second->level;
  level.outer = first->level >= second->level ? 0 : 1;
  level.outer_block = 0;
  level.outer_left = reaching(level.outer, *level.node[level.outer], 0, level.box[1 - level.outer]);
  level.inner_left = 0;
  level.child = nullptr;
  ++depth_;
}

// The leaf with fewer entries that reach the other one lends them, one by one.
template <class Scalar>
void Join<Scalar>::enter_leaves(const Level& pair) noexcept {
  std::uint64_t reaching[2][std::size(Leaves().left)];
  std::size_t entries[2];
  for (std::uint32_t side = 0; side < 2; ++side) {
    entries[side] = entries_reaching(side, *pair.node[side], pair.box[1 - side], reaching[side]);
    if (entries[side] == 0) return;
  }
  leaves_.node[0] = pair.node[0];
  leaves_.node[1] = pair.node[1];
  leaves_.outer = entries[0] <= entries[1] ? 0 : 1;
  std::memset(leaves_.left, 0, sizeof leaves_.left);
  const Node& outer = *leaves_.node[leaves_.outer];
  const std::size_t words = (entry_count(sides_[leaves_.outer].view, outer) + 63) / 64;
  std::memcpy(leaves_.left, reaching[leaves_.outer], words * sizeof(std::uint64_t));
  in_leaves_ = true;
}

// The next pair of leaves; false at the end or when a view has failed.
template <class Scalar>
bool Join<Scalar>::next_leaves() noexcept {
  in_leaves_ = false;
  while (depth_ > 0 && !in_leaves_) step(levels_[depth_ - 1]);
  return in_leaves_;
}

template <class Scalar>
void Join<Scalar>::step(Level& level) noexcept {
  if (level.child != nullptr) return step_inner(level);
  const std::uint32_t inner = 1 - level.outer;
  const Node& node = *level.node[level.outer];
  if (level.outer_left == 0) {
    level.outer_block += kChunkBlocks;
    if (level.outer_block * kDirectoryLanes >= node.count) {
      --depth_;
      return;
    }
    level.outer_left = reaching(level.outer, node, level.outer_block, level.box[inner]);
    return;
  }
  const auto bit = static_cast<std::size_t>(std::countr_zero(level.outer_left));
  level.outer_left &= level.outer_left - 1;
  FloatBox box;
  const Node* child = child_of(level.outer, node, level.outer_block * kDirectoryLanes + bit, box);
  if (child == nullptr) return;
  if (!level.both) {
    const Node* other = level.node[inner];
    return level.outer == 0 ? enter(child, box, other, level.box[1])
                            : enter(other, level.box[0], child, box);
  }
  take_outer(level, child, box);
}

template <class Scalar>
void Join<Scalar>::take_outer(Level& level, const Node* child, const FloatBox& box) noexcept {
  level.child = child;
  copy(level.child_box, box, dimensions_);
  level.inner_block = 0;
  look_at_inner(level);
}

// Asks for the nodes that come next: each will be looked at from its beginning.
template <class Scalar>
void Join<Scalar>::look_at_inner(Level& level) noexcept {
  const Node& node = *level.node[1];
  level.inner_left = reaching(1, node, level.inner_block, level.child_box);
  for (std::uint64_t rest = level.inner_left; rest != 0; rest &= rest - 1) {
    const auto bit = static_cast<std::size_t>(std::countr_zero(rest));
    sides_[1].view.prefetch(
        child_ref(node, sides_[1].layout, level.inner_block * kDirectoryLanes + bit));
  }
}

template <class Scalar>
void Join<Scalar>::step_inner(Level& level) noexcept {
  const Node& node = *level.node[1];
  if (level.inner_left == 0) {
    level.inner_block += kChunkBlocks;
    if (level.inner_block * kDirectoryLanes >= node.count) {
      level.child = nullptr;
    } else {
      look_at_inner(level);
    }
    return;
  }
  const auto bit = static_cast<std::size_t>(std::countr_zero(level.inner_left));
  level.inner_left &= level.inner_left - 1;
  FloatBox box;
  const Node* child = child_of(1, node, level.inner_block * kDirectoryLanes + bit, box);
  if (child != nullptr) enter(level.child, level.child_box, child, box);
}

// The next entry of a pair's outer leaf, and the window that its partners answer.
template <class Scalar>
bool Join<Scalar>::next_entry(detail::Window<Scalar>& window, std::uint32_t& entry) noexcept {
  for (;;) {
    if (in_leaves_) {
      for (std::uint32_t word = 0; word < std::size(leaves_.left); ++word) {
        std::uint64_t& bits = leaves_.left[word];
        if (bits == 0) continue;
        entry = word * 64 + static_cast<std::uint32_t>(std::countr_zero(bits));
        bits &= bits - 1;
        const Layout& layout = sides_[leaves_.outer].layout;
        Scalar geometry[2 * kMaxDimensions];
        read_geometry(*leaves_.node[leaves_.outer], layout, entry, geometry);
        intersecting(geometry, layout.points ? geometry : geometry + dimensions_, dimensions_,
                     window);
        return true;
      }
    }
    if (!next_leaves()) return false;
  }
}

template <class Scalar>
bool Join<Scalar>::next(detail::PairHits& hits) {
  detail::Window<Scalar> window;
  std::uint32_t entry = 0;
  while (next_entry(window, entry)) {
    const std::uint32_t inner = 1 - leaves_.outer;
    const Side& tree = sides_[inner];
    std::memset(hits.many.mask, 0, sizeof hits.many.mask);
    const Node& leaf = *leaves_.node[inner];
    const std::uint32_t count = entry_count(tree.view, leaf);
    if (!tree.kernels.scan_near_leaf(leaf, count, tree.layout, window, hits.many.mask)) continue;
    hits.many.blocks = tree.layout.leaf_block(leaf, 0);
    hits.many.block_bytes = tree.layout.leaf_block_bytes;
    const Layout& outer = sides_[leaves_.outer].layout;
    hits.one_blocks = outer.leaf_block(*leaves_.node[leaves_.outer], 0);
    hits.one = entry;
    hits.one_is_first = leaves_.outer == 0;
    return true;
  }
  return false;
}

template <class Scalar>
std::uint64_t Join<Scalar>::count_rest() {
  detail::Window<Scalar> window;
  std::uint32_t entry = 0;
  std::uint64_t pairs = 0;
  while (next_entry(window, entry)) {
    const std::uint32_t inner = 1 - leaves_.outer;
    const Side& tree = sides_[inner];
    const Node& leaf = *leaves_.node[inner];
    pairs += tree.kernels.count_near_leaf(leaf, entry_count(tree.view, leaf), tree.layout, window);
  }
  return pairs;
}

template class Join<float>;
template class Join<double>;

}  // namespace xtree::index

namespace xtree::detail {

namespace {

Result<std::unique_ptr<JoinCore>> begin_join(const IndexCore& first,
                                             const SnapshotCore* first_snapshot,
                                             const IndexCore& second,
                                             const SnapshotCore* second_snapshot) {
  const Schema& schema = first.schema();
  auto first_reader = first.read_tree(first_snapshot, nullptr);
  if (!first_reader) return first_reader.error();
  const bool together = first_snapshot == nullptr && second_snapshot == nullptr &&
                        first.home().database != nullptr &&
                        first.home().database == second.home().database;
  auto second_reader = second.read_tree(second_snapshot, together ? first_reader->get() : nullptr);
  if (!second_reader) return second_reader.error();
  if (schema.scalar == ScalarType::float32) {
    return std::unique_ptr<JoinCore>(std::make_unique<index::Join<float>>(
        schema, std::move(*first_reader), second.schema(), std::move(*second_reader)));
  }
  return std::unique_ptr<JoinCore>(std::make_unique<index::Join<double>>(
      schema, std::move(*first_reader), second.schema(), std::move(*second_reader)));
}

}  // namespace

JoinCore::~JoinCore() = default;

Result<std::unique_ptr<JoinCore>> JoinCore::begin(const IndexCore& first,
                                                  const SnapshotCore* first_snapshot,
                                                  const IndexCore& second,
                                                  const SnapshotCore* second_snapshot) {
  if (first.schema().dimensions != second.schema().dimensions ||
      first.schema().scalar != second.schema().scalar) {
    return Error(ErrorCode::invalid_argument, "join", "indexes of different dimensions or scalars");
  }
  return platform::without_throwing(
      "join", [&] { return begin_join(first, first_snapshot, second, second_snapshot); });
}

}  // namespace xtree::detail
