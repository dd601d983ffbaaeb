#include "persistence/epoch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>
#include <thread>
#include <vector>

#include "concurrency/interleaving.h"
#include "platform/process_barrier.h"

namespace xtree::persistence {
namespace {

constexpr std::uint64_t kNobody = std::numeric_limits<std::uint64_t>::max();

std::vector<std::uint64_t> snapshots(const EpochRegistry& registry) {
  std::vector<std::uint64_t> epochs;
  registry.add_snapshots(epochs);
  std::ranges::sort(epochs);
  return epochs;
}

std::vector<std::uint64_t> guards(const EpochRegistry& registry) {
  std::vector<std::uint64_t> epochs;
  registry.add_guards(epochs);
  std::ranges::sort(epochs);
  return epochs;
}

TEST(PinSlots, GiveEveryClaimALineOfItsOwn) {
  PinSlots slots;
  std::set<PinSlot*> claimed;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    PinSlot* slot = slots.claim(7, i);
    ASSERT_NE(slot, nullptr);
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(slot) % 64, 0u);
    ASSERT_TRUE(claimed.insert(slot).second);
  }
  std::set<std::uint64_t> seen;
  slots.for_each_pinned([&](std::uint64_t epoch, const PinSlot&) { seen.insert(epoch); });
  EXPECT_EQ(seen.size(), 3000u);
  EXPECT_EQ(*seen.begin(), 0u);
  EXPECT_EQ(*seen.rbegin(), 2999u);
  // However one-sided the hints, the window stays in proportion.
  for (const PinSlot* slot : claimed) ASSERT_LT(slots.number(slot), 16'384u);
}

TEST(PinSlots, TakeASlotAgainThatWasGivenBack) {
  PinSlots slots;
  PinSlot* first = slots.claim(5, 1);
  EXPECT_EQ(slots.number(first), 5u);
  PinSlot* second = slots.claim(5, 1);
  EXPECT_EQ(slots.number(second), 6u);
  first->pinned.store(0);
  EXPECT_EQ(slots.claim(5, 1), first);
}

TEST(PinSlots, RunOutAtTheirLimit) {
  PinSlots slots;
  std::size_t claimed = 0;
  PinSlot* slot = nullptr;
  while (claimed <= PinSlots::kMaxSlots && (slot = slots.claim(claimed, 1)) != nullptr) ++claimed;
  EXPECT_EQ(claimed, PinSlots::kMaxSlots);
}

TEST(EpochRegistry, PinsThePublishedEpochUntilThePinIsGone) {
  auto made = EpochRegistry::create(4);
  ASSERT_TRUE(made);
  EpochRegistry& registry = **made;
  SnapshotPin a = registry.pin();
  EXPECT_EQ(a.epoch(), 4u);
  registry.publish(5);
  {
    const SnapshotPin b = registry.pin();
    EXPECT_EQ(b.epoch(), 5u);
    EXPECT_EQ(snapshots(registry), (std::vector<std::uint64_t>{4, 5}));
  }
  EXPECT_EQ(snapshots(registry), (std::vector<std::uint64_t>{4}));
  SnapshotPin moved = std::move(a);
  EXPECT_FALSE(a);
  EXPECT_TRUE(moved);
  EXPECT_EQ(snapshots(registry), (std::vector<std::uint64_t>{4}));
  moved = SnapshotPin();
  EXPECT_TRUE(snapshots(registry).empty());
}

TEST(EpochRegistry, CountsEveryChangeOfTheSnapshots) {
  auto made = EpochRegistry::create(0);
  ASSERT_TRUE(made);
  EpochRegistry& registry = **made;
  const std::uint64_t before = registry.snapshot_changes();
  SnapshotPin pin = registry.pin();
  const std::uint64_t opened = registry.snapshot_changes();
  EXPECT_NE(opened, before);
  pin = SnapshotPin();
  EXPECT_NE(registry.snapshot_changes(), opened);
  const std::uint64_t closed = registry.snapshot_changes();
  { const ReadGuard guard = registry.enter(); }
  EXPECT_EQ(registry.snapshot_changes(), closed);
}

TEST(EpochRegistry, LetsAReaderEnterAtAnEpochThatStaysPinnedWhenTheSnapshotCloses) {
  auto made = EpochRegistry::create(7);
  ASSERT_TRUE(made);
  EpochRegistry& registry = **made;
  SnapshotPin pin = registry.pin();
  registry.publish(8);
  ReadGuard old = registry.enter(pin);
  const ReadGuard now = registry.enter();
  pin = SnapshotPin();
  EXPECT_EQ(old.epoch(), 7u);
  EXPECT_EQ(now.epoch(), 8u);
  EXPECT_EQ(guards(registry), (std::vector<std::uint64_t>{7, 8}));
  old = ReadGuard();
  EXPECT_EQ(guards(registry), (std::vector<std::uint64_t>{8}));
}

TEST(EpochRegistry, KnowsTheReaderThatEnteredFirst) {
  auto made = EpochRegistry::create(0);
  ASSERT_TRUE(made);
  EpochRegistry& registry = **made;
  EXPECT_EQ(registry.oldest_stamp(), kNobody);
  registry.advance_clock();
  ReadGuard first = registry.enter();
  registry.advance_clock();
  const SnapshotPin pin = registry.pin();
  const ReadGuard second = registry.enter(pin);
  EXPECT_EQ(registry.oldest_stamp(), 1u);
  first = ReadGuard();
  EXPECT_EQ(registry.oldest_stamp(), 2u);
}

TEST(EpochRegistry, DoesNotLetASnapshotAloneHoldTheGracePeriod) {
  auto made = EpochRegistry::create(0);
  ASSERT_TRUE(made);
  const SnapshotPin pin = (*made)->pin();
  EXPECT_EQ((*made)->oldest_stamp(), kNobody);
}

TEST(EpochRegistry, EndsTheSnapshotsThatAreTooOld) {
  auto made = EpochRegistry::create(3);
  ASSERT_TRUE(made);
  EpochRegistry& registry = **made;
  EXPECT_EQ(registry.oldest_opening_ms(), EpochRegistry::kNoTime);
  SnapshotPin old = registry.pin(1000);
  const SnapshotPin timeless = registry.pin();
  registry.publish(4);
  const SnapshotPin young = registry.pin(2000);
  EXPECT_EQ(registry.oldest_opening_ms(), 1000u);
  ReadGuard inside = registry.enter(old);
  EXPECT_TRUE(inside);
  const std::uint64_t changes = registry.snapshot_changes();

  EXPECT_EQ(registry.end_snapshots(999), 0u);
  EXPECT_FALSE(old.has_ended());
  EXPECT_EQ(registry.snapshot_changes(), changes);
  EXPECT_EQ(registry.end_snapshots(1000), 1u);
  EXPECT_NE(registry.snapshot_changes(), changes);
  EXPECT_TRUE(old.has_ended());
  EXPECT_FALSE(young.has_ended());
  EXPECT_FALSE(timeless.has_ended());
  EXPECT_EQ(registry.end_snapshots(1999), 0u);
  EXPECT_EQ(registry.oldest_opening_ms(), 2000u);
  EXPECT_EQ(snapshots(registry), (std::vector<std::uint64_t>{3, 4}));  // `timeless` and `young`
  // It lets nobody in any more; who was inside stays there.
  EXPECT_FALSE(registry.enter(old));
  EXPECT_EQ(guards(registry), (std::vector<std::uint64_t>{3}));
  inside = ReadGuard();
  EXPECT_TRUE(guards(registry).empty());
  // Its slot serves another pin, which has not ended.
  old = SnapshotPin();
  const SnapshotPin next = registry.pin(3000);
  EXPECT_FALSE(next.has_ended());
  EXPECT_TRUE(registry.enter(next));
}

// A thread has one line, and takes slots for what it enters beside that.
TEST(EpochRegistry, LetsOneThreadEnterAnyNumberOfTimes) {
  auto made = EpochRegistry::create(0);
  ASSERT_TRUE(made);
  EpochRegistry& registry = **made;
  std::vector<ReadGuard> inside;
  for (std::uint64_t epoch = 0; epoch < 100; ++epoch) {
    if (epoch != 0) registry.publish(epoch);
    inside.push_back(registry.enter());
    ASSERT_EQ(inside.back().epoch(), epoch);
    ASSERT_EQ(guards(registry).size(), epoch + 1);
  }
  inside.erase(inside.begin(), inside.begin() + 50);
  EXPECT_EQ(guards(registry).size(), 50u);
  EXPECT_EQ(guards(registry).front(), 50u);
}

// A thread that reads is asked until it has not come for long, and again once it comes.
TEST(EpochRegistry, PutsLinesToRestThatAreNotUsed) {
  if (!platform::enable_process_barrier()) GTEST_SKIP() << "no line needs to be settled";
  auto made = EpochRegistry::create(0);
  ASSERT_TRUE(made);
  EpochRegistry& registry = **made;
  test::Actors actors(1);
  ReadGuard guard;
  const auto enter = [&] { actors.run(0, [&] { guard = registry.enter(); }); };
  const auto leave = [&] { actors.run(0, [&] { guard = ReadGuard(); }); };
  EXPECT_TRUE(registry.is_settled());
  enter();
  EXPECT_FALSE(registry.is_settled());
  EXPECT_TRUE(registry.have_all_entered());
  registry.advance_clock();
  EXPECT_FALSE(registry.have_all_entered());
  registry.settle(registry.clock());  // it is inside
  EXPECT_FALSE(registry.is_settled());
  leave();
  EXPECT_FALSE(registry.have_all_entered());
  registry.settle(registry.clock() - 1);  // it has been inside since
  EXPECT_FALSE(registry.is_settled());
  registry.settle(registry.clock());
  EXPECT_TRUE(registry.is_settled());
  EXPECT_TRUE(registry.have_all_entered());
  enter();
  EXPECT_FALSE(registry.is_settled());
  EXPECT_EQ(registry.oldest_stamp(), registry.clock());
  EXPECT_EQ(guards(registry), (std::vector<std::uint64_t>{0}));
  leave();
  EXPECT_TRUE(registry.have_all_entered());
  EXPECT_TRUE(guards(registry).empty());
}

// So does one that enters by a snapshot.
TEST(EpochRegistry, WakesTheLineOfAReaderOfASnapshot) {
  if (!platform::enable_process_barrier()) GTEST_SKIP() << "no line needs to be settled";
  auto made = EpochRegistry::create(0);
  ASSERT_TRUE(made);
  EpochRegistry& registry = **made;
  test::Actors actors(1);
  const SnapshotPin pin = registry.pin();
  const auto visit = [&] { actors.run(0, [&] { EXPECT_TRUE(registry.enter(pin)); }); };
  for (int i = 0; i < 3; ++i) {
    visit();
    EXPECT_FALSE(registry.is_settled());
    registry.advance_clock();
    registry.settle(registry.clock());
    EXPECT_TRUE(registry.is_settled());
  }
}

TEST(EpochRegistry, OutlivesThousandsOfThreads) {
  auto made = EpochRegistry::create(0);
  ASSERT_TRUE(made);
  EpochRegistry& registry = **made;
  for (int round = 0; round < 250; ++round) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        const SnapshotPin pin = registry.pin();
        const ReadGuard guard = registry.enter(pin);
        EXPECT_EQ(guard.epoch(), pin.epoch());
      });
    }
    registry.publish(registry.published() + 1);
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_TRUE(snapshots(registry).empty());
  EXPECT_TRUE(guards(registry).empty());
}

// What was pinned and not seen by a scan must be the epoch that was published before the scan.
TEST(EpochRegistry, ShowsEveryPinOfAnOlderEpochToWhoLooksAfterPublishing) {
  auto made = EpochRegistry::create(0);
  ASSERT_TRUE(made);
  EpochRegistry& registry = **made;
  std::atomic<bool> stop = false;
  std::atomic<int> running = 0;
  std::vector<std::atomic<std::uint64_t>> reading(3);  // epoch + 1 of an open pin
  std::vector<std::thread> threads;
  for (auto& mine : reading) {
    threads.emplace_back([&] {
      running.fetch_add(1);
      while (!stop.load()) {
        const SnapshotPin pin = registry.pin();
        mine.store(pin.epoch() + 1);
        mine.store(0);
      }
    });
  }
  while (running.load() < 3) std::this_thread::yield();
  for (std::uint64_t epoch = 1; epoch <= 50'000; ++epoch) {
    registry.publish(epoch);
    std::vector<std::uint64_t> before;
    for (const auto& theirs : reading) before.push_back(theirs.load());
    const std::vector<std::uint64_t> seen = snapshots(registry);
    for (std::size_t i = 0; i < reading.size(); ++i) {
      const std::uint64_t still = reading[i].load();
      if (still == 0 || still != before[i]) continue;
      if (still - 1 >= epoch) continue;
      // The pin may have been closed and another one of the same epoch cannot have been opened.
      ASSERT_TRUE(std::ranges::binary_search(seen, still - 1)) << still - 1;
    }
  }
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace xtree::persistence
