// A sync of the log in three parts, with other calls between them.
#include <gtest/gtest.h>

#include "wal/log_testing.h"

namespace xtree::test {
namespace {

TEST(SyncBeside, MakesDurableWhatCameBeforeIt) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  EXPECT_FALSE(writer->begin_sync());
  append_many(*writer, 3, 200);
  ASSERT_TRUE(writer->begin_sync());
  append_many(*writer, 2, 200);
  ASSERT_TRUE(writer->run_sync());
  EXPECT_EQ(writer->durable_lsn(), 1u);
  ASSERT_TRUE(writer->end_sync());
  EXPECT_EQ(writer->durable_lsn(), 4u);
  ASSERT_TRUE(writer->sync());
  EXPECT_EQ(writer->durable_lsn(), 6u);
  EXPECT_FALSE(writer->begin_sync());
  expect_groups(replay(files), 1, 5, 200);
}

// Whoever ran it need not come back for the log to know.
TEST(SyncBeside, TheNextCallLearnsHowItWent) {
  for (const bool fails : {false, true}) {
    SimulatedFileSystem files;
    auto writer = create_writer(files);
    append_many(*writer, 3, 200);
    ASSERT_TRUE(writer->begin_sync());
    EXPECT_FALSE(writer->has_unsynced());
    if (fails) files.fail(Call::sync, 1, kPlanted);
    EXPECT_EQ(!writer->run_sync(), fails);
    const Result<void> appended = append(*writer, {});
    EXPECT_EQ(!appended, fails);
    EXPECT_EQ(appended ? kPlanted.code() : appended.error().code(), kPlanted.code());
    EXPECT_EQ(writer->durable_lsn(), fails ? 1u : 4u);
    EXPECT_EQ(writer->begin_sync(), !fails);
  }
}

// The block may be on its way to the disk.
TEST(SyncBeside, NothingIsAddedToABlockBehindItsBegin) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  ASSERT_TRUE(add(*writer, make_payload(1, 200)));
  ASSERT_TRUE(add(*writer, make_payload(2, 200)));
  EXPECT_EQ(writer->position().offset, 2 * wal::kBlockBytes);
  ASSERT_TRUE(writer->begin_sync());
  ASSERT_TRUE(add(*writer, make_payload(3, 200)));
  EXPECT_EQ(writer->position().offset, 3 * wal::kBlockBytes);
  ASSERT_TRUE(writer->run_sync());
  ASSERT_TRUE(writer->end_sync());
  expect_groups(replay(files), 1, 3, 200);
}

TEST(SyncBeside, AFileIsNotLeftBeforeItIsSynced) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_many(*writer, 3, 200);
  ASSERT_TRUE(writer->begin_sync());
  ASSERT_TRUE(writer->run_sync());
  EXPECT_EQ(writer->roll().value().file, 2u);
  EXPECT_EQ(writer->durable_lsn(), 4u);
  ASSERT_TRUE(writer->end_sync());
  append_synced(*writer, 2, 200);
  expect_groups(replay(files), 1, 5, 200);
}

// The system tells one of two syncs: the other one would succeed.
TEST(SyncBeside, ItsFailureIsThatOfASyncBesideIt) {
  for (const bool rolls : {false, true}) {
    SimulatedFileSystem files;
    auto writer = create_writer(files);
    append_many(*writer, 3, 200);
    ASSERT_TRUE(writer->begin_sync());
    append_many(*writer, 1, 200);
    files.fail(Call::sync, 1, kPlanted);
    EXPECT_EQ(writer->run_sync().error().code(), ErrorCode::io_error);
    const Result<void> result = rolls ? Result<void>(writer->roll().error()) : writer->sync();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::io_error);
    EXPECT_EQ(writer->end_sync().error().code(), ErrorCode::poisoned);
    EXPECT_EQ(append(*writer, {}).error().code(), ErrorCode::poisoned);
    EXPECT_EQ(writer->durable_lsn(), 1u);
  }
}

TEST(SyncBeside, ItsFailurePoisonsTheLog) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  append_many(*writer, 3, 200);
  ASSERT_TRUE(writer->begin_sync());
  files.fail(Call::sync, 1, kPlanted);
  EXPECT_EQ(writer->run_sync().error().code(), ErrorCode::io_error);
  EXPECT_EQ(writer->end_sync().error().code(), ErrorCode::io_error);
  EXPECT_EQ(append(*writer, {}).error().code(), ErrorCode::poisoned);
  EXPECT_FALSE(writer->begin_sync());
}

}  // namespace
}  // namespace xtree::test
