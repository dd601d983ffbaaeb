#include "wal/writer.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "wal/log_testing.h"

namespace xtree::test {
namespace {

using wal::kBlockBytes;
using wal::kFirstGroupOffset;
using wal::LogPosition;
using wal::LogWriter;

TEST(LogWriter, WhatIsAppendedComesBackInOrder) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_many(*writer, 5, 300);
  ASSERT_TRUE(writer->sync());
  EXPECT_EQ(writer->durable_lsn(), 6u);
  EXPECT_EQ(writer->appended_bytes(), 5 * kBlockBytes);
  expect_groups(replay(files), 1, 5, 300);
}

TEST(LogWriter, WorksOnTheOperatingSystemsFiles) {
  std::string root = ::testing::TempDir() + "xtree-log-XXXXXX";
  ASSERT_NE(::mkdtemp(root.data()), nullptr);
  const std::string directory = root + "/wal";
  FileSystem& files = posix_file_system();
  wal::LogEnd end;
  for (std::uint64_t life = 1; life <= 3; ++life) {
    auto writer = LogWriter::create(files, directory, end, kTestFileBytes).value();
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(add(*writer, make_payload(writer->next_lsn(), 200)));
    ASSERT_TRUE(writer->sync());
    append_many(*writer, 10, 5000);
    ASSERT_TRUE(writer->sync());
    writer.reset();
    std::uint64_t groups = 0;
    end = wal::replay_log(files, directory, {}, 0, 1,
                          [&](const wal::GroupInfo& info, std::span<const std::byte> payload) {
                            ++groups;
                            EXPECT_EQ(info.first_lsn, groups);
                            EXPECT_EQ(Payload(payload.begin(), payload.end()),
                                      make_payload(groups, (groups - 1) % 20 < 10 ? 200 : 5000));
                            return Result<void>();
                          })
              .value();
    EXPECT_EQ(groups, 20 * life);
    EXPECT_EQ(end.generation, life);
  }
  std::filesystem::remove_all(root);
}

TEST(LogWriter, StartsTheNextFileWhenAGroupDoesNotFit) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_many(*writer, 40, 3000);
  EXPECT_EQ(writer->position().file, 3u);
  expect_groups(replay(files), 1, 40, 3000);
  EXPECT_LE(read_file(files, path_of(1)).size(), kTestFileBytes);
}

TEST(LogWriter, GroupLargerThanAFileGetsALargerFile) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_many(*writer, 1, 10);
  ASSERT_TRUE(append(*writer, make_payload(2, 3 * kTestFileBytes)));
  ASSERT_TRUE(append(*writer, make_payload(3, 10)));
  ASSERT_TRUE(writer->sync());
  EXPECT_EQ(writer->position(), (LogPosition{3, kFirstGroupOffset + kBlockBytes}));
  const Replayed replayed = replay(files);
  ASSERT_EQ(replayed.groups.size(), 3u);
  EXPECT_EQ(replayed.groups[1].payload, make_payload(2, 3 * kTestFileBytes));
  // A file that is still empty takes such a group itself.
  SimulatedFileSystem others;
  auto other = create_writer(others);
  ASSERT_TRUE(append(*other, make_payload(1, 2 * kTestFileBytes)));
  EXPECT_EQ(other->position().file, 1u);
}

TEST(LogWriter, EmptyPayloadIsAGroupToo) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  ASSERT_TRUE(append(*writer, {}, 7));
  const Replayed replayed = replay(files);
  ASSERT_EQ(replayed.groups.size(), 1u);
  EXPECT_EQ(replayed.groups[0].info.operations, 7u);
  EXPECT_EQ(replayed.end->next_lsn, 8u);
}

TEST(LogWriter, FilesAreZeroWrittenBeforeTheyAreUsed) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  const Bytes content = read_file(files, path_of(1));
  EXPECT_EQ(content.size(), kTestFileBytes);
  for (std::size_t i = kFirstGroupOffset; i < content.size(); ++i) {
    ASSERT_EQ(content[i], std::byte{0});
  }
}

TEST(LogWriter, LargeGroupsAreWrittenOnceWithoutZerosBeforeThem) {
  SimulatedFileSystem files;
  auto writer = LogWriter::create(files, kLogDirectory, {}, std::uint64_t{4} << 20).value();
  append_many(*writer, 8, 200000);
  const auto bytes = [&] { return read_file(files, path_of(1)).size(); };
  EXPECT_EQ(bytes(), writer->position().offset);
  // A small group gets its zeros again.
  append_many(*writer, 1, 200);
  EXPECT_GT(bytes(), writer->position().offset);
  ASSERT_TRUE(writer->sync());
  EXPECT_EQ(replay(files).groups.size(), 9u);
}

TEST(LogWriter, RollReturnsWhereTheNextGroupBegins) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  EXPECT_EQ(writer->roll().value(), (LogPosition{1, kFirstGroupOffset}));
  append_many(*writer, 3, 100);
  EXPECT_EQ(writer->roll().value(), (LogPosition{2, kFirstGroupOffset}));
  EXPECT_EQ(writer->durable_lsn(), 4u);
  append_many(*writer, 2, 100);
  expect_groups(replay(files, {2, kFirstGroupOffset}, 1, 4), 4, 2, 100);
}

TEST(LogWriter, ReplayCanBeginAtAnyPositionOfTheWriter) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  std::vector<LogPosition> positions;
  for (int i = 0; i < 40; ++i) {
    positions.push_back(writer->position());
    append_many(*writer, 1, 4000);
  }
  for (std::uint64_t i = 0; i < 40; ++i) {
    expect_groups(replay(files, positions[i], 1, i + 1), i + 1, 40 - i, 4000);
  }
}

TEST(LogWriter, RecyclesAsManyReleasedFilesAsGoAtATimeAndRemovesTheOthers) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_many(*writer, 70, 3000);
  const LogPosition from = writer->roll().value();
  ASSERT_EQ(from.file, 6u);
  ASSERT_TRUE(release_before(*writer, files, from.file));
  EXPECT_EQ(wal::list_log_files(files, kLogDirectory).value(),
            (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6}));
  append_many(*writer, 40, 3000);
  EXPECT_EQ(wal::list_log_files(files, kLogDirectory).value(),
            (std::vector<std::uint64_t>{1, 2, 6, 7, 8, 9}));  // 9 is ready for what comes
  expect_groups(replay(files, from, 1, 71), 71, 40, 3000);
  // The end of the recycled file still holds groups of its former life.
  auto reader = wal::LogFileReader::open(files, kLogDirectory, 8).value();
  EXPECT_FALSE(reader.read_group_header(writer->position().offset).value());
  const Bytes content = read_file(files, path_of(8));
  EXPECT_TRUE(wal::decode_group_header(std::span(content).subspan(writer->position().offset)));
  ASSERT_TRUE(release_before(*writer, files, writer->roll().value().file));
  EXPECT_EQ(wal::list_log_files(files, kLogDirectory).value(),
            (std::vector<std::uint64_t>{1, 2, 6, 9}));
}

TEST(LogWriter, RecycledFileThatHadGrownIsCutToItsSize) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_many(*writer, 1, 5 * kTestFileBytes);
  ASSERT_TRUE(release_before(*writer, files, writer->roll().value().file));
  append_many(*writer, 1, 100);
  ASSERT_TRUE(writer->roll());
  EXPECT_EQ(read_file(files, path_of(3)).size(), kTestFileBytes);
}

// A sync of the zeros fails, the process starts again, and the system's cache shows a file of a
// size that the disk does not have: were it recycled, the power would take blocks that its header
// names.
TEST(LogWriter, FilesOfAFormerLifeAreNotRecycled) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    Random random(seed);
    CrashingDisk disk;
    disk.files().make_directory(kLogDirectory).value();
    disk.files().sync_directory(".").value();
    disk.files().fail(Call::sync, 1, kPlanted);
    ASSERT_FALSE(LogWriter::create(disk.files(), kLogDirectory, {}, kTestFileBytes));
    auto writer = reopen(disk.files());
    ASSERT_EQ(writer->position().file, 2u);
    append_many(*writer, 1, 100);
    const LogPosition from = writer->roll().value();
    ASSERT_TRUE(release_before(*writer, disk.files(), from.file));
    EXPECT_FALSE(disk.files().exists(path_of(1)).value());
    // A file of its own is, once.
    append_many(*writer, 1, 100);
    ASSERT_TRUE(writer->roll());
    EXPECT_FALSE(disk.files().exists(path_of(2)).value());
    append_many(*writer, 1, 100);
    ASSERT_TRUE(writer->sync());
    writer.reset();
    disk.crash(random);
    expect_groups(replay(disk.files(), from, 1, 2), 2, 2, 100);
  }
}

TEST(LogWriter, OwnFileIsNeverReleased) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_many(*writer, 2, 100);
  ASSERT_TRUE(release_before(*writer, files, 1000));
  append_many(*writer, 40, 3000);
  EXPECT_TRUE(files.exists(path_of(1)).value());
}

// Whoever takes checkpoints has them removed when that does not hold up commits.
TEST(LogWriter, ReleasedFilesStayUntilTheyAreToBeRemoved) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_many(*writer, 70, 3000);
  ASSERT_TRUE(writer->release_before(5));
  EXPECT_EQ(writer->older_files(), 0u);
  EXPECT_TRUE(append(*writer, {}));
  EXPECT_EQ(wal::list_log_files(files, kLogDirectory).value(),
            (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6}));
  ASSERT_TRUE(release_before(*writer, files, 5));
  EXPECT_EQ(wal::list_log_files(files, kLogDirectory).value(),
            (std::vector<std::uint64_t>{1, 2, 5, 6}));
}

TEST(LogWriter, RemovalThatFailsCanBeRepeated) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_many(*writer, 70, 3000);
  ASSERT_TRUE(release_before(*writer, files, 5));
  const std::uint64_t last = writer->roll().value().file;
  files.fail(Call::remove, 2, kPlanted);
  EXPECT_FALSE(release_before(*writer, files, last));
  EXPECT_TRUE(release_before(*writer, files, last));
  EXPECT_EQ(wal::list_log_files(files, kLogDirectory).value(),
            (std::vector<std::uint64_t>{1, 2, last}));
  EXPECT_TRUE(append(*writer, {}));
}

TEST(LogWriter, RefusesADirectoryThatTheReplayDidNotSee) {
  SimulatedFileSystem files;
  append_many(*create_writer(files), 1, 100);
  const auto second = LogWriter::create(files, kLogDirectory, {}, kTestFileBytes);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::already_exists);
  EXPECT_EQ(replay(files).groups.size(), 1u);
}

TEST(LogWriter, RefusesSizesThatAreNone) {
  SimulatedFileSystem files;
  for (const std::uint64_t bytes : {std::uint64_t{0}, kBlockBytes, UINT64_MAX}) {
    EXPECT_EQ(LogWriter::create(files, kLogDirectory, {}, bytes).error().code(),
              ErrorCode::invalid_argument);
  }
}

TEST(LogWriter, SyncWithoutNewGroupsDoesNothing) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_many(*writer, 1, 100);
  ASSERT_TRUE(writer->sync());
  const std::uint64_t syncs = files.count(Call::sync);
  ASSERT_TRUE(writer->sync());
  EXPECT_EQ(files.count(Call::sync), syncs);
}

void expect_poisoned(LogWriter& writer) {
  for (const auto& result : {append(writer, {}), writer.sync(), writer.release_before(1)}) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::poisoned);
    EXPECT_NE(std::string(result.error().message()).find("planted"), std::string::npos);
  }
  EXPECT_EQ(writer.roll().error().code(), ErrorCode::poisoned);
}

TEST(LogWriter, FailedWritePoisonsIt) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_many(*writer, 3, 100);
  files.fail(Call::write, 1, kPlanted);
  const auto failed = append(*writer, make_payload(4, 9000));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::io_error);
  expect_poisoned(*writer);
  expect_groups(replay(files), 1, 3, 100);
}

TEST(LogWriter, FailedSyncPoisonsItAndIsNotTriedAgain) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_many(*writer, 3, 100);
  files.fail(Call::sync, 1, kPlanted);
  ASSERT_FALSE(writer->sync());
  const std::uint64_t syncs = files.count(Call::sync);
  EXPECT_EQ(writer->durable_lsn(), 1u);
  expect_poisoned(*writer);
  EXPECT_EQ(files.count(Call::sync), syncs);
}

// Each call that starting a file makes fails once; the log before it stays whole, and can go on.
TEST(LogWriter, EveryFailureWhileAFileIsStartedPoisonsIt) {
  for (const Call kind : {Call::open, Call::write, Call::sync, Call::rename, Call::size,
                          Call::sync_directory}) {
    for (std::uint64_t nth = 1; nth <= 3; ++nth) {
      SCOPED_TRACE(::testing::Message() << "call " << static_cast<int>(kind) << ", the " << nth);
      SimulatedFileSystem files;
      auto writer = create_writer(files);
      append_many(*writer, 15, 100);
      const LogPosition from = writer->roll().value();
      ASSERT_TRUE(release_before(*writer, files, from.file));
      append_many(*writer, 2, 100);
      const std::uint64_t before = files.count(kind);
      files.fail(kind, nth, kPlanted);
      if (writer->roll()) {
        EXPECT_LT(files.count(kind), before + nth);
        continue;
      }
      expect_poisoned(*writer);
      expect_groups(replay(files, from, 1, 16), 16, 2, 100);
      auto next = create_writer(files, replay(files, from, 1, 16).end.value());
      append_many(*next, 1, 100);
      expect_groups(replay(files, from, 1, 16), 16, 3, 100);
    }
  }
}

}  // namespace
}  // namespace xtree::test
