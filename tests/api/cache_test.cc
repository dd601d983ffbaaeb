// Indexes larger than `cache_bytes`: answers stay right and memory stays within the limit, whoever
// reads, writes and checkpoints meanwhile.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>
#include <vector>

#include "support/random.h"
#include "support/temporary_directory.h"
#include "xtree/database.h"

namespace xtree {
namespace {

using Rects = Index<2>;

constexpr std::uint64_t kEntries = test::kSanitized ? 30'000 : 100'000;

// Boxes on a grid of unit cells, one in each; the value is the number of the cell.
constexpr std::uint64_t kSide = 400;
Box<2> cell(std::uint64_t number, double size = 0.5) {
  const auto x = static_cast<double>(number % kSide);
  const auto y = static_cast<double>(number / kSide);
  return {{x, y}, {x + size, y + size}};
}

// What a scan brings into memory at once may come on top of the limit.
constexpr std::uint64_t kAhead = 64 * 4096;

class CacheTest : public testing::Test {
 protected:
  CacheTest() {
    options_.durability = Durability::none;
    options_.background_checkpoints = false;
  }

  // Bulk loads the grid and returns the bytes that its nodes take.
  std::uint64_t load() {
    Database db = open();
    std::vector<Rects::Entry> entries;
    for (std::uint64_t i = 0; i < kEntries; ++i) entries.push_back({cell(i), i});
    EXPECT_TRUE(db.index<2>("cells").value().bulk_load(entries));
    const std::uint64_t bytes = db.stats().value().resident_bytes;
    EXPECT_TRUE(db.close());
    return bytes;
  }
  [[nodiscard]] std::uint64_t most_bytes() const {
    return options_.cache_bytes + options_.cache_bytes / 5 + kAhead;
  }
  Database open() { return Database::open(directory_ / "db", options_).value(); }

  // A window over so many cells from one of them on, and how many of them there are.
  static std::uint64_t expected(std::uint64_t x, std::uint64_t y, std::uint64_t cells) {
    std::uint64_t count = 0;
    for (std::uint64_t row = y; row < std::min(y + cells, kSide); ++row) {
      for (std::uint64_t column = x; column < std::min(x + cells, kSide); ++column) {
        count += row * kSide + column < kEntries ? 1 : 0;
      }
    }
    return count;
  }
  static Box<2> window(std::uint64_t x, std::uint64_t y, std::uint64_t cells) {
    const auto left = static_cast<double>(x);
    const auto low = static_cast<double>(y);
    const double side = static_cast<double>(cells) - 0.25;
    return {{left, low}, {left + side, low + side}};
  }
  template <class Source>
  static void expect_window(const Source& source, test::Random& random) {
    const std::uint64_t x = random.below(kSide), y = random.below(kSide);
    const std::uint64_t cells = random.between(1, 12);
    std::uint64_t found = 0;
    for (const auto& hit : source.query(intersects(window(x, y, cells)))) {
      ASSERT_EQ(hit.box, cell(hit.value));
      ++found;
    }
    ASSERT_EQ(found, expected(x, y, cells));
  }

  test::TemporaryDirectory directory_;
  Options options_;
};

// A window then waits for its leaves only.
TEST_F(CacheTest, AnIndexThatIsOpenedHasItsDirectoryInMemory) {
  load();
  IndexStats stats;
  {
    Database db = open();
    stats = db.index<2>("cells").value().stats().value();
  }
  Database db = open();
  const std::uint64_t before = db.stats().value().loaded_nodes;
  const Rects cells = db.index<2>("cells").value();
  const std::uint64_t opened = db.stats().value().loaded_nodes;
  ASSERT_GE(stats.directory_nodes, 3u);
  EXPECT_GE(opened - before, stats.directory_nodes);
  EXPECT_LE(opened - before, stats.directory_nodes + 2);  // the list of indexes, and the root
  EXPECT_TRUE(db.index<2>("cells"));
  EXPECT_EQ(db.stats().value().loaded_nodes, opened);
  EXPECT_EQ(cells.count(intersects(cell(kSide * 20 + 20, 0.25))).value(), 1u);
  EXPECT_GE(db.stats().value().loaded_nodes, opened + 1);
  EXPECT_LE(db.stats().value().loaded_nodes, opened + 4);
}

TEST_F(CacheTest, StaysWithinTheLimitWhileWindowsReadAllOfTheIndex) {
  const std::uint64_t all = load();
  options_.cache_bytes = all / 10;
  Database db = open();
  const Rects cells = db.index<2>("cells").value();
  test::Random random(test::test_seed("cache"));
  for (int i = 0; i < 3000; ++i) {
    expect_window(cells, random);
    if (testing::Test::HasFailure()) return;
    if (i % 100 != 0) continue;
    // A window that has just been read may be on top of it.
    ASSERT_LE(db.stats().value().resident_bytes, most_bytes());
  }
  const DatabaseStats stats = db.stats().value();
  EXPECT_GT(stats.evicted_nodes, 5u);
  EXPECT_GE(stats.loaded_nodes, stats.evicted_nodes);
  EXPECT_TRUE(db.verify());
}

TEST_F(CacheTest, StaysWithinTheLimitDuringOneQueryOverEverything) {
  const std::uint64_t all = load();
  options_.cache_bytes = all / 10;
  Database db = open();
  const Rects cells = db.index<2>("cells").value();
  std::vector<bool> seen(kEntries);
  std::uint64_t found = 0;
  for (const auto& hit : cells.query(intersects(window(0, 0, kSide)))) {
    ASSERT_FALSE(seen[hit.value]);
    seen[hit.value] = true;
    if (++found % 10'000 != 0) continue;
    ASSERT_LE(db.stats().value().resident_bytes, most_bytes());
  }
  EXPECT_EQ(found, kEntries);
  EXPECT_EQ(cells.count(intersects(window(0, 0, kSide))).value(), kEntries);
  EXPECT_LE(db.stats().value().resident_bytes, most_bytes());
}

// Windows of all sizes, many at once: some are of a few leaves and others of more than there is
// memory for.
TEST_F(CacheTest, StaysWithinTheLimitDuringManyWindowsAtOnce) {
  const std::uint64_t all = load();
  options_.cache_bytes = all / 10;
  Database db = open();
  const Rects cells = db.index<2>("cells").value();
  test::Random random(test::test_seed("cache"));
  std::vector<decltype(intersects(Box<2>()))> windows;
  std::vector<std::uint64_t> wanted;
  for (int i = 0; i < 300; ++i) {
    const std::uint64_t x = random.below(kSide), y = random.below(kSide);
    const std::uint64_t side = random.one_in(20) ? 200 : random.between(1, 12);
    windows.push_back(intersects(window(x, y, side)));
    wanted.push_back(expected(x, y, side));
  }
  const std::uint64_t before = db.stats().value().loaded_nodes;
  std::vector<std::uint64_t> found(windows.size());
  std::uint64_t hits = 0;
  const auto done = cells.for_each_of(windows, [&](std::size_t i, auto& its_hits) {
    its_hits.for_each([&](const auto& hit) {
      ASSERT_EQ(hit.box, cell(hit.value));
      ++found[i];
      // What windows bring into memory together may be on top of it, and what one does alone.
      if (++hits % 1000 == 0) {
        ASSERT_LE(db.stats().value().resident_bytes, most_bytes() + kAhead);
      }
    });
  });
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(found, wanted);
  const DatabaseStats stats = db.stats().value();
  EXPECT_GT(stats.loaded_nodes, before);
  EXPECT_GT(stats.evicted_nodes, 5u);
  EXPECT_TRUE(db.verify());
}

// The second time everything that a small part of the index needs is in memory.
TEST_F(CacheTest, KeepsWhatIsReadAgainAndAgain) {
  const std::uint64_t all = load();
  options_.cache_bytes = all / 5;
  Database db = open();
  const Rects cells = db.index<2>("cells").value();
  test::Random random(test::test_seed("cache"));
  const auto read_corner = [&] {
    const std::uint64_t before = db.stats().value().loaded_nodes;
    for (std::uint64_t at = 0; at < 40; at += 4) {
      EXPECT_EQ(cells.count(intersects(window(at, at, 4))).value(), expected(at, at, 4));
    }
    return db.stats().value().loaded_nodes - before;
  };
  const std::uint64_t cold = read_corner();
  std::uint64_t warm = 0;
  const int rounds = 200;
  for (int i = 0; i < rounds; ++i) {
    expect_window(cells, random);
    warm += read_corner();
  }
  ASSERT_GT(db.stats().value().evicted_nodes, 5u);
  EXPECT_GT(cold, 3u);
  EXPECT_LT(warm, cold * rounds / 10);
}

// Changed nodes cannot go before a checkpoint has them; then all of them can.
TEST_F(CacheTest, EvictsWhatHasChangedOnceACheckpointHasIt) {
  options_.cache_bytes = 64 << 10;
  Database db = open();
  Rects cells = db.index<2>("cells").value();
  const std::uint64_t entries = 20'000;
  for (std::uint64_t i = 0; i < entries; ++i) ASSERT_TRUE(cells.insert(cell(i), i));
  EXPECT_GT(db.stats().value().resident_bytes, std::uint64_t{512} << 10);
  ASSERT_TRUE(db.checkpoint());
  EXPECT_EQ(cells.count(intersects(window(0, 0, kSide))).value(), entries);
  EXPECT_LE(db.stats().value().resident_bytes, most_bytes());
  for (std::uint64_t i = 0; i < entries; i += 2) {
    ASSERT_TRUE(cells.erase(cell(i), i).value());
  }
  ASSERT_TRUE(db.checkpoint());
  EXPECT_EQ(cells.size().value(), entries / 2);
  EXPECT_EQ(cells.count(intersects(window(0, 0, kSide))).value(), entries / 2);
  EXPECT_LE(db.stats().value().resident_bytes, most_bytes());
  EXPECT_TRUE(db.verify());
}

TEST_F(CacheTest, WritersWaitForCheckpointsRatherThanTakeMoreMemory) {
  options_.cache_bytes = 8 << 20;
  options_.background_checkpoints = true;
  options_.checkpoint_log_bytes = std::uint64_t{1} << 40;
  Database db = open();
  Rects cells = db.index<2>("cells").value();
  test::Random random(test::test_seed("cache"));
  std::vector<std::uint64_t> order(kEntries);
  for (std::uint64_t i = 0; i < kEntries; ++i) order[i] = i;
  for (std::uint64_t i = kEntries; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  std::uint64_t most = 0;
  for (std::uint64_t i = 0; i < kEntries; ++i) {
    ASSERT_TRUE(cells.insert(cell(order[i]), order[i]));
    if (i % 1000 == 0) most = std::max(most, db.stats().value().resident_bytes);
  }
  EXPECT_LE(most, options_.cache_bytes * 2);
  EXPECT_EQ(cells.count(intersects(window(0, 0, kSide))).value(), kEntries);
}

// An old snapshot finds what it saw, however often nodes have come and gone since.
TEST_F(CacheTest, SnapshotsSeeTheirStateOfNodesThatWereEvicted) {
  load();
  options_.cache_bytes = 1;
  Database db = open();
  Rects cells = db.index<2>("cells").value();
  const Snapshot before = db.snapshot();
  for (std::uint64_t i = 0; i < kEntries; i += 97) {
    ASSERT_TRUE(cells.update(cell(i), cell(i, 0.25), i).value());
    if (i % 4850 == 0) {
      ASSERT_TRUE(db.checkpoint());
    }
  }
  for (std::uint64_t i = 0; i < kEntries; i += 89) {
    const Box<2> window = cell(i);
    for (const auto& hit : before.query(cells, intersects(window))) {
      ASSERT_EQ(hit.value, i);
      ASSERT_EQ(hit.box, cell(i));
    }
    ASSERT_EQ(before.count(cells, intersects(window)).value(), 1u);
    for (const auto& hit : cells.query(intersects(window))) {
      ASSERT_EQ(hit.box, cell(i, i % 97 == 0 ? 0.25 : 0.5));
    }
  }
  EXPECT_TRUE(before.verify(cells));
  EXPECT_TRUE(db.verify());
}

// An image does not tell which entries came behind the snapshot.
TEST_F(CacheTest, SnapshotsSeeTheirStateOfNodesThatGrewInPlace) {
  options_.cache_bytes = 1;
  Database db = open();
  Rects cells = db.index<2>("cells").value();
  const std::uint64_t entries = 20'000;
  // In an order that leaves the leaves with all numbers of entries.
  for (std::uint64_t i = 0; i < entries; i += 2) {
    const std::uint64_t number = i * 4001 % entries;
    ASSERT_TRUE(cells.insert(cell(number), number));
  }
  const Snapshot before = db.snapshot();
  // So few that most leaves need no more room for them, which would copy them.
  for (std::uint64_t i = 1; i < entries; i += 40) ASSERT_TRUE(cells.insert(cell(i), i));
  ASSERT_TRUE(db.checkpoint());
  EXPECT_GT(db.stats().value().evicted_nodes, 0u);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(cells.count(intersects(window(0, 0, kSide))).value(), entries / 2 + entries / 40);
    EXPECT_EQ(before.count(cells, intersects(window(0, 0, kSide))).value(), entries / 2);
  }
  for (const auto& hit : before.query(cells, intersects(window(0, 0, kSide)))) {
    ASSERT_EQ(hit.value % 2, 0u);
  }
  EXPECT_TRUE(before.verify(cells));
  EXPECT_TRUE(db.verify());
}

TEST_F(CacheTest, ANodeThatCannotBeReadAgainIsAnErrorWithItsPlace) {
  const std::uint64_t all = load();
  options_.cache_bytes = all / 10;
  Database db = open();
  const Rects cells = db.index<2>("cells").value();
  test::Random random(test::test_seed("cache"));
  for (int i = 0; i < 300; ++i) expect_window(cells, random);
  for (const auto& file : std::filesystem::directory_iterator(directory_ / "db/segments")) {
    std::fstream(file.path(), std::ios::in | std::ios::out | std::ios::binary)
        << std::string(file.file_size(), 'x');
  }
  const auto count = cells.count(intersects(window(0, 0, kSide)));
  ASSERT_FALSE(count);
  EXPECT_EQ(count.error().code(), ErrorCode::corruption);
  std::vector<decltype(intersects(Box<2>()))> windows;
  for (std::uint64_t at = 0; at < kSide; at += 10) {
    windows.push_back(intersects(window(at, at, 4)));
  }
  std::uint64_t hits = 0;
  const auto many = cells.for_each_of(windows, [&](std::size_t, auto& its_hits) {
    its_hits.for_each([&](const auto&) { ++hits; });
  });
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().code(), ErrorCode::corruption);
  EXPECT_LT(hits, windows.size() * 16);
}

// Everything at once, with a cache that is always too small. Cells keep their numbers and change
// their sizes, so every reader knows what it must find.
TEST_F(CacheTest, AnswersStayRightBesideWritersAndCheckpoints) {
  load();
  options_.cache_bytes = 128 << 10;
  options_.background_checkpoints = true;
  options_.checkpoint_log_bytes = 16 << 10;
  options_.durability = Durability::eventual;
  Database db = open();
  const std::uint64_t seed = test::test_seed("cache");
  std::atomic<bool> over = false;
  std::vector<std::thread> readers;
  for (std::uint64_t reader = 0; reader < 3; ++reader) {
    readers.emplace_back([&, reader] {
      const Rects cells = db.index<2>("cells").value();
      test::Random random(seed + reader);
      while (!over.load()) {
        const std::uint64_t x = random.below(kSide), y = random.below(kSide);
        const std::uint64_t side = random.between(1, 12);
        const Snapshot now = db.snapshot();
        std::uint64_t found = 0;
        for (const auto& hit : now.query(cells, intersects(window(x, y, side)))) {
          ASSERT_EQ(hit.box.min, cell(hit.value).min);
          ++found;
        }
        ASSERT_EQ(found, expected(x, y, side));
      }
    });
  }
  readers.emplace_back([&] {
    const Rects cells = db.index<2>("cells").value();
    test::Random random(seed + 50);
    while (!over.load()) {
      std::vector<decltype(intersects(Box<2>()))> windows;
      std::vector<std::uint64_t> wanted;
      for (int i = 0; i < 30; ++i) {
        const std::uint64_t x = random.below(kSide), y = random.below(kSide);
        windows.push_back(intersects(window(x, y, 6)));
        wanted.push_back(expected(x, y, 6));
      }
      std::vector<std::uint64_t> found(windows.size());
      ASSERT_TRUE(cells.for_each_of(windows, [&](std::size_t i, auto& hits) {
        hits.for_each([&](const auto&) { ++found[i]; });
      }));
      ASSERT_EQ(found, wanted);
    }
  });
  Rects cells = db.index<2>("cells").value();
  test::Random random(seed + 99);
  std::vector<double> sizes(kEntries, 0.5);
  for (int i = 0; i < (test::kSanitized ? 3000 : 20'000); ++i) {
    const std::uint64_t number = random.below(kEntries);
    const double size = 0.75 - sizes[number];
    ASSERT_TRUE(cells.update(cell(number, sizes[number]), cell(number, size), number).value());
    sizes[number] = size;
  }
  over.store(true);
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(db.stats().value().evicted_nodes, 5u);
  EXPECT_TRUE(db.verify());
}

}  // namespace
}  // namespace xtree
