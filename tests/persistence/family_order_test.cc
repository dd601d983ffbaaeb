#include "persistence/family_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "support/random.h"

namespace xtree::persistence {
namespace {

// A node of a tree: its frame, and behind it the children.
struct Parent {
  FrameHeader frame = {};
  NodeId children[8] = {};
};

NodeId child_of(const FrameHeader& frame, std::size_t index) noexcept {
  return reinterpret_cast<const Parent&>(frame).children[index];
}

class FamilyOrderTest : public testing::Test {
 protected:
  static NodeId id(std::uint64_t handle, std::uint16_t tag = 1) {
    return NodeId::make(handle, tag);
  }
  void add_leaf(std::uint64_t handle, std::uint16_t tag = 1) { add(id(handle, tag), {}); }
  void add_ended(std::uint64_t handle) {
    ids_.push_back(id(handle));
    frames_.push_back(nullptr);
  }
  void add_parent(std::uint64_t handle, const std::vector<NodeId>& children) {
    add(id(handle), children);
  }
  [[nodiscard]] std::vector<std::uint64_t> handles(const NodeFamily& family = {
                                                       .child = &child_of}) const {
    std::vector<std::uint64_t> handles;
    for (const std::uint32_t i : family_order(ids_, frames_, family)) {
      handles.push_back(ids_[i].handle());
    }
    return handles;
  }

  std::vector<NodeId> ids_;

 private:
  void add(NodeId id, const std::vector<NodeId>& children) {
    auto& node = *nodes_.emplace_back(std::make_unique<Parent>());
    node.frame.node_id = id.bits;
    node.frame.front.links = static_cast<std::uint16_t>(children.empty() ? 0 : 8);
    std::ranges::copy(children, node.children);
    ids_.push_back(id);
    frames_.push_back(&node.frame);
  }

  std::vector<std::unique_ptr<Parent>> nodes_;
  std::vector<const FrameHeader*> frames_;
};

using Handles = std::vector<std::uint64_t>;

TEST_F(FamilyOrderTest, LeavesOfOneParentComeTogetherAndParentsBehindThem) {
  for (const std::uint64_t leaf : {1, 2, 3, 4, 5}) add_leaf(leaf);
  add_parent(6, {id(5), id(1)});
  add_parent(7, {id(2), {}, id(4), id(3)});
  add_parent(8, {id(6), id(7)});
  EXPECT_EQ(handles(), (Handles{5, 1, 2, 4, 3, 6, 7, 8}));
}

TEST_F(FamilyOrderTest, LeavesWithoutAParentKeepTheOrderOfTheirHandles) {
  for (const std::uint64_t leaf : {1, 2, 3, 9}) add_leaf(leaf);
  EXPECT_EQ(handles(), (Handles{1, 2, 3, 9}));
  EXPECT_EQ(handles({}), (Handles{1, 2, 3, 9}));
}

TEST_F(FamilyOrderTest, ChildrenThatHaveNotChangedOrLiveAnotherLifeDoNotCount) {
  add_leaf(2);
  add_leaf(3, 7);
  add_ended(4);
  add_leaf(6);
  add_parent(8, {id(6), id(5), id(4), id(3), id(99), id(2)});
  EXPECT_EQ(handles(), (Handles{6, 2, 3, 8}));
}

TEST_F(FamilyOrderTest, EveryNodeHasOnePlaceWhateverTheParentsSay) {
  test::Random random(test::test_seed("FamilyOrder"));
  Handles expected;
  for (std::uint64_t handle = 0; handle < 300; ++handle) {
    const std::uint64_t kind = random.below(8);
    if (kind == 0) {
      add_ended(handle);
      continue;
    }
    expected.push_back(handle);
    if (kind < 6) {
      add_leaf(handle);
      continue;
    }
    std::vector<NodeId> children;
    for (int i = 0; i < 8; ++i) children.push_back(id(random.below(320)));
    add_parent(handle, children);
  }
  Handles found = handles();
  std::ranges::sort(found);
  EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace xtree::persistence
