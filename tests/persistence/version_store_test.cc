#include "persistence/version_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "persistence/memory_source.h"

namespace xtree::persistence {
namespace {

class VersionStoreTest : public testing::Test {
 protected:
  void SetUp() override { open(0, {}); }

  void open(std::uint64_t epoch, const std::vector<TableEntry>& entries) {
    auto made = VersionStore::create(epoch, &source_);
    ASSERT_TRUE(made);
    store_ = std::move(*made);
    for (const TableEntry& entry : entries) ASSERT_TRUE(store_->restore(entry));
  }
  NodeId make(std::uint64_t value, std::size_t bytes = 128) {
    FrameHeader* frame = store_->create(bytes);
    fill(frame, value);
    return NodeId{frame->node_id};
  }
  NodeId make_published(std::uint64_t value, std::size_t bytes = 128) {
    store_->begin_epoch();
    const NodeId id = make(value, bytes);
    store_->publish();
    return id;
  }
  void set_published(NodeId id, std::uint64_t value) {
    store_->begin_epoch();
    fill(store_->edit(id), value);
    store_->publish();
  }
  const FrameHeader* at(NodeId id, std::uint64_t epoch) {
    const auto found = store_->find(id, epoch);
    EXPECT_TRUE(found);
    return found ? *found : nullptr;
  }
  // A store with one node on disk, in no memory.
  TableEntry open_cold(std::uint64_t value) {
    const NodeId id = make_published(value);
    const TableEntry entry = source_.write(at(id, store_->published()));
    open(store_->published(), {entry});
    return entry;
  }

  MemorySource source_;
  std::unique_ptr<VersionStore> store_;
};

TEST_F(VersionStoreTest, MakesZeroedNodesThatNameThemselves) {
  store_->begin_epoch();
  const FrameHeader* frame = store_->create(256);
  ASSERT_NE(frame, nullptr);
  EXPECT_EQ(frame->birth, 1u);
  EXPECT_EQ(frame->bytes, 256u);
  EXPECT_EQ(frame->previous, nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(frame) % kFrameAlignment, 0u);
  EXPECT_TRUE(says(frame, 0));
  ReadContext context;
  EXPECT_EQ(store_->newest(context).version(NodeId{frame->node_id}), frame);
}

TEST_F(VersionStoreTest, ShowsAnEpochToReadersOnlyOnceItIsPublished) {
  const NodeId id = make_published(1);
  store_->begin_epoch();
  fill(store_->edit(id), 2);
  const NodeId young = make(3);
  ReadContext context;
  {
    const ReadGuard guard = store_->enter();
    EXPECT_TRUE(says(store_->view(guard, context).version(id), 1));
    EXPECT_EQ(at(young, guard.epoch()), nullptr);
  }
  store_->publish();
  const ReadGuard guard = store_->enter();
  EXPECT_TRUE(says(store_->view(guard, context).version(id), 2));
  EXPECT_TRUE(says(store_->view(guard, context).version(young), 3));
  EXPECT_TRUE(context.status());
}

TEST_F(VersionStoreTest, EditsInPlaceWithinAnEpochAndCopiesAcross) {
  const NodeId id = make_published(1);
  store_->begin_epoch();
  FrameHeader* first = store_->edit(id);
  fill(first, 2);
  EXPECT_EQ(store_->edit(id), first);
  EXPECT_TRUE(says(first->previous, 1));
  store_->publish();
  store_->begin_epoch();
  EXPECT_NE(store_->edit(id), first);
  EXPECT_EQ(store_->counts().versions_held, 2u);
}

// What a cut holds is about to be written as it is; a failed checkpoint gives it up again.
TEST_F(VersionStoreTest, GrowsInPlaceUnlessACutHoldsTheVersion) {
  constexpr FrameFront kFront{.links = 0, .stamps = 8};
  store_->begin_epoch();
  FrameHeader* frame = store_->create(128, kFront);
  fill(frame, 1);
  const NodeId id{frame->node_id};
  store_->publish();
  store_->begin_epoch();
  EXPECT_TRUE(store_->grows_in_place(*frame));
  EXPECT_EQ(store_->grow(id), frame);
  store_->publish();
  auto cut = store_->cut();
  ASSERT_TRUE(cut);
  store_->begin_epoch();
  EXPECT_FALSE(store_->grows_in_place(*frame));
  store_->restore_changes(std::move(*cut));
  EXPECT_TRUE(store_->grows_in_place(*frame));
  cut = store_->cut();
  ASSERT_TRUE(cut);
  store_->begin_epoch();
  FrameHeader* copy = store_->grow(*frame);
  ASSERT_NE(copy, nullptr);
  EXPECT_NE(copy, frame);
  EXPECT_EQ(copy->front, kFront);
  EXPECT_EQ(copy->previous, frame);
  EXPECT_TRUE(says(copy, 1));
  const auto image = store_->image(*cut, id);
  ASSERT_TRUE(image);
  EXPECT_EQ(*image, frame);
}

TEST_F(VersionStoreTest, GrowsNothingInPlaceThatHasNoRoomForStamps) {
  const NodeId id = make_published(1);
  const FrameHeader* old = at(id, store_->published());
  store_->begin_epoch();
  EXPECT_NE(store_->grow(id), old);
}

TEST_F(VersionStoreTest, GivesANewVersionStampsOfZero) {
  constexpr FrameFront kFront{.links = 0, .stamps = 8};
  store_->begin_epoch();
  FrameHeader* frame = store_->create(128, kFront);
  auto* stamps = static_cast<std::uint64_t*>(memory_of(frame));
  EXPECT_TRUE(std::all_of(stamps, stamps + 8, [](std::uint64_t word) { return word == 0; }));
  std::fill(stamps, stamps + 8, 7);
  store_->publish();
  store_->begin_epoch();
  stamps = static_cast<std::uint64_t*>(memory_of(store_->edit(*frame)));
  EXPECT_TRUE(std::all_of(stamps, stamps + 8, [](std::uint64_t word) { return word == 0; }));
}

TEST_F(VersionStoreTest, KeepsContentsAndZeroesTheRestWhenANodeGrowsOrShrinks) {
  const NodeId id = make_published(7, 128);
  store_->begin_epoch();
  const FrameHeader* grown = store_->resize(id, 320);
  EXPECT_EQ(grown->bytes, 320u);
  const auto* words = reinterpret_cast<const std::uint64_t*>(grown + 1);
  EXPECT_EQ(words[11], 7u);
  EXPECT_EQ(words[12], 0u);
  EXPECT_TRUE(says(grown, 0, 12));
  const FrameHeader* shrunk = store_->resize(id, 64);
  EXPECT_TRUE(says(shrunk, 7));
  EXPECT_EQ(shrunk->previous->bytes, 128u);
  EXPECT_EQ(store_->resize(id, 64), shrunk);
}

TEST_F(VersionStoreTest, GivesANodeOfTheRunningEpochBackAtOnce) {
  store_->begin_epoch();
  const NodeId id = make(1, 128);
  const NodeId other = make(1, 128);
  const std::uint64_t bytes = store_->counts().resident_bytes;
  ASSERT_NE(store_->resize(id, 4096), nullptr);
  store_->destroy(id);
  EXPECT_EQ(store_->counts().resident_bytes, bytes - 128);
  EXPECT_EQ(store_->counts().waiting_bytes, 0u);
  EXPECT_EQ(store_->counts().live_nodes, 1u);
  EXPECT_EQ(at(id, store_->epoch()), nullptr);
  EXPECT_EQ(make(2), NodeId::make(id.handle(), 2));
  EXPECT_NE(other, id);
}

TEST_F(VersionStoreTest, KeepsADestroyedNodeForOlderReadersAndForNobodyElse) {
  const NodeId id = make_published(5);
  SnapshotPin snapshot = store_->pin();
  store_->begin_epoch();
  fill(store_->edit(id), 6);
  store_->destroy(id);
  store_->publish();
  store_->collect();
  EXPECT_EQ(store_->counts().live_nodes, 0u);
  EXPECT_EQ(at(id, store_->published()), nullptr);
  {
    const ReadGuard guard = store_->enter(snapshot);
    ReadContext context;
    EXPECT_TRUE(says(store_->view(guard, context).version(id), 5));
  }
  snapshot = SnapshotPin();
  store_->collect();
  EXPECT_EQ(store_->counts().versions_held, 0u);
  EXPECT_EQ(store_->counts().resident_bytes, 0u);
  store_->begin_epoch();
  EXPECT_EQ(make(1), NodeId::make(id.handle(), 2));
  EXPECT_EQ(at(id, 1), nullptr);
}

TEST(LeadTest, KeepsEveryNodeIdThatThereCanBe) {
  for (const std::uint64_t shard : {0u, 1u, kShards - 1}) {
    for (const std::uint64_t slot : {std::uint64_t{0}, std::uint64_t{1}, ObjectTable::kSlots - 1}) {
      for (const unsigned tag : {1u, 0x7fffu, 0x8000u, 0xffffu}) {
        const NodeId id =
            NodeId::make(shard << kSlotBits | slot, static_cast<std::uint16_t>(tag));
        EXPECT_TRUE(Lead(id).is_id());
        EXPECT_EQ(Lead(id).id(), id);
      }
    }
  }
}

TEST_F(VersionStoreTest, NamesAReferenceToNothingAsCorruption) {
  const ReadGuard guard = store_->enter();
  ReadContext context;
  const ReadView view = store_->view(guard, context);
  EXPECT_EQ(view.version(NodeId::make(0xabcd, 1)), nullptr);
  ASSERT_FALSE(context.status());
  EXPECT_EQ(context.status().error().code(), ErrorCode::corruption);
  EXPECT_STREQ(context.status().error().place(), "node 000100000000abcd");
  EXPECT_EQ(view.version(NodeId::make(0x1234, 1)), nullptr);
  EXPECT_STREQ(context.status().error().place(), "node 000100000000abcd");
}

TEST_F(VersionStoreTest, AppliesAnEpochWhileTheOneBeforeWaitsForItsSync) {
  const NodeId id = make_published(1);
  const std::uint64_t second = store_->begin_epoch();
  fill(store_->edit(id), 2);
  const std::uint64_t third = store_->begin_epoch();
  fill(store_->edit(id), 3);
  store_->collect();
  EXPECT_TRUE(says(at(id, store_->enter().epoch()), 1));
  store_->publish(second);
  store_->collect();
  EXPECT_TRUE(says(at(id, store_->enter().epoch()), 2));
  EXPECT_EQ(store_->counts().versions_held, 1u);
  store_->publish(third);
  store_->collect();
  EXPECT_TRUE(says(at(id, store_->enter().epoch()), 3));
  EXPECT_EQ(store_->counts().versions_held, 0u);
}

TEST_F(VersionStoreTest, ReadsANodeFromDiskOnce) {
  const TableEntry entry = open_cold(9);
  const std::uint64_t epoch = store_->published();
  EXPECT_EQ(store_->counts().resident_bytes, 0u);
  EXPECT_EQ(store_->counts().live_nodes, 1u);
  EXPECT_TRUE(says(at(entry.id, epoch), 9));
  EXPECT_TRUE(says(at(entry.id, epoch), 9));
  EXPECT_EQ(source_.reads(), 1u);
  EXPECT_EQ(store_->counts().resident_bytes, 128u);
}

TEST_F(VersionStoreTest, ReportsAReadThatFailsAndTriesAgain) {
  const TableEntry entry = open_cold(9);
  const ReadGuard guard = store_->enter();
  ReadContext context;
  source_.fail(true);
  EXPECT_EQ(store_->view(guard, context).version(entry.id), nullptr);
  EXPECT_EQ(context.status().error().code(), ErrorCode::io_error);
  EXPECT_EQ(store_->counts().resident_bytes, 0u);
  source_.fail(false);
  EXPECT_TRUE(says(store_->view(guard, context).version(entry.id), 9));
}

TEST_F(VersionStoreTest, BelievesNoImageWithAFlippedBit) {
  const TableEntry entry = open_cold(9);
  for (std::size_t byte = 0; byte < entry.bytes; ++byte) {
    source_.image(entry)[byte] ^= std::byte{0x10};
    const auto found = store_->find(entry.id, store_->published());
    ASSERT_FALSE(found) << byte;
    EXPECT_EQ(found.error().code(), ErrorCode::corruption);
    source_.image(entry)[byte] ^= std::byte{0x10};
  }
  EXPECT_TRUE(says(at(entry.id, store_->published()), 9));
}

// Images that are whole and have a true checksum, and are not what the table means.
TEST_F(VersionStoreTest, BelievesNoImageOfAnotherNodeSizeOrAge) {
  const TableEntry entry = open_cold(9);
  const auto refused = [&](auto&& change) {
    std::vector<std::byte> image = source_.image(entry);
    FrameHeader header;
    std::memcpy(&header, image.data(), sizeof header);
    change(header);
    std::memcpy(image.data(), &header, sizeof header);
    header.checksum = image_checksum(image);
    std::memcpy(image.data(), &header, sizeof header);
    TableEntry changed = entry;
    changed.checksum = header.checksum;
    image.swap(source_.image(entry));
    open(1, {changed});
    const bool found = store_->find(entry.id, 1).has_value();
    image.swap(source_.image(entry));
    return !found;
  };
  EXPECT_FALSE(refused([](FrameHeader&) {}));
  EXPECT_TRUE(refused([](FrameHeader& header) { header.node_id ^= 1 << 16; }));
  EXPECT_TRUE(refused([](FrameHeader& header) { header.bytes = 64; }));
  EXPECT_TRUE(refused([](FrameHeader& header) { header.birth = 2; }));
}

TEST_F(VersionStoreTest, BelievesNoImageThatChangedAfterItsCheckpoint) {
  // The content of these nodes says when they changed.
  const NodeFamily family{.last_change = [](const FrameHeader& version) noexcept {
    return *reinterpret_cast<const std::uint64_t*>(&version + 1);
  }};
  const TableEntry entry = open_cold(9);
  for (const std::uint64_t epoch : {8, 9}) {
    auto made = VersionStore::create(epoch, &source_, family);
    ASSERT_TRUE(made);
    ASSERT_TRUE((*made)->restore(entry));
    EXPECT_EQ((*made)->find(entry.id, epoch).has_value(), epoch == 9);
  }
}

TEST_F(VersionStoreTest, DestroysANodeThatIsOnlyOnDiskWithoutReadingIt) {
  const TableEntry entry = open_cold(9);
  SnapshotPin snapshot = store_->pin();
  source_.fail(true);
  store_->begin_epoch();
  store_->destroy(entry.id);
  store_->publish();
  store_->collect();
  source_.fail(false);
  EXPECT_EQ(at(entry.id, store_->published()), nullptr);
  EXPECT_EQ(store_->counts().versions_held, 1u);
  EXPECT_TRUE(says(at(entry.id, snapshot.epoch()), 9));
  snapshot = SnapshotPin();
  store_->collect();
  EXPECT_EQ(store_->counts().versions_held, 0u);
  EXPECT_EQ(store_->counts().resident_bytes, 0u);
  EXPECT_EQ(at(entry.id, 1), nullptr);
}

TEST_F(VersionStoreTest, CutsWhatChangedSinceTheCutBefore) {
  const NodeId a = make_published(1);
  const NodeId b = make_published(1);
  EXPECT_TRUE(store_->has_changes());
  auto first = store_->cut();
  ASSERT_TRUE(first);
  sort_changes(*first);
  EXPECT_EQ(first->changes, (std::vector{a, b}));
  EXPECT_EQ(first->epoch, store_->published());
  EXPECT_FALSE(store_->has_changes());

  set_published(b, 2);
  set_published(b, 3);
  store_->collect();
  EXPECT_TRUE(says(*store_->image(*first, b), 1));
  auto second = store_->cut();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->changes, (std::vector{b}));
  EXPECT_TRUE(says(*store_->image(*second, b), 3));
}

TEST_F(VersionStoreTest, CutsTheLatestLifeOfAReusedSlot) {
  store_->begin_epoch();
  const NodeId first = make(1);
  store_->destroy(first);
  const NodeId second = make(2);
  store_->destroy(second);
  const NodeId third = make(3);
  store_->publish();
  ASSERT_EQ(third, NodeId::make(first.handle(), 3));
  auto cut = store_->cut();
  ASSERT_TRUE(cut);
  sort_changes(*cut);
  EXPECT_EQ(cut->changes, (std::vector{third}));
  EXPECT_EQ(*store_->image(*cut, first), nullptr);
}

TEST_F(VersionStoreTest, TakesTheChangesOfAFailedCheckpointBack) {
  const NodeId a = make_published(1);
  const NodeId b = make_published(1);
  auto cut = store_->cut();
  ASSERT_TRUE(cut);
  set_published(b, 2);
  store_->restore_changes(std::move(*cut));
  set_published(b, 3);
  auto again = store_->cut();
  ASSERT_TRUE(again);
  sort_changes(*again);
  EXPECT_EQ(again->changes, (std::vector{a, b}));
  EXPECT_TRUE(says(*store_->image(*again, b), 3));
}

TEST_F(VersionStoreTest, CutsAnEpochThatIsCompleteAndNotPublished) {
  const NodeId id = make_published(1);
  store_->begin_epoch();
  fill(store_->edit(id), 2);
  {
    auto cut = store_->cut();
    ASSERT_TRUE(cut);
    EXPECT_EQ(cut->epoch, 2u);
    EXPECT_TRUE(says(*store_->image(*cut, id), 2));
    store_->restore_changes(std::move(*cut));
  }
  fill(store_->edit(id), 3);
  auto cut = store_->cut();
  ASSERT_TRUE(cut);
  store_->publish();
  EXPECT_TRUE(says(*store_->image(*cut, id), 3));
}

TEST_F(VersionStoreTest, BringsADestroyedNodeIntoMemoryBeforeItsPlaceOnDiskIsGivenUp) {
  const TableEntry entry = open_cold(9);
  const SnapshotPin snapshot = store_->pin();
  store_->begin_epoch();
  store_->destroy(entry.id);
  store_->publish();
  auto cut = store_->cut();
  ASSERT_TRUE(cut);
  EXPECT_EQ(*store_->image(*cut, entry.id), nullptr);
  EXPECT_EQ(store_->on_disk(entry.id).address, entry.address);
  store_->forgotten(entry.id);
  source_.remove(entry);
  EXPECT_TRUE(says(at(entry.id, snapshot.epoch()), 9));
  EXPECT_FALSE(store_->on_disk(entry.id).id);
}

TEST_F(VersionStoreTest, RestoresWhatACheckpointWrote) {
  const NodeId kept = make_published(1);
  const NodeId gone = make_published(2);
  auto cut = store_->cut();
  ASSERT_TRUE(cut);
  sort_changes(*cut);
  std::vector<TableEntry> entries;
  for (const NodeId id : cut->changes) {
    entries.push_back(source_.write(*store_->image(*cut, id)));
    store_->written(entries.back());
  }
  EXPECT_EQ(store_->on_disk(gone).id, gone);
  const std::uint64_t epoch = cut->epoch;
  *cut = Cut();
  store_->begin_epoch();
  store_->destroy(gone);
  store_->publish();
  open(epoch, entries);
  EXPECT_TRUE(says(at(kept, epoch), 1));
  EXPECT_TRUE(says(at(gone, epoch), 2));
}

TEST_F(VersionStoreTest, HoldsAReservationAgainstReadersWhoLoad) {
  std::vector<TableEntry> entries;
  store_->begin_epoch();
  for (std::uint64_t i = 0; i < 200; ++i) entries.push_back(source_.write(store_->create(4096)));
  store_->publish();
  open(1, entries);
  store_->begin_epoch();
  ASSERT_TRUE(store_->reserve(200 * 4096));
  const std::uint64_t mapped = store_->counts().mapped_bytes;
  EXPECT_GE(mapped, 200u * 4096);
  for (const TableEntry& entry : entries) ASSERT_NE(at(entry.id, 1), nullptr);
  const std::uint64_t with_nodes = store_->counts().mapped_bytes;
  for (int i = 0; i < 200; ++i) ASSERT_NE(store_->create(4096), nullptr);
  EXPECT_EQ(store_->counts().mapped_bytes, with_nodes);
}

using VersionStoreDeathTest = VersionStoreTest;

TEST_F(VersionStoreDeathTest, LetsNobodyChangeWhatIsPublishedOrCut) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const NodeId id = make_published(1);
  EXPECT_DEATH(static_cast<void>(store_->edit(id)), "epoch_");
  EXPECT_DEATH(store_->destroy(id), "epoch_");
  store_->begin_epoch();
  auto cut = store_->cut();
  EXPECT_DEATH(static_cast<void>(store_->create(64)), "epoch_");
}

}  // namespace
}  // namespace xtree::persistence
