// Readers, snapshots, a checkpointer and a writer at once, on a structure whose every state can be
// told right from wrong. Run under the thread and the address sanitizer, it is also the test that
// no memory is reused too early: the arena poisons what it holds.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "persistence/memory_source.h"
#include "persistence/version_store.h"
#include "support/random.h"

namespace xtree::persistence {
namespace {

constexpr std::size_t kLeaves = 64;
constexpr int kEpochs = 4000;

// The root names its leaves, to which it has links, and the sum of their values. Every word of a
// leaf is its value.
struct Root {
  FrameHeader header;
  std::uint64_t sum;
  std::uint64_t leaves[kLeaves];
  std::uint64_t padding[3];
};
static_assert(sizeof(Root) % 64 == 0);

FrameFront front_of(const FrameHeader& image) noexcept {
  return image.bytes == sizeof(Root) ? FrameFront{kLeaves, 0} : FrameFront{};
}

std::uint64_t value_of(const FrameHeader* leaf) {
  return *reinterpret_cast<const std::uint64_t*>(leaf + 1);
}

// A forest under one writer's lock, half of whose leaves begin on disk.
class Scene {
 public:
  Scene() {
    auto made = VersionStore::create(0, &source_);
    EXPECT_TRUE(made);
    store_ = std::move(*made);
    store_->begin_epoch();
    auto* root = reinterpret_cast<Root*>(store_->create(sizeof(Root), {kLeaves, 0}));
    root_ = NodeId{root->header.node_id};
    for (std::uint64_t& leaf : root->leaves) {
      FrameHeader* frame = store_->create(256);
      fill(frame, 1);
      leaf = frame->node_id;
      ++root->sum;
    }
    store_->publish();
    std::vector<TableEntry> entries;
    store_->for_each_live(
        [&](NodeId id) { entries.push_back(source_.write(*store_->find(id, 1))); });
    made = VersionStore::create(1, &source_, {.front = &front_of});
    EXPECT_TRUE(made);
    store_ = std::move(*made);
    for (const TableEntry& entry : entries) EXPECT_TRUE(store_->restore(entry));
  }

  // Changes a few leaves: edits, resizes, or replaces them by new ones. Or moves values from one to
  // another, and leaves the root as it is.
  void write_epoch(test::Random& random) {
    const std::lock_guard lock(writer_);
    store_->begin_epoch();
    if (random.one_in(3)) {
      exchange_values(random);
    } else {
      auto* root = reinterpret_cast<Root*>(store_->edit(root_));
      ASSERT_NE(root, nullptr);
      for (std::uint64_t n = random.below(4); n < 5; ++n) change(*root, random);
    }
    store_->publish();
    store_->collect(random.below(64));
  }

  void check(const ReadGuard& guard) {
    ReadContext context;
    const ReadView view = store_->view(guard, context);
    const auto* root = reinterpret_cast<const Root*>(view.version(root_));
    ASSERT_NE(root, nullptr) << context.status().error().message();
    ASSERT_LE(root->header.birth, guard.epoch());
    std::uint64_t sum = 0;
    for (const std::uint64_t leaf : root->leaves) view.prefetch<1>(NodeId{leaf});
    for (std::size_t n = 0; n < kLeaves; ++n) {
      const std::uint64_t leaf = root->leaves[n];
      const Lead lead = view.lead(&root->header, n, [&](std::uint64_t link) {
        return view.look_up(&root->header, n, link, NodeId{leaf});
      });
      const FrameHeader* frame = view.version(lead);
      ASSERT_NE(frame, nullptr) << context.status().error().message();
      ASSERT_EQ(frame, view.version(NodeId{leaf}));
      ASSERT_EQ(frame->node_id, leaf);
      ASSERT_LE(frame->birth, guard.epoch());
      ASSERT_TRUE(says(frame, value_of(frame)));
      sum += value_of(frame);
    }
    ASSERT_EQ(sum, root->sum);
  }

  // As whoever closes a snapshot does: only if nobody writes at the moment.
  void try_collect() {
    const std::unique_lock lock(writer_, std::try_to_lock);
    if (lock.owns_lock()) store_->collect();
  }

  void check_images_of_a_cut() {
    Result<Cut> cut = [&] {
      const std::lock_guard lock(writer_);
      return store_->cut();
    }();
    ASSERT_TRUE(cut);
    sort_changes(*cut);
    for (const NodeId id : cut->changes) {
      const auto image = store_->image(*cut, id);
      ASSERT_TRUE(image);
      if (*image == nullptr || id == root_) continue;
      ASSERT_TRUE(says(*image, value_of(*image)));
    }
    const std::lock_guard lock(writer_);
    store_->restore_changes(std::move(*cut));
  }

  void expect_all_given_back() {
    while (store_->collect()) {
    }
    const VersionCounts counts = store_->counts();
    EXPECT_EQ(counts.live_nodes, kLeaves + 1);
    EXPECT_EQ(counts.versions_held, 0u);
    EXPECT_EQ(counts.waiting_bytes, 0u);
    std::uint64_t bytes = 0;
    ReadContext context;
    store_->for_each_live(
        [&](NodeId id) { bytes += frame_bytes(*store_->newest(context).version(id)); });
    EXPECT_EQ(store_->counts().resident_bytes, bytes);
  }

  VersionStore& store() { return *store_; }

 private:
  // Two leaves get each other's value.
  void exchange_values(test::Random& random) {
    ReadContext context;
    const auto* root = reinterpret_cast<const Root*>(store_->newest(context).version(root_));
    ASSERT_NE(root, nullptr);
    const std::size_t places[] = {random.below(kLeaves), random.below(kLeaves)};
    FrameHeader* frames[2];
    for (int i = 0; i < 2; ++i) {
      frames[i] = store_->edit(NodeId{root->leaves[places[i]]});
      ASSERT_NE(frames[i], nullptr);
      set_link(&root->header, places[i], frames[i]);
    }
    const std::uint64_t values[] = {value_of(frames[0]), value_of(frames[1])};
    for (int i = 0; i < 2; ++i) fill(frames[i], values[1 - i]);
  }

  void change(Root& root, test::Random& random) {
    const std::size_t place = random.below(kLeaves);
    std::uint64_t& leaf = root.leaves[place];
    const std::uint64_t value = random.below(1000);
    if (random.one_in(3)) {
      // The value is only known to who has read the node.
      ReadContext context;
      const FrameHeader* old = store_->newest(context).version(NodeId{leaf});
      ASSERT_NE(old, nullptr);
      root.sum += value - value_of(old);
      store_->destroy(NodeId{leaf});
      FrameHeader* frame = store_->create(64 * random.between(1, 8));
      fill(frame, value);
      leaf = frame->node_id;
      link_word(&root.header, place) = kUnknownLink;
      return;
    }
    FrameHeader* frame = random.one_in(2) ? store_->edit(NodeId{leaf})
                                          : store_->resize(NodeId{leaf}, 64 * random.between(1, 8));
    ASSERT_NE(frame, nullptr);
    set_link(&root.header, place, frame);
    root.sum += value - value_of(frame);
    fill(frame, value);
  }

  MemorySource source_;
  std::unique_ptr<VersionStore> store_;
  std::mutex writer_;
  NodeId root_;
};

void read_the_newest(Scene& scene, const std::atomic<bool>& stop) {
  while (!stop.load()) {
    const ReadGuard guard = scene.store().enter();
    scene.check(guard);
  }
}

void read_snapshots(Scene& scene, const std::atomic<bool>& stop, test::Random random) {
  std::array<SnapshotPin, 20> snapshots;
  while (!stop.load()) {
    SnapshotPin& snapshot = snapshots[random.below(snapshots.size())];
    if (!snapshot) {
      snapshot = scene.store().pin();
    } else if (random.one_in(4)) {
      snapshot = SnapshotPin();
      scene.try_collect();
    } else {
      const ReadGuard guard = scene.store().enter(snapshot);
      scene.check(guard);
    }
  }
}

// A cursor that is left open across many commits.
void linger(Scene& scene, const std::atomic<bool>& stop) {
  while (!stop.load()) {
    SnapshotPin snapshot = scene.store().pin();
    const ReadGuard guard = scene.store().enter(snapshot);
    snapshot = SnapshotPin();
    scene.try_collect();
    for (int i = 0; i < 50; ++i) scene.check(guard);
  }
}

TEST(ReadersBesideWriter, SeeOneStateEachAndHoldNothingInTheEnd) {
  const std::uint64_t seed = test::test_seed("ReadersBesideWriter");
  Scene scene;
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  threads.emplace_back([&] { read_the_newest(scene, stop); });
  threads.emplace_back([&] { read_snapshots(scene, stop, test::Random(seed + 1)); });
  threads.emplace_back([&] { read_snapshots(scene, stop, test::Random(seed + 2)); });
  threads.emplace_back([&] { linger(scene, stop); });
  threads.emplace_back([&] {
    while (!stop.load()) scene.check_images_of_a_cut();
  });
  test::Random random(seed);
  for (int i = 0; i < kEpochs && !testing::Test::HasFailure(); ++i) scene.write_epoch(random);
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  scene.expect_all_given_back();
}

TEST(ReadersBesideWriter, LoadEveryNodeOnceWhenManyAskForIt) {
  MemorySource source;
  constexpr std::uint64_t kNodes = 2000;
  std::vector<TableEntry> entries;
  {
    auto made = VersionStore::create(0, &source);
    ASSERT_TRUE(made);
    (*made)->begin_epoch();
    for (std::uint64_t i = 0; i < kNodes; ++i) {
      FrameHeader* frame = (*made)->create(128);
      fill(frame, i);
      entries.push_back(source.write(frame));
    }
  }
  auto made = VersionStore::create(1, &source);
  ASSERT_TRUE(made);
  VersionStore& store = **made;
  for (const TableEntry& entry : entries) ASSERT_TRUE(store.restore(entry));
  SnapshotPin before = store.pin();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const ReadGuard guard = store.enter(before);
      ReadContext context;
      const ReadView view = store.view(guard, context);
      for (std::uint64_t n = 0; n < kNodes; ++n) {
        const FrameHeader* frame = view.version(entries[n].id);
        ASSERT_NE(frame, nullptr);
        ASSERT_TRUE(says(frame, n));
      }
    });
  }
  // Meanwhile every third node is changed, and every third one destroyed.
  store.begin_epoch();
  for (std::uint64_t n = 0; n < kNodes; ++n) {
    if (n % 3 == 0) fill(store.edit(entries[n].id), kNodes);
    if (n % 3 == 1) store.destroy(entries[n].id);
  }
  store.publish();
  store.collect();
  for (std::thread& thread : threads) thread.join();
  before = SnapshotPin();
  while (store.collect()) {
  }
  EXPECT_LE(source.reads(), kNodes);
  EXPECT_EQ(store.counts().versions_held, 0u);
  EXPECT_EQ(store.counts().waiting_bytes, 0u);
}

}  // namespace
}  // namespace xtree::persistence
