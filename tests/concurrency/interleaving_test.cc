// Readers, snapshots and a writer on real objects, call by call in every order that there is; and
// stale NodeIDs through millions of reuses. What happens within the calls, access by access, is
// tried by protocol_model_test.cc.
#include "concurrency/interleaving.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>

#include "persistence/memory_source.h"
#include "persistence/version_store.h"
#include "support/random.h"

namespace xtree::persistence {
namespace {

using test::Steps;

bool failed() { return testing::Test::HasFailure(); }

// A store with one node, whose value is the epoch that wrote it.
struct Scene {
  explicit Scene(bool on_disk = false) {
    store = std::move(*VersionStore::create(0, &source));
    store->begin_epoch();
    FrameHeader* frame = store->create(kBytes);
    fill(frame, 1);
    id = NodeId{frame->node_id};
    store->publish();
    if (!on_disk) return;
    const TableEntry entry = source.write(frame);
    store = std::move(*VersionStore::create(1, &source));
    EXPECT_TRUE(store->restore(entry));
  }

  void edit() {
    store->begin_epoch();
    fill(store->edit(id), store->epoch());
    store->publish();
  }
  void destroy() {
    store->begin_epoch();
    store->destroy(id);
    ended = store->epoch();
    store->publish();
  }
  // Takes memory, and a slot, that others have given back.
  void create_another() {
    store->begin_epoch();
    FrameHeader* frame = store->create(kBytes);
    fill(frame, kOthers);
    others.push_back(NodeId{frame->node_id});
    store->publish();
  }

  static constexpr std::size_t kBytes = 256;
  static constexpr std::uint64_t kOthers = 99;
  MemorySource source;
  std::unique_ptr<VersionStore> store;
  NodeId id;
  std::uint64_t ended = ~std::uint64_t{0};
  std::vector<NodeId> others;
};

// A reader of the scene's node, at the newest epoch or that of a snapshot.
struct Reader {
  void enter(Scene& scene) { guard = scene.store->enter(); }
  void pin(Scene& scene) { snapshot = scene.store->pin(); }
  void enter_and_close(Scene& scene) {
    guard = scene.store->enter(snapshot);
    snapshot = SnapshotPin();
  }
  // The node at the reader's epoch: there, and as its last writer before that left it.
  void find(Scene& scene, std::uint64_t last_edit) {
    const auto found = scene.store->find(scene.id, guard.epoch());
    ASSERT_TRUE(found) << found.error().message();
    frame = *found;
    if (guard.epoch() >= scene.ended) {
      ASSERT_EQ(frame, nullptr);
      return;
    }
    ASSERT_NE(frame, nullptr);
    value = std::min(guard.epoch(), last_edit);
    look();
  }
  void look() const {
    ASSERT_TRUE(frame == nullptr || says(frame, value)) << "epoch " << guard.epoch();
  }
  void leave() { guard = ReadGuard(); }

  ReadGuard guard;
  SnapshotPin snapshot;
  const FrameHeader* frame = nullptr;
  std::uint64_t value = 0;
};

// What is left when all have gone: the live nodes, and no memory beside theirs.
void expect_nothing_held(Scene& scene) {
  while (scene.store->collect()) {
  }
  const VersionCounts counts = scene.store->counts();
  const std::size_t live = scene.others.size() + (scene.ended == ~std::uint64_t{0} ? 1 : 0);
  ASSERT_EQ(counts.live_nodes, live);
  ASSERT_EQ(counts.versions_held, 0u);
  ASSERT_EQ(counts.waiting_bytes, 0u);
  ASSERT_LE(counts.resident_bytes, live * Scene::kBytes);
}

// Runs readers and the writer, which come as functions of a fresh scene, in every order.
struct Play {
  Scene scene;
  std::array<Reader, 2> readers;

  explicit Play(bool on_disk) : scene(on_disk) {}
};

std::size_t play(bool on_disk, const std::function<std::vector<Steps>(Play&)>& parts) {
  std::unique_ptr<Play> now;
  std::size_t count = 0;
  {
    Play any(on_disk);
    count = parts(any).size();
  }
  const auto set_up = [&] {
    if (now) expect_nothing_held(now->scene);
    now = std::make_unique<Play>(on_disk);
    return parts(*now);
  };
  const std::size_t orders = test::run_every_order(count, set_up, failed);
  expect_nothing_held(now->scene);
  return orders;
}

Steps newest_reader(Play& play, Reader& reader, std::uint64_t last_edit) {
  Scene& scene = play.scene;
  return {[&] { reader.enter(scene); }, [&, last_edit] { reader.find(scene, last_edit); },
          [&] {
            reader.look();
            reader.leave();
          }};
}

Steps snapshot_reader(Play& play, Reader& reader, std::uint64_t last_edit) {
  Scene& scene = play.scene;
  return {[&] { reader.pin(scene); }, [&] { reader.enter_and_close(scene); },
          [&, last_edit] {
            reader.find(scene, last_edit);
            reader.leave();
          }};
}

TEST(Interleaving, EveryReaderSeesTheVersionOfItsEpoch) {
  const std::size_t orders = play(false, [](Play& play) {
    Scene& scene = play.scene;
    return std::vector<Steps>{newest_reader(play, play.readers[0], 3),
                              snapshot_reader(play, play.readers[1], 3),
                              {[&] { scene.edit(); }, [&] { scene.store->collect(); },
                               [&] {
                                 scene.edit();
                                 scene.store->collect_when_due();
                               },
                               [&] {
                                 scene.create_another();
                                 scene.store->collect();
                               }}};
  });
  EXPECT_EQ(orders, 4200u);
}

// With so many edits that the collector looks who has entered since its last look, and puts lines
// to rest.
TEST(Interleaving, ReadersThatRestAndWakeSeeTheVersionOfTheirEpoch) {
  constexpr std::uint64_t kNoLastEdit = ~std::uint64_t{0};
  const std::size_t orders = play(false, [](Play& play) {
    Scene& scene = play.scene;
    Reader& often = play.readers[0];
    const auto edit = [&scene](std::size_t times) {
      for (; times > 0; --times) {
        scene.edit();
        scene.store->collect_when_due();
      }
    };
    return std::vector<Steps>{{[&] { often.enter(scene); },
                               [&] {
                                 often.find(scene, kNoLastEdit);
                                 often.leave();
                               },
                               [&] {
                                 often.enter(scene);
                                 often.find(scene, kNoLastEdit);
                               },
                               [&] {
                                 often.look();
                                 often.leave();
                               }},
                              snapshot_reader(play, play.readers[1], kNoLastEdit),
                              {[=] { edit(2 * Collector::kLookVersions); },
                               [=] { edit(Collector::kBatchVersions); },
                               [=] { edit(2 * Collector::kBatchVersions); }}};
  });
  EXPECT_EQ(orders, 4200u);
}

TEST(Interleaving, ADestroyedNodeStaysForThoseWhoCameBefore) {
  const std::size_t orders = play(false, [](Play& play) {
    Scene& scene = play.scene;
    return std::vector<Steps>{newest_reader(play, play.readers[0], 1),
                              snapshot_reader(play, play.readers[1], 1),
                              {[&] { scene.destroy(); }, [&] { scene.store->collect(); },
                               [&] { scene.create_another(); }, [&] { scene.store->collect(); }}};
  });
  EXPECT_EQ(orders, 4200u);
}

TEST(Interleaving, ANodeOnDiskIsReadForTheEpochThatAsks) {
  const std::size_t orders = play(true, [](Play& play) {
    Scene& scene = play.scene;
    return std::vector<Steps>{newest_reader(play, play.readers[0], 2),
                              newest_reader(play, play.readers[1], 2),
                              {[&] { scene.edit(); }, [&] { scene.destroy(); },
                               [&] {
                                 scene.store->collect();
                                 scene.create_another();
                               }}};
  });
  EXPECT_EQ(orders, 1680u);
}

// Who kept a NodeID beyond its node's life finds nothing, whatever has become of the slot.
TEST(Interleaving, AStaleIdNeverResolves) {
  std::size_t reused = 0;
  play(false, [&reused](Play& play) {
    Scene& scene = play.scene;
    const auto ask = [&scene] {
      const ReadGuard guard = scene.store->enter();
      const auto found = scene.store->find(scene.id, guard.epoch());
      ASSERT_TRUE(found);
      if (guard.epoch() >= scene.ended) {
        ASSERT_EQ(*found, nullptr);
      } else {
        ASSERT_TRUE(*found != nullptr && says(*found, 1));
      }
      ReadContext context;
      const FrameHeader* resident = scene.store->view(guard, context).resident(scene.id);
      ASSERT_TRUE(resident == nullptr || guard.epoch() < scene.ended);
    };
    return std::vector<Steps>{{ask, ask, ask},
                              newest_reader(play, play.readers[0], 1),
                              {[&] { scene.destroy(); },
                               [&] {
                                 scene.store->collect();
                                 scene.create_another();
                               },
                               [&, &scene = scene] {
                                 scene.store->collect();
                                 scene.create_another();
                                 for (const NodeId id : scene.others) {
                                   reused += id.handle() == scene.id.handle() ? 1 : 0;
                                 }
                               }}};
  });
  EXPECT_GT(reused, 100u);
}

// Threads that give handles out and take them back, each for itself, and threads that ask for ids
// whose lives are over.
TEST(StaleIds, NeverResolveThroughMillionsOfReuses) {
  constexpr std::size_t kSlots = 64;
  constexpr std::size_t kLives = test::kSanitized ? 200'000 : 1'500'000;
  auto made = ObjectTable::create();
  ASSERT_TRUE(made);
  ObjectTable& table = *made;
  alignas(64) static std::array<std::byte, 64> memory;
  auto* const anywhere = reinterpret_cast<FrameHeader*>(memory.data());
  // The ids that each recycler has freed so far; who reads `count` finds the ids below it.
  struct Recycled {
    std::vector<NodeId> ids = std::vector<NodeId>(kLives);
    std::atomic<std::size_t> count = 0;
  };
  std::array<Recycled, 2> recycled;
  std::atomic<int> running = 2;
  std::vector<std::thread> threads;
  for (Recycled& mine : recycled) {
    threads.emplace_back([&] {
      ObjectTable::Allocator handles = table.lease();
      std::array<NodeId, kSlots> live{};
      for (std::size_t i = 0; i < kLives; ++i) {
        NodeId& id = live[i % kSlots];
        if (id) {
          i % 3 == 0 ? table.free(id) : handles.free(id);
          mine.ids[mine.count.load(std::memory_order_relaxed)] = id;
          mine.count.fetch_add(1);
        }
        id = handles.allocate();
        table.set_frame(id, anywhere);
      }
      for (const NodeId id : live) table.free(id);
      running.fetch_sub(1);
    });
  }
  const std::uint64_t seed = test::test_seed("StaleIds");
  for (std::uint64_t i = 0; i < 2; ++i) {
    threads.emplace_back([&, random = test::Random(seed + i)]() mutable {
      const ObjectTable::Reader reader = table.reader();
      while (running.load() != 0) {
        const Recycled& theirs = recycled[random.below(2)];
        const std::size_t count = theirs.count.load();
        if (count == 0) continue;
        const NodeId id = theirs.ids[random.below(count)];
        ASSERT_EQ(reader.resident(id, ~std::uint64_t{0}), nullptr);
        ASSERT_EQ(table.look_up(id).state, ObjectTable::State::stale);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(table.live(), 0u);
  for (const Recycled& theirs : recycled) {
    for (std::size_t i = 0; i < theirs.count.load(); ++i) {
      ASSERT_EQ(table.look_up(theirs.ids[i]).state, ObjectTable::State::stale);
    }
  }
}

// Threads that lease shards, allocate, free their own handles and each other's, and give shards up.
TEST(Handles, AreNeverGivenOutTwiceAtATime) {
  constexpr std::size_t kEach = 20'000;
  auto made = ObjectTable::create();
  ASSERT_TRUE(made);
  ObjectTable& table = *made;
  std::array<std::vector<NodeId>, 4> taken;
  std::mutex mutex;
  std::vector<NodeId> unwanted;  // for anybody to free
  std::vector<std::thread> threads;
  for (std::vector<NodeId>& mine : taken) {
    threads.emplace_back([&] {
      ObjectTable::Allocator handles = table.lease();
      for (std::size_t i = 1; i <= kEach; ++i) {
        mine.push_back(handles.allocate());
        if (i % 100 != 0) continue;
        const std::lock_guard lock(mutex);
        for (const NodeId id : unwanted) handles.free(id);
        unwanted.assign(mine.end() - 30, mine.end());
        mine.resize(mine.size() - 30);
        handles = ObjectTable::Allocator();
        handles = table.lease();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<std::uint64_t> slots;
  for (const auto& mine : taken) {
    for (const NodeId id : mine) slots.push_back(id.slot());
  }
  for (const NodeId id : unwanted) slots.push_back(id.slot());
  std::ranges::sort(slots);
  EXPECT_EQ(std::ranges::adjacent_find(slots), slots.end());
  EXPECT_EQ(table.live(), slots.size());
  EXPECT_LT(slots.back(), 2 * slots.size());
}

}  // namespace
}  // namespace xtree::persistence
