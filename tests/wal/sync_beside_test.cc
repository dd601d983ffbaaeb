// Syncs of the log that run while other calls come.
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "wal/log_testing.h"
#include "xtree/testing/crash_model.h"

namespace xtree::test {
namespace {

TEST(SyncBeside, MakesDurableWhatCameBeforeIt) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  EXPECT_EQ(writer->begin_sync(), nullptr);
  append_many(*writer, 3, 200);
  wal::SyncBeside* const sync = writer->begin_sync();
  ASSERT_NE(sync, nullptr);
  EXPECT_EQ(writer->begin_sync(), nullptr);
  append_many(*writer, 2, 200);
  ASSERT_TRUE(sync->run());
  EXPECT_EQ(writer->durable_lsn(), 1u);
  ASSERT_TRUE(writer->end_syncs());
  EXPECT_EQ(writer->durable_lsn(), 4u);
  ASSERT_TRUE(writer->sync());
  EXPECT_EQ(writer->durable_lsn(), 6u);
  EXPECT_EQ(writer->begin_sync(), nullptr);
  expect_groups(replay(files), 1, 5, 200);
}

// Whoever ran it need not come back for the log to know.
TEST(SyncBeside, TheNextCallLearnsHowItWent) {
  for (const bool fails : {false, true}) {
    SimulatedFileSystem files;
    auto writer = create_writer(files);
    append_many(*writer, 3, 200);
    wal::SyncBeside* const sync = writer->begin_sync();
    ASSERT_NE(sync, nullptr);
    EXPECT_FALSE(writer->has_unsynced());
    if (fails) files.fail(Call::sync, 1, kPlanted);
    EXPECT_EQ(!sync->run(), fails);
    const Result<void> appended = append(*writer, {});
    EXPECT_EQ(!appended, fails);
    EXPECT_EQ(appended ? kPlanted.code() : appended.error().code(), kPlanted.code());
    EXPECT_EQ(writer->durable_lsn(), fails ? 1u : 4u);
    EXPECT_EQ(writer->begin_sync() == nullptr, fails);
  }
}

// The block may be on its way to the disk.
TEST(SyncBeside, NothingIsAddedToABlockBehindItsBegin) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  ASSERT_TRUE(add(*writer, make_payload(1, 200)));
  ASSERT_TRUE(add(*writer, make_payload(2, 200)));
  EXPECT_EQ(writer->position().offset, 2 * wal::kBlockBytes);
  wal::SyncBeside* const sync = writer->begin_sync();
  ASSERT_NE(sync, nullptr);
  ASSERT_TRUE(add(*writer, make_payload(3, 200)));
  EXPECT_EQ(writer->position().offset, 3 * wal::kBlockBytes);
  ASSERT_TRUE(sync->run());
  ASSERT_TRUE(writer->end_syncs());
  expect_groups(replay(files), 1, 3, 200);
}

TEST(SyncBeside, AFileIsNotLeftBeforeItIsSynced) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_many(*writer, 3, 200);
  wal::SyncBeside* const sync = writer->begin_sync();
  ASSERT_NE(sync, nullptr);
  ASSERT_TRUE(sync->run());
  EXPECT_EQ(writer->roll().value().file, 2u);
  EXPECT_EQ(writer->durable_lsn(), 4u);
  ASSERT_TRUE(writer->end_syncs());
  append_synced(*writer, 2, 200);
  expect_groups(replay(files), 1, 5, 200);
}

// The system tells one of two syncs: the other one would succeed.
TEST(SyncBeside, ItsFailureIsThatOfASyncBesideIt) {
  for (const bool rolls : {false, true}) {
    SimulatedFileSystem files;
    auto writer = create_writer(files);
    append_many(*writer, 3, 200);
    wal::SyncBeside* const sync = writer->begin_sync();
    ASSERT_NE(sync, nullptr);
    append_many(*writer, 1, 200);
    files.fail(Call::sync, 1, kPlanted);
    EXPECT_EQ(sync->run().error().code(), ErrorCode::io_error);
    const Result<void> result = rolls ? Result<void>(writer->roll().error()) : writer->sync();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::io_error);
    EXPECT_EQ(writer->end_syncs().error().code(), ErrorCode::poisoned);
    EXPECT_EQ(append(*writer, {}).error().code(), ErrorCode::poisoned);
    EXPECT_EQ(writer->durable_lsn(), 1u);
  }
}

TEST(SyncBeside, ItsFailurePoisonsTheLog) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_many(*writer, 3, 200);
  wal::SyncBeside* const sync = writer->begin_sync();
  ASSERT_NE(sync, nullptr);
  files.fail(Call::sync, 1, kPlanted);
  EXPECT_EQ(sync->run().error().code(), ErrorCode::io_error);
  EXPECT_EQ(writer->end_syncs().error().code(), ErrorCode::io_error);
  EXPECT_EQ(append(*writer, {}).error().code(), ErrorCode::poisoned);
  EXPECT_EQ(writer->begin_sync(), nullptr);
}

// A file whose blocks were written before, and nothing that waits for a sync.
std::unique_ptr<wal::LogWriter> create_ready_writer(FileSystem& files) {
  auto writer = create_writer(files);
  append_synced(*writer, 1, 200);
  return writer;
}

wal::SyncBeside* append_for_sync(wal::LogWriter& writer) {
  return writer.append_for_sync(next_info(writer, 1), make_payload(writer.next_lsn(), 200)).value();
}

TEST(GroupForSync, TwoGroupsAreOnTheirWayAndEndInTheirOrder) {
  for (const bool first_ends_first : {true, false}) {
    SimulatedFileSystem files;
    auto writer = create_ready_writer(files);
    wal::SyncBeside* const first = append_for_sync(*writer);
    wal::SyncBeside* const second = append_for_sync(*writer);
    ASSERT_NE(first, second);
    EXPECT_FALSE(writer->has_unsynced());
    EXPECT_EQ(writer->begin_sync(), nullptr);
    ASSERT_TRUE((first_ends_first ? first : second)->run());
    EXPECT_EQ(writer->begin_sync(), nullptr);
    EXPECT_EQ(writer->durable_lsn(), first_ends_first ? 3u : 2u);
    ASSERT_TRUE((first_ends_first ? second : first)->run());
    ASSERT_TRUE(writer->end_syncs());
    EXPECT_EQ(writer->durable_lsn(), 4u);
    ASSERT_TRUE(append_for_sync(*writer)->run());
    expect_groups(replay(files), 1, 4, 200);
  }
}

// A sync of the file is of what went through the cache, and alone.
TEST(GroupForSync, BehindWhatIsUnsyncedAWholeFileIsSynced) {
  SimulatedFileSystem files;
  testing::Trace trace;
  auto writer = create_ready_writer(files);
  ASSERT_TRUE(add(*writer, make_payload(2, 200)));
  files.record(&trace);
  ASSERT_TRUE(append_for_sync(*writer)->run());
  EXPECT_EQ(trace.events.back().kind, testing::EventKind::sync);
  ASSERT_TRUE(append_for_sync(*writer)->run());
  EXPECT_EQ(trace.events.back().kind, testing::EventKind::sync_piece);
  ASSERT_TRUE(writer->end_syncs());
  EXPECT_EQ(writer->durable_lsn(), 5u);
}

TEST(GroupForSync, NothingGoesThroughTheCacheBesideIt) {
  for (const bool adds : {false, true}) {
    SimulatedFileSystem files;
    testing::Trace trace;
    auto writer = create_ready_writer(files);
    files.record(&trace);
    wal::SyncBeside* const sync = append_for_sync(*writer);
    std::thread runner([&] {
      for (int i = 0; i < 100; ++i) std::this_thread::yield();
      EXPECT_TRUE(sync->run());
    });
    EXPECT_TRUE(adds ? add(*writer, make_payload(3, 200)) : append(*writer, make_payload(3, 200)));
    runner.join();
    ASSERT_EQ(trace.events.size(), 3u);
    EXPECT_EQ(trace.events[1].kind, testing::EventKind::sync_piece);
    EXPECT_EQ(trace.events[2].kind, testing::EventKind::write);
  }
}

TEST(GroupForSync, AFailureOfEitherPoisonsTheLog) {
  for (const bool first_fails : {true, false}) {
    SimulatedFileSystem files;
    auto writer = create_ready_writer(files);
    wal::SyncBeside* const first = append_for_sync(*writer);
    wal::SyncBeside* const second = append_for_sync(*writer);
    files.fail(Call::sync, first_fails ? 1 : 2, kPlanted);
    EXPECT_EQ(!first->run(), first_fails);
    EXPECT_EQ(!second->run(), !first_fails);
    EXPECT_EQ(writer->end_syncs().error().code(), ErrorCode::io_error);
    EXPECT_EQ(writer->durable_lsn(), first_fails ? 2u : 3u);
    EXPECT_EQ(append(*writer, {}).error().code(), ErrorCode::poisoned);
    EXPECT_EQ(writer->append_for_sync({}, {}).error().code(), ErrorCode::poisoned);
  }
}

// Each loss of what is on its way leaves a log that ends before the first group that is missing.
TEST(GroupForSync, TheLogEndsWhereAGroupIsMissing) {
  SimulatedFileSystem files;
  testing::Trace trace;
  auto writer = create_ready_writer(files);
  const testing::DiskImage image = files.image();
  files.record(&trace);
  wal::SyncBeside* const first = append_for_sync(*writer);
  wal::SyncBeside* const second = append_for_sync(*writer);
  ASSERT_TRUE(second->run());
  ASSERT_TRUE(first->run());
  ASSERT_EQ(trace.events.size(), 4u);  // a write and its sync, twice
  for (std::size_t events = 0; events <= trace.events.size(); ++events) {
    testing::CrashModel model(image);
    for (std::size_t i = 0; i < events; ++i) model.apply(trace.events[i]);
    const std::vector<testing::Unit> units = model.units();
    for (const testing::Loss loss : {testing::Loss::kept, testing::Loss::lost}) {
      const testing::Fate fate{loss, true, 0};
      SimulatedFileSystem left(model.build(units, std::vector<testing::Fate>(units.size(), fate)));
      const bool has_first = events == 4 || (events == 3 && loss == testing::Loss::kept);
      expect_groups(replay(left), 1, has_first ? 3 : 1, 200);
    }
  }
}

}  // namespace
}  // namespace xtree::test
