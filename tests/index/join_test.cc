#include "index/join.h"

#include <gtest/gtest.h>

#include "index/search_fixture.h"

namespace xtree::index {
namespace {

using Fixture = SearchFixture<2, double, Shape::boxes>;

Result<std::uint64_t> count_pairs(const Fixture& first, const Fixture& second) {
  const auto schema = schema_of<2, double, Shape::boxes>();
  Join<double> join(schema, std::make_unique<detail::TreeReader>(EitherView(), first.root), schema,
                    std::make_unique<detail::TreeReader>(EitherView(), second.root));
  const std::uint64_t pairs = join.count_rest();
  if (auto status = join.status(); !status) return status.error();
  return pairs;
}

Node& child_of(Fixture& fixture, Node& node, std::size_t child) {
  return *fixture.store.edit(child_ref(node, fixture.layout, child));
}

// A damaged tree may refer to a node above; a walk must neither go round for ever nor past its
// stack.
TEST(Join, RefusesANodeThatIsNotOnTheLevelBelowItsParent) {
  const std::uint64_t seed = test::test_seed("Join");
  Fixture sound(test::Pattern::uniform, seed, 3000, Build::bulk);
  Fixture damaged(test::Pattern::uniform, seed, 20000, Build::bulk);
  const std::uint64_t pairs = count_pairs(sound, damaged).value();
  EXPECT_GT(pairs, 0u);
  Node& root = *damaged.store.edit(damaged.root.node);
  ASSERT_EQ(root.level, 2);
  Node& middle = child_of(damaged, root, 0);
  const auto expect_refused = [&] {
    EXPECT_EQ(count_pairs(sound, damaged).error().code(), ErrorCode::corruption);
    EXPECT_EQ(count_pairs(damaged, sound).error().code(), ErrorCode::corruption);
    EXPECT_EQ(count_pairs(damaged, damaged).error().code(), ErrorCode::corruption);
  };
  const Ref leaf = child_ref(middle, damaged.layout, 0);
  for (const Ref wrong : {root.frame.node_id, middle.frame.node_id}) {
    set_child_ref(middle, damaged.layout, 0, wrong);
    expect_refused();
  }
  set_child_ref(middle, damaged.layout, 0, leaf);
  child_of(damaged, middle, 0).level = 3;
  expect_refused();
  child_of(damaged, middle, 0).level = 0;
  EXPECT_EQ(count_pairs(sound, damaged).value(), pairs);
}

// Bits of a leaf's mask run over two words, and free lanes are in the last block.
TEST(Join, ComparesEveryEntryOfALeafWithAllOfAnother) {
  for (std::size_t count = 1; count <= 96; ++count) {
    Fixture one(test::Pattern::identical, 1, count, Build::bulk);
    Fixture full(test::Pattern::identical, 1, 96, Build::bulk);
    EXPECT_EQ(count_pairs(one, full).value(), count * 96);
    EXPECT_EQ(count_pairs(full, one).value(), count * 96);
  }
}

}  // namespace
}  // namespace xtree::index
