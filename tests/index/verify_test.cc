#include "index/verify.h"

#include <gtest/gtest.h>

#include <set>

#include "index/damaged_tree.h"

namespace xtree::index {
namespace {

TEST(Verify, KnowsTheSmallestTrees) {
  DamagedTree<float> tree(schema_of(2, false, true));
  tree.remember();
  EXPECT_EQ(tree.verdict(), "");
  EXPECT_EQ(tree.stats.height, 0u);
  EntrySource<float> source(tree.layout, Data::uniform, 1);
  ASSERT_TRUE(tree.insert(source.next()).has_value());
  tree.remember();
  EXPECT_EQ(tree.verdict(), "");
  EXPECT_EQ(tree.stats.entries, 1u);
  EXPECT_EQ(tree.stats.leaves, 1u);
  const auto root = tree.at_level(0).front();
  Node& leaf = tree.node(root.ref);
  tree.expect_fault(root, "it is filled less than it must be", [&] { leaf.count = 0; });
  tree.expect_fault(root, "an entry is not a box of finite numbers", [&] {
    leaf.count = 2;
    tree.root.entries = 2;
  });
  tree.expect_fault(root, "there are more entries than the root counts",
                    [&] { tree.root.entries = 0; });
  tree.expect_fault(root, "the root counts other entries than there are",
                    [&] { tree.root.entries = 2; });
}

TEST(Verify, CountsWhatThereIsAndVisitsEveryNodeOnce) {
  DamagedTree<double> tree(schema_of(5, true, true, 64));
  ASSERT_NO_FATAL_FAILURE(grow(tree, Data::identical, 1, 90'000));
  const IndexStats& stats = tree.stats;
  ASSERT_EQ(stats.height, 3u);
  EXPECT_EQ(stats.entries, tree.model.size());
  EXPECT_EQ(stats.height, tree.root.height);
  std::size_t leaf_room = 0;
  std::size_t bytes = 0;
  std::size_t supernodes = 0;
  for (const auto& [ref, image] : tree.images()) {
    const Node& node = tree.node(ref);
    bytes += image.size();
    if (node.level == 0) leaf_room += node.blocks * kLeafLanes<double>;
    if (node.level != 0) supernodes += node.blocks > kDirectoryBlocks;
  }
  EXPECT_GT(supernodes, 0u);
  EXPECT_LT(supernodes, stats.directory_nodes);
  EXPECT_EQ(stats.supernodes, supernodes);
  EXPECT_EQ(stats.node_bytes, bytes);
  EXPECT_EQ(stats.leaves, tree.at_level(0).size());
  EXPECT_EQ(stats.leaves + stats.directory_nodes, tree.images().size());
  EXPECT_DOUBLE_EQ(stats.leaf_fill,
                   static_cast<double>(stats.entries) / static_cast<double>(leaf_room));
  std::multiset<Ref> visited;
  IndexStats again;
  ASSERT_TRUE(verify_tree<double>(tree.layout, tree.view(), tree.root, again, [&](Ref ref) {
                visited.insert(ref);
              }).has_value());
  std::multiset<Ref> all;
  for (const auto& [ref, image] : tree.images()) all.insert(ref);
  EXPECT_EQ(visited, all);
}

// What nobody refers to shows as a node that exists and was not visited.
TEST(Verify, DoesNotVisitALeakedNode) {
  DamagedTree<float> tree(schema_of(2, false, false, 64));
  EntrySource<float> source(tree.layout, Data::uniform, 2);
  while (tree.root.height < 3 || tree.node(tree.root.node).count < 3) {
    ASSERT_TRUE(tree.insert(source.next()).has_value());
  }
  tree.remember();
  Node& node = tree.node(tree.root.node);
  const Ref lost = child_ref(node, tree.layout, 0);
  std::uint64_t lost_entries = 0;
  std::uint64_t lost_nodes = 1;
  for (std::size_t i = 0; i < tree.node(lost).count; ++i, ++lost_nodes) {
    lost_entries += tree.node(child_ref(tree.node(lost), tree.layout, i)).count;
  }
  remove_child(node, tree.layout, 0);
  tree.root.entries -= lost_entries;
  std::uint64_t visited = 0;
  IndexStats stats;
  const auto verified =
      verify_tree<float>(tree.layout, tree.view(), tree.root, stats, [&](Ref ref) {
        ++visited;
        EXPECT_NE(ref, lost);
      });
  EXPECT_TRUE(verified.has_value());
  EXPECT_EQ(visited + lost_nodes, tree.store.nodes());
}

// Gives the root room for so many blocks more than it needs.
template <class Scalar>
std::string verdict_with_spare_blocks(DamagedTree<Scalar>& tree, std::size_t spare) {
  const Layout& layout = tree.layout;
  const Node& old = tree.node(tree.root.node);
  const bool is_leaf = old.level == 0;
  const std::size_t needed =
      is_leaf ? blocks_for(old.count, kLeafLanes<Scalar>)
              : std::max(blocks_for(old.count, kDirectoryLanes), kDirectoryBlocks);
  const std::size_t blocks = needed + spare;
  Node* longer = tree.store.resize(
      tree.root.node, is_leaf ? layout.leaf_bytes(blocks) : layout.directory_bytes(blocks));
  longer->blocks = static_cast<std::uint16_t>(blocks);
  tree.root.node = longer->frame.node_id;
  tree.remember();
  return tree.verdict();
}

TEST(Verify, AllowsANodeOneFreeBlock) {
  for (const std::size_t entries : {20u, 4000u}) {
    DamagedTree<double> tree(schema_of(2, true, true));
    EntrySource<double> source(tree.layout, Data::uniform, 3);
    while (tree.model.size() < entries) ASSERT_TRUE(tree.insert(source.next()).has_value());
    EXPECT_EQ(verdict_with_spare_blocks(tree, 0), "");
    EXPECT_EQ(verdict_with_spare_blocks(tree, 1), "");
    const char* rule = "it has more free blocks than it may keep";
    for (const std::size_t spare : {2u, 9u}) {
      const std::string verdict = verdict_with_spare_blocks(tree, spare);
      EXPECT_EQ(verdict, tree.fault(tree.root.node, tree.root.height - 1, rule));
    }
  }
}

// A directory node over `count` children that `child` makes, all with one box.
template <class Child>
Ref plant(DamagedTree<float>& tree, std::uint16_t level, const FloatBox& box, std::size_t count,
          Child child) {
  Node* node = tree.store.create(tree.layout.directory_bytes(kDirectoryBlocks));
  node->level = level;
  node->blocks = kDirectoryBlocks;
  for (std::size_t i = 0; i < count; ++i) append_child(*node, tree.layout, box, child());
  return node->frame.node_id;
}

// Above 1241 nodes in order, each node has the same child in all lanes: without a bound the walk
// would meet 64^6 times as many.
TEST(Verify, WalksNoFurtherThanThereAreNodes) {
  DamagedTree<float> tree(schema_of(2, false, true));
  FloatBox box{{1, 1, 1, 1}};
  const float point[] = {1, 1};
  const std::byte value[8] = {};
  const auto leaf = [&] {
    Node* node = tree.store.create(tree.layout.leaf_bytes(tree.layout.max_leaf_blocks));
    node->blocks = static_cast<std::uint16_t>(tree.layout.max_leaf_blocks);
    while (node->count < tree.layout.leaf_capacity()) {
      append_entry(*node, tree.layout, point, value);
    }
    return node->frame.node_id;
  };
  Ref top = plant(tree, 2, box, 31, [&] { return plant(tree, 1, box, 39, leaf); });
  for (std::uint16_t level = 3; level <= 8; ++level) {
    top = plant(tree, level, box, kDirectoryCapacity, [&, below = top] { return below; });
  }
  tree.root = {top, ~std::uint64_t{0}, 9, 0};

  struct PatientView {
    const Node* node(Ref ref) const noexcept {
      return ++*reads > 10'000 ? nullptr : MemoryView().node(ref);
    }
    void prefetch(Ref) const noexcept {}
    int* reads;
  };
  int reads = 0;
  IndexStats stats;
  const auto verified =
      verify_tree<float>(tree.layout, PatientView{&reads}, tree.root, stats, [](Ref) {});
  ASSERT_FALSE(verified.has_value());
  const std::string message = verified.error().message();
  EXPECT_NE(message.find("reached more than once"), std::string::npos) << message;
  EXPECT_LT(reads, 10'000);
}

}  // namespace
}  // namespace xtree::index
