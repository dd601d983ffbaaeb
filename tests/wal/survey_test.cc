#include "wal/survey.h"

#include <gtest/gtest.h>

#include <array>

#include "wal/log_testing.h"

namespace xtree::test {
namespace {

using wal::kBlockBytes;
using wal::kFirstGroupOffset;
using wal::LogSurvey;
using wal::LogWriter;

struct Surveyed {
  LogSurvey survey;
  std::vector<std::uint64_t> lsns;  // first ones of the groups that were visited
};

Surveyed survey(FileSystem& files) {
  Surveyed seen;
  auto result = wal::survey_log(files, kLogDirectory, {}, 0, 1,
                                [&](const wal::GroupInfo& info, std::span<const std::byte>) {
                                  seen.lsns.push_back(info.first_lsn);
                                  return Result<void>();
                                });
  EXPECT_TRUE(result) << result.error().message();
  if (result) seen.survey = std::move(result).value();
  return seen;
}

void append_synced(LogWriter& writer, int count) {
  for (int i = 0; i < count; ++i) {
    ASSERT_TRUE(append(writer, make_payload(writer.next_lsn(), 300)));
    ASSERT_TRUE(writer.sync());
  }
}

std::uint64_t group_at(std::uint64_t index) { return kFirstGroupOffset + index * kBlockBytes; }

using Lsns = std::vector<std::uint64_t>;

TEST(LogSurvey, VisitsWhatAReplayVisitsWhenAllIsWhole) {
  SimulatedFileSystem files;
  append_synced(*create_writer(files), 3);
  append_synced(*reopen(files), 2);
  const Surveyed seen = survey(files);
  EXPECT_TRUE(seen.survey.faults.empty());
  EXPECT_EQ(seen.lsns, (Lsns{1, 2, 3, 4, 5}));
  EXPECT_EQ(seen.survey.operations, 5u);
  EXPECT_EQ(seen.survey.lost_operations, 0u);
  // The third group was not proven to be synced, and was carried over: it counts once, and what
  // follows it in its block says nothing. Behind the others it says that no additions follow.
  constexpr std::uint64_t kUsed = sizeof(wal::GroupHeader) + 300;
  constexpr std::uint64_t kUnused = wal::addition_place(kUsed) - kUsed;
  EXPECT_EQ(seen.survey.live_bytes,
            2 * sizeof(wal::FileHeader) + kUsed + 4 * (kBlockBytes - kUnused));
}

// Its checksum is right, as if somebody had made it so: the way from file to file must have an end.
TEST(LogSurvey, FindsFaultWithAFileThatFollowsItself) {
  SimulatedFileSystem files;
  append_synced(*create_writer(files), 2);
  append_synced(*reopen(files), 1);
  auto newest = files.open(path_of(2), OpenMode::read_write).value();
  wal::FileHeader header;
  ASSERT_TRUE(newest->read_at(0, std::as_writable_bytes(std::span(&header, 1))));
  ASSERT_EQ(header.predecessor_file, 1u);
  header.predecessor_file = 2;
  std::array<std::byte, sizeof header> bytes;
  wal::encode(header, bytes);
  ASSERT_TRUE(newest->write_at(0, bytes));
  const Surveyed seen = survey(files);
  ASSERT_EQ(seen.survey.faults.size(), 1u);
  EXPECT_EQ(seen.survey.faults[0].path, path_of(2));
  EXPECT_EQ(seen.survey.faults[0].offset, 0u);
}

TEST(LogSurvey, VisitsAdditionsAndDoubtsTheLastOnesAlone) {
  constexpr std::uint64_t kGroup = wal::addition_place(sizeof(wal::GroupHeader) + 300);
  constexpr std::uint64_t kAddition = wal::addition_place(sizeof(wal::AdditionHeader) + 300);
  for (const bool synced : {false, true}) {
    SimulatedFileSystem files;
    auto writer = create_writer(files);
    ASSERT_TRUE(append(*writer, make_payload(1, 300)));
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(add(*writer, make_payload(writer->next_lsn(), 300)));
    if (synced) {
      ASSERT_TRUE(writer->sync());
      append_synced(*writer, 1);
    }
    const Surveyed whole = survey(files);
    EXPECT_TRUE(whole.survey.faults.empty());
    EXPECT_EQ(whole.lsns.size(), synced ? 6u : 5u);
    flip(files, path_of(1), group_at(0) + kGroup + 2 * kAddition + 40);
    const Surveyed seen = survey(files);
    EXPECT_EQ(seen.lsns, (Lsns{1, 2, 3}));
    ASSERT_EQ(seen.survey.faults.size(), synced ? 2u : 1u);
    EXPECT_FALSE(seen.survey.faults[0].is_certain);
    EXPECT_EQ(seen.survey.faults[0].offset, group_at(0) + kGroup + 2 * kAddition);
    EXPECT_EQ(seen.survey.lost_operations, synced ? 3u : 0u);
  }
}

TEST(LogSurvey, StopsVisitingAtDamageAndReportsWhatIsBehind) {
  SimulatedFileSystem files;
  append_synced(*create_writer(files), 7);
  flip(files, path_of(1), group_at(2) + 200);
  flip(files, path_of(1), group_at(4) + 20);
  const Surveyed seen = survey(files);
  EXPECT_EQ(seen.lsns, (Lsns{1, 2}));
  EXPECT_EQ(seen.survey.lost_operations, 5u);
  ASSERT_EQ(seen.survey.faults.size(), 2u);
  EXPECT_EQ(seen.survey.faults[0].offset, group_at(2));
  EXPECT_EQ(seen.survey.faults[1].offset, group_at(4));
  EXPECT_TRUE(seen.survey.faults[0].is_certain && seen.survey.faults[1].is_certain);
}

TEST(LogSurvey, DoubtsTheLastGroupAlone) {
  for (const std::uint64_t offset : {0, 20, 40, 92, 96, 300}) {
    SimulatedFileSystem files;
    append_synced(*create_writer(files), 3);
    flip(files, path_of(1), group_at(2) + offset);
    const Surveyed seen = survey(files);
    EXPECT_EQ(seen.lsns, (Lsns{1, 2}));
    ASSERT_EQ(seen.survey.faults.size(), 1u) << offset;
    EXPECT_FALSE(seen.survey.faults[0].is_certain);
    EXPECT_EQ(seen.survey.faults[0].offset, group_at(2));
  }
}

TEST(LogSurvey, GoesOnBehindADamagedHeaderOfAFile) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_synced(*writer, 2);
  ASSERT_TRUE(writer->roll());
  append_synced(*writer, 2);
  ASSERT_TRUE(writer->roll());
  append_synced(*writer, 2);
  flip(files, path_of(2), 40);
  const Surveyed seen = survey(files);
  EXPECT_EQ(seen.lsns, (Lsns{1, 2, 3, 4, 5, 6}));
  ASSERT_EQ(seen.survey.faults.size(), 1u);
  EXPECT_EQ(seen.survey.faults[0].path, path_of(2));
  EXPECT_FALSE(seen.survey.lacks_bytes);
}

TEST(LogSurvey, CountsTheOperationsOfAMissingFile) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_synced(*writer, 2);
  ASSERT_TRUE(writer->roll());
  append_synced(*writer, 3);
  ASSERT_TRUE(writer->roll());
  append_synced(*writer, 2);
  ASSERT_TRUE(files.remove(path_of(2)));
  const Surveyed seen = survey(files);
  EXPECT_EQ(seen.lsns, (Lsns{1, 2}));
  EXPECT_EQ(seen.survey.lost_operations, 5u);
  EXPECT_TRUE(seen.survey.lacks_bytes);
}

// What a life wrote behind the place where the next one went on is dead, whole as it may be.
TEST(LogSurvey, LeavesOutWhatALaterLifeCutOff) {
  SimulatedFileSystem files;
  auto first = create_writer(files);
  append_synced(*first, 3);
  flip(files, path_of(1), group_at(2) + 200);  // a torn end
  auto second = reopen(files);
  flip(files, path_of(1), group_at(2) + 200);  // whole again, and too late
  append_synced(*second, 1);
  const Surveyed seen = survey(files);
  EXPECT_TRUE(seen.survey.faults.empty());
  EXPECT_EQ(seen.lsns, (Lsns{1, 2, 3}));
  const auto start = wal::find_log_start(files, kLogDirectory, 3);
  ASSERT_TRUE(start);
  EXPECT_EQ(start->from.file, 2u);
  EXPECT_EQ(start->first_lsn, 3u);
}

}  // namespace
}  // namespace xtree::test
