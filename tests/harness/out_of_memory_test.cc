// Every allocation of every call fails once, and from it on for good: the call then succeeds or
// answers `out_of_memory`, nothing that was acknowledged is lost, and nothing is leaked.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "harness/failing_memory.h"
#include "support/model.h"
#include "support/random.h"
#include "support/temporary_directory.h"
#include "xtree/database.h"

namespace xtree::test {
namespace {

using Roads = Index<2>;
using RoadModel = Model<Roads>;

constexpr std::size_t kEntries = kSanitized ? 1500 : 4000;
constexpr std::uint64_t kMostAllocations = 20'000;  // of one call, lest a test goes on for ever
constexpr Box<2> kWindow{{100, 100}, {400, 400}};

Box<2> random_box(Random& random) {
  const double x = random.unit() * 1000;
  const double y = random.unit() * 1000;
  return {{x, y}, {x + random.unit(), y + random.unit()}};
}

std::vector<Roads::Entry> random_entries(Random& random, std::size_t count, std::uint64_t first) {
  std::vector<Roads::Entry> entries;
  for (std::size_t i = 0; i < count; ++i) entries.push_back({random_box(random), first + i});
  return entries;
}

template <class T>
Result<void> without_value(const Result<T>& result) {
  return result ? Result<void>() : Result<void>(result.error());
}

// Calls `attempt(n, failure)` for every n until no allocation is left to fail, in both ways of
// failing; it says whether one has failed.
template <class Attempt>
void for_every_allocation(Attempt&& attempt) {
  for (const MemoryFailure failure : {MemoryFailure::once, MemoryFailure::from_then_on}) {
    std::uint64_t nth = 1;
    while (nth < kMostAllocations && attempt(nth, failure) && !::testing::Test::HasFailure()) ++nth;
    EXPECT_LT(nth, kMostAllocations) << "the call allocates without an end";
  }
}

void insert_into(RoadModel& model, const std::vector<Roads::Entry>& entries) {
  for (const auto& entry : entries) model.insert(entry.geometry, entry.value);
}

std::vector<RoadModel::Item> content_of(const Roads& index) {
  std::vector<RoadModel::Item> items;
  const auto done = index.for_each(everything(), [&](const Roads::Hit& hit) {
    items.push_back({hit.box, hit.value});
  });
  EXPECT_TRUE(done) << done.error().message();
  std::sort(items.begin(), items.end());
  return items;
}

// Asks in every way. Answers are counted and not kept, which would take the test's own memory.
template <class Ask>
Result<void> ask_all(const Ask& ask, const Roads& index) {
  std::uint64_t hits = 0;
  auto cursor = ask.query(index, intersects(kWindow));
  for (const auto& hit : cursor) hits += hit.value != 0 ? 1 : 0;
  if (!cursor.status()) return cursor.status();
  const auto visited = ask.for_each(index, within(kWindow), [&](const auto&) { ++hits; });
  if (!visited) return visited;
  if (const auto count = ask.count(index, intersects(kWindow)); !count) return count.error();
  auto nearest = ask.query(index, xtree::nearest(Point<2>{500, 500}, 1000));
  for (const auto& hit : nearest) hits += hit.value != 0 ? 1 : 0;
  if (!nearest.status()) return nearest.status();
  auto endless = ask.query(index, xtree::nearest(Point<2>{500, 500}));
  for (const auto& hit : endless) hits += hit.value != 0 ? 1 : 0;
  return endless.status();
}

// An index as a thing to ask, beside a Snapshot.
struct Directly {
  template <class Q> auto query(const Roads& index, const Q& q) const { return index.query(q); }
  template <class Q, class F>
  Result<void> for_each(const Roads& index, const Q& q, F&& visit) const {
    return index.for_each(q, std::forward<F>(visit));
  }
  template <class Q> auto count(const Roads& index, const Q& q) const { return index.count(q); }
};

class OutOfMemoryInMemory : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto entries = random_entries(random_, kEntries, 1);
    index_.bulk_load(entries).value();
    insert_into(model_, entries);
  }

  // Makes the call with every allocation failing; `done(model)` is what it does when it succeeds.
  void exhaust(const std::function<Result<void>()>& call,
               const std::function<void(RoadModel&)>& done = [](RoadModel&) {}) {
    for_every_allocation([&](std::uint64_t nth, MemoryFailure failure) {
      FailingMemory memory(nth, failure);
      const Result<void> result = call();
      const bool failed = memory.stop();
      EXPECT_TRUE(result || (failed && result.error().code() == ErrorCode::out_of_memory))
          << "allocation " << nth << ": " << result.error().message();
      if (result) done(model_);
      EXPECT_TRUE(content_of(index_) == model_.sorted()) << "allocation " << nth;
      const auto verified = index_.verify();
      EXPECT_TRUE(verified) << verified.error().message();
      return failed;
    });
  }

  Random random_{test_seed("out of memory")};
  Roads index_;
  RoadModel model_;
};

TEST_F(OutOfMemoryInMemory, ChangesNothingWhereItFails) {
  for (int i = 0; i < 200 && !HasFailure(); ++i) {
    const Box<2> box = random_box(random_);
    const auto value = static_cast<std::uint64_t>(100'000 + i);
    exhaust([&] { return index_.insert(box, value); },
            [&](RoadModel& model) { model.insert(box, value); });
    const auto moved = model_.items()[random_.below(model_.size())];
    const Box<2> to = random_box(random_);
    exhaust([&] { return without_value(index_.update(moved.box, to, moved.value)); },
            [&](RoadModel& model) { model.update(moved.box, to, moved.value); });
    const auto erased = model_.items()[random_.below(model_.size())];
    exhaust([&] { return without_value(index_.erase(erased.box, erased.value)); },
            [&](RoadModel& model) { model.erase(erased.box, erased.value); });
  }
}

TEST_F(OutOfMemoryInMemory, LoadsAllOrNothing) {
  const auto more = random_entries(random_, 300, 1'000'000);
  exhaust([&] { return index_.bulk_load(more); },
          [&](RoadModel& model) { insert_into(model, more); });
  for_every_allocation([&](std::uint64_t nth, MemoryFailure failure) {
    Roads empty;
    FailingMemory memory(nth, failure);
    const auto loaded = empty.bulk_load(more);
    const bool failed = memory.stop();
    EXPECT_TRUE(loaded || loaded.error().code() == ErrorCode::out_of_memory);
    EXPECT_EQ(empty.size().value(), loaded ? more.size() : 0);
    EXPECT_TRUE(empty.verify());
    return failed;
  });
}

TEST_F(OutOfMemoryInMemory, AnswersOrSaysThatItCannot) {
  exhaust([&] { return ask_all(Directly(), index_); });
  exhaust([&] { return without_value(index_.stats()); });
  exhaust([&] { return index_.verify(); });
  exhaust([&] { return index_.clear(); }, [](RoadModel& model) { model.clear(); });
}

// What a database holds.
struct World {
  RoadModel roads;
  std::map<std::string, std::string> values;
  bool has_extra = false;  // whether the index "extra" is there
};

class OutOfMemoryInDatabase : public ::testing::Test {
 protected:
  using Call = std::function<Result<void>()>;
  using Effect = std::function<void(World&)>;

  void SetUp() override {
    options_.log_file_bytes = 64 << 10;
    options_.background_checkpoints = false;
    descriptors_ = open_descriptors();
    threads_ = running_threads();
    open();
    const auto entries = random_entries(random_, kEntries, 1);
    roads_->bulk_load(entries).value();
    insert_into(world_.roads, entries);
    reopen();
  }
  void TearDown() override {
    roads_.reset();
    db_.reset();
    EXPECT_EQ(open_descriptors(), descriptors_);
  }

  void open() {
    auto db = Database::open(path_, options_);
    ASSERT_TRUE(db) << db.error().message();
    db_.emplace(std::move(db).value());
    auto roads = db_->index<2>("roads");
    ASSERT_TRUE(roads) << roads.error().message();
    roads_.emplace(std::move(roads).value());
  }
  // Everything that was open is closed, and nodes are only on disk again.
  void reopen() {
    roads_.reset();
    db_.reset();
    EXPECT_EQ(open_descriptors(), descriptors_);
    open();
  }

  [[nodiscard]] bool holds(const World& world) {
    if (db_->open_index("extra").has_value() != world.has_extra) return false;
    for (const char* name : {"offset", "other"}) {
      const auto value = db_->get(name);
      if (!value) return false;
      const auto expected = world.values.find(name);
      if (value->has_value() != (expected != world.values.end())) return false;
      if (value->has_value() && **value != expected->second) return false;
    }
    return content_of(*roads_) == world.roads.sorted();
  }

  // A write shows whether the database takes any.
  [[nodiscard]] bool is_poisoned() {
    Batch probe;
    probe.put("probe", "1");
    const auto written = db_->apply(probe, Durability::none);
    EXPECT_TRUE(written || written.error().code() == ErrorCode::poisoned)
        << written.error().message();
    return !written;
  }

  // The call has changed all or nothing; a database that was poisoned by it, once it is reopened.
  void check(const Result<void>& result, const Effect& done) {
    World after = world_;
    done(after);
    if (result) world_ = after;
    if (is_poisoned()) {
      const auto content = content_of(*roads_);
      EXPECT_TRUE(content == after.roads.sorted() || content == world_.roads.sorted())
          << "readers of a poisoned database see something that was never published";
      reopen();
      if (!result && holds(after)) world_ = after;
    } else if (may_be_done_ && !result && holds(after)) {
      world_ = after;
    }
    EXPECT_TRUE(holds(world_));
    const auto verified = db_->verify();
    EXPECT_TRUE(verified) << verified.error().message();
  }

  void exhaust(const Call& call, const Effect& done = [](World&) {}, const Call& before = {}) {
    for_every_allocation([&](std::uint64_t nth, MemoryFailure failure) {
      if (before) before().value();
      FailingMemory memory(nth, failure);
      const Result<void> result = call();
      const bool failed = memory.stop();
      SCOPED_TRACE(::testing::Message() << "allocation " << nth << ", "
                   << (failure == MemoryFailure::once ? "once" : "from then on") << ": "
                   << (result ? "succeeded" : result.error().message()));
      EXPECT_TRUE(result || failed);
      EXPECT_TRUE(result || result.error().code() == ErrorCode::out_of_memory ||
                  result.error().code() == ErrorCode::poisoned);
      check(result, done);
      return failed;
    });
  }

  Random random_{test_seed("out of memory")};
  TemporaryDirectory directory_;
  const std::string path_ = directory_ / "db";
  Options options_;
  std::size_t descriptors_ = 0;
  std::size_t threads_ = 0;
  std::optional<Database> db_;
  std::optional<Roads> roads_;
  World world_;
  // A call whose effect may be there although it had no memory for its answer.
  bool may_be_done_ = false;
};

TEST_F(OutOfMemoryInDatabase, SingleWritesHappenOrDoNot) {
  for (int i = 0; i < (kSanitized ? 2 : 6) && !HasFailure(); ++i) {
    const Box<2> box = random_box(random_);
    const auto value = static_cast<std::uint64_t>(100'000 + i);
    exhaust([&] { return roads_->insert(box, value); },
            [&](World& world) { world.roads.insert(box, value); });
    const auto moved = world_.roads.items()[random_.below(world_.roads.size())];
    const Box<2> to = random_box(random_);
    exhaust([&] { return without_value(roads_->update(moved.box, to, moved.value)); },
            [&](World& world) { world.roads.update(moved.box, to, moved.value); });
    const auto erased = world_.roads.items()[random_.below(world_.roads.size())];
    exhaust([&] { return without_value(roads_->erase(erased.box, erased.value)); },
            [&](World& world) { world.roads.erase(erased.box, erased.value); });
  }
}

TEST_F(OutOfMemoryInDatabase, BatchesHappenWhollyOrNotAtAll) {
  const auto more = random_entries(random_, 150, 1'000'000);
  const auto effect = [&](World& world) {
    insert_into(world.roads, more);
    world.values["offset"] = std::to_string(world.roads.size());
  };
  // Short enough to need no memory of the test's own.
  const auto make = [&](Batch& batch) {
    for (const auto& entry : more) batch.insert(*roads_, entry.geometry, entry.value);
    batch.put("offset", std::to_string(world_.roads.size() + more.size()));
  };
  exhaust(
      [&] {
        Batch batch;
        make(batch);
        return db_->apply(batch);
      },
      effect);
  exhaust(
      [&]() -> Result<void> {
        Batch batch;
        make(batch);
        const auto token = db_->apply_async(batch);
        return token ? db_->wait(*token) : Result<void>(token.error());
      },
      effect);
  exhaust([&] { return roads_->bulk_load(more); },
          [&](World& world) { insert_into(world.roads, more); });
  exhaust([&] { return roads_->clear(); }, [&](World& world) { world.roads.clear(); });
}

TEST_F(OutOfMemoryInDatabase, NamedValuesAndIndexesComeAndGo) {
  Batch put;
  put.put("other", std::string(3000, 'x'));
  exhaust([&] { return db_->apply(put); },
          [&](World& world) { world.values["other"] = std::string(3000, 'x'); });
  exhaust([&] { return without_value(db_->get("other")); });
  exhaust([&] { return without_value(db_->indexes()); });
  Batch remove;
  remove.remove("other");
  exhaust([&] { return db_->apply(remove); }, [&](World& world) { world.values.erase("other"); });
  may_be_done_ = true;
  exhaust([&] { return without_value(db_->index<3>("extra")); },
          [](World& world) { world.has_extra = true; });
  may_be_done_ = false;
  exhaust([&] { return db_->drop_index("extra"); }, [](World& world) { world.has_extra = false; },
          [&]() -> Result<void> {
            world_.has_extra = true;
            return without_value(db_->index<3>("extra"));
          });
}

TEST_F(OutOfMemoryInDatabase, AnEmptyIndexIsLoadedOrNot) {
  const auto more = random_entries(random_, 800, 1'000'000);
  exhaust([&] { return roads_->bulk_load(more); },
          [&](World& world) { insert_into(world.roads, more); },
          [&]() -> Result<void> {
            world_.roads.clear();
            return roads_->clear();
          });
}

TEST_F(OutOfMemoryInDatabase, QueriesAnswerOrSayThatTheyCannot) {
  for (const bool cold : {false, true}) {
    const auto before = [&]() -> Result<void> {
      if (cold) reopen();
      return {};
    };
    exhaust([&] { return ask_all(Directly(), *roads_); }, [](World&) {}, before);
    if (HasFailure()) return;
  }
  exhaust([&] { return ask_all(db_->snapshot(), *roads_); });
  exhaust([&] { return without_value(db_->snapshot().get("offset")); });
  exhaust([&] { return without_value(db_->stats()); });
  exhaust([&] { return without_value(roads_->stats()); });
  exhaust([&] { return db_->verify(); });
}

TEST_F(OutOfMemoryInDatabase, CheckpointsLoseNothing) {
  std::uint64_t value = 1'000'000;
  const auto write = [&]() -> Result<void> {
    const auto entries = random_entries(random_, 40, value);
    value += entries.size();
    insert_into(world_.roads, entries);
    return roads_->bulk_load(entries);
  };
  exhaust([&] { return db_->checkpoint(); }, [](World&) {}, write);
  for_every_allocation([&](std::uint64_t nth, MemoryFailure failure) {
    write().value();
    FailingMemory memory(nth, failure);
    const Result<void> closed = db_->close();
    const bool failed = memory.stop();
    EXPECT_TRUE(closed || closed.error().code() == ErrorCode::out_of_memory);
    reopen();
    EXPECT_TRUE(holds(world_)) << "allocation " << nth;
    return failed;
  });
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

}  // namespace
}  // namespace xtree::test
