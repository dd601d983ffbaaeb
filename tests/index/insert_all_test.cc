// Several entries at once, as a batch inserts them.
#include <gtest/gtest.h>

#include "index/tree_fixture.h"

namespace xtree::index {
namespace {

// Their ways are chosen ahead, so those after an entry may meet a tree that it has changed.
TEST(InsertAll, HoldsWhatWasInsertedAtOnce) {
  for (const Data data : kAllData) {
    SCOPED_TRACE(name_of(data));
    ModelledTree<double> tree(schema_of(2, true, false));
    EntrySource<double> source(tree.layout, data, fresh_seed());
    for (const std::size_t count : {1, 2, 3, 4, 5, 100, 20'000, 10'000}) {
      ASSERT_TRUE(tree.insert_all(source, count));
      ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
    }
    EXPECT_GE(tree.root.height, 3u);
  }
}

// Entries in order follow the trail, so that those ahead are chosen by the one before them.
TEST(InsertAll, FillsLeavesAsOneByOneDoes) {
  constexpr std::size_t kEntries = test::kSanitized ? 10'000 : 40'000;
  const auto leaves = [&](bool at_once) {
    ModelledTree<double> tree(schema_of(2, true, true));
    EntrySource<double> source(tree.layout, Data::sorted, 1);
    while (tree.model.size() < kEntries) {
      EXPECT_TRUE(at_once ? tree.insert_all(source, 1000) : tree.insert(source.next()));
    }
    tree.expect_equal_to_model();
    IndexStats stats;
    const auto verified =
        verify_tree<double>(tree.layout, tree.store.view(), tree.root, stats, [](Ref) {});
    EXPECT_TRUE(verified.has_value());
    return stats.leaves;
  };
  const std::uint64_t one_by_one = leaves(false);
  EXPECT_LE(leaves(true) * 100, one_by_one * 105);
}

}  // namespace
}  // namespace xtree::index
