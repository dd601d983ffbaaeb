// Files of the log that are made ready before the log comes to use them.
#include "wal/fresh_file.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/random.h"
#include "support/temporary_directory.h"
#include "wal/log_testing.h"

namespace xtree::test {
namespace {

using wal::kBlockBytes;
using wal::kFirstGroupOffset;
using wal::LogWriter;
using wal::NextFile;

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;
constexpr std::uint64_t kHalf = kTestFileBytes / kBlockBytes / 2;

std::uint64_t size_of(FileSystem& files, std::uint64_t number) {
  auto file = files.open(path_of(number), OpenMode::read);
  return file ? (*file)->size().value() : 0;
}

TEST(FreshFile, TheNextFileIsThereOnceHalfOfTheFirstIsFull) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_synced(*writer, kHalf - 1, 200);
  EXPECT_FALSE(files.exists(path_of(2)).value());
  append_synced(*writer, 1, 200);
  EXPECT_EQ(read_file(files, path_of(2)), Bytes(kTestFileBytes));
  EXPECT_EQ(replay(files).groups.size(), kHalf);
  // What is left to do when the log gets there is its header.
  const std::uint64_t writes = files.count(Call::write);
  const std::uint64_t syncs = files.count(Call::sync);
  const std::uint64_t directory_syncs = files.count(Call::sync_directory);
  EXPECT_EQ(writer->roll().value().file, 2u);
  EXPECT_EQ(files.count(Call::write), writes + 1);
  EXPECT_EQ(files.count(Call::sync), syncs + 1);
  EXPECT_EQ(files.count(Call::sync_directory), directory_syncs);
  append_synced(*writer, 3, 200);
  expect_groups(replay(files), 1, kHalf + 3, 200);
}

TEST(FreshFile, SmallGroupsLeaveAFileThatTheyWouldLengthen) {
  SimulatedFileSystem files;
  auto writer = LogWriter::create(files, kLogDirectory, {}, 16 * kMebibyte).value();
  append_many(*writer, kMebibyte / kBlockBytes - 1, 200);
  EXPECT_EQ(writer->position(), (wal::LogPosition{1, kMebibyte}));
  append_many(*writer, 1, 200);
  EXPECT_EQ(writer->position().file, 2u);
  EXPECT_EQ(size_of(files, 1), kMebibyte);
  expect_groups(replay(files), 1, kMebibyte / kBlockBytes, 200);
}

TEST(FreshFile, FileIsLengthenedWhereNoneCouldBeMadeReady) {
  SimulatedFileSystem files;
  auto writer = LogWriter::create(files, kLogDirectory, {}, 4 * kMebibyte).value();
  files.fail(Call::open, 1, kPlanted);
  append_many(*writer, kMebibyte / kBlockBytes, 200);
  EXPECT_EQ(writer->position().file, 1u);
  EXPECT_EQ(size_of(files, 1), 2 * kMebibyte);
  append_many(*writer, 3 * kMebibyte / kBlockBytes, 200);
  EXPECT_EQ(writer->position().file, 3u);
  expect_groups(replay(files), 1, 4 * kMebibyte / kBlockBytes, 200);
}

TEST(FreshFile, LargeGroupsHaveOneMadeReadyWithoutZeros) {
  SimulatedFileSystem files;
  auto writer = LogWriter::create(files, kLogDirectory, {}, 4 * kMebibyte).value();
  append_many(*writer, 20, 100000);
  EXPECT_FALSE(files.exists(path_of(2)).value());
  const std::uint64_t writes = files.count(Call::write);
  const std::uint64_t directory_syncs = files.count(Call::sync_directory);
  append_many(*writer, 10, 100000);
  EXPECT_EQ(size_of(files, 2), 4 * kMebibyte);
  append_many(*writer, 20, 100000);
  EXPECT_EQ(writer->position().file, 2u);
  EXPECT_EQ(files.count(Call::write), writes + 30 + 2);  // the header's block, twice
  EXPECT_EQ(files.count(Call::sync_directory), directory_syncs + 1);
  expect_groups(replay(files), 1, 50, 100000);
}

TEST(FreshFile, OneWithoutZerosTellsWhenItIsCut) {
  SimulatedFileSystem files;
  auto writer = LogWriter::create(files, kLogDirectory, {}, 4 * kMebibyte).value();
  append_many(*writer, 50, 100000);
  ASSERT_TRUE(writer->sync());
  ASSERT_EQ(writer->position().file, 2u);
  Bytes content = read_file(files, path_of(2));
  content.resize(kFirstGroupOffset + kBlockBytes);
  write_file(files, path_of(2), content);
  expect_corruption(replay(files), path_of(2) + ":" + std::to_string(content.size()));
}

TEST(FreshFile, ReleasedFileGetsTheZerosThatItLacks) {
  SimulatedFileSystem files;
  auto writer = LogWriter::create(files, kLogDirectory, {}, 4 * kMebibyte).value();
  append_many(*writer, 30, 100000);
  ASSERT_TRUE(writer->roll());
  append_many(*writer, 1, 100000);
  const wal::LogPosition from = writer->roll().value();
  ASSERT_TRUE(release_before(*writer, files, from.file));
  // The last to be released is the first to be used.
  const std::uint64_t writes = files.count(Call::write);
  append_many(*writer, kMebibyte / kBlockBytes / 2, 200);
  EXPECT_FALSE(files.exists(path_of(2)).value());
  EXPECT_EQ(size_of(files, 4), 4 * kMebibyte);
  const std::uint64_t pieces = kMebibyte / (128 << 10);
  EXPECT_EQ(files.count(Call::write), writes + kMebibyte / kBlockBytes / 2 + pieces);
}

TEST(FreshFile, AdditionsGrowTheirFileInSmallSteps) {
  constexpr std::uint64_t kStep = 32 << 10;
  SimulatedFileSystem files;
  auto writer = LogWriter::create(files, kLogDirectory, {}, 4 * kMebibyte).value();
  std::uint64_t most = 0;
  while (writer->position().offset < 3 * kMebibyte) {
    ASSERT_TRUE(add(*writer, make_payload(writer->next_lsn(), 1000)));
    const std::uint64_t offset = writer->position().offset;
    // The first file was begun with some zeros.
    if (offset >= kMebibyte) most = std::max(most, size_of(files, 1) - offset);
  }
  EXPECT_EQ(most, kStep - kBlockBytes);
  EXPECT_EQ(size_of(files, 2), 4 * kMebibyte);
  // Whoever waits for a sync gets zeros, here rather than in a file that has none either.
  const std::uint64_t left = (size_of(files, 1) - writer->position().offset) / kBlockBytes;
  append_synced(*writer, left + 1, 1000);
  EXPECT_EQ(writer->position().file, 1u);
  EXPECT_EQ(size_of(files, 1), writer->position().offset + kMebibyte - kBlockBytes);
  while (writer->position().file == 1) {
    ASSERT_TRUE(add(*writer, make_payload(writer->next_lsn(), 1000)));
  }
  EXPECT_EQ(size_of(files, 1), 4 * kMebibyte);
  expect_groups(replay(files), 1, writer->next_lsn() - 1, 1000);
}

TEST(FreshFile, ReleasedFileIsMadeReadyUnderItsNewName) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_many(*writer, 3, 200);
  const wal::LogPosition from = writer->roll().value();
  ASSERT_TRUE(release_before(*writer, files, from.file));
  append_many(*writer, kHalf, 200);
  EXPECT_FALSE(files.exists(path_of(1)).value());
  EXPECT_EQ(size_of(files, 3), kTestFileBytes);
  // Its groups are those of the file that it was.
  expect_groups(replay(files, from, 1, 4), 4, kHalf, 200);
}

// What was written of it once need not be written again.
TEST(FreshFile, ReleasedFileKeepsItsLength) {
  SimulatedFileSystem files;
  auto writer = LogWriter::create(files, kLogDirectory, {}, 4 * kMebibyte).value();
  append_many(*writer, 30, 100000);
  const std::uint64_t bytes = size_of(files, 1);
  ASSERT_GT(bytes, 2 * kMebibyte);
  const wal::LogPosition from = writer->roll().value();
  ASSERT_TRUE(release_before(*writer, files, from.file));
  append_many(*writer, kMebibyte / kBlockBytes, 200);
  EXPECT_FALSE(files.exists(path_of(1)).value());
  EXPECT_EQ(size_of(files, 3), bytes);
}

TEST(FreshFile, WhatWasKeptOrMadeReadyGoesAtTheEnd) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_many(*writer, 70, 3000);
  ASSERT_TRUE(release_before(*writer, files, writer->roll().value().file));
  append_many(*writer, kHalf + 20, 100);
  const std::uint64_t last = writer->position().file;
  ASSERT_TRUE(files.exists(path_of(last + 1)).value());
  writer->keep_no_spares();
  const wal::LogPosition end = writer->roll().value();
  ASSERT_TRUE(release_before(*writer, files, end.file));
  EXPECT_EQ(wal::list_log_files(files, kLogDirectory).value(),
            (std::vector<std::uint64_t>{end.file}));
  append_many(*writer, 2, 100);
  expect_groups(replay(files, end, 1, writer->next_lsn() - 2), writer->next_lsn() - 2, 2, 100);
}

// Each call that making a file ready makes fails once, and the log goes on without it. What a
// failed sync may have left in the system's cache is not used: the power goes at the end.
TEST(FreshFile, FailureToMakeOneReadyIsNoFailureOfTheLog) {
  const std::uint64_t seed = test_seed("FreshFile");
  for (const Call kind : {Call::open, Call::write, Call::sync, Call::rename, Call::size,
                          Call::sync_directory}) {
    for (const bool recycles : {false, true}) {
      if (kind == Call::rename && !recycles) continue;
      if (kind == Call::write && recycles) continue;
      SCOPED_TRACE(::testing::Message() << to_string(kind) << (recycles ? ", recycled" : ""));
      Random random(seed);
      CrashingDisk disk;
      disk.files().make_directory(kLogDirectory).value();
      disk.files().sync_directory(".").value();
      auto writer = create_writer(disk.files());
      append_synced(*writer, recycles ? 1 : kHalf - 1, 200);
      wal::LogPosition from;
      if (recycles) {
        from = writer->roll().value();
        ASSERT_TRUE(release_before(*writer, disk.files(), from.file));
        append_synced(*writer, kHalf - 1, 200);
      }
      const std::uint64_t first = recycles ? 2 : 1;
      ASSERT_EQ(writer->position().file, first);
      // A write is the group's, and the next one the first of the zeros.
      disk.files().fail(kind, kind == Call::write ? 2 : 1, kPlanted);
      ASSERT_TRUE(append(*writer, make_payload(writer->next_lsn(), 200)));
      ASSERT_TRUE(writer->sync());
      EXPECT_FALSE(disk.files().exists(path_of(first + 1)).value());
      EXPECT_FALSE(recycles && disk.files().exists(path_of(1)).value());
      append_synced(*writer, 2 * kHalf, 200);
      EXPECT_EQ(writer->position().file, first + 2);
      writer.reset();
      disk.crash(random);
      const std::uint64_t lsn = recycles ? 2 : 1;
      expect_groups(replay(disk.files(), from, recycles ? 1 : 0, lsn), lsn, 3 * kHalf, 200);
    }
  }
}

TEST(FreshFile, CrashAtAnyCallOfMakingOneReadyLosesNothing) {
  const std::uint64_t seed = test_seed("FreshFile");
  for (std::uint64_t events = 0; events < 12; ++events) {
    SCOPED_TRACE(::testing::Message() << events << " calls");
    Random random(seed + events);
    CrashingDisk disk;
    disk.files().make_directory(kLogDirectory).value();
    disk.files().sync_directory(".").value();
    auto writer = create_writer(disk.files());
    append_synced(*writer, kHalf - 1, 200);
    disk.files().cut_after(events);
    std::uint64_t synced = kHalf - 1;
    for (; synced < 3 * kHalf; ++synced) {
      if (!append(*writer, make_payload(writer->next_lsn(), 200)) || !writer->sync()) break;
    }
    writer.reset();
    disk.crash(random);
    const Replayed replayed = replay(disk.files());
    ASSERT_TRUE(replayed.end) << replayed.end.error().message();
    ASSERT_GE(replayed.groups.size(), synced);
    expect_groups(replayed, 1, replayed.groups.size(), 200);
    auto next = reopen(disk.files());
    append_synced(*next, 3 * kHalf, 200);
    expect_groups(replay(disk.files()), 1, replayed.groups.size() + 3 * kHalf, 200);
  }
}

// The same log with a thread: which files it goes through depends on who is faster.
TEST(FreshFile, AThreadMakesFilesReadyBesideAppends) {
  const TemporaryDirectory directory;
  FileSystem& files = posix_file_system();
  const std::string log = directory / "wal";
  auto writer = LogWriter::create(files, log, {}, 2 * kMebibyte, NextFile::Worker::thread).value();
  constexpr std::uint64_t kGroups = 5000;
  std::uint64_t first_lsn = 1;
  wal::LogPosition from;
  while (writer->next_lsn() <= kGroups) {
    ASSERT_TRUE(append(*writer, make_payload(writer->next_lsn(), 200)));
    if (writer->next_lsn() % 1000 != 0) continue;
    from = writer->roll().value();
    first_lsn = writer->next_lsn();
    ASSERT_TRUE(release_before(*writer, files, from.file));
  }
  ASSERT_TRUE(writer->sync());
  writer.reset();
  std::uint64_t next = first_lsn;
  const auto end = wal::replay_log(
      files, log, from, from.file == 0 ? 0 : 1, first_lsn,
      [&](const wal::GroupInfo& info, std::span<const std::byte> payload) {
        EXPECT_EQ(info.first_lsn, next++);
        EXPECT_EQ(Payload(payload.begin(), payload.end()), make_payload(info.first_lsn, 200));
        return Result<void>();
      });
  ASSERT_TRUE(end) << end.error().message();
  EXPECT_EQ(next, kGroups + 1);
}

}  // namespace
}  // namespace xtree::test
