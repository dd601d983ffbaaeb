#include "persistence/collector.h"

#include <gtest/gtest.h>

#include <deque>
#include <vector>

#include "concurrency/interleaving.h"
#include "persistence/memory_source.h"
#include "persistence/version_store.h"
#include "platform/process_barrier.h"

namespace xtree::persistence {
namespace {

class CollectorTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = VersionStore::create(0, &source_);
    ASSERT_TRUE(made);
    store_ = std::move(*made);
  }
  NodeId make() {
    store_->begin_epoch();
    FrameHeader* frame = store_->create(64);
    store_->publish();
    return NodeId{frame->node_id};
  }
  void edit(NodeId id) {
    store_->begin_epoch();
    fill(store_->edit(id), store_->epoch());
    store_->publish();
  }
  std::uint64_t held() { return store_->counts().versions_held; }
  std::uint64_t waiting() { return store_->counts().waiting_bytes; }

  MemorySource source_;
  std::unique_ptr<VersionStore> store_;
};

TEST_F(CollectorTest, GivesAVersionBackInTheCommitThatSupersedesIt) {
  const NodeId id = make();
  for (int i = 0; i < 100; ++i) {
    edit(id);
    EXPECT_EQ(held(), 1u);
    EXPECT_FALSE(store_->collect());
    EXPECT_EQ(held(), 0u);
    EXPECT_EQ(store_->counts().resident_bytes, 64u);
  }
}

TEST_F(CollectorTest, KeepsForEverySnapshotOneVersionOfAChangedNode) {
  const NodeId id = make();
  const NodeId unchanged = make();
  std::vector<SnapshotPin> snapshots;
  for (int i = 0; i < 50; ++i) {
    snapshots.push_back(store_->pin());
    snapshots.push_back(store_->pin());
    edit(id);
    edit(id);
    edit(id);
    store_->collect();
  }
  EXPECT_EQ(held(), 50u);
  EXPECT_EQ(store_->counts().open_snapshots, 100u);
  EXPECT_EQ(store_->counts().oldest_snapshot, 2u);
  EXPECT_EQ(store_->counts().version_bytes, 50u * 64);
  for (const SnapshotPin& snapshot : snapshots) {
    const ReadGuard guard = store_->enter(snapshot);
    const auto found = store_->find(id, snapshot.epoch());
    ASSERT_TRUE(found && *found != nullptr);
    const std::uint64_t last_edit = snapshot.epoch() == 2 ? 0 : snapshot.epoch();
    EXPECT_TRUE(says(*found, last_edit));
    EXPECT_NE(*store_->find(unchanged, snapshot.epoch()), nullptr);
  }
}

TEST_F(CollectorTest, TakesAVersionOutOfTheMiddleOfAChain) {
  const NodeId id = make();
  std::vector<SnapshotPin> snapshots;
  for (int i = 0; i < 5; ++i) {
    snapshots.push_back(store_->pin());
    edit(id);
  }
  store_->collect();
  ASSERT_EQ(held(), 5u);
  for (const std::size_t middle : {2, 0, 4, 1, 3}) {
    snapshots[middle] = SnapshotPin();
    store_->collect();
    std::uint64_t open = 0;
    for (const SnapshotPin& snapshot : snapshots) {
      if (!snapshot) continue;
      ++open;
      const auto found = store_->find(id, snapshot.epoch());
      ASSERT_TRUE(found && *found != nullptr);
      EXPECT_TRUE(says(*found, snapshot.epoch() == 1 ? 0 : snapshot.epoch()));
    }
    EXPECT_EQ(held(), open);
    EXPECT_EQ(store_->counts().resident_bytes, 64 * (open + 1));
  }
}

TEST_F(CollectorTest, HandsAVersionOnToTheNextOlderPinThatNeedsIt) {
  const NodeId id = make();
  SnapshotPin old = store_->pin();
  make();
  SnapshotPin young = store_->pin();
  edit(id);
  store_->collect();
  young = SnapshotPin();
  store_->collect();
  EXPECT_EQ(held(), 1u);
  EXPECT_TRUE(says(*store_->find(id, old.epoch()), 0));
  old = SnapshotPin();
  store_->collect();
  EXPECT_EQ(held(), 0u);
}

TEST_F(CollectorTest, KeepsMemoryForAReaderThatMayStandOnIt) {
  const NodeId id = make();
  edit(id);
  ReadGuard inside = store_->enter();
  edit(id);
  const FrameHeader* newest = *store_->find(id, store_->published());
  edit(id);
  store_->collect();
  EXPECT_EQ(held(), 1u);
  EXPECT_EQ(waiting(), 2u * 64);
  EXPECT_TRUE(says(newest, 3));

  const ReadGuard later = store_->enter();
  store_->collect();
  EXPECT_EQ(waiting(), 2u * 64);
  inside = ReadGuard();
  store_->collect();
  EXPECT_EQ(held(), 0u);
  EXPECT_EQ(waiting(), 64u);  // unlinked just now, while `later` is inside
}

TEST_F(CollectorTest, NeedsNoCommitToGiveMemoryBackWhenASnapshotCloses) {
  const NodeId id = make();
  std::vector<NodeId> more;
  for (int i = 0; i < 200; ++i) more.push_back(make());
  SnapshotPin snapshot = store_->pin();
  store_->begin_epoch();
  for (const NodeId node : more) store_->destroy(node);
  fill(store_->edit(id), 1);
  store_->publish();
  store_->collect();
  EXPECT_EQ(held(), 201u);
  snapshot = SnapshotPin();
  EXPECT_FALSE(store_->collect());
  EXPECT_EQ(held(), 0u);
  EXPECT_EQ(store_->counts().resident_bytes, 64u);
}

TEST_F(CollectorTest, StopsAtItsBudgetAndGoesOnFromThere) {
  std::vector<NodeId> nodes;
  for (int i = 0; i < 100; ++i) nodes.push_back(make());
  SnapshotPin snapshot = store_->pin();
  store_->begin_epoch();
  for (const NodeId node : nodes) store_->destroy(node);
  store_->publish();
  store_->collect();
  snapshot = SnapshotPin();
  int calls = 1;
  std::uint64_t before = held();
  while (store_->collect(10)) {
    EXPECT_LE(before - held(), 10u);
    before = held();
    ++calls;
  }
  EXPECT_GE(calls, 10);
  EXPECT_LE(calls, 12);
  EXPECT_EQ(held(), 0u);
  EXPECT_EQ(store_->counts().resident_bytes, 0u);
}

// Beside a thread that reads again and again.
TEST_F(CollectorTest, NeedsNoBarrierForThreadsThatEnterAgain) {
  if (!platform::enable_process_barrier()) GTEST_SKIP() << "nothing is ever put off";
  test::Actors actors(1);
  const NodeId id = make();
  for (int i = 0; i < 1000; ++i) {
    actors.run(0, [&] { EXPECT_TRUE(store_->enter()); });
    edit(id);
    store_->collect_when_due();
    ASSERT_LE(held(), 3 * Collector::kLookVersions);
    ASSERT_LE(waiting(), 2 * 64 * Collector::kLookVersions);
  }
}

// One that is inside keeps what it stands on; when it does not come again nobody waits for it.
TEST_F(CollectorTest, ForgetsThreadsThatDoNotComeAgain) {
  if (!platform::enable_process_barrier()) GTEST_SKIP() << "nothing is ever put off";
  test::Actors actors(1);
  ReadGuard inside;
  const NodeId id = make();
  const auto edit_often = [&] {
    for (std::size_t i = 0; i < 3 * Collector::kBatchVersions; ++i) {
      edit(id);
      store_->collect_when_due();
    }
  };
  for (int round = 0; round < 3; ++round) {
    actors.run(0, [&] { inside = store_->enter(); });
    const std::uint64_t value = inside.epoch() == 1 ? 0 : inside.epoch();
    const FrameHeader* found = *store_->find(id, inside.epoch());
    edit_often();
    EXPECT_TRUE(says(found, value));
    EXPECT_EQ(*store_->find(id, inside.epoch()), found);
    EXPECT_GT(waiting(), 0u);
    actors.run(0, [&] { inside = ReadGuard(); });
    edit_often();
    EXPECT_EQ(held(), 0u);
    EXPECT_EQ(waiting(), 0u);
  }
}

// A thousand snapshots hold versions; a rolling window of them opens and closes.
TEST_F(CollectorTest, KeepsUpWithManySnapshotsThatComeAndGo) {
  std::vector<NodeId> nodes;
  for (int i = 0; i < 20; ++i) nodes.push_back(make());
  std::deque<SnapshotPin> snapshots;
  for (std::size_t i = 0; i < 5000; ++i) {
    snapshots.push_back(store_->pin());
    if (snapshots.size() > 1000) snapshots.pop_front();
    edit(nodes[i % nodes.size()]);
    store_->collect();
    ASSERT_LE(held(), snapshots.size());
  }
  EXPECT_EQ(held(), 1000u);
  snapshots.clear();
  while (store_->collect()) {
  }
  EXPECT_EQ(held(), 0u);
  EXPECT_EQ(store_->counts().resident_bytes, 20u * 64);
}

}  // namespace
}  // namespace xtree::persistence
