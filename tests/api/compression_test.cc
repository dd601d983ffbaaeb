#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/random.h"
#include "support/temporary_directory.h"
#include "xtree/database.h"
#include "xtree/repair.h"

namespace xtree {
namespace {

using test::Random;
using test::TemporaryDirectory;

using Rects = Index<2>;

constexpr std::uint64_t kEntries = 20'000;
constexpr Box<2> kEverywhere{{0, 0}, {1000, 1000}};

class CompressionTest : public testing::TestWithParam<Compression> {
 protected:
  void SetUp() override {
    if (!is_supported(GetParam())) GTEST_SKIP() << "the build has no library for it";
    Random random(5);
    for (std::uint64_t i = 0; i < kEntries; ++i) {
      const double x = static_cast<double>(random.below(100'000)) / 100;
      const double y = static_cast<double>(random.below(100'000)) / 100;
      entries_.push_back({{{x, y}, {x + 0.5, y + 0.25}}, i});
    }
  }

  Database open(const std::string& name) {
    return Database::open(directory_ / name, options_).value();
  }
  Rects make(Database& db, Compression compression) {
    return db.index<2>("rects", {.compression = compression}).value();
  }
  // A database with all entries in it, closed.
  DatabaseStats fill(const std::string& name, Compression compression) {
    Database db = open(name);
    Rects rects = make(db, compression);
    rects.bulk_load(entries_).value();
    const DatabaseStats stats = db.stats().value();
    db.close().value();
    return stats;
  }
  static std::uint64_t sum(const Rects& rects, const Box<2>& window) {
    std::uint64_t sum = 0;
    rects.for_each(intersects(window), [&](const auto& hit) { sum += hit.value + 1; }).value();
    return sum;
  }
  [[nodiscard]] std::uint64_t expected(const Box<2>& window) const {
    std::uint64_t sum = 0;
    for (const auto& entry : entries_) {
      bool hits = true;
      for (int axis = 0; axis < 2; ++axis) {
        hits = hits && entry.geometry.min[axis] <= window.max[axis] &&
               entry.geometry.max[axis] >= window.min[axis];
      }
      if (hits) sum += entry.value + 1;
    }
    return sum;
  }

  TemporaryDirectory directory_;
  Options options_;
  std::vector<Rects::Entry> entries_;
};

TEST_P(CompressionTest, FilesAreSmallerAndAnswersTheSame) {
  const DatabaseStats plain = fill("plain", Compression::none);
  const DatabaseStats packed = fill("packed", GetParam());
  EXPECT_LT(packed.live_segment_bytes, plain.live_segment_bytes * 8 / 10);
  EXPECT_EQ(packed.resident_bytes, plain.resident_bytes);
  options_.cache_bytes = 64 << 10;  // nodes come and go
  Database db = open("packed");
  const Rects rects = db.index<2>("rects").value();
  Random random(test::test_seed("compression"));
  for (int i = 0; i < 50; ++i) {
    const double x = static_cast<double>(random.below(1000));
    const double y = static_cast<double>(random.below(1000));
    const Box<2> window{{x, y}, {x + 30, y + 30}};
    ASSERT_EQ(sum(rects, window), expected(window));
  }
  EXPECT_GT(db.stats().value().evicted_nodes, 0u);
  db.verify().value();
}

TEST_P(CompressionTest, AnIndexKeepsWhatItWasMadeWith) {
  const DatabaseStats first = fill("db", GetParam());
  Database db = open("db");
  EXPECT_EQ(db.indexes().value()[0].schema.compression, GetParam());
  Rects rects = make(db, Compression::none);
  EXPECT_EQ(db.indexes().value()[0].schema.compression, GetParam());
  // Every node is written again, packed as before.
  rects.clear().value();
  rects.bulk_load(entries_).value();
  EXPECT_EQ(db.stats().value().live_segment_bytes, first.live_segment_bytes);
}

TEST_P(CompressionTest, WorksWithCompactionAndDeepVerification) {
  fill("db", GetParam());
  options_.durability = Durability::none;
  {
    Database db = open("db");
    Rects rects = db.index<2>("rects").value();
    for (std::uint64_t i = 0; i < kEntries; i += 2) {
      ASSERT_TRUE(rects.erase(entries_[i].geometry, i).value());
    }
    db.compact().value();
    EXPECT_LT(db.stats().value().garbage_share(), 0.2);
    std::erase_if(entries_, [](const auto& entry) { return entry.value % 2 == 0; });
    EXPECT_EQ(sum(rects, kEverywhere), expected(kEverywhere));
    db.verify().value();
    db.close().value();
  }
  const DeepReport report = verify_deep(directory_ / "db").value();
  EXPECT_TRUE(report.faults.empty());
}

TEST_P(CompressionTest, ARepairKeepsEntriesAndCompression) {
  fill("db", GetParam());
  const RepairReport report = repair(directory_ / "db", directory_ / "fresh").value();
  EXPECT_TRUE(report.complete);
  Database db = open("fresh");
  EXPECT_EQ(db.indexes().value()[0].schema.compression, GetParam());
  EXPECT_EQ(sum(db.index<2>("rects").value(), kEverywhere), expected(kEverywhere));
}

INSTANTIATE_TEST_SUITE_P(, CompressionTest, testing::Values(Compression::lz4, Compression::zstd),
                         [](const auto& one) {
                           return one.param == Compression::lz4 ? "Lz4" : "Zstd";
                         });

TEST(Compression, WhatTheBuildLacksIsRefusedAndMakesNoIndex) {
  TemporaryDirectory directory;
  Database db = Database::open(directory / "db").value();
  for (const Compression compression : {Compression::none, Compression::lz4, Compression::zstd}) {
    const auto made = db.index<2>("rects", {.compression = compression});
    EXPECT_EQ(made.has_value(), is_supported(compression));
    if (made) {
      db.drop_index("rects").value();
      continue;
    }
    EXPECT_EQ(made.error().code(), ErrorCode::unsupported);
    EXPECT_NE(std::string(made.error().message()).find("build the library with -DXTREE_"),
              std::string::npos);
    EXPECT_TRUE(db.indexes().value().empty());
  }
  const auto made = db.index<2>("rects", {.compression = static_cast<Compression>(9)});
  EXPECT_EQ(made.error().code(), ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace xtree
