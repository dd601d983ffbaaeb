// What tests/harness/out_of_memory_test.cc says, of opening, closing and keeping a database.
#include <filesystem>

#include "harness/out_of_memory.h"
#include "xtree/repair.h"

namespace xtree::test {
namespace {

TEST_F(OutOfMemoryInDatabase, CheckpointsLoseNothing) {
  exhaust([&] { return db_->checkpoint(); }, [](World&) {}, [&] { return move_some(); });
  for_every_allocation([&](std::uint64_t nth, MemoryFailure failure) {
    move_some().value();
    FailingMemory memory(nth, failure);
    const Result<void> closed = db_->close();
    const bool failed = memory.stop();
    EXPECT_TRUE(closed || closed.error().code() == ErrorCode::out_of_memory);
    reopen();
    EXPECT_TRUE(holds(world_)) << "allocation " << nth;
    return failed;
  });
}

// Nodes are moved together, of which each attempt leaves some more to do.
TEST_F(OutOfMemoryInDatabase, CompactionLosesNothing) {
  std::uint64_t moved_bytes = 0;
  const auto make_garbage = [&]() -> Result<void> {
    if (const auto paused = db_->pause_compaction(); !paused) return paused;
    if (const auto written = move_some(); !written) return written;
    return db_->checkpoint();
  };
  exhaust(
      [&] {
        const auto compacted = db_->compact();
        const auto stats = compacted ? db_->stats() : compacted.error();
        if (stats) moved_bytes = std::max(moved_bytes, stats->compacted_bytes);
        return without_value(stats);
      },
      [](World&) {}, make_garbage);
  EXPECT_NE(moved_bytes, 0u);
  exhaust([&] { return db_->pause_compaction(); });
  exhaust([&] { return db_->resume_compaction(); });
}

// The thread that takes checkpoints meets the failure, and nobody else.
TEST_F(OutOfMemoryInDatabase, CheckpointsInTheBackgroundLoseNothing) {
  options_.background_checkpoints = true;
  options_.checkpoint_log_bytes = 4096;
  std::size_t checkpoints = 0;
  const auto generation = [&] { return db_->stats().value().checkpoint; };
  for_every_allocation([&](std::uint64_t nth, MemoryFailure failure) {
    reopen();
    const std::uint64_t before = generation();
    FailingMemory memory(nth, failure, MemoryUser::other_threads);
    // Until the log is long enough for a checkpoint, and that has met the failure or is done.
    while (!memory.has_failed() && generation() == before) {
      const auto written = move_some();
      EXPECT_TRUE(written || written.error().code() == ErrorCode::poisoned);
      if (!written) break;
    }
    checkpoints += memory.has_failed() ? 0 : 1;
    const auto closed = db_->close();
    const bool failed = memory.stop();
    EXPECT_TRUE(closed || closed.error().code() == ErrorCode::out_of_memory ||
                closed.error().code() == ErrorCode::poisoned)
        << closed.error().message();
    reopen();
    EXPECT_TRUE(holds(world_)) << "allocation " << nth;
    return failed;
  });
  EXPECT_NE(checkpoints, 0u);
}

// A state with a checkpoint and a log behind it, opened with every allocation failing.
TEST_F(OutOfMemoryInDatabase, OpensOrLeavesAllAsItWas) {
  for (int i = 0; i < 60; ++i) {
    const auto entries = random_entries(random_, 3, static_cast<std::uint64_t>(2'000'000 + 3 * i));
    roads_->bulk_load(entries).value();
    insert_into(world_.roads, entries);
  }
  const DirectoryImage image = read_directory(path_);
  roads_.reset();
  db_.reset();
  for_every_allocation([&](std::uint64_t nth, MemoryFailure failure) {
    // Every third time on what the failed attempts before have left.
    if (nth % 3 == 1) write_directory(path_, image);
    bool failed = false;
    {
      FailingMemory memory(nth, failure);
      const auto db = Database::open(path_, options_);
      failed = memory.stop();
      EXPECT_TRUE(db || db.error().code() == ErrorCode::out_of_memory)
          << "allocation " << nth << ": " << db.error().message();
    }
    EXPECT_EQ(open_descriptors(), descriptors_) << "allocation " << nth;
    EXPECT_EQ(running_threads(), threads_);
    return failed;
  });
  open();
  EXPECT_TRUE(holds(world_));
}

// Looking at all of a database, and saving what is in it, when its table is whole and when it is
// lost.
class OutOfMemoryInDirectory : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.log_file_bytes = 64 << 10;
    options_.background_checkpoints = false;
    auto db = Database::open(path_, options_).value();
    auto roads = db.index<2>("roads").value();
    const auto entries = random_entries(random_, 400, 1);
    roads.bulk_load(entries).value();
    insert_into(model_, entries);
    for (std::uint64_t i = 0; i < 5; ++i) {
      const Box<2> box = random_box(random_);
      roads.insert(box, 1000 + i).value();
      model_.insert(box, 1000 + i);
    }
    Batch batch;
    batch.put("offset", "1234");
    db.apply(batch).value();
    image_ = read_directory(path_);  // as a crash would leave it now
    db.close().value();
  }
  void lose_table() {
    std::erase_if(image_, [](const auto& file) {
      return file.first.starts_with("table/") && file.first.back() != '/';
    });
  }

  // Repairs the directory with allocations failing; a repair that succeeds saves everything. Each
  // waits for the disk many times, so about every third allocation is tried, others each time.
  void repair_all(bool complete) {
    write_directory(path_, image_);
    const std::size_t descriptors = open_descriptors();
    const std::size_t threads = running_threads();
    const auto step = [&] { return random_.between(1, 5); };
    for_allocations(step, [&](std::uint64_t nth, MemoryFailure failure) {
      std::filesystem::remove_all(fresh_);
      FailingMemory memory(nth, failure);
      auto repaired = repair(path_, fresh_);
      const bool failed = memory.stop();
      EXPECT_EQ(open_descriptors(), descriptors) << "allocation " << nth;
      EXPECT_EQ(running_threads(), threads);
      if (!repaired) {
        // The latter if it is the new database that found no memory.
        EXPECT_TRUE(repaired.error().code() == ErrorCode::out_of_memory ||
                    repaired.error().code() == ErrorCode::poisoned)
            << repaired.error().message();
        return failed;
      }
      EXPECT_EQ(repaired->complete, complete) << "allocation " << nth;
      auto db = Database::open(fresh_, options_).value();
      EXPECT_TRUE(db.verify());
      EXPECT_EQ(db.get("offset").value(), "1234");
      EXPECT_TRUE(content_of(db.index<2>("roads").value()) == model_.sorted())
          << "allocation " << nth;
      return failed;
    });
    EXPECT_TRUE(read_directory(path_) == image_);
  }

  // A want of memory is no fault of the database.
  void verify_all(bool is_whole) {
    write_directory(path_, image_);
    const std::size_t faults = verify_deep(path_).value().faults.size();
    EXPECT_EQ(faults == 0, is_whole);
    const std::size_t descriptors = open_descriptors();
    for_every_allocation([&](std::uint64_t nth, MemoryFailure failure) {
      FailingMemory memory(nth, failure);
      const auto report = verify_deep(path_);
      const bool failed = memory.stop();
      EXPECT_EQ(open_descriptors(), descriptors) << "allocation " << nth;
      if (report) {
        EXPECT_EQ(report->faults.size(), faults) << "allocation " << nth;
      } else {
        EXPECT_EQ(report.error().code(), ErrorCode::out_of_memory) << report.error().message();
      }
      return failed;
    });
    EXPECT_TRUE(read_directory(path_) == image_);
  }

  Random random_{test_seed("out of memory")};
  TemporaryDirectory directory_;
  const std::string path_ = directory_ / "db";
  const std::string fresh_ = directory_ / "fresh";
  Options options_;
  RoadModel model_;
  DirectoryImage image_;
};

TEST_F(OutOfMemoryInDirectory, DeepVerificationReportsFaultsOrNothing) {
  verify_all(true);
  lose_table();
  verify_all(false);
}

TEST_F(OutOfMemoryInDirectory, RepairSavesAllOrSaysThatItCannot) {
  repair_all(true);
  lose_table();
  repair_all(true);
}

}  // namespace
}  // namespace xtree::test
