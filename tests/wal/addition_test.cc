// Additions: small groups that share the block of a group before them until it is synced.
#include <gtest/gtest.h>

#include <algorithm>

#include "wal/log_testing.h"

namespace xtree::test {
namespace {

using wal::kBlockBytes;
using wal::kFirstGroupOffset;
using wal::LogPosition;
using wal::LogWriter;

void add_many(LogWriter& writer, std::uint64_t count, std::size_t bytes) {
  for (std::uint64_t i = 0; i < count; ++i) {
    ASSERT_TRUE(add(writer, make_payload(writer.next_lsn(), bytes)));
  }
}

// Where the addition behind a group of 100 bytes begins, and how far it is to the next one.
constexpr std::uint64_t kSecond = wal::addition_place(sizeof(wal::GroupHeader) + 100);
constexpr std::uint64_t kAddition = wal::addition_place(sizeof(wal::AdditionHeader) + 100);

TEST(LogAddition, AdditionsShareTheBlockOfTheGroupBefore) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_many(*writer, 1, 100);
  add_many(*writer, 20, 100);
  EXPECT_EQ(writer->position(), (LogPosition{1, kFirstGroupOffset + kBlockBytes}));
  EXPECT_EQ(writer->appended_bytes(), kBlockBytes);
  expect_groups(replay(files), 1, 21, 100);
}

TEST(LogAddition, AdditionThatTheBlockHasNoRoomForBeginsAnother) {
  for (std::size_t bytes = 60; bytes < 90; ++bytes) {
    SimulatedFileSystem files;
    auto writer = create_writer(files);
    add_many(*writer, 200, bytes);
    expect_groups(replay(files), 1, 200, bytes);
    const std::size_t in_one = wal::addition_place(sizeof(wal::AdditionHeader) + bytes);
    EXPECT_LE(writer->appended_bytes(), 200 * in_one * 11 / 10 + kBlockBytes);
  }
}

// A sector that was synced is never written again, so a torn write cannot reach it.
TEST(LogAddition, BlockTakesNoAdditionsOnceItIsSynced) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  ASSERT_TRUE(add(*writer, make_payload(1, 100)));
  ASSERT_TRUE(add(*writer, make_payload(2, 100)));
  ASSERT_TRUE(writer->sync());
  const auto synced = read_file(files, path_of(1));
  ASSERT_TRUE(add(*writer, make_payload(3, 100)));
  EXPECT_EQ(writer->position().offset, kFirstGroupOffset + 2 * kBlockBytes);
  const Bytes content = read_file(files, path_of(1));
  EXPECT_TRUE(std::equal(synced.begin(), synced.begin() + kFirstGroupOffset + kBlockBytes,
                         content.begin()));
  expect_groups(replay(files), 1, 3, 100);
}

TEST(LogAddition, AdditionFarFromItsGroupInTimeBeginsABlock) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  const auto put = [&](std::uint64_t epoch, std::uint64_t time_us) {
    const std::uint64_t lsn = writer->next_lsn();
    return writer->add({.first_lsn = lsn, .operations = 1, .epoch = epoch, .time_us = time_us}, {});
  };
  ASSERT_TRUE(put(1, 1000));
  ASSERT_TRUE(put(UINT64_C(0x100000000), 1000));
  ASSERT_TRUE(put(2 + UINT64_C(0x100000000), 1001));  // its distance has more than 32 bits
  ASSERT_TRUE(put(3 + UINT64_C(0x100000000), 1000));  // the clock went back
  EXPECT_EQ(writer->appended_bytes(), 3 * kBlockBytes);
  const Replayed replayed = replay(files);
  ASSERT_EQ(replayed.groups.size(), 4u);
  EXPECT_EQ(replayed.groups[1].info.epoch, UINT64_C(0x100000000));
  EXPECT_EQ(replayed.groups[2].info.epoch, 2 + UINT64_C(0x100000000));
  EXPECT_EQ(replayed.groups[3].info.time_us, 1000u);
}

TEST(LogAddition, FailedAdditionPoisonsIt) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_many(*writer, 3, 100);
  files.fail(Call::write, 1, kPlanted);
  ASSERT_FALSE(add(*writer, make_payload(4, 100)));
  EXPECT_EQ(add(*writer, make_payload(4, 100)).error().code(), ErrorCode::poisoned);
  expect_groups(replay(files), 1, 3, 100);
}

// The last of some additions is cut at every byte, with zeros or with rubbish behind the cut.
TEST(LogAddition, StopsAtATornAdditionWhereverItIsTorn) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_synced(*writer, 1, 100);
  const std::uint64_t block = writer->position().offset;
  add_many(*writer, 3, 100);
  ASSERT_EQ(replay(files).end.value().next_lsn, 5u);
  const std::uint64_t last = block + kSecond + kAddition;
  const Bytes whole = read_file(files, path_of(1));
  for (std::size_t cut = 0; cut < sizeof(wal::AdditionHeader) + 100; ++cut) {
    Bytes content = whole;
    for (std::size_t i = last + cut; i < block + kBlockBytes; ++i) {
      content[i] = cut % 2 == 0 ? std::byte{0} : ~whole[i];
    }
    if (content == whole) continue;  // what was cut off had been zeros
    write_file(files, path_of(1), content);
    const Replayed replayed = replay(files);
    ASSERT_TRUE(replayed.end) << "cut at " << cut << ": " << replayed.end.error().message();
    ASSERT_EQ(replayed.end->next_lsn, 4u) << "cut at " << cut;
    ASSERT_EQ(replayed.end->end, (LogPosition{1, block + kBlockBytes}));
  }
}

// Of blocks that were not synced, a later one may be whole and an earlier one have lost additions.
TEST(LogAddition, LostAdditionsCutWhatWasNotSyncedBehindThem) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  const std::uint64_t block = writer->position().offset;
  add_many(*writer, 3, 100);
  ASSERT_TRUE(append(*writer, make_payload(4, 100)));
  flip(files, path_of(1), block + kSecond + 30);
  const Replayed replayed = replay(files);
  ASSERT_TRUE(replayed.end) << replayed.end.error().message();
  EXPECT_EQ(replayed.end->next_lsn, 2u);
  EXPECT_EQ(replayed.end->end, (LogPosition{1, block + kBlockBytes}));
}

TEST(LogAddition, DamagedAdditionBeforeSyncedGroupsIsCorruption) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  const std::uint64_t block = writer->position().offset;
  add_many(*writer, 3, 100);
  ASSERT_TRUE(writer->sync());
  append_synced(*writer, 1, 100);
  for (std::uint64_t i = 0; i < 2 * kAddition; ++i) {
    if (i % kAddition >= sizeof(wal::AdditionHeader) + 100) continue;  // padding
    flip(files, path_of(1), block + kSecond + i);
    expect_corruption(replay(files), at(1, block + kBlockBytes));
    flip(files, path_of(1), block + kSecond + i);
    ASSERT_FALSE(HasFailure()) << "byte " << i;
  }
}

// A block of a former life lies where the log goes on, with other additions at the same places.
TEST(LogAddition, AdditionsOfAnotherLifeOfTheBlockAreNotBelieved) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  const std::uint64_t block = writer->position().offset;
  add_many(*writer, 3, 100);
  const Bytes former = read_file(files, path_of(1));
  SimulatedFileSystem others;
  const auto other = create_writer(others);
  ASSERT_TRUE(append(*other, make_payload(7, 100)));  // another group, and nothing behind it
  Bytes content = read_file(others, path_of(1));
  const auto second = static_cast<std::ptrdiff_t>(block + kSecond);
  const auto end = static_cast<std::ptrdiff_t>(block + kBlockBytes);
  std::copy(former.begin() + second, former.begin() + end, content.begin() + second);
  write_file(others, path_of(1), content);
  EXPECT_EQ(replay(others).end.value().next_lsn, 2u);
}

TEST(LogAddition, CarriedGroupAndItsAdditionsAreOneGroup) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_synced(*writer, 1, 100);
  Payload together;
  for (std::uint64_t lsn = 2; lsn <= 4; ++lsn) {
    const Payload payload = make_payload(lsn, 50);
    ASSERT_TRUE(add(*writer, payload));
    together.insert(together.end(), payload.begin(), payload.end());
  }
  writer = reopen(files);
  EXPECT_EQ(writer->next_lsn(), 5u);
  ASSERT_TRUE(append(*writer, make_payload(5, 50)));
  const Replayed replayed = replay(files);
  ASSERT_TRUE(replayed.end) << replayed.end.error().message();
  ASSERT_EQ(replayed.groups.size(), 3u);
  EXPECT_EQ(replayed.groups[1].info.first_lsn, 2u);
  EXPECT_EQ(replayed.groups[1].info.operations, 3u);
  EXPECT_EQ(replayed.groups[1].info.epoch, 104u);
  EXPECT_EQ(replayed.groups[1].payload, together);
  EXPECT_EQ(replayed.groups[2].payload, make_payload(5, 50));
}

}  // namespace
}  // namespace xtree::test
