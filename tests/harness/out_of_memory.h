// Calls of which every allocation fails, and what may be left of an index or a database by them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/failing_memory.h"
#include "support/model.h"
#include "support/random.h"
#include "support/temporary_directory.h"
#include "xtree/database.h"
#include "xtree/join.h"

namespace xtree::test {

using Roads = Index<2>;
using RoadModel = Model<Roads>;

inline constexpr std::size_t kEntries = kSanitized ? 700 : 1500;
// Of one call, lest a test goes on for ever.
inline constexpr std::uint64_t kMostAllocations = 20'000;
inline constexpr Box<2> kWindow{{100, 100}, {400, 400}};

inline Box<2> random_box(Random& random) {
  const double x = random.unit() * 1000;
  const double y = random.unit() * 1000;
  return {{x, y}, {x + random.unit(), y + random.unit()}};
}

inline std::vector<Roads::Entry> random_entries(Random& random, std::size_t count,
                                                std::uint64_t first) {
  std::vector<Roads::Entry> entries;
  for (std::size_t i = 0; i < count; ++i) entries.push_back({random_box(random), first + i});
  return entries;
}

template <class T>
Result<void> without_value(const Result<T>& result) {
  return result ? Result<void>() : Result<void>(result.error());
}

// Calls `attempt(n, failure)` for every n until no allocation is left to fail, in both ways of
// failing; it says whether one has failed. What `step` returns leads from one n to the next.
template <class Attempt, class Step>
void for_allocations(Step&& step, Attempt&& attempt) {
  for (const MemoryFailure failure : {MemoryFailure::once, MemoryFailure::from_then_on}) {
    std::uint64_t nth = 1;
    while (nth < kMostAllocations && attempt(nth, failure) && !::testing::Test::HasFailure()) {
      nth += step();
    }
    EXPECT_LT(nth, kMostAllocations) << "the call allocates without an end";
  }
}
template <class Attempt>
void for_every_allocation(Attempt&& attempt) {
  for_allocations([] { return 1; }, std::forward<Attempt>(attempt));
}

inline void insert_into(RoadModel& model, const std::vector<Roads::Entry>& entries) {
  for (const auto& entry : entries) model.insert(entry.geometry, entry.value);
}

inline std::vector<RoadModel::Item> content_of(const Roads& index) {
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

template <class A, class B>
Result<void> join_both(const A& a, const B& b) {
  std::uint64_t pairs = 0;
  const auto joined = join(a, b, [&](const auto&, const auto&) { ++pairs; });
  if (!joined) return joined;
  const auto counted = count_pairs(a, b);
  if (!counted) return counted.error();
  EXPECT_EQ(*counted, pairs);
  return {};
}

inline Result<void> show_nodes(const Roads& index) {
  std::uint64_t entries = 0;
  const auto shown = index.for_each_node([&](const NodeInfo<2>& node) {
    entries += node.level == 0 ? node.count : 0;
  });
  if (!shown) return shown;
  const auto size = index.size();
  if (!size) return size.error();
  EXPECT_EQ(entries, *size);
  return {};
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

  // Moves some entries, so that there is something to write, and what was there is garbage.
  Result<void> move_some() {
    Batch batch;
    RoadModel moved = world_.roads;
    for (int i = 0; i < 40; ++i) {
      const auto item = moved.items()[random_.below(moved.size())];
      const Box<2> to = random_box(random_);
      moved.update(item.box, to, item.value);
      batch.update(*roads_, item.box, to, item.value);
    }
    const auto written = db_->apply(batch);
    if (written) world_.roads = std::move(moved);
    return written;
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

}  // namespace xtree::test
