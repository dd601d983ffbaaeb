#include <gtest/gtest.h>

#include "index/node_fixture.h"
#include "index/split_rule.h"
#include "index/tree_fixture.h"

// When a directory node is split, and when it becomes longer instead: what policy.h says.
namespace xtree::index {
namespace {

using Boxes = std::vector<std::vector<float>>;

template <class Scalar>
class RootWatch {
 public:
  explicit RootWatch(ModelledTree<Scalar>& tree) : tree_(tree) {}

  bool is_full() const {
    const Node& root = node(tree_.root.node);
    return root.level == 1 && root.count == root.blocks * kDirectoryLanes;
  }
  Boxes boxes(Ref ref) const {
    Boxes boxes;
    const Node& from = node(ref);
    for (std::size_t i = 0; i < from.count; ++i) {
      FloatBox box;
      read_child_box(from, tree_.layout, i, box);
      boxes.emplace_back(box.at, box.at + 2 * tree_.layout.dimensions);
    }
    return boxes;
  }
  const Node& node(Ref ref) const { return *tree_.store.view().node(ref); }

  // What the two nodes share, in parts of what they cover together.
  double overlap(Ref left, Ref right) const {
    const auto a = united(boxes(left));
    const auto b = united(boxes(right));
    const std::size_t dims = tree_.layout.dimensions;
    double in_a = 1, in_b = 1, in_both = 1;
    for (std::size_t axis = 0; axis < dims; ++axis) {
      const double low = std::min(a[axis], b[axis]);
      const double all = std::max(a[dims + axis], b[dims + axis]) - low;
      if (all == 0) continue;
      in_a *= (a[dims + axis] - a[axis]) / all;
      in_b *= (b[dims + axis] - b[axis]) / all;
      in_both *=
          std::max(0.0, std::min(a[dims + axis], b[dims + axis]) - std::max(a[axis], b[axis])) /
          all;
    }
    return in_both / (in_a + in_b - in_both);
  }

 private:
  std::vector<double> united(const Boxes& boxes) const {
    std::vector<double> all(boxes[0].begin(), boxes[0].end());
    const std::size_t dims = tree_.layout.dimensions;
    for (const auto& box : boxes) {
      for (std::size_t axis = 0; axis < dims; ++axis) {
        all[axis] = std::min(all[axis], static_cast<double>(box[axis]));
        all[dims + axis] = std::max(all[dims + axis], static_cast<double>(box[dims + axis]));
      }
    }
    return all;
  }

  ModelledTree<Scalar>& tree_;
};

// Whether a directory node with such children is not cut in two.
bool stays_whole(const Boxes& boxes, std::size_t dimensions) {
  const std::size_t min_fill = std::max(kMinChildren, boxes.size() * kMinFillPercent / 100);
  return SplitRule(boxes, dimensions).best_of_all(min_fill).overlap > kMaxOverlap;
}

struct Decisions {
  int longer = 0;
  int split = 0;
  std::size_t most_blocks = 0;
};

// Grows a tree of two levels until its root is split or so long, and checks each decision.
template <class Scalar, class Next>
void grow_until_split(ModelledTree<Scalar>& tree, Decisions& decisions, Next next,
                      std::size_t long_enough = kMaxSupernodeBlocks + 1) {
  RootWatch<Scalar> watch(tree);
  std::size_t length = 0;
  while (tree.root.height < 3 && length < long_enough) {
    const bool was_full = tree.root.height == 2 && watch.is_full();
    const std::size_t blocks = was_full ? watch.node(tree.root.node).blocks : 0;
    const Boxes before = blocks == kDirectoryBlocks ? watch.boxes(tree.root.node) : Boxes();
    ASSERT_TRUE(tree.insert(next()).has_value());
    const Node& root = watch.node(tree.root.node);
    length = root.level > 0 ? root.blocks : 0;
    decisions.most_blocks = std::max(decisions.most_blocks, length);
    if (!was_full || (tree.root.height == 2 && root.blocks == blocks)) continue;
    if (tree.root.height == 2) {
      ++decisions.longer;
      ASSERT_EQ(root.blocks, blocks + 1);
      ASSERT_EQ(root.count, blocks * kDirectoryLanes + 1);
      // To look at all cuts of a long node takes long.
      if (root.count > 150) continue;
      EXPECT_TRUE(stays_whole(watch.boxes(tree.root.node), tree.layout.dimensions));
      continue;
    }
    ++decisions.split;
    ASSERT_EQ(root.count, 2u);
    const Ref left = child_ref(root, tree.layout, 0);
    const Ref right = child_ref(root, tree.layout, 1);
    // In many dimensions leaves are packed anew before one of them is split, unless their node
    // would have become longer.
    const std::size_t dims = tree.layout.dimensions;
    const bool has_supernodes = dims >= kSupernodeDimensions;
    const bool is_packed =
        blocks == kDirectoryBlocks && dims >= kRepackDimensions && !stays_whole(before, dims);
    EXPECT_EQ(watch.node(left).count + watch.node(right).count,
              blocks * kDirectoryLanes + (is_packed ? 2 : 1));
    if (!is_packed && blocks < kMaxSupernodeBlocks && has_supernodes) {
      EXPECT_LE(watch.overlap(left, right), static_cast<double>(kMaxOverlap) + 1e-4);
    }
  }
  ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
}

template <class Scalar>
void grow_with(const detail::Schema& schema, Data data, Decisions& decisions) {
  const std::uint64_t seed = test::test_seed("Supernode");
  SCOPED_TRACE(testing::Message() << schema.dimensions << " dimensions, " << name_of(data));
  ModelledTree<Scalar> tree(schema);
  EntrySource<Scalar> source(tree.layout, data, seed);
  grow_until_split(tree, decisions, [&] { return source.next(); });
}

Entry<double> any_entry(std::size_t dims, double low, double side, test::Random& random) {
  Entry<double> entry;
  entry.geometry.resize(2 * dims);
  for (std::size_t axis = 0; axis < dims; ++axis) {
    entry.geometry[axis] = low + random.unit();
    entry.geometry[dims + axis] = entry.geometry[axis] + side;
  }
  entry.value.resize(64);
  return entry;
}

// Boxes of the same size: the larger they are, the more do halves overlap.
void grow_with_boxes(int dimensions, double side, test::Random& random, Decisions& decisions) {
  SCOPED_TRACE(testing::Message() << dimensions << " dimensions, boxes of " << side);
  ModelledTree<double> tree(schema_of(dimensions, true, false, 64));
  grow_until_split(
      tree, decisions, [&] { return any_entry(tree.layout.dimensions, 0, side, random); },
      kDirectoryBlocks + 4);
}

TEST(Supernode, IsMadeWhereHalvesWouldOverlap) {
  test::Random random(test::test_seed("Supernode"));
  for (const int dimensions : {5, 6, 8}) {
    Decisions large, any;
    grow_with_boxes(dimensions, 9, random, large);
    EXPECT_EQ(large.longer, 4);
    EXPECT_EQ(large.split, 0);
    // Somewhere here is where it turns.
    for (double side = 0.1; side < 2.5; side *= 1.12) {
      grow_with_boxes(dimensions, side, random, any);
    }
    EXPECT_GT(any.longer, 4);
    EXPECT_GT(any.split, 2);
  }
}

TEST(Supernode, IsSplitOnceHalvesAreApart) {
  test::Random random(test::test_seed("Supernode"));
  ModelledTree<double> tree(schema_of(5, true, false, 64));
  Decisions decisions;
  grow_until_split(tree, decisions, [&] {
    const bool is_near = tree.model.size() < 20'000;
    return is_near ? any_entry(5, 0, 50, random) : any_entry(5, 1000, 0.01, random);
  });
  EXPECT_GT(decisions.longer, 5);
  EXPECT_LT(decisions.most_blocks, kMaxSupernodeBlocks / 2);
}

TEST(Supernode, IsNotMadeWhereHalvesAreApart) {
  Decisions decisions;
  for (const Data data : {Data::uniform, Data::sorted, Data::collinear, Data::grid}) {
    grow_with<float>(schema_of(6, false, true, 64), data, decisions);
    grow_with<double>(schema_of(5, true, true, 64), data, decisions);
  }
  EXPECT_EQ(decisions.longer, 0);
  EXPECT_EQ(decisions.split, 8);
  EXPECT_EQ(decisions.most_blocks, kDirectoryBlocks);
}

TEST(Supernode, IsNeverMadeInFewDimensions) {
  test::Random random(test::test_seed("Supernode"));
  Decisions decisions;
  for (const int dimensions : {1, 2, 4}) grow_with_boxes(dimensions, 9, random, decisions);
  EXPECT_EQ(decisions.longer, 0);
  EXPECT_EQ(decisions.split, 3);
}

TEST(Supernode, IsSplitAtItsGreatestLength) {
  Decisions decisions;
  grow_with<float>(schema_of(6, false, true, 64), Data::identical, decisions);
  EXPECT_EQ(decisions.split, 1);
  EXPECT_EQ(decisions.longer, static_cast<int>(kMaxSupernodeBlocks - kDirectoryBlocks));
  EXPECT_EQ(decisions.most_blocks, kMaxSupernodeBlocks);
}

// As entries go, a supernode gives back its blocks and ends as a node like others.
TEST(Supernode, ShrinksAgain) {
  ModelledTree<float> tree(schema_of(6, false, true, 64));
  EntrySource<float> source(tree.layout, Data::identical, 1);
  RootWatch<float> watch(tree);
  while (tree.model.size() < 12'000) ASSERT_TRUE(tree.insert(source.next()).has_value());
  ASSERT_EQ(tree.root.height, 2u);
  std::size_t blocks = watch.node(tree.root.node).blocks;
  EXPECT_GT(blocks, kDirectoryBlocks + 3);
  while (tree.root.height == 2) {
    const auto erased = tree.erase(tree.model.size() - 1);
    ASSERT_TRUE(erased.has_value() && *erased);
    const Node& root = watch.node(tree.root.node);
    if (root.level == 0) break;
    // It keeps one free block, and gives back what is more; when its leaves are packed anew it is.
    const std::size_t needed = std::max(blocks_for(root.count, kDirectoryLanes), kDirectoryBlocks);
    if (root.blocks != needed) {
      EXPECT_EQ(root.blocks, blocks > needed + 1 ? needed + 1 : blocks);
    }
    blocks = root.blocks;
  }
  EXPECT_LE(blocks, kDirectoryBlocks + 1);
  ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
}

}  // namespace
}  // namespace xtree::index
