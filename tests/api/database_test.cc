#include "xtree/database.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "support/data_limit.h"
#include "support/random.h"
#include "support/temporary_directory.h"

namespace xtree {
namespace {

using Value = std::optional<std::string>;

class DatabaseTest : public testing::Test {
 protected:
  Database open() { return Database::open(directory_ / "db", options_).value(); }

  test::TemporaryDirectory directory_;
  Options options_;
};

TEST_F(DatabaseTest, KeepsEntriesWhenReopened) {
  {
    Database db = open();
    auto roads = db.index<2>("roads").value();
    ASSERT_TRUE(roads.insert({{0, 0}, {1, 1}}, 42));
    ASSERT_TRUE(roads.insert(Point<2>{7, 7}, 43));
    EXPECT_TRUE(roads.erase({{0, 0}, {1, 1}}, 42).value());
    ASSERT_TRUE(db.close());
  }
  Database db = open();
  auto roads = db.index<2>("roads").value();
  EXPECT_EQ(roads.size().value(), 1u);
  for (const auto& hit : roads.query(nearest(Point<2>{0, 0}, 1))) EXPECT_EQ(hit.value, 43u);
  EXPECT_TRUE(db.verify());
}

// As on a system that promises no more memory than it has.
TEST_F(DatabaseTest, AsksForNoMoreMemoryThanItNeeds) {
  if (test::kSanitized) GTEST_SKIP() << "sanitizers ask for memory of their own";
  test::DataLimit limit(std::size_t{160} << 20);
  for (std::uint64_t round = 0; round < 2; ++round) {
    auto db = Database::open(directory_ / "db", options_);
    ASSERT_TRUE(db) << db.error().message();
    auto roads = db->index<2>("roads").value();
    Batch batch;
    for (std::uint64_t i = 0; i < 1000; ++i) {
      const auto x = static_cast<double>(i);
      batch.insert(roads, Point<2>{x, x}, i);
    }
    ASSERT_TRUE(db->apply(batch));
    ASSERT_TRUE(db->close());
  }
}

TEST_F(DatabaseTest, ClosesWhenDestroyed) {
  for (std::uint64_t round = 0; round < 5; ++round) {
    Database db = open();
    auto roads = db.index<2>("roads").value();
    ASSERT_EQ(roads.size().value(), round);
    ASSERT_TRUE(roads.insert(Point<2>{7, 7}, round));
  }
}

TEST_F(DatabaseTest, AppliesBatchesOverSeveralIndexesAndNamedValues) {
  Database db = open();
  auto roads = db.index<2>("roads").value();
  auto towns = db.index<3, std::uint32_t, float, Shape::points>("towns").value();
  Batch batch;
  batch.insert(roads, {{0, 0}, {1, 1}}, 1)
      .insert(towns, {1, 2, 3}, 7u)
      .insert(roads, {{0, 0}, {2, 2}}, 2)
      .update(roads, {{0, 0}, {1, 1}}, {{5, 5}, {6, 6}}, 1)
      .erase(roads, {{0, 0}, {2, 2}}, 2)
      .put("offset", "1234")
      .put("gone", "x")
      .remove("gone");
  EXPECT_EQ(batch.size(), 8u);
  ASSERT_TRUE(db.apply(batch));
  EXPECT_EQ(roads.size().value(), 1u);
  EXPECT_EQ(roads.count(intersects(Point<2>{5.5, 5.5})).value(), 1u);
  EXPECT_EQ(towns.size().value(), 1u);
  EXPECT_EQ(db.get("offset").value(), Value("1234"));
  EXPECT_EQ(db.get("gone").value(), Value());
  EXPECT_EQ(db.get("never").value(), Value());

  ASSERT_TRUE(db.apply(batch));
  EXPECT_EQ(roads.size().value(), 2u);
  batch.reset();
  EXPECT_EQ(batch.size(), 0u);
  batch.clear(roads).insert(roads, Point<2>{9, 9}, 9).put("offset", "");
  ASSERT_TRUE(db.apply(batch));
  EXPECT_EQ(roads.size().value(), 1u);
  EXPECT_EQ(db.get("offset").value(), Value(""));
}

TEST_F(DatabaseTest, TakesAnEmptyBatch) {
  Database db = open();
  const Batch batch;
  EXPECT_TRUE(db.apply(batch));
  const auto token = db.apply_async(batch);
  ASSERT_TRUE(token);
  EXPECT_TRUE(db.wait(*token));
}

TEST_F(DatabaseTest, ListsAndDropsIndexes) {
  Database db = open();
  EXPECT_TRUE(db.indexes().value().empty());
  auto roads = db.index<2>("roads").value();
  auto towns = db.index<3, std::uint32_t, float, Shape::points>("towns").value();
  ASSERT_TRUE(roads.insert(Point<2>{1, 1}, 1));
  auto listed = db.indexes().value();
  ASSERT_EQ(listed.size(), 2u);
  std::sort(listed.begin(), listed.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  EXPECT_EQ(listed[0].name, "roads");
  EXPECT_EQ(listed[0].schema, roads.core().schema());
  EXPECT_EQ(listed[1].name, "towns");
  EXPECT_EQ(listed[1].schema, towns.core().schema());

  const Snapshot before = db.snapshot();
  ASSERT_TRUE(db.drop_index("roads"));
  EXPECT_EQ(db.drop_index("roads").error().code(), ErrorCode::not_found);
  EXPECT_EQ(db.indexes().value().size(), 1u);
  EXPECT_EQ(roads.size().error().code(), ErrorCode::not_found);
  EXPECT_EQ(roads.insert(Point<2>{1, 1}, 1).error().code(), ErrorCode::not_found);
  EXPECT_EQ(before.size(roads).value(), 1u);
  EXPECT_EQ(before.count(roads, everything()).value(), 1u);
  EXPECT_TRUE(db.verify());

  auto again = db.index<3>("roads").value();
  EXPECT_EQ(again.size().value(), 0u);
  EXPECT_EQ(before.size(again).error().code(), ErrorCode::not_found);
  EXPECT_EQ(before.size(roads).value(), 1u);
}

TEST_F(DatabaseTest, OpensAnIndexBySchemaInTheFiles) {
  Database db = open();
  auto towns = db.index<3, std::uint32_t, float, Shape::points>("towns").value();
  auto core = db.open_index("towns");
  ASSERT_TRUE(core) << core.error().message();
  EXPECT_EQ((*core)->schema(), towns.core().schema());
  EXPECT_EQ(db.open_index("rivers").error().code(), ErrorCode::not_found);
  EXPECT_EQ(db.indexes().value().size(), 1u);
}

TEST_F(DatabaseTest, KeepsSchemasNamesAndValuesWhenReopened) {
  {
    Database db = open();
    ASSERT_TRUE(db.index<16>("sixteen"));
    ASSERT_TRUE((db.index<1, std::uint8_t, float, Shape::points>("one")));
    ASSERT_TRUE(db.index<2>("dropped"));
    ASSERT_TRUE(db.drop_index("dropped"));
    Batch batch;
    batch.put("a", std::string(4096, 'a')).put("b", std::string("\0\n\xff", 3));
    ASSERT_TRUE(db.apply(batch));
  }
  Database db = open();
  EXPECT_EQ(db.indexes().value().size(), 2u);
  EXPECT_TRUE(db.index<16>("sixteen"));
  EXPECT_EQ((db.index<1, std::uint8_t, float, Shape::points>("one").value().size().value()), 0u);
  EXPECT_EQ(db.get("a").value(), Value(std::string(4096, 'a')));
  EXPECT_EQ(db.get("b").value(), Value(std::string("\0\n\xff", 3)));
}

TEST_F(DatabaseTest, WritesOfSeveralThreadsAllArrive) {
  constexpr std::uint64_t kThreads = 4;
  constexpr std::uint64_t kEach = 100;
  {
    Database db = open();
    auto index = db.index<2>("points").value();
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&db, &index, t] {
        Token last;
        for (std::uint64_t i = 0; i < kEach; ++i) {
          Batch batch;
          batch.insert(index, Point<2>{t, i}, t * kEach + i);
          const auto token = db.apply_async(batch);
          ASSERT_TRUE(token) << token.error().message();
          EXPECT_GT(token->ticket, last.ticket);
          last = *token;
          if (i % 10 == 9) {
            ASSERT_TRUE(db.wait(last));
            EXPECT_EQ(index.count(intersects(Point<2>{t, i})).value(), 1u);
          }
        }
      });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(index.size().value(), kThreads * kEach);
  }
  EXPECT_EQ(open().index<2>("points").value().size().value(), kThreads * kEach);
}

TEST_F(DatabaseTest, TakesCheckpointsOnlyOnRequestWhenToldSo) {
  options_.checkpoint_log_bytes = 64 << 10;
  options_.log_file_bytes = 64 << 10;
  options_.background_checkpoints = false;
  options_.durability = Durability::eventual;
  Database db = open();
  auto index = db.index<2>("points").value();
  const std::uint64_t first = db.stats().value().checkpoint;
  for (std::uint64_t i = 0; i < 2000; ++i) ASSERT_TRUE(index.insert(Point<2>{i, i}, i));
  EXPECT_EQ(db.stats().value().checkpoint, first);
  EXPECT_GT(db.stats().value().log_bytes, 0u);
  ASSERT_TRUE(db.checkpoint());
  const DatabaseStats stats = db.stats().value();
  EXPECT_GT(stats.checkpoint, first);
  EXPECT_EQ(stats.indexes, 1u);
  EXPECT_GE(stats.segment_bytes, stats.live_segment_bytes);
  EXPECT_GE(stats.live_segment_bytes, 2000u * 40);
  EXPECT_TRUE(db.verify());
}

TEST_F(DatabaseTest, AQueryAnswersFromTheStateAtItsBeginning) {
  Database db = open();
  auto index = db.index<2>("points").value();
  std::vector<Index<2>::Entry> entries;
  for (int i = 0; i < 3000; ++i) entries.push_back({Point<2>{i, i}, std::uint64_t(i)});
  ASSERT_TRUE(index.bulk_load(entries));
  std::uint64_t seen = 0;
  auto hits = index.query(everything());
  for (const auto& hit : hits) {
    EXPECT_LT(hit.value, 3000u);
    if (++seen == 10) {
      ASSERT_TRUE(index.clear());
      ASSERT_TRUE(index.insert(Point<2>{1, 1}, 9999));
    }
  }
  EXPECT_TRUE(hits.status());
  EXPECT_EQ(seen, 3000u);
  EXPECT_EQ(index.size().value(), 1u);
}

// All of them, however late their turn comes.
TEST_F(DatabaseTest, ManyQueriesAtOnceAnswerFromOneState) {
  Database db = open();
  auto index = db.index<2>("points").value();
  std::vector<Index<2>::Entry> entries;
  for (int i = 0; i < 3000; ++i) entries.push_back({Point<2>{i, i}, std::uint64_t(i)});
  ASSERT_TRUE(index.bulk_load(entries));
  std::vector<decltype(intersects(Box<2>()))> windows;
  for (int i = 0; i < 3000; i += 10) windows.push_back(intersects(Box<2>({i, i}, {i + 9, i + 9})));
  std::uint64_t seen = 0;
  const auto done = index.for_each_of(windows, [&](std::size_t i, auto& hits) {
    hits.for_each([&](const auto& hit) {
      EXPECT_EQ(hit.value / 10, i);
      if (++seen % 500 != 10) return;
      ASSERT_TRUE(index.clear());
      ASSERT_TRUE(index.insert(Point<2>{2999, 2999}, 9999));
    });
  });
  EXPECT_TRUE(done);
  EXPECT_EQ(seen, 3000u);
  EXPECT_EQ(index.size().value(), 1u);
}

TEST_F(DatabaseTest, MakesIndexesInMemoryThatItKnowsNothingOf) {
  Database db = open();
  auto cache = db.index<2>("cache", {.mode = Mode::in_memory}).value();
  ASSERT_TRUE(cache.insert(Point<2>{1, 1}, 1));
  EXPECT_TRUE(db.indexes().value().empty());
  EXPECT_EQ(db.index<2>("cache").value().size().value(), 0u);
  ASSERT_TRUE(db.close());
  EXPECT_EQ(cache.size().value(), 1u);
}

TEST_F(DatabaseTest, SaysHowItsOpenWent) {
  {
    Database db = open();
    EXPECT_EQ(db.open_report().table_entries, 0u);
    auto index = db.index<2>("points").value();
    for (std::uint64_t i = 0; i < 5; ++i) ASSERT_TRUE(index.insert(Point<2>{i, i}, i));
    // As a crash would leave it: the log holds all of it, the table nothing.
    std::filesystem::copy(directory_ / "db", directory_ / "copy",
                          std::filesystem::copy_options::recursive);
  }
  const OpenReport clean = open().open_report();
  EXPECT_EQ(clean.replayed_operations, 0u);
  EXPECT_GT(clean.table_entries, 0u);
  EXPECT_EQ(clean.segments, 1u);
  const OpenReport crashed = Database::open(directory_ / "copy", options_).value().open_report();
  EXPECT_EQ(crashed.replayed_operations, 6u);
  EXPECT_GT(crashed.replayed_bytes, 0u);
  EXPECT_EQ(crashed.table_entries, 0u);
  EXPECT_GE(crashed.total_us, crashed.log_scan_us + crashed.replay_us + crashed.log_start_us);
}

TEST_F(DatabaseTest, MovesAlongWithItsObject) {
  Database first = open();
  auto index = first.index<2>("points").value();
  Database second = std::move(first);
  ASSERT_TRUE(index.insert(Point<2>{1, 1}, 1));
  EXPECT_EQ(second.index<2>("points").value().size().value(), 1u);
  ASSERT_TRUE(second.close());
}

// The files below a directory and what is in them.
std::map<std::string, std::string> files_below(const std::string& directory) {
  std::map<std::string, std::string> files;
  for (const auto& item : std::filesystem::recursive_directory_iterator(directory)) {
    if (!item.is_regular_file()) continue;
    std::ifstream file(item.path(), std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    files[std::filesystem::relative(item.path(), directory).string()] = bytes;
  }
  return files;
}

// 1,000 nodes and more, in several segments, some of which have been there before.
TEST_F(DatabaseTest, BulkLoadsIntoTheSameSegmentsWithAnyNumberOfThreads) {
  std::vector<Index<2>::Entry> entries;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    const auto x = static_cast<double>(i * 7919 % 100'003);
    const auto y = static_cast<double>(i * 104'729 % 99'991);
    entries.push_back({{{x, y}, {x + 3, y + 2}}, i});
  }
  std::map<std::string, std::string> alone;
  for (const std::uint32_t threads : {1, 2, 4}) {
    const std::string path = directory_ / ("db" + std::to_string(threads));
    {
      Database db = Database::open(path).value();
      ASSERT_TRUE(db.index<2>("roads").value().insert({{0, 0}, {1, 1}}, 1));
      ASSERT_TRUE(db.checkpoint());
      ASSERT_TRUE(db.index<2>("towns").value().bulk_load(entries, {.threads = threads}));
      ASSERT_TRUE(db.close());
    }
    Database db = Database::open(path).value();
    ASSERT_TRUE(db.verify());
    const auto towns = db.index<2>("towns").value();
    EXPECT_EQ(towns.size().value(), entries.size());
    EXPECT_EQ(towns.count(intersects(Box<2>{{0, 0}, {1e6, 1e6}})).value(), entries.size());
    const auto segments = files_below(path + "/segments");
    EXPECT_GT(segments.size(), 1u);
    if (threads == 1) alone = segments;
    EXPECT_TRUE(segments == alone) << threads << " threads";
  }
}

}  // namespace
}  // namespace xtree
