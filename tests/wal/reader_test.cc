#include "wal/reader.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "platform/crc32c.h"
#include "wal/log_testing.h"

namespace xtree::test {
namespace {

using wal::kBlockBytes;
using wal::kFirstGroupOffset;
using wal::LogPosition;
using wal::LogWriter;

TEST(WalReader, EmptyDirectoryIsAnEmptyLog) {
  SimulatedFileSystem files;
  files.make_directory(kLogDirectory).value();
  const Replayed replayed = replay(files, {}, 0, 42);
  ASSERT_TRUE(replayed.end);
  EXPECT_EQ(replayed.end->next_lsn, 42u);
  EXPECT_EQ(replayed.end->end, LogPosition{});
}

TEST(WalReader, FileWithoutGroupsIsAnEmptyLog) {
  SimulatedFileSystem files;
  create_writer(files);
  const Replayed replayed = replay(files);
  ASSERT_TRUE(replayed.end);
  EXPECT_EQ(replayed.end->groups, 0u);
  EXPECT_EQ(replayed.end->end, (LogPosition{1, kFirstGroupOffset}));
}

TEST(WalReader, VisitorsErrorStopsTheReplay) {
  SimulatedFileSystem files;
  append_synced(*create_writer(files), 3, 100);
  int visits = 0;
  const auto end = wal::replay_log(files, kLogDirectory, {}, 0, 1,
                                   [&](const wal::GroupInfo&, std::span<const std::byte>) {
                                     if (++visits < 2) return Result<void>();
                                     return Result<void>(Error(ErrorCode::closed, "x", "enough"));
                                   });
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code(), ErrorCode::closed);
  EXPECT_EQ(visits, 2);
}

// The last group is cut at every byte, with zeros or with rubbish behind the cut.
TEST(WalReader, StopsAtATornTailWhereverItIsTorn) {
  const std::size_t payload = 5000;
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_synced(*writer, 3, payload);
  const std::uint64_t tail = writer->position().offset;
  append_synced(*writer, 1, payload);
  const Bytes whole = read_file(files, path_of(1));
  for (std::size_t cut = 0; cut < sizeof(wal::GroupHeader) + payload; ++cut) {
    Bytes content = whole;
    for (std::size_t i = tail + cut; i < tail + wal::group_bytes(payload); ++i) {
      content[i] = cut % 2 == 0 ? std::byte{0} : ~whole[i];
    }
    write_file(files, path_of(1), content);
    const Replayed replayed = replay(files);
    ASSERT_TRUE(replayed.end) << "cut at " << cut << ": " << replayed.end.error().message();
    ASSERT_EQ(replayed.end->next_lsn, 4u) << "cut at " << cut;
    ASSERT_EQ(replayed.end->end, (LogPosition{1, tail}));
  }
}

// Two groups that were not synced may survive in any combination.
TEST(WalReader, UnsyncedGroupBehindATornOneIsCutWithIt) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_synced(*writer, 2, 100);
  const std::uint64_t torn = writer->position().offset;
  ASSERT_TRUE(append(*writer, make_payload(3, 100)));
  ASSERT_TRUE(append(*writer, make_payload(4, 100)));
  flip(files, path_of(1), torn + 120);
  const Replayed replayed = replay(files);
  ASSERT_TRUE(replayed.end) << replayed.end.error().message();
  EXPECT_EQ(replayed.end->next_lsn, 3u);
}

// Every byte of every header, and a sample of the payloads, in a log of two generations.
TEST(WalReader, DamageBeforeSyncedGroupsIsCorruptionWithItsPlace) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_synced(*writer, 4, 6000);
  const LogPosition first_end = writer->position();
  writer = reopen(files);
  append_synced(*writer, 3, 200);
  const std::uint64_t last = writer->position().offset - kBlockBytes;
  const std::uint64_t second = writer->position().file;

  const auto check = [&](std::uint64_t file, std::uint64_t begin, std::uint64_t offset) {
    flip(files, path_of(file), offset);
    expect_corruption(replay(files), at(file, begin));
    flip(files, path_of(file), offset);
    return !::testing::Test::HasFailure();
  };
  // The fourth group of file 1 was not yet proven to be durable, so the second life's file has it.
  for (std::uint64_t group = kFirstGroupOffset; group + 2 * kBlockBytes < first_end.offset;
       group += 2 * kBlockBytes) {
    for (std::uint64_t i = 0; i < sizeof(wal::GroupHeader) + 6000; i += i < 96 ? 1 : 37) {
      ASSERT_TRUE(check(1, group, group + i)) << "byte " << i << " of the group at " << group;
    }
  }
  for (std::uint64_t group = kFirstGroupOffset; group < last;
       group += group == kFirstGroupOffset ? 2 * kBlockBytes : kBlockBytes) {
    for (std::uint64_t i = 0; i < sizeof(wal::GroupHeader) + 200; ++i) {
      ASSERT_TRUE(check(second, group, group + i)) << "byte " << i << " of the group at " << group;
    }
  }
  for (std::uint64_t i = 0; i < sizeof(wal::FileHeader); ++i) {
    ASSERT_TRUE(check(1, 0, i)) << "byte " << i << " of the header of the first";
    ASSERT_TRUE(check(second, 0, i)) << "byte " << i << " of the header of the second";
  }
  EXPECT_TRUE(replay(files).end);
}

TEST(WalReader, DamagedGroupIsCorruptionWhenOnlyALaterHeaderSurvives) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_synced(*writer, 3, 3000);
  flip(files, path_of(1), kFirstGroupOffset);
  flip(files, path_of(1), kFirstGroupOffset + kBlockBytes + 200);
  flip(files, path_of(1), kFirstGroupOffset + 2 * kBlockBytes + 200);
  expect_corruption(replay(files), at(1, kFirstGroupOffset));
}

TEST(WalReader, MissingFileIsCorruption) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_synced(*writer, 50, 3000);
  ASSERT_EQ(writer->position().file, 4u);
  for (const std::uint64_t missing : {1, 2, 3}) {
    const Bytes kept = read_file(files, path_of(missing));
    ASSERT_TRUE(files.remove(path_of(missing)));
    expect_corruption(replay(files), path_of(missing));
    write_file(files, path_of(missing), kept);
  }
  ASSERT_TRUE(files.remove(path_of(4)));
  expect_corruption(replay(files, {4, kFirstGroupOffset}, 1, 46), path_of(4));
}

TEST(WalReader, FileThatWasCutOffIsCorruption) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_synced(*writer, 20, 3000);
  cut_file(files, path_of(1), 10 * kBlockBytes);
  expect_corruption(replay(files), at(1, 10 * kBlockBytes));
  EXPECT_FALSE(replay(files, {1, kFirstGroupOffset}, 1, 1).end);
}

// A file that holds no group yet has a size to keep, too.
TEST(WalReader, FileThatLostItsZerosIsCorruption) {
  SimulatedFileSystem files;
  append_synced(*create_writer(files), 1, 100);
  cut_file(files, path_of(1), 10 * kBlockBytes);
  expect_corruption(replay(files), at(1, 10 * kBlockBytes));
}

// The next group of the log, as the file's own writer would write it.
wal::GroupHeader next_group(const LogWriter& writer, std::span<const std::byte> payload) {
  return {.operations = 1,
          .file = writer.position().file,
          .offset = writer.position().offset,
          .generation = writer.generation(),
          .first_lsn = writer.next_lsn(),
          .durable_lsn = writer.durable_lsn(),
          .payload_bytes = payload.size(),
          .payload_crc = platform::crc32c(payload)};
}

void plant(SimulatedFileSystem& files, const wal::GroupHeader& header, const Payload& payload) {
  Bytes content = read_file(files, path_of(header.file));
  const auto group = std::span(content).subspan(header.offset);
  wal::encode(header, group);
  std::copy(payload.begin(), payload.end(), group.begin() + sizeof header);
  write_file(files, path_of(header.file), content);
}

// What can be left of another life of the file: a carried group of a creation that was cut short,
// or a group of another generation.
TEST(WalReader, GroupsOfAnotherLifeOfTheFileAreNotBelieved) {
  SimulatedFileSystem files;
  const auto writer = create_writer(files);
  append_synced(*writer, 2, 100);
  const Payload payload = make_payload(3, 100);
  const wal::GroupHeader genuine = next_group(*writer, payload);
  plant(files, genuine, payload);
  ASSERT_EQ(replay(files).end.value().next_lsn, 4u);

  wal::GroupHeader carried = genuine;
  carried.origin = wal::GroupOrigin::carried;
  plant(files, carried, payload);
  EXPECT_EQ(replay(files).end.value().next_lsn, 3u);

  wal::GroupHeader other_generation = genuine;
  other_generation.generation += 1;
  plant(files, other_generation, payload);
  EXPECT_EQ(replay(files).end.value().next_lsn, 3u);
}

TEST(WalReader, GapInTheSequenceNumbersIsCorruption) {
  SimulatedFileSystem files;
  const auto writer = create_writer(files);
  append_synced(*writer, 2, 100);
  const Payload payload = make_payload(3, 100);
  wal::GroupHeader header = next_group(*writer, payload);
  header.first_lsn += 1;
  plant(files, header, payload);
  expect_corruption(replay(files), at(1, header.offset));
}

// Inside of a torn group whose header is whole, nothing is taken for a header.
TEST(WalReader, PayloadThatLooksLikeAGroupProvesNothing) {
  SimulatedFileSystem files;
  const auto writer = create_writer(files);
  append_synced(*writer, 2, 100);
  const std::uint64_t offset = writer->position().offset;
  Payload payload(2 * kBlockBytes);
  wal::GroupHeader inner = next_group(*writer, {});
  inner.offset += kBlockBytes;
  inner.durable_lsn += 10;
  wal::encode(inner, std::span(payload).subspan(kBlockBytes - sizeof(wal::GroupHeader)));
  ASSERT_TRUE(append(*writer, payload));
  auto reader = wal::LogFileReader::open(files, kLogDirectory, 1).value();
  ASSERT_TRUE(reader.read_group_header(offset + kBlockBytes).value());
  flip(files, path_of(1), offset + 200);
  const Replayed replayed = replay(files);
  ASSERT_TRUE(replayed.end) << replayed.end.error().message();
  EXPECT_EQ(replayed.end->next_lsn, 3u);
}

TEST(WalReader, PositionThatTheLogDoesNotHaveIsCorruption) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_synced(*writer, 3, 100);
  const std::uint64_t second = kFirstGroupOffset + kBlockBytes;
  ASSERT_TRUE(replay(files, {1, second}, 1, 2).end);
  expect_corruption(replay(files, {1, second}, 2, 2), at(1, 0));
  expect_corruption(replay(files, {1, second}, 1, 3), at(1, second));
  expect_corruption(replay(files, {1, kFirstGroupOffset}, 1, 2), at(1, 0));
  expect_corruption(replay(files, {1, second + 1}, 1, 2), at(1, second + 1));
  expect_corruption(replay(files, {1, 0}, 1, 1), at(1, 0));
  expect_corruption(replay(files, {1, 1 << 30}, 1, 4), at(1, 1 << 30));
  expect_corruption(replay(files, {}, 0, 2), at(1, 0));
}

TEST(WalReader, OldGroupsInARecycledFileAreNotBelieved) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_synced(*writer, 15, 3000);
  append_synced(*writer, 1, 3000);
  const LogPosition from = writer->roll().value();
  ASSERT_TRUE(release_before(*writer, files, from.file));
  append_synced(*writer, 1, 3000);
  ASSERT_TRUE(writer->roll());
  append_synced(*writer, 2, 3000);
  ASSERT_EQ(writer->position().file, 4u);
  EXPECT_FALSE(files.exists(path_of(2)).value());
  const Replayed replayed = replay(files, from, 1, 17);
  ASSERT_TRUE(replayed.end) << replayed.end.error().message();
  EXPECT_EQ(replayed.end->next_lsn, 20u);
}

TEST(WalReader, FollowsTheChainThroughManyGenerations) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  std::vector<std::pair<LogPosition, std::uint64_t>> starts;
  std::vector<std::uint64_t> lsns;
  for (std::uint64_t life = 1; life <= 8; ++life) {
    starts.emplace_back(writer->position(), writer->generation());
    lsns.push_back(writer->next_lsn());
    append_synced(*writer, 5, 9000);
    // A group that never became whole.
    ASSERT_TRUE(append(*writer, make_payload(999, 9000)));
    flip(files, path_of(writer->position().file), writer->position().offset - kBlockBytes);
    writer = reopen(files);
  }
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const Replayed replayed = replay(files, starts[i].first, starts[i].second, lsns[i]);
    ASSERT_TRUE(replayed.end) << replayed.end.error().message();
    EXPECT_EQ(replayed.end->next_lsn, 41u);
    EXPECT_EQ(replayed.end->generation, 9u);
    for (const SeenGroup& group : replayed.groups) {
      EXPECT_EQ(group.payload, make_payload(group.info.first_lsn, 9000));
    }
  }
}

TEST(WalReader, GroupsWithoutProofAreCarriedIntoTheNextFile) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_synced(*writer, 2, 100);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(*writer, make_payload(writer->next_lsn(), 100)));
  const auto end = replay(files).end.value();
  EXPECT_EQ(end.next_lsn, 6u);
  EXPECT_EQ(end.proven_lsn, 3u);
  EXPECT_EQ(end.unproven_offset, kFirstGroupOffset + 2 * kBlockBytes);
  writer = create_writer(files, end);
  EXPECT_EQ(writer->position(), (LogPosition{2, kFirstGroupOffset + 3 * kBlockBytes}));
  EXPECT_EQ(writer->durable_lsn(), 6u);

  // Damage to the originals does no harm any more, damage to the copies does.
  flip(files, path_of(1), kFirstGroupOffset + 2 * kBlockBytes);
  EXPECT_EQ(replay(files).end.value().next_lsn, 6u);
  flip(files, path_of(2), kFirstGroupOffset + 2 * kBlockBytes);
  expect_corruption(replay(files), at(2, kFirstGroupOffset + 2 * kBlockBytes));
}

// A sync fails, the process reopens the log while the cache still has what the disk never got,
// and then the power goes: what the second life has acknowledged must be there.
TEST(WalReader, GroupThatASyncLostSurvivesOnceItWasCarried) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    Random random(seed);
    CrashingDisk disk;
    auto writer = create_writer(disk.files());
    append_synced(*writer, 2, 100);
    ASSERT_TRUE(append(*writer, make_payload(3, 100)));
    disk.files().fail(Call::sync, 1, kPlanted);
    ASSERT_FALSE(writer->sync());
    writer = reopen(disk.files());
    ASSERT_EQ(writer->next_lsn(), 4u);
    append_synced(*writer, 1, 100);
    writer.reset();
    disk.crash(random);
    const Replayed replayed = replay(disk.files());
    ASSERT_TRUE(replayed.end) << replayed.end.error().message();
    EXPECT_EQ(replayed.end->next_lsn, 5u);
  }
}

// The same for the header of a file: no later file may depend on it.
TEST(WalReader, HeaderThatASyncLostIsNotBuiltUpon) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    Random random(seed);
    CrashingDisk disk;
    auto writer = create_writer(disk.files());
    append_synced(*writer, 2, 100);
    const auto end = replay(disk.files()).end.value();
    // The header is the last of file 2's writes; the sync behind it fails.
    disk.files().fail(Call::sync, 2, kPlanted);
    ASSERT_FALSE(LogWriter::create(disk.files(), kLogDirectory, end, kTestFileBytes));

    const auto again = replay(disk.files()).end.value();
    ASSERT_EQ(again.end.file, 2u);
    EXPECT_EQ(again.proven.file, 1u);
    writer = create_writer(disk.files(), again);
    append_synced(*writer, 1, 100);
    writer.reset();
    disk.crash(random);
    const Replayed replayed = replay(disk.files());
    ASSERT_TRUE(replayed.end) << replayed.end.error().message();
    EXPECT_EQ(replayed.end->next_lsn, 4u);
  }
}

TEST(WalReader, TornHeaderOfANewFileIsIgnored) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_synced(*writer, 3, 100);
  ASSERT_TRUE(writer->roll());
  for (const std::size_t kept : {std::size_t{0}, std::size_t{40}, sizeof(wal::FileHeader) - 1}) {
    cut_file(files, path_of(2), kept);
    cut_file(files, path_of(2), kTestFileBytes);
    const auto end = replay(files).end.value();
    EXPECT_EQ(end.end.file, 1u);
    EXPECT_EQ(end.next_lsn, 4u);
    EXPECT_EQ(end.highest_file, 2u);
  }
  cut_file(files, path_of(2), 0);
  writer = reopen(files);
  EXPECT_EQ(writer->position().file, 3u);
  append_synced(*writer, 1, 100);
  EXPECT_EQ(replay(files).end.value().next_lsn, 5u);
}

TEST(WalReader, ReadErrorIsReportedAndNotTakenForTheEnd) {
  SimulatedFileSystem files;
  append_synced(*create_writer(files), 3, 100);
  replay(files).end.value();
  const std::uint64_t reads = files.count(Call::read) / 2;
  for (std::uint64_t nth = 1; nth <= reads; ++nth) {
    files.fail(Call::read, nth, kPlanted);
    const Replayed replayed = replay(files);
    ASSERT_FALSE(replayed.end);
    EXPECT_EQ(replayed.end.error().code(), ErrorCode::io_error);
  }
}

}  // namespace
}  // namespace xtree::test
