#include "xtree/snapshot.h"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "api/query_check.h"
#include "support/temporary_directory.h"
#include "xtree/database.h"

namespace xtree::test {
namespace {

using Rects = Index<2>;
using Generator2 = Generator<2, double>;

constexpr std::uint64_t kChanges = kSanitized ? 20'000 : 1'000'000;
constexpr std::uint64_t kEntries = kSanitized ? 3'000 : 30'000;

class SnapshotTest : public testing::Test {
 protected:
  SnapshotTest() {
    options_.durability = Durability::eventual;
    options_.checkpoint_log_bytes = 4 << 20;
    options_.log_file_bytes = 1 << 20;
  }
  Database open() { return Database::open(directory_ / "db", options_).value(); }

  // Superseded versions go when the last snapshot has gone and something is written after it. A
  // checkpoint holds a snapshot of its own for a while, so one is waited for.
  static void expect_nothing_held(Database& db) {
    ASSERT_TRUE(db.checkpoint());
    Batch batch;
    batch.put("touch", "1");
    ASSERT_TRUE(db.apply(batch));
    const DatabaseStats stats = db.stats().value();
    EXPECT_EQ(stats.snapshots, 0u);
    EXPECT_EQ(stats.oldest_snapshot, 0u);
    EXPECT_EQ(stats.versions_held, 0u);
    EXPECT_EQ(stats.version_bytes, 0u);
  }

  TemporaryDirectory directory_;
  Options options_;
};

// The answers that a snapshot must keep giving.
class Expectation {
 public:
  Expectation(const Snapshot& snapshot, const Rects& index, std::uint64_t seed) {
    Generator2 generator(Pattern::uniform, seed);
    for (int i = 0; i < 24; ++i) {
      windows_.push_back(generator.box());
      targets_.push_back(generator.point());
    }
    windows_.push_back(Generator2::everything());
    for (const auto& window : windows_) windows_hits_.push_back(hits(snapshot, index, window));
    for (const auto& target : targets_) nearest_.push_back(distances(snapshot, index, target));
  }

  void check(const Snapshot& snapshot, const Rects& index, std::size_t which) const {
    const std::size_t i = which % windows_.size();
    ASSERT_TRUE(hits(snapshot, index, windows_[i]) == windows_hits_[i]) << "window " << i;
    ASSERT_EQ(snapshot.count(index, intersects(windows_[i])).value(), windows_hits_[i].size());
    const std::size_t j = which % targets_.size();
    ASSERT_EQ(distances(snapshot, index, targets_[j]), nearest_[j]);
  }
  void check_all(const Snapshot& snapshot, const Rects& index) const {
    for (std::size_t i = 0; i < windows_.size(); ++i) check(snapshot, index, i);
    const auto verified = snapshot.verify(index);
    ASSERT_TRUE(verified) << verified.error().message();
    EXPECT_EQ(snapshot.size(index).value(), windows_hits_.back().size());
  }

 private:
  using Items = std::vector<Item<2, std::uint64_t, double>>;

  static Items hits(const Snapshot& snapshot, const Rects& index, const Box<2>& window) {
    Items items;
    const auto done = snapshot.for_each(index, intersects(window), [&](const Rects::Hit& hit) {
      items.push_back({hit.box, hit.value});
    });
    EXPECT_TRUE(done);
    std::sort(items.begin(), items.end());
    return items;
  }
  static std::vector<double> distances(const Snapshot& snapshot, const Rects& index,
                                       const Point<2>& target) {
    std::vector<double> found;
    for (const auto& hit : snapshot.query(index, nearest(target, 10))) {
      found.push_back(hit.distance);
    }
    return found;
  }

  std::vector<Box<2>> windows_;
  std::vector<Point<2>> targets_;
  std::vector<Items> windows_hits_;
  std::vector<std::vector<double>> nearest_;
};

std::vector<Rects::Entry> random_entries(std::uint64_t seed, std::uint64_t count) {
  Generator2 generator(Pattern::uniform, seed);
  std::vector<Rects::Entry> entries(count);
  for (std::uint64_t i = 0; i < count; ++i) entries[i] = {generator.box(), i};
  return entries;
}

// Moves entries from `here` to `there` and back, in batches: their sizes always have one sum, and
// the named value counts the entries `there`.
class Mover {
 public:
  Mover(Database& db, const Rects& here, const Rects& there, std::uint64_t seed)
      : db_(db), here_(here), there_(there), generator_(Pattern::clustered, seed) {
    for (const auto& entry : random_entries(seed, kEntries)) homes_.push_back({entry, false});
  }

  void move(std::uint64_t changes) {
    while (made_ < changes) {
      Batch batch;
      for (int i = 0; i < 50; ++i) add_move(batch);
      batch.put("there", std::to_string(away_));
      const auto done = db_.apply(batch);
      ASSERT_TRUE(done) << done.error().message();
    }
  }

 private:
  struct Home {
    Rects::Entry entry;
    bool away;
  };

  // An entry has a new box wherever it arrives.
  void add_move(Batch& batch) {
    Home& home = homes_[generator_.random().below(homes_.size())];
    const Rects& from = home.away ? there_ : here_;
    const Rects& to = home.away ? here_ : there_;
    const Box<2> box = generator_.box();
    batch.erase(from, home.entry.geometry, home.entry.value).insert(to, box, home.entry.value);
    home.entry.geometry = box;
    home.away = !home.away;
    away_ += home.away ? 1 : -1;
    made_ += 2;
  }

  Database& db_;
  const Rects& here_;
  const Rects& there_;
  Generator2 generator_;
  std::deque<Home> homes_;
  std::int64_t away_ = 0;
  std::uint64_t made_ = 0;
};

// Snapshots taken at any moment show a state between two batches.
void read_newest(const Database& db, const Rects& here, const Rects& there,
                 const std::atomic<bool>& stop) {
  std::uint64_t epoch = 0;
  while (!stop.load()) {
    const Snapshot snapshot = db.snapshot();
    EXPECT_GE(snapshot.epoch(), epoch);
    epoch = snapshot.epoch();
    const std::uint64_t away = std::stoull(snapshot.get("there").value().value());
    ASSERT_EQ(snapshot.size(there).value(), away);
    ASSERT_EQ(snapshot.size(here).value(), kEntries - away);
    ASSERT_EQ(snapshot.count(there, everything()).value(), away);
    ASSERT_EQ(snapshot.count(here, satisfies([](const auto&) { return true; })).value(),
              kEntries - away);
  }
}

TEST_F(SnapshotTest, AnswersAsItDidWhileEverythingChanges) {
  const std::uint64_t seed = test_seed("snapshot");
  SCOPED_TRACE(seed);
  Database db = open();
  auto here = db.index<2>("here").value();
  auto there = db.index<2>("there").value();
  Batch batch;
  batch.put("there", "0");
  ASSERT_TRUE(db.apply(batch));
  ASSERT_TRUE(here.bulk_load(random_entries(seed, kEntries)));

  std::optional<Snapshot> before = db.snapshot();
  const Expectation expectation(*before, here, seed + 1);
  std::atomic<bool> stop = false;
  std::vector<std::thread> readers;
  readers.emplace_back([&] { read_newest(db, here, there, stop); });
  for (std::size_t r = 0; r < 2; ++r) {
    readers.emplace_back([&, r] {
      for (std::size_t i = r; !stop.load(); i += 2) expectation.check(*before, here, i);
    });
  }
  Mover(db, here, there, seed).move(kChanges);
  stop = true;
  for (auto& reader : readers) reader.join();

  expectation.check_all(*before, here);
  EXPECT_EQ(before->size(there).value(), 0u);
  EXPECT_EQ(before->get("there").value(), std::optional<std::string>("0"));
  ASSERT_TRUE(db.checkpoint());  // one that began by itself has a snapshot of its own
  const DatabaseStats held = db.stats().value();
  EXPECT_EQ(held.snapshots, 1u);
  EXPECT_EQ(held.oldest_snapshot, before->epoch());
  EXPECT_GT(held.versions_held, 0u);
  EXPECT_GT(held.version_bytes, 0u);
  before.reset();
  expect_nothing_held(db);
  EXPECT_TRUE(db.verify());
}

// Writing goes on until the time has come; what came before the end still answers.
TEST_F(SnapshotTest, IsEndedOnceItIsOlderThanTheLimit) {
  options_.max_snapshot_age_ms = 20;
  Database db = open();
  auto index = db.index<2>("entries").value();
  index.insert({{0, 0}, {1, 1}}, 1).value();
  const Snapshot forgotten = db.snapshot();
  Result<std::uint64_t> size = forgotten.size(index);
  for (std::uint64_t i = 2; size; ++i) {
    EXPECT_EQ(*size, 1u);
    index.insert({{0, 0}, {1, 1}}, i).value();
    size = forgotten.size(index);
  }
  EXPECT_EQ(size.error().code(), ErrorCode::limit_exceeded);
  EXPECT_NE(std::string(size.error().message()).find("max_snapshot_age_ms"), std::string::npos);
  EXPECT_EQ(forgotten.get("name").error().code(), ErrorCode::limit_exceeded);
  auto cursor = forgotten.query(index, intersects(Box<2>{{0, 0}, {1, 1}}));
  EXPECT_EQ(cursor.begin(), cursor.end());
  EXPECT_EQ(cursor.status().error().code(), ErrorCode::limit_exceeded);
  expect_nothing_held(db);
  EXPECT_GT(index.size().value(), 1u);
  EXPECT_GT(db.snapshot().size(index).value(), 1u);
}

// Snapshots of many moments, closed in random order, and the model's state at each.
TEST_F(SnapshotTest, EachOfManyShowsItsOwnMoment) {
  const std::uint64_t seed = test_seed("snapshot");
  SCOPED_TRACE(seed);
  struct Moment {
    Snapshot snapshot;
    Model<Rects> model;
  };
  Database db = open();
  auto index = db.index<2>("entries").value();
  Random random(seed);
  Generator2 generator(Pattern::grid, seed);
  Model<Rects> model;
  std::deque<Moment> moments;
  for (int step = 0; step < (kSanitized ? 1500 : 6000); ++step) {
    if (model.size() > 600 || (model.size() > 0 && random.one_in(3))) {
      const auto item = model.items()[random.below(model.size())];
      ASSERT_TRUE(index.erase(item.box, item.value).value());
      model.erase(item.box, item.value);
    } else {
      const Box<2> box = generator.box();
      ASSERT_TRUE(index.insert(box, step));
      model.insert(box, step);
    }
    if (random.one_in(40)) moments.push_back({db.snapshot(), model});
    if (random.one_in(400)) {
      ASSERT_TRUE(db.checkpoint());
    }
    if (moments.size() > 12 || (!moments.empty() && random.one_in(60))) {
      const std::size_t which = random.below(moments.size());
      const Pinned<Rects> view{moments[which].snapshot, index};
      QueryCheck check(view, moments[which].model, generator);
      check.all();
      check.whole();
      if (HasFailure()) return;
      moments.erase(moments.begin() + static_cast<std::ptrdiff_t>(which));
    }
  }
  ASSERT_TRUE(db.checkpoint());  // one that began by itself has a snapshot of its own
  EXPECT_EQ(db.stats().value().snapshots, moments.size());
  moments.clear();
  expect_nothing_held(db);
}

TEST_F(SnapshotTest, ShowsWhatWasThereWhenIndexesComeAndGo) {
  Database db = open();
  auto old = db.index<2>("old").value();
  ASSERT_TRUE(old.insert(Point<2>{1, 1}, 1));
  Batch batch;
  batch.put("name", "first");
  ASSERT_TRUE(db.apply(batch));
  const Snapshot snapshot = db.snapshot();
  auto young = db.index<2>("young").value();
  ASSERT_TRUE(young.insert(Point<2>{1, 1}, 1));
  batch.reset();
  batch.remove("name").put("other", "x");
  ASSERT_TRUE(db.apply(batch));
  ASSERT_TRUE(old.clear());

  EXPECT_EQ(snapshot.size(old).value(), 1u);
  EXPECT_EQ(snapshot.size(young).error().code(), ErrorCode::not_found);
  EXPECT_EQ(snapshot.count(young, everything()).error().code(), ErrorCode::not_found);
  auto hits = snapshot.query(young, nearest(Point<2>{0, 0}, 1));
  EXPECT_EQ(hits.begin(), hits.end());
  EXPECT_EQ(hits.status().error().code(), ErrorCode::not_found);
  EXPECT_EQ(snapshot.get("name").value(), std::optional<std::string>("first"));
  EXPECT_EQ(snapshot.get("other").value(), std::nullopt);
}

TEST_F(SnapshotTest, IsSharedByItsCopies) {
  Database db = open();
  auto index = db.index<2>("entries").value();
  ASSERT_TRUE(index.insert(Point<2>{1, 1}, 1));
  std::optional<Snapshot> first = db.snapshot();
  std::optional<Snapshot> second = first;
  ASSERT_TRUE(index.clear());
  first.reset();
  EXPECT_EQ(second->size(index).value(), 1u);
  EXPECT_EQ(db.stats().value().snapshots, 1u);
  second.reset();
  expect_nothing_held(db);
}

}  // namespace
}  // namespace xtree::test
