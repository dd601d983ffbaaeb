#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>
#include <utility>
#include <vector>

#include "support/random.h"
#include "support/temporary_directory.h"
#include "xtree/database.h"

namespace xtree {
namespace {

constexpr std::uint64_t kSector = 4096;
constexpr std::uint64_t kIdleBytes = std::uint64_t{1} << 20;

// Entries stand in columns, so that the nodes of one column can be changed and no others.
class CompactionTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kColumns = 100;

  CompactionTest() {
    options_.durability = Durability::none;
    options_.background_checkpoints = false;
  }

  Database open() { return Database::open(directory_ / "db", options_).value(); }

  static Box<2> box(std::uint64_t column, std::uint64_t row, unsigned state) {
    const double x = 10 * static_cast<double>(column);
    const double y = static_cast<double>(row);
    return {{x, y}, {x + 1 + state, y + 0.5}};
  }

  void load(Database& db, std::uint64_t rows) {
    rows_ = rows;
    states_.assign(kColumns, 0);
    std::vector<Index<2>::Entry> entries;
    for (std::uint64_t column = 0; column < kColumns; ++column) {
      for (std::uint64_t row = 0; row < rows; ++row) {
        entries.push_back({box(column, row, 0), column * rows + row});
      }
    }
    ASSERT_TRUE(db.index<2>("columns").value().bulk_load(entries));
  }

  // Changes every node of a column.
  void touch(Database& db, std::uint64_t column) {
    auto index = db.index<2>("columns").value();
    const unsigned old_state = states_[column];
    states_[column] = 1 - old_state;
    Batch batch;
    for (std::uint64_t row = 0; row < rows_; ++row) {
      batch.update(index, box(column, row, old_state), box(column, row, states_[column]),
                   column * rows_ + row);
    }
    ASSERT_TRUE(db.apply(batch));
  }

  // Changes some nodes of every part of the index, so that no segment goes as a whole.
  void touch_everywhere(Database& db) {
    for (std::uint64_t column = 0; column < kColumns; column += 10) touch(db, column);
  }

  static std::uint64_t count(Index<2>& index, std::uint64_t column) {
    const double x = 10 * static_cast<double>(column);
    return index.count(intersects(Box<2>{{x, 0}, {x + 5, 1e9}})).value();
  }

  void expect_all(Database& db) {
    auto index = db.index<2>("columns").value();
    EXPECT_EQ(index.size().value(), kColumns * rows_);
    for (std::uint64_t column = 0; column < kColumns; ++column) {
      ASSERT_EQ(count(index, column), rows_);
    }
    EXPECT_TRUE(db.verify());
  }

  std::uint64_t bytes_on_disk() {
    std::uint64_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(directory_ / "db/segments")) {
      bytes += file.file_size();
    }
    return bytes;
  }

  test::TemporaryDirectory directory_;
  Options options_;
  std::uint64_t rows_ = 0;
  std::vector<unsigned> states_;
};

TEST_F(CompactionTest, KeepsGarbageBelowTheUrgentLimit) {
  options_.compaction_bytes_per_second = 0;
  test::Random random(test::test_seed("Compaction"));
  Database db = open();
  load(db, 1000);
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < 10; ++i) touch(db, random.below(kColumns));
    ASSERT_TRUE(db.checkpoint());
    const DatabaseStats stats = db.stats().value();
    const std::uint64_t garbage = stats.segment_bytes - stats.live_segment_bytes;
    const std::uint64_t limit = stats.segment_bytes * options_.compaction_urgent_percent / 100;
    // What a checkpoint writes ends with a part of a sector, in each of the segments it goes to.
    EXPECT_LE(garbage, std::max(limit, kIdleBytes) + 4 * kSector);
    EXPECT_EQ(bytes_on_disk(), stats.segment_bytes);
  }
  EXPECT_GT(db.stats().value().compacted_bytes, 0u);
  expect_all(db);
}

TEST_F(CompactionTest, CompactsUntilLittleGarbageIsLeft) {
  {
    Database db = open();
    load(db, 500);
    ASSERT_TRUE(db.pause_compaction());
    touch_everywhere(db);
    ASSERT_TRUE(db.checkpoint());
    EXPECT_GT(db.stats().value().garbage_share(), 0.2);
    ASSERT_TRUE(db.compact());
    const DatabaseStats stats = db.stats().value();
    EXPECT_LT(stats.garbage_share(), 0.06);
    EXPECT_GT(stats.compacted_bytes, 0u);
    EXPECT_EQ(bytes_on_disk(), stats.segment_bytes);
    // There is nothing left to do.
    ASSERT_TRUE(db.compact());
    EXPECT_EQ(db.stats().value().checkpoint, stats.checkpoint);
    expect_all(db);
  }
  Database db = open();
  expect_all(db);
}

TEST_F(CompactionTest, MovesNothingWhilePaused) {
  options_.compaction_steady_percent = options_.compaction_urgent_percent = 10;
  Database db = open();
  load(db, 1000);
  ASSERT_TRUE(db.pause_compaction());
  touch_everywhere(db);
  ASSERT_TRUE(db.checkpoint());
  const DatabaseStats paused = db.stats().value();
  EXPECT_EQ(paused.compacted_bytes, 0u);
  EXPECT_GT(paused.garbage_share(), 0.15);
  ASSERT_TRUE(db.resume_compaction());
  touch(db, 1);
  ASSERT_TRUE(db.checkpoint());
  EXPECT_GT(db.stats().value().compacted_bytes, 0u);
  EXPECT_LT(db.stats().value().garbage_share(), paused.garbage_share());
  expect_all(db);
}

TEST_F(CompactionTest, KeepsToABudgetOfNothingUntilItIsUrgent) {
  options_.compaction_bytes_per_second = 0;
  options_.compaction_steady_percent = 10;
  options_.compaction_urgent_percent = 100;
  Database db = open();
  load(db, 1000);
  touch_everywhere(db);
  ASSERT_TRUE(db.checkpoint());
  EXPECT_GT(db.stats().value().garbage_share(), 0.15);
  EXPECT_EQ(db.stats().value().compacted_bytes, 0u);
}

TEST_F(CompactionTest, RefusesLimitsThatMakeNoSense) {
  for (const auto& [steady, urgent] : {std::pair{31u, 30u}, {20u, 101u}}) {
    options_.compaction_steady_percent = steady;
    options_.compaction_urgent_percent = urgent;
    const auto opened = Database::open(directory_ / "db", options_);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), ErrorCode::invalid_argument);
    EXPECT_FALSE(std::filesystem::exists(directory_ / "db"));
  }
}

// Behind an open every node is on disk only, and readers meet it while it moves.
TEST_F(CompactionTest, SendsReadersToTheNewPlaces) {
  const std::uint64_t seed = test::test_seed("Compaction readers");
  {
    Database db = open();
    load(db, 200);
  }
  for (std::uint64_t round = 0; round < (test::kSanitized ? 3 : 8); ++round) {
    Database db = open();
    const Snapshot snapshot = db.snapshot();
    std::atomic<int> wrong{0};
    std::vector<std::thread> readers;
    for (std::uint64_t thread = 0; thread < 3; ++thread) {
      readers.emplace_back([&, thread] {
        test::Random random(seed + round * 3 + thread);
        auto index = db.index<2>("columns").value();
        for (int i = 0; i < 60; ++i) {
          const std::uint64_t column = random.below(kColumns);
          const double x = 10 * static_cast<double>(column);
          const auto window = intersects(Box<2>{{x, 0}, {x + 5, 1e9}});
          if (snapshot.count(index, window).value_or(0) != rows_) ++wrong;
          if (count(index, column) != rows_) ++wrong;
        }
      });
    }
    for (std::uint64_t column = round % 4; column < kColumns; column += 4) {
      touch(db, column);
      if (column % 32 == round % 4) {
        ASSERT_TRUE(db.compact());
      }
    }
    ASSERT_TRUE(db.compact());
    for (std::thread& reader : readers) reader.join();
    EXPECT_EQ(wrong.load(), 0);
  }
  Database db = open();
  expect_all(db);
}

}  // namespace
}  // namespace xtree
