#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>

#include "index/counting_store.h"
#include "index/tree_fixture.h"

// The leaves of a full directory node are packed anew before one of them is split.
namespace xtree::index {
namespace {

// Inserts until leaves were packed into fewer, and into those of two parents.
template <class Scalar>
void grow_until_packed(const detail::Schema& schema, Data data) {
  SCOPED_TRACE(testing::Message() << schema.dimensions << " dimensions, " << name_of(data));
  ModelledTree<Scalar, CountingStore> tree(schema);
  EntrySource<Scalar> source(tree.layout, data, test::test_seed("Repack"));
  constexpr std::uint64_t kParent = 1, kTop = 1;
  bool into_fewer = false, into_two = false;
  while (!into_fewer || !into_two) {
    ASSERT_LT(tree.model.size(), 40'000u);
    const std::uint64_t created = tree.store.created, destroyed = tree.store.destroyed;
    ASSERT_TRUE(tree.insert(source.next()).has_value());
    const std::uint64_t made = tree.store.created - created;
    const std::uint64_t gone = tree.store.destroyed - destroyed;
    if (gone == 0) continue;
    // The entry that follows may find another full leaf, and splits it.
    if (gone == kDirectoryCapacity + kParent) {
      into_fewer = true;
      EXPECT_GE(made, kMinChildren + kParent);
      EXPECT_LE(made, kRepackedLeaves + kParent + 1);
    } else {
      into_two = true;
      EXPECT_EQ(gone, kDirectoryCapacity + kParent + kTop);
      EXPECT_GE(made, kDirectoryCapacity + 2 + 2 * kParent + kTop);
    }
    ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
  }
}

TEST(Repack, MakesRoomInAFullNodeOrTwoOfIt) {
  ASSERT_NO_FATAL_FAILURE(grow_until_packed<double>(schema_of(8, true, false), Data::uniform));
  for (const Data data : {Data::uniform, Data::clustered, Data::collinear}) {
    ASSERT_NO_FATAL_FAILURE(grow_until_packed<double>(schema_of(16, true, true), data));
    ASSERT_NO_FATAL_FAILURE(grow_until_packed<float>(schema_of(5, false, true), data));
  }
}

TEST(Repack, LeavesFewOrManyEntriesToALeaf) {
  const Layout layout(schema_of(8, true, true));
  const std::size_t capacity = layout.leaf_capacity();
  const std::size_t fewest = kDirectoryCapacity * fewest_leaf_entries(layout);
  for (std::size_t entries = fewest; entries <= kDirectoryCapacity * capacity; ++entries) {
    const std::size_t most = repacked_leaf_entries(layout, entries);
    const TreeShape shape(most);
    ASSERT_LT(most, capacity);
    if (shape.root_level(entries) == 1) {
      ASSERT_GE(shape.children(entries, 1), kMinChildren);
      ASSERT_LE(shape.children(entries, 1), kRepackedLeaves);
      ASSERT_LE(most * 100, capacity * kRepackedPercent);
    } else {
      ASSERT_EQ(shape.root_level(entries), 2u);
      ASSERT_EQ(shape.children(entries, 2), 2u);
    }
  }
}

// Between two times that leaves are packed so many entries come that each is moved a few times.
TEST(Repack, MovesEntriesAFewTimesWhateverTheirOrder) {
  for (const Data data : kAllData) {
    SCOPED_TRACE(name_of(data));
    ModelledTree<float, CountingStore> tree(schema_of(6, false, true));
    EntrySource<float> source(tree.layout, data, test::test_seed("Repack"));
    ASSERT_TRUE(tree.insert_all(source, 30'000).has_value());
    EXPECT_LE(tree.store.created, 12 * tree.store.nodes());
    ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
  }
}

TEST(Repack, IsNotDoneInFewDimensions) {
  ModelledTree<double, CountingStore> tree(schema_of(4, true, false));
  EntrySource<double> source(tree.layout, Data::uniform, test::test_seed("Repack"));
  while (tree.root.height < 3) ASSERT_TRUE(tree.insert(source.next()).has_value());
  EXPECT_EQ(tree.store.destroyed, 0u);
}

// Has memory for one node after the other only.
class ScantStore : public CountingStore {
 public:
  [[nodiscard]] bool reserve(std::size_t bytes, std::size_t = 0) noexcept {
    return bytes <= 256 << 10 && CountingStore::reserve(bytes);
  }
};

TEST(Repack, IsNotDoneWithoutMemory) {
  ModelledTree<double, ScantStore> tree(schema_of(8, true, true));
  EntrySource<double> source(tree.layout, Data::uniform, test::test_seed("Repack"));
  while (tree.root.height < 3) ASSERT_TRUE(tree.insert(source.next()).has_value());
  EXPECT_EQ(tree.store.destroyed, 0u);
  ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
}

}  // namespace
}  // namespace xtree::index
