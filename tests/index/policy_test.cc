#include "index/policy.h"

#include <gtest/gtest.h>

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
    // Rows and values, padded to whole lines.
    const std::size_t used = layout.rows * 64 + layout.leaf_lanes * schema.value_bytes;
    EXPECT_GE(layout.leaf_block_bytes, used);
    EXPECT_LT(layout.leaf_block_bytes, used + 64);
    EXPECT_EQ(layout.leaf_block_bytes % 64, 0u);
    EXPECT_EQ(layout.directory_block_bytes, 2u * schema.dimensions * 64 + 16 * 8);
    // The smallest node of 4096 bytes, doubled as often as needed, that holds 48 entries; but
    // never more than 96 of them.
    std::size_t node_bytes = 4096;
    const auto blocks_in = [&] { return (node_bytes - sizeof(Node)) / layout.leaf_block_bytes; };
    while (blocks_in() * layout.leaf_lanes < 48) node_bytes *= 2;
    EXPECT_EQ(layout.max_leaf_blocks, std::min(blocks_in(), 96 / layout.leaf_lanes));
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

}  // namespace
}  // namespace xtree::index
