#include "persistence/object_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "support/data_limit.h"
#include "support/random.h"

namespace xtree::persistence {
namespace {

using State = ObjectTable::State;

// Addresses that only the table's words hold; nothing is read through them.
FrameHeader* fake_frame(std::uint64_t number) {
  return reinterpret_cast<FrameHeader*>((number + 1) * kFrameAlignment);
}

class ObjectTableTest : public testing::Test {
 protected:
  // Of this shard; the shards before it become active too.
  NodeId allocate(std::size_t shard = 0) {
    while (allocators_.size() <= shard) allocators_.push_back(table_->lease());
    return allocators_[shard].allocate();
  }

  Result<ObjectTable> table_ = ObjectTable::create();
  std::vector<ObjectTable::Allocator> allocators_;
};

TEST_F(ObjectTableTest, GivesEveryHandleOfEveryShardASlotOfItsOwn) {
  std::vector<NodeId> ids;
  for (unsigned shard = 0; shard < kShards; ++shard) {
    const std::size_t count = shard % 16 == 0 ? 150'000 : 100;
    for (std::size_t i = 0; i < count; ++i) {
      const NodeId id = allocate(shard);
      ASSERT_EQ(id.tag(), 1u);
      ASSERT_EQ(id.shard(), shard);
      table_->set_frame(id, fake_frame(ids.size()));
      ids.push_back(id);
    }
  }
  EXPECT_EQ(table_->live(), ids.size());
  EXPECT_FALSE(table_->lease());
  // Numbered through, in chunks: there is no room that only one of the shards could use.
  std::vector<std::uint64_t> slots;
  for (const NodeId id : ids) slots.push_back(id.slot());
  std::ranges::sort(slots);
  EXPECT_EQ(std::ranges::adjacent_find(slots), slots.end());
  EXPECT_LT(slots.back(), ids.size() + kShards * ObjectTable::kChunkSlots);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::uint64_t word = table_->word(ids[i]);
    ASSERT_TRUE(ObjectTable::is_plain(word, ids[i]));
    ASSERT_EQ(ObjectTable::frame_of(word, ids[i]), fake_frame(i));
  }
}

TEST_F(ObjectTableTest, GivesNothingOutThatTheSystemHasNoMemoryFor) {
  if (test::kSanitized) GTEST_SKIP() << "sanitizers ask for memory of their own";
  constexpr std::size_t kMany = 8'000'000;
  const NodeId first = allocate();
  test::DataLimit limit(std::size_t{64} << 20);
  EXPECT_FALSE(table_->reserve(kMany));
  std::size_t given = 1;
  while (const NodeId id = allocate()) {
    table_->set_frame(id, fake_frame(given++));
    ASSERT_LT(given, kMany);
  }
  EXPECT_GT(given, 200'000u);
  EXPECT_EQ(table_->live(), given);
  // What was freed serves again, and the rest once there is memory.
  table_->free(first);
  EXPECT_EQ(allocate().slot(), first.slot());
  EXPECT_FALSE(allocate());
  limit.lift();
  ASSERT_TRUE(table_->reserve(kMany));
  test::DataLimit none(0);
  for (std::size_t i = 0; i < kMany; ++i) ASSERT_TRUE(allocate());
  EXPECT_EQ(table_->live(), given + kMany);
}

TEST_F(ObjectTableTest, EveryNodeIdLeadsToAWordAndNoStrayOneResolves) {
  const NodeId id = allocate();
  table_->set_frame(id, fake_frame(1));
  for (const std::uint64_t slot :
       {std::uint64_t{1}, ObjectTable::kSlots - 1, ObjectTable::kSlots, std::uint64_t{0xffffffff},
        (std::uint64_t{1} << kSlotBits) - 1}) {
    const NodeId stray = NodeId::make(slot, id.tag());
    EXPECT_EQ(table_->look_up(stray).state, State::stale) << slot;
    EXPECT_EQ(table_->reader().resident(stray, 1), nullptr) << slot;
  }
}

// As design/file_format.md has it.
TEST(NodeIdTest, HasItsTagOnTopAndItsSlotAtTheBottom) {
  const NodeId id = NodeId::make(std::uint64_t{5} << kSlotBits | 7, 0x1234);
  EXPECT_EQ(id.bits, 0x1234140000000007u);
  EXPECT_EQ(id.tag(), 0x1234u);
  EXPECT_EQ(id.shard(), 5u);
  EXPECT_EQ(id.slot(), 7u);
}

TEST(NodeIdTest, IsInOrderByHandleAndThenByTag) {
  EXPECT_LT(NodeId::make(1, 9), NodeId::make(2, 1));
  EXPECT_LT(NodeId::make(1, 9), NodeId::make(std::uint64_t{1} << kSlotBits, 1));
  EXPECT_LT(NodeId::make(3, 0x7fff), NodeId::make(3, 0x8000));
  EXPECT_LT(NodeId(), NodeId::make(0, 1));
}

TEST_F(ObjectTableTest, KnowsNoIdThatWasNeverGivenOut) {
  EXPECT_EQ(table_->look_up(NodeId{}).state, State::stale);
  EXPECT_EQ(table_->look_up(NodeId::make(17, 1)).state, State::stale);
  EXPECT_EQ(table_->look_up(NodeId{~std::uint64_t{0}}).state, State::stale);
  const NodeId id = allocate();
  EXPECT_EQ(table_->look_up(NodeId::make(id.handle(), 0)).state, State::stale);
  EXPECT_EQ(table_->look_up(NodeId::make(id.handle(), 2)).state, State::stale);
}

TEST_F(ObjectTableTest, IsColdUntilItHasAFrame) {
  const NodeId id = allocate();
  EXPECT_EQ(table_->look_up(id).state, State::cold);
  table_->set_frame(id, fake_frame(3));
  EXPECT_EQ(table_->look_up(id).state, State::resident);
  EXPECT_EQ(table_->look_up(id).frame, fake_frame(3));
  EXPECT_FALSE(table_->look_up(id).ended);
}

TEST_F(ObjectTableTest, KeepsAnEndedNodeForOlderEpochs) {
  const NodeId id = allocate();
  table_->set_frame(id, fake_frame(0));
  table_->end(id, fake_frame(0), 7);
  EXPECT_EQ(table_->live(), 0u);
  EXPECT_FALSE(ObjectTable::is_plain(table_->word(id), id));
  EXPECT_EQ(table_->look_up(id).frame, fake_frame(0));
  EXPECT_EQ(table_->look_up(id).end_epoch, 7u);
  table_->relink_ended(id, fake_frame(1));
  EXPECT_EQ(table_->look_up(id).frame, fake_frame(1));
  EXPECT_TRUE(table_->look_up(id).ended);
  table_->free(id);
  EXPECT_EQ(table_->look_up(id).state, State::stale);
  EXPECT_EQ(table_->live(), 0u);
}

TEST_F(ObjectTableTest, FillsAColdSlotAndKeepsItsEnd) {
  const NodeId live = allocate();
  const NodeId ended = allocate();
  table_->end(ended, nullptr, 5);
  EXPECT_EQ(table_->look_up(ended).state, State::cold);
  table_->fill(live, fake_frame(1));
  table_->fill(ended, fake_frame(2));
  EXPECT_FALSE(table_->look_up(live).ended);
  EXPECT_EQ(table_->look_up(ended).frame, fake_frame(2));
  EXPECT_EQ(table_->look_up(ended).end_epoch, 5u);
}

TEST_F(ObjectTableTest, BumpsTheTagOncePerLife) {
  const NodeId first = allocate();
  table_->free(first);
  const NodeId second = allocate();
  EXPECT_EQ(second, NodeId::make(first.handle(), 2));
  table_->end(second, fake_frame(0), 1);
  table_->free(second);
  EXPECT_EQ(allocate(), NodeId::make(first.handle(), 3));
}

TEST_F(ObjectTableTest, NeverResolvesAStaleIdThroughMillionsOfReuses) {
  constexpr std::size_t kLives = 2'000'000;
  std::vector<NodeId> stale;
  stale.reserve(kLives);
  for (std::size_t i = 0; i < kLives; ++i) {
    const NodeId id = allocate();
    table_->set_frame(id, fake_frame(i));
    const NodeId old = stale.empty() ? NodeId{} : stale[i * 7919 % stale.size()];
    ASSERT_EQ(table_->look_up(old).state, State::stale);
    table_->free(id);
    stale.push_back(id);
  }
  for (int i = 0; i < 100; ++i) table_->set_frame(allocate(), fake_frame(0));
  for (const NodeId id : stale) ASSERT_EQ(table_->look_up(id).state, State::stale);
  EXPECT_EQ(table_->live(), 100u);
}

TEST_F(ObjectTableTest, SetsASlotAsideBeforeItsTagWraps) {
  NodeId id;
  for (unsigned life = 1; life <= ObjectTable::kLastTag; ++life) {
    id = allocate();
    ASSERT_EQ(id, NodeId::make(0, static_cast<std::uint16_t>(life)));
    table_->free(id);
  }
  for (unsigned tag = 0; tag <= ObjectTable::kLastTag; ++tag) {
    const NodeId used = NodeId::make(0, static_cast<std::uint16_t>(tag));
    ASSERT_EQ(table_->look_up(used).state, State::stale);
  }
  EXPECT_EQ(allocate(), NodeId::make(1, 1));
  EXPECT_EQ(allocate(), NodeId::make(2, 1));
}

TEST_F(ObjectTableTest, RemembersWhatIsOnDiskByHandle) {
  const NodeId id = allocate();
  EXPECT_FALSE(table_->on_disk(id).id);
  const TableEntry entry{id, {.segment = 9, .place = 0xffffffff}, 0xfeedbeef,
                         static_cast<std::uint32_t>(kMaxFrameBytes)};
  table_->set_on_disk(entry);
  table_->free(id);
  const NodeId next = allocate();
  ASSERT_EQ(next.handle(), id.handle());
  const TableEntry found = table_->on_disk(next);
  EXPECT_EQ(found.id, id);
  EXPECT_EQ(found.address, entry.address);
  EXPECT_EQ(found.checksum, entry.checksum);
  EXPECT_EQ(found.bytes, entry.bytes);
  table_->clear_on_disk(next);
  EXPECT_FALSE(table_->on_disk(id).id);
}

TableEntry live_entry(NodeId id) { return {id, {.segment = 1}, 5, 64}; }
TableEntry free_entry(NodeId id) { return {id, {}, 0, 0}; }

TEST_F(ObjectTableTest, RestoresLiveAndFreeSlotsAndTheGapsBetween) {
  ASSERT_TRUE(table_->restore(live_entry(NodeId::make(1, 40))));
  ASSERT_TRUE(table_->restore(free_entry(NodeId::make(3, 8))));
  ASSERT_TRUE(table_->restore(free_entry(NodeId::make(4, ObjectTable::kLastTag))));
  const std::uint64_t other_shard = std::uint64_t{5} << kSlotBits | 2 * ObjectTable::kChunkSlots;
  ASSERT_TRUE(table_->restore(live_entry(NodeId::make(other_shard, 2))));
  EXPECT_EQ(table_->live(), 2u);
  EXPECT_EQ(table_->look_up(NodeId::make(1, 40)).state, State::cold);
  EXPECT_EQ(table_->look_up(NodeId::make(1, 39)).state, State::stale);
  EXPECT_EQ(table_->look_up(NodeId::make(3, 8)).state, State::stale);
  EXPECT_EQ(table_->look_up(NodeId::make(4, ObjectTable::kLastTag)).state, State::stale);

  std::vector<NodeId> live;
  table_->for_each_live([&](NodeId id) { live.push_back(id); });
  EXPECT_EQ(live, (std::vector{NodeId::make(1, 40), NodeId::make(other_shard, 2)}));

  EXPECT_EQ(allocate(), NodeId::make(3, 9));
  EXPECT_EQ(allocate(), NodeId::make(2, 1));
  EXPECT_EQ(allocate(), NodeId::make(0, 1));
  EXPECT_EQ(allocate(), NodeId::make(5, 1));
}

// A small table has the words of its first slots in other places than a large one has the rest.
TEST_F(ObjectTableTest, KeepsTheWordsOfAllSlotsApart) {
  constexpr std::uint32_t kCount = 70 * ObjectTable::kChunkSlots;
  const auto entry_of = [](NodeId id) {
    const auto slot = static_cast<std::uint32_t>(id.slot());
    return TableEntry{id, {.segment = slot + 1, .place = 3 * slot}, ~slot, 64};
  };
  std::vector<NodeId> ids;
  for (std::uint32_t i = 0; i < kCount; ++i) {
    ids.push_back(allocate(i / ObjectTable::kChunkSlots % 2));
    table_->set_on_disk(entry_of(ids.back()));
    table_->set_frame(ids.back(), fake_frame(i));
    if (i % 3 == 0) table_->end(ids.back(), fake_frame(i), 1000 + i);
  }
  for (std::uint32_t i = 0; i < kCount; ++i) {
    const ObjectTable::Lookup found = table_->look_up(ids[i]);
    ASSERT_EQ(found.frame, fake_frame(i));
    ASSERT_EQ(found.end_epoch, i % 3 == 0 ? 1000 + i : 0);
    ASSERT_EQ(table_->on_disk(ids[i]), entry_of(ids[i])) << i;
  }
  std::size_t on_disk = 0;
  table_->for_each_on_disk([&](const TableEntry& entry) {
    ASSERT_EQ(entry, entry_of(ids[on_disk]));
    ++on_disk;
  });
  EXPECT_EQ(on_disk, kCount);
  std::size_t live = 0;
  table_->for_each_live([&](NodeId id) {
    ++live;
    ASSERT_NE(id.slot() % 3, 0u);
  });
  EXPECT_EQ(live, kCount - (kCount + 2) / 3);
}

// A shard may go back to a chunk before one that it has filled, as the restored ones come first.
TEST_F(ObjectTableTest, VisitsAFullChunkBehindTheOneThatIsBeingFilled) {
  constexpr std::uint32_t kLast = 2 * ObjectTable::kChunkSlots - 1;
  for (std::uint32_t slot = ObjectTable::kChunkSlots; slot <= kLast; ++slot) {
    ASSERT_TRUE(table_->restore(live_entry(NodeId::make(slot, 1))));
  }
  const auto visited = [&] {
    std::size_t count = 0;
    table_->for_each_live([&](NodeId) { ++count; });
    return count;
  };
  EXPECT_EQ(visited(), ObjectTable::kChunkSlots);
  for (std::uint32_t i = 0; i < ObjectTable::kChunkSlots; ++i) {
    ASSERT_EQ(allocate(), NodeId::make(i, 1));
    ASSERT_EQ(visited(), ObjectTable::kChunkSlots + i + 1);
  }
}

TEST_F(ObjectTableTest, RefusesEntriesThatMakeNoSense) {
  const auto code_of = [&](const TableEntry& entry) {
    const Result<void> result = table_->restore(entry);
    return result ? ErrorCode::closed : result.error().code();
  };
  EXPECT_EQ(code_of(live_entry(NodeId::make(1, 0))), ErrorCode::corruption);
  EXPECT_EQ(code_of(live_entry(NodeId::make(ObjectTable::kSlots, 1))), ErrorCode::corruption);
  TableEntry entry = live_entry(NodeId::make(1, 1));
  for (const std::uint32_t bytes :
       {0u, 63u, 65u, static_cast<std::uint32_t>(kMaxFrameBytes) + 64}) {
    entry.bytes = bytes;
    EXPECT_EQ(code_of(entry), ErrorCode::corruption) << bytes;
  }
  ASSERT_TRUE(table_->restore(live_entry(NodeId::make(4, 1))));
  EXPECT_EQ(code_of(live_entry(NodeId::make(4, 2))), ErrorCode::corruption);
  EXPECT_EQ(code_of(free_entry(NodeId::make(3, 1))), ErrorCode::corruption);
  // A chunk belongs to one shard.
  EXPECT_EQ(code_of(live_entry(NodeId::make(std::uint64_t{1} << kSlotBits | 7, 1))),
            ErrorCode::corruption);
  EXPECT_EQ(table_->live(), 1u);
}

TEST_F(ObjectTableTest, VisitsLiveNodesOnly) {
  const NodeId kept = allocate();
  const NodeId freed = allocate();
  const NodeId ended = allocate();
  const NodeId other = allocate(3);
  table_->free(freed);
  table_->end(ended, nullptr, 1);
  std::vector<NodeId> live;
  table_->for_each_live([&](NodeId id) { live.push_back(id); });
  EXPECT_EQ(live, (std::vector{kept, other}));
}

}  // namespace
}  // namespace xtree::persistence
