#include "index/policy.h"

#include <gtest/gtest.h>

#include <vector>

#include "index/node_access.h"
#include "index/tree_fixture.h"
#include "index/write_kernels.h"
#include "persistence/frame.h"

namespace xtree::index {
namespace {

// Calls `f(layout, schema)` for every schema that an index may have.
template <class F>
void for_all_layouts(F f) {
  for (int dimensions = 1; dimensions <= kMaxDimensions; ++dimensions) {
    for (int value_bytes = 1; value_bytes <= static_cast<int>(kMaxValueBytes); ++value_bytes) {
      for (int kind = 0; kind < 4; ++kind) {
        const auto schema = schema_of(dimensions, kind % 2 == 1, kind / 2 == 1, value_bytes);
        SCOPED_TRACE(testing::Message() << dimensions << " dimensions, values of " << value_bytes
                                        << ", kind " << kind);
        f(Layout(schema), schema);
        if (testing::Test::HasFailure()) return;
      }
    }
  }
}

TEST(Layout, IsWhatTheFileFormatSays) {
  for_all_layouts([](const Layout& layout, const detail::Schema& schema) {
    EXPECT_EQ(layout.leaf_lanes, 64 / schema.scalar_bytes());
    EXPECT_EQ(layout.rows, schema.dimensions * (schema.shape == Shape::points ? 1u : 2u));
    // Rows and values, padded to whole lines. In more than four dimensions values of up to 16 bytes
    // stand in front of the blocks.
    const bool in_front = schema.dimensions > 4 && schema.value_bytes <= 16;
    const std::size_t used =
        layout.rows * 64 + (in_front ? 0 : layout.leaf_lanes * schema.value_bytes);
    EXPECT_GE(layout.leaf_block_bytes, used);
    EXPECT_LT(layout.leaf_block_bytes, used + 64);
    EXPECT_EQ(layout.leaf_block_bytes % 64, 0u);
    EXPECT_EQ(layout.directory_block_bytes, 2u * schema.dimensions * 64 + 16 * 8);
    // The smallest node of 4096 bytes, doubled as often as needed, that holds 48 entries; but
    // never more than 96 of them. In more than four dimensions there are always 128.
    std::size_t node_bytes = 4096;
    const auto blocks_in = [&] { return (node_bytes - sizeof(Node)) / layout.leaf_block_bytes; };
    while (blocks_in() * layout.leaf_lanes < 48) node_bytes *= 2;
    const std::size_t blocks = schema.dimensions > 4
                                   ? 128 / layout.leaf_lanes
                                   : std::min(blocks_in(), 96 / layout.leaf_lanes);
    EXPECT_EQ(layout.max_leaf_blocks, blocks);
    // Leaves of boxes in up to four dimensions have codes, each a power of two, behind a grid of
    // two doubles for each axis.
    const bool coded = schema.shape == Shape::boxes && schema.dimensions <= 4;
    const std::size_t code_bytes = schema.dimensions == 3 ? 8 : 2u * schema.dimensions;
    EXPECT_EQ(layout.code_bytes, coded ? code_bytes : 0);
    const std::size_t grid_bytes = schema.dimensions == 1 ? 32 : (schema.dimensions + 1) / 2 * 32u;
    std::size_t front = coded ? grid_bytes + layout.leaf_capacity() * code_bytes : 0;
    if (schema.dimensions > 4) {
      // Behind a grid of two floats for each axis, in eights, and 64 bytes for the longest box, are
      // groups of 16 entries with two bytes for each pair of axes, for each corner of boxes, and a
      // float for each point.
      EXPECT_EQ(layout.code_pairs, (layout.dimensions + 1) / 2);
      const std::size_t groups = (layout.leaf_capacity() + 15) / 16;
      const std::size_t codes = groups * 32 * layout.code_pairs;
      front = (schema.dimensions + 7u) / 8 * 64 + (layout.points ? 0 : 64);
      EXPECT_EQ(layout.pairs_at, sizeof(Node) + front);
      EXPECT_EQ(layout.codes_end(layout.leaf_capacity()), layout.pairs_at + codes);
      EXPECT_EQ(layout.codes_end(17), layout.pairs_at + 2 * 32 * layout.code_pairs);
      EXPECT_EQ(layout.max_pairs_at, layout.points ? 0 : layout.pairs_at + codes);
      EXPECT_EQ(layout.norms_at, layout.points ? layout.pairs_at + codes : 0);
      front += codes + (layout.points ? 4 * layout.leaf_capacity() : codes);
    }
    EXPECT_EQ(layout.has_codes(), front != 0);
    front = sizeof(Node) + (front + 63) / 64 * 64;
    EXPECT_EQ(layout.coded_end(), front);
    EXPECT_EQ(layout.has_values_in_front(), in_front);
    EXPECT_EQ(layout.values_at, in_front ? front : front + layout.rows * 64);
    EXPECT_EQ(layout.values_step,
              in_front ? layout.leaf_lanes * schema.value_bytes : layout.leaf_block_bytes);
    EXPECT_EQ(layout.leaf_front_bytes, front + (in_front ? 128 * schema.value_bytes : 0));
    EXPECT_EQ(layout.leaf_bytes(3), layout.leaf_front_bytes + 3 * layout.leaf_block_bytes);
  });
}

TEST(Layout, FitsFramesAndKernels) {
  for_all_layouts([](const Layout& layout, const detail::Schema&) {
    EXPECT_LE(layout.leaf_bytes(layout.max_leaf_blocks), persistence::kMaxFrameBytes);
    EXPECT_LE(layout.directory_bytes(kMaxSupernodeBlocks), persistence::kMaxFrameBytes);
    EXPECT_LE(layout.leaf_capacity(), detail::kMaxLeafEntries);
    EXPECT_LE(layout.leaf_capacity(), kMaxLanes);
    EXPECT_EQ(layout.leaf_bytes(3) % persistence::kFrameAlignment, 0u);
    EXPECT_EQ(layout.directory_bytes(3) % persistence::kFrameAlignment, 0u);
  });
}

// A split always has a cut, what a split made is not merged at once, what a merge made is not
// split at once, and two that share can both be filled.
TEST(Policy, LeavesRoomBetweenSplittingAndMerging) {
  const auto check = [](std::size_t capacity, std::size_t fewest) {
    const std::size_t merged = capacity * kMergedFillPercent / 100;
    EXPECT_GE(fewest, 1u);
    EXPECT_LE(2 * fewest, capacity + 1);
    EXPECT_LT(merged, capacity);
    EXPECT_GE(merged + 1, 2 * fewest);
  };
  for_all_layouts([&](const Layout& layout, const detail::Schema&) {
    check(layout.leaf_capacity(), min_leaf_entries(layout));
    EXPECT_GE(min_leaf_entries(layout) * 100, layout.leaf_capacity() * (kMinFillPercent - 3));
  });
  check(kDirectoryCapacity, kMinChildren);
}

// Takes the first child, and cuts nodes in the middle of the order in which they hold their lanes.
class MiddlePolicy : public Splitter<double> {
 public:
  static constexpr std::size_t kLongerBlocks = 1;
  static constexpr bool kRepacks = false;
  static inline std::uint64_t splits = 0;

  using Splitter<double>::Splitter;

  [[nodiscard]] Choice choose(const Node& node, const FloatBox& box) const noexcept {
    FloatBox first;
    read_child_box(node, layout_, 0, first);
    return {0, covers(first, box, layout_.dimensions)};
  }
  [[nodiscard]] Sides split_leaf(std::span<const Node* const> sources) noexcept {
    return halve<double>(sources, leaf_shape(layout_));
  }
  [[nodiscard]] Sides split_directory(std::span<const Node* const> sources) noexcept {
    return halve<float>(sources, directory_shape(layout_));
  }
  void has_split(const Halves& halves) noexcept {
    EXPECT_NE(halves.left, halves.right);
    ++splits;
  }

 private:
  template <class Element>
  Sides halve(std::span<const Node* const> sources, const NodeShape& shape) noexcept {
    lanes_.resize(sources[0]->count + sources[1]->count);
    list_lanes<Element>(*sources[0], shape, lanes_.data());
    list_lanes<Element>(*sources[1], shape, lanes_.data() + sources[0]->count);
    const std::span<const Lane> lanes(lanes_);
    return {lanes.first(lanes.size() / 2), lanes.subspan(lanes.size() / 2)};
  }

  std::vector<Lane> lanes_;
};

TEST(Policy, AnotherOneMakesAnotherTreeInOrder) {
  const auto schema = schema_of(2, true, true);
  const Layout layout(schema);
  MemoryStore store;
  Root root;
  Tree<double, MemoryStore, MiddlePolicy> tree(layout, write_kernels<double>(layout, best_isa()),
                                               store, root);
  MiddlePolicy::splits = 0;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    const double point[] = {static_cast<double>(i * 7919 % 20'011), static_cast<double>(i % 100)};
    ASSERT_TRUE(tree.insert(point, reinterpret_cast<const std::byte*>(&i)));
  }
  IndexStats stats;
  const auto verified = verify_tree<double>(layout, store.view(), root, stats, [](Ref) {});
  ASSERT_TRUE(verified) << verified.error().message();
  EXPECT_EQ(stats.entries, 20'000u);
  EXPECT_GE(stats.height, 3u);
  // Each split makes one node; the first leaf and the roots above it come by themselves.
  EXPECT_EQ(stats.leaves + stats.directory_nodes, MiddlePolicy::splits + stats.height);
}

}  // namespace
}  // namespace xtree::index
