#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "support/temporary_directory.h"
#include "xtree/database.h"

namespace xtree::test {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class R>
ErrorCode code_of(const R& result) {
  EXPECT_FALSE(result.has_value()) << "should have failed";
  return result.has_value() ? ErrorCode::io_error : result.error().code();
}

// Appends in place: gcc 12 sees an overlap in `"name" + to_string(n)` that is not there (PR
// 105651).
std::string numbered(const char* name, int number) {
  std::string text = name;
  text += std::to_string(number);
  return text;
}

#define EXPECT_INVALID(expression) EXPECT_EQ(code_of(expression), ErrorCode::invalid_argument)

const std::vector<Box<2>> kBadBoxes = {
    {{kNan, 0}, {1, 1}},       {{0, 0}, {1, kNan}},      {{kNan, kNan}, {kNan, kNan}},
    {{-kInfinity, 0}, {1, 1}}, {{0, 0}, {kInfinity, 1}}, {{0, kInfinity}, {1, kInfinity}},
    {{1, 0}, {0, 1}},          {{0, 1}, {1, 0.5}},
};

class BadInputTest : public testing::TestWithParam<Mode> {
 protected:
  BadInputTest() {
    if (GetParam() == Mode::in_memory) return;
    Options options;
    options.durability = Durability::eventual;
    database_.emplace(Database::open(directory_ / "db", options).value());
    index_ = database_->index<2>("entries").value();
  }

  // Index, statistics and answers before and after `attempt`.
  void expect_no_change(const std::function<void()>& attempt) {
    const auto before = state();
    attempt();
    EXPECT_EQ(state(), before);
    const auto verified = index_.verify();
    EXPECT_TRUE(verified) << verified.error().message();
  }

  TemporaryDirectory directory_;
  std::optional<Database> database_;
  Index<2> index_;

 private:
  std::vector<double> state() {
    const IndexStats stats = index_.stats().value();
    std::vector<double> state = {static_cast<double>(stats.entries),
                                 static_cast<double>(stats.leaves),
                                 static_cast<double>(stats.directory_nodes), stats.leaf_fill};
    if (database_) state.push_back(static_cast<double>(database_->stats().value().epoch));
    for (const auto& hit : index_.query(nearest(Point<2>{0, 0}))) {
      state.insert(state.end(), {hit.box.min[0], hit.box.min[1], hit.box.max[0], hit.box.max[1],
                                 static_cast<double>(hit.value)});
    }
    return state;
  }
};

TEST_P(BadInputTest, WritesOfBadBoxesAreRefused) {
  for (const bool filled : {false, true}) {
    for (int i = 0; filled && i < 500; ++i) {
      ASSERT_TRUE(index_.insert({{i, i}, {i + 1, i + 2}}, i));
    }
    for (std::size_t i = 0; i < kBadBoxes.size(); ++i) {
      SCOPED_TRACE(i);
      const Box<2>& bad = kBadBoxes[i];
      const Box<2> good({3, 3}, {4, 5});
      expect_no_change([&] {
        EXPECT_INVALID(index_.insert(bad, 1));
        EXPECT_INVALID(index_.erase(bad, 1));
        EXPECT_INVALID(index_.update(bad, good, 3));
        EXPECT_INVALID(index_.update(good, bad, 3));
        EXPECT_INVALID(index_.update(bad, bad, 3));
      });
    }
  }
}

TEST_P(BadInputTest, ABulkLoadWithOneBadEntryLoadsNone) {
  std::vector<Index<2>::Entry> entries;
  for (int i = 0; i < 300; ++i) entries.push_back({Box<2>({i, 0}, {i, 1}), std::uint64_t(i)});
  for (const bool filled : {false, true}) {
    if (filled) {
      ASSERT_TRUE(index_.insert(Point<2>{1, 1}, 77));
    }
    for (const Box<2>& bad : kBadBoxes) {
      for (const std::size_t place : {std::size_t{0}, std::size_t{150}, entries.size() - 1}) {
        auto harmed = entries;
        harmed[place].geometry = bad;
        expect_no_change([&] { EXPECT_INVALID(index_.bulk_load(harmed)); });
      }
    }
  }
}

TEST_P(BadInputTest, ABulkLoadThatFillsLeavesTooLittleOrTooMuchLoadsNothing) {
  const std::vector<Index<2>::Entry> entries = {{Box<2>({0, 0}, {1, 1}), 1}};
  for (const bool filled : {false, true}) {
    if (filled) {
      ASSERT_TRUE(index_.insert(Point<2>{1, 1}, 77));
    }
    for (const double fill : {std::nan(""), -1.0, 0.0, 0.49, 1.01, 100.0}) {
      expect_no_change([&] { EXPECT_INVALID(index_.bulk_load(entries, {.fill = fill})); });
    }
  }
  EXPECT_TRUE(index_.bulk_load(entries, {.fill = 0.5}));
}

TEST_P(BadInputTest, QueriesWithNanOrInvertedBoxesAreRefused) {
  ASSERT_TRUE(index_.insert({{0, 0}, {1, 1}}, 1));
  const auto refused = [&](const auto& query) {
    EXPECT_INVALID(index_.count(query));
    std::vector<Index<2>::Hit> hits;
    EXPECT_INVALID(index_.collect(query, hits));
    EXPECT_TRUE(hits.empty());
    EXPECT_INVALID(index_.for_each(query, [](const auto&) { FAIL() << "a hit"; }));
    auto cursor = index_.query(query);
    EXPECT_EQ(cursor.begin(), cursor.end());
    EXPECT_INVALID(cursor.status());
  };
  const Box<2> good({0, 0}, {2, 2});
  for (const Box<2>& bad : {Box<2>({kNan, 0}, {1, 1}), Box<2>({0, 0}, {1, kNan}),
                            Box<2>({1, 0}, {0, 1}), Box<2>({0, kInfinity}, {1, -kInfinity})}) {
    refused(intersects(bad));
    refused(within(bad));
    refused(covers(bad));
    refused(overlaps(bad));
    refused(disjoint(bad));
    refused(intersects(good) && within(bad));
    refused(!covers(bad) && intersects(good));
    refused(nearest(bad, 3));
    refused(nearest(good, 3) && intersects(bad));
  }
  refused(intersects(Point<2>{0, kNan}));
  refused(nearest(Point<2>{kNan, 0}, 1));
  // One of many, and nothing is visited for the others.
  for (std::size_t at : {0u, 7u, 8u, 29u}) {
    std::vector<decltype(intersects(good))> many(30, intersects(good));
    many[at] = intersects(Box<2>({1, 0}, {0, 1}));
    EXPECT_INVALID(index_.for_each_of(many, [](std::size_t, auto&) { FAIL() << "a visit"; }));
  }
}

TEST_P(BadInputTest, DistancesAndWeightsThatMeanNothingAreRefused) {
  ASSERT_TRUE(index_.insert({{0, 0}, {1, 1}}, 1));
  const auto refused = [&](const auto& query) {
    EXPECT_INVALID(index_.count(query));
    auto cursor = index_.query(query);
    EXPECT_EQ(cursor.begin(), cursor.end());
    EXPECT_INVALID(cursor.status());
    if (!database_) return;
    const Snapshot snapshot = database_->snapshot();
    EXPECT_INVALID(snapshot.count(index_, query));
  };
  const auto here = nearest(Point<2>{3, 1}, 3);
  for (const double bad : {kNan, -1.0, -kInfinity}) {
    refused(here.within(bad));
    refused(here.metric(Metric::manhattan).within(bad) && everything());
    refused(here.weighted({1, bad}));
    refused(here.weighted({bad, 0}));
  }
  refused(here.weighted({kInfinity, 1}));
  refused(here.weighted({1, 1}).metric(Metric::manhattan));
  refused(here.metric(Metric::chebyshev).weighted({1, 1}));
  EXPECT_EQ(index_.count(here.within(kInfinity)).value(), 1u);
  EXPECT_EQ(index_.count(here.within(-0.0)).value(), 0u);
  EXPECT_EQ(index_.count(here.weighted({0, 0}).within(0)).value(), 1u);
}

TEST_P(BadInputTest, QueriesTakeInfiniteBounds) {
  ASSERT_TRUE(index_.insert({{0, 0}, {1, 1}}, 1));
  ASSERT_TRUE(index_.insert({{5, 5}, {6, 6}}, 2));
  const Box<2> left({-kInfinity, -kInfinity}, {2, kInfinity});
  EXPECT_EQ(index_.count(intersects(left)).value(), 1u);
  EXPECT_EQ(index_.count(within(left)).value(), 1u);
  EXPECT_EQ(index_.count(disjoint(left)).value(), 1u);
  EXPECT_EQ(index_.count(covers(left)).value(), 0u);
  EXPECT_EQ(index_.count(intersects(Point<2>{kInfinity, kInfinity})).value(), 0u);
  EXPECT_EQ(index_.count(nearest(left, 5)).value(), 2u);
  EXPECT_EQ(index_.count(nearest(Point<2>{kInfinity, 0}, 5)).value(), 2u);
  for (const Metric metric : {Metric::manhattan, Metric::chebyshev}) {
    EXPECT_EQ(index_.count(nearest(left).metric(metric).within(3)).value(), 2u);
    EXPECT_EQ(index_.count(nearest(Point<2>{kInfinity, 0}).metric(metric)).value(), 2u);
  }
  EXPECT_EQ(index_.count(nearest(Point<2>{kInfinity, 0}).weighted({0, 1}).within(0)).value(), 1u);
}

INSTANTIATE_TEST_SUITE_P(Modes, BadInputTest, testing::Values(Mode::in_memory, Mode::durable),
                         [](const auto& mode) {
                           return mode.param == Mode::durable ? "Durable" : "InMemory";
                         });

TEST(BadSchema, IsRefused) {
  using detail::ScalarType;
  using detail::Schema;
  for (const Schema& schema :
       {Schema{0, ScalarType::float64, Shape::boxes, 8},
        Schema{33, ScalarType::float64, Shape::boxes, 8},
        Schema{2, ScalarType::float64, Shape::boxes, 65},
        Schema{2, ScalarType::float64, Shape::boxes, 0},
        Schema{2, static_cast<ScalarType>(5), Shape::boxes, 8},
        Schema{2, ScalarType::float32, static_cast<Shape>(2), 8}}) {
    EXPECT_INVALID(detail::make_memory_index(schema));
  }
}

class BadRequestTest : public testing::Test {
 protected:
  // Refused by both ways to apply a batch, with the error where the caller can see it.
  void expect_refused(const Batch& batch, ErrorCode expected = ErrorCode::invalid_argument) {
    const std::uint64_t epoch = db_.stats().value().epoch;
    EXPECT_EQ(code_of(db_.apply(batch)), expected);
    const auto token = db_.apply_async(batch);
    EXPECT_EQ(code_of(token ? db_.wait(*token) : Result<void>(token.error())), expected);
    EXPECT_EQ(index_.size().value(), 1u);
    EXPECT_EQ(db_.get("name").value(), std::nullopt);
    EXPECT_EQ(db_.stats().value().epoch, epoch);
    EXPECT_TRUE(db_.verify());
  }
  Batch good_batch() {
    Batch batch;
    batch.insert(index_, Point<2>{2, 2}, 2).erase(index_, Point<2>{1, 1}, 1).put("name", "value");
    return batch;
  }

  TemporaryDirectory directory_;
  Database db_ = Database::open(directory_ / "db").value();
  Index<2> index_ = db_.index<2>("entries").value();

  void SetUp() override { ASSERT_TRUE(index_.insert(Point<2>{1, 1}, 1)); }
};

TEST_F(BadRequestTest, WithOneRefusedOperationChangesNothing) {
  for (const Box<2>& bad : kBadBoxes) {
    Batch batch = good_batch();
    batch.insert(index_, bad, 1).insert(index_, Point<2>{3, 3}, 3);
    expect_refused(batch);
    batch = good_batch();
    batch.update(index_, Point<2>{1, 1}, bad, 1);
    expect_refused(batch);
  }
}

TEST_F(BadRequestTest, WithAnIndexInMemoryIsRefused) {
  Index<2> cache;
  Batch batch = good_batch();
  batch.insert(cache, Point<2>{3, 3}, 3);
  expect_refused(batch);
  EXPECT_EQ(cache.size().value(), 0u);
}

TEST_F(BadRequestTest, WithAnIndexOfAnotherDatabaseIsRefused) {
  Database other = Database::open(directory_ / "other").value();
  auto foreign = other.index<2>("entries").value();
  Batch mixed = good_batch();
  mixed.insert(foreign, Point<2>{3, 3}, 3);
  expect_refused(mixed);
  Batch whole;
  whole.insert(foreign, Point<2>{3, 3}, 3);
  expect_refused(whole);
  EXPECT_EQ(foreign.size().value(), 0u);
}

TEST_F(BadRequestTest, OfADatabaseThatIsGoneIsRefused) {
  for (int round = 0; round < 8; ++round) {
    Batch batch;
    {
      Database gone = Database::open(directory_ / "gone").value();
      auto index = gone.index<3>("entries").value();
      batch.insert(index, Point<3>{1, 2, 3}, 1);
    }
    // The new database may lie where the other one lay.
    Database young = Database::open(directory_ / (numbered("young", round))).value();
    auto index = young.index<3>("entries").value();
    EXPECT_INVALID(young.apply(batch));
    EXPECT_EQ(index.size().value(), 0u);
  }
}

TEST_F(BadRequestTest, WithADroppedIndexIsRefused) {
  auto dropped = db_.index<2>("dropped").value();
  Batch batch = good_batch();
  batch.insert(dropped, Point<2>{3, 3}, 3);
  ASSERT_TRUE(db_.drop_index("dropped"));
  expect_refused(batch, ErrorCode::not_found);
  // Another index of this name is another index.
  auto again = db_.index<2>("dropped").value();
  expect_refused(batch, ErrorCode::not_found);
  EXPECT_EQ(again.size().value(), 0u);
}

TEST_F(BadRequestTest, WithBadNamesOrValuesIsRefused) {
  Batch batch = good_batch();
  batch.put("large", std::string(4097, 'x'));
  expect_refused(batch);
  for (const std::string& bad : {std::string(), std::string("a b"), std::string("a/b")}) {
    batch = good_batch();
    batch.put(bad, "x");
    expect_refused(batch);
    batch = good_batch();
    batch.remove(bad);
    expect_refused(batch);
  }
}

TEST_F(BadRequestTest, WithTooManyBytesOfNamedValuesIsRefused) {
  Batch batch = good_batch();
  for (int i = 0; i < 65; ++i) batch.put(numbered("n", i), std::string(4096, 'x'));
  expect_refused(batch, ErrorCode::limit_exceeded);
  for (int i = 0; i < 60; ++i) {
    Batch one;
    one.put(numbered("n", i), std::string(4096, 'x'));
    ASSERT_TRUE(db_.apply(one));
  }
  batch = good_batch();
  for (int i = 60; i < 65; ++i) batch.put(numbered("n", i), std::string(4096, 'x'));
  expect_refused(batch, ErrorCode::limit_exceeded);
  EXPECT_EQ(db_.get("n59").value(), std::string(4096, 'x'));
  EXPECT_EQ(db_.get("n60").value(), std::nullopt);
}

TEST_F(BadRequestTest, NamesThatAreNoPlainWordsAreRefused) {
  const std::vector<std::string> bad = {"",    "a b",  "../x", "-x",     ".x",
                                        "_x",  "a/b",  "a\n",  "caf\xc3\xa9",
                                        std::string("a\0b", 3), std::string(65, 'a')};
  for (const std::string& name : bad) {
    SCOPED_TRACE(name);
    EXPECT_INVALID(db_.index<2>(name));
    EXPECT_INVALID(db_.open_index(name));
    EXPECT_INVALID(db_.index<2>(name, {.mode = Mode::in_memory}));
    EXPECT_FALSE(db_.drop_index(name));
  }
  EXPECT_EQ(db_.indexes().value().size(), 1u);
  for (const std::string& name : {std::string("a"), std::string("9"), std::string("A-b_c.9"),
                                  std::string(64, 'a')}) {
    EXPECT_TRUE(db_.index<2>(name)) << name;
  }
}

TEST_F(BadRequestTest, AnIndexOfAnotherSchemaAlreadyExists) {
  const auto refused = [](Database& db) {
    EXPECT_EQ(code_of(db.index<3>("entries")), ErrorCode::already_exists);
    EXPECT_EQ(code_of(db.index<2, std::uint32_t>("entries")), ErrorCode::already_exists);
    EXPECT_EQ(code_of(db.index<2, std::uint64_t, float>("entries")), ErrorCode::already_exists);
    EXPECT_EQ(code_of(db.index<2, std::uint64_t, double, Shape::points>("entries")),
              ErrorCode::already_exists);
  };
  refused(db_);
  ASSERT_TRUE(db_.close());
  Database again = Database::open(directory_ / "db").value();
  refused(again);
  EXPECT_EQ(again.index<2>("entries").value().size().value(), 1u);
}

TEST_F(BadRequestTest, ASnapshotAnswersOnlyForItsOwnDatabase) {
  Database other = Database::open(directory_ / "other").value();
  auto foreign = other.index<2>("entries").value();
  Index<2> cache;
  const Snapshot snapshot = db_.snapshot();
  EXPECT_INVALID(snapshot.size(foreign));
  EXPECT_INVALID(snapshot.count(foreign, everything()));
  EXPECT_INVALID(snapshot.verify(foreign));
  EXPECT_INVALID(snapshot.stats(foreign));
  EXPECT_INVALID(snapshot.count(foreign, nearest(Point<2>{0, 0}, 1)));
  const std::array all{everything(), everything()};
  const auto visit = [](std::size_t, auto&) { FAIL() << "a visit"; };
  EXPECT_INVALID(snapshot.for_each_of(foreign, all, visit));
  EXPECT_INVALID(snapshot.for_each_of(cache, all, visit));
  EXPECT_INVALID(snapshot.size(cache));
  EXPECT_INVALID(snapshot.count(cache, everything()));
  EXPECT_EQ(snapshot.size(index_).value(), 1u);
}

TEST_F(BadRequestTest, EverythingAnswersClosedAfterClose) {
  const Snapshot snapshot = db_.snapshot();
  const Batch batch = good_batch();
  ASSERT_TRUE(db_.close());
  const auto closed = [](const auto& result) { EXPECT_EQ(code_of(result), ErrorCode::closed); };
  closed(index_.insert(Point<2>{2, 2}, 2));
  closed(index_.erase(Point<2>{1, 1}, 1));
  closed(index_.update(Point<2>{1, 1}, Point<2>{2, 2}, 1));
  const std::vector<Index<2>::Entry> entries = {{Point<2>{1, 1}, 5}};
  closed(index_.bulk_load(entries));
  closed(index_.clear());
  closed(index_.size());
  closed(index_.stats());
  closed(index_.verify());
  closed(index_.for_each_node([](const auto&) {}));
  closed(index_.count(everything()));
  closed(index_.count(nearest(Point<2>{0, 0}, 1)));
  closed(index_.for_each(everything(), [](const auto&) {}));
  const std::array all{everything(), everything()};
  closed(index_.for_each_of(all, [](std::size_t, auto&) {}));
  closed(snapshot.size(index_));
  closed(snapshot.count(index_, everything()));
  closed(snapshot.get("name"));
  closed(db_.index<2>("entries"));
  closed(db_.index<2>("young"));
  closed(db_.open_index("entries"));
  closed(db_.drop_index("entries"));
  closed(db_.indexes());
  closed(db_.apply(batch));
  closed(db_.apply_async(batch));
  closed(db_.get("name"));
  closed(db_.checkpoint());
  closed(db_.stats());
  closed(db_.verify());
  const Snapshot late = db_.snapshot();
  closed(late.size(index_));
  EXPECT_TRUE(db_.close());
}

}  // namespace
}  // namespace xtree::test
