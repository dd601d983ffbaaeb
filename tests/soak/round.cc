#include "soak/round.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <thread>

#include "xtree/database.h"

namespace xtree::test {
namespace {

constexpr std::size_t kHeldSnapshots = 6;
constexpr std::uint64_t kCollections = 1000;  // more than any round's versions need
constexpr Box<2> kAll{{-1e9, -1e9}, {1e9, 1e9}};
const LaneMix kMix{.structure = true, .checkpoints = 200, .most = 3000};

class Round {
 public:
  Round(Database& db, const SoakPlan& plan, std::vector<LaneState>& lanes)
      : db_(db), plan_(plan), lanes_(lanes) {}

  void run() {
    for (std::uint32_t i = 0; i < kSoakWriters; ++i) {
      auto lane = Lane::open(db_, i);
      ASSERT_TRUE(lane) << lane.error().message();
      objects_.push_back(std::move(lane).value());
      compare(i);
    }
    std::vector<std::thread> writers;
    for (std::uint32_t i = 0; i < kSoakWriters; ++i) {
      writers.emplace_back([this, i] { write(i); });
    }
    std::vector<std::thread> others;
    others.emplace_back([this] { ask(10); });
    others.emplace_back([this] { hold_snapshots(11); });
    others.emplace_back([this] { use_memory(12); });
    for (std::thread& writer : writers) writer.join();
    writing_ = false;
    for (std::thread& other : others) other.join();
    for (std::uint32_t i = 0; i < kSoakWriters; ++i) compare(i);
    const auto verified = db_.verify();
    EXPECT_TRUE(verified) << verified.error().message();
    expect_no_versions();
  }

  void add_to(SoakCounts& counts) const {
    counts.checkpoint = checkpoint_;
    counts.steps += plan_.steps * kSoakWriters;
    counts.queries += queries_;
    counts.snapshots += snapshots_;
  }

 private:
  Random random_of(std::uint64_t thread) const { return Random(plan_.seed * 31 + thread); }

  void expect(const Result<void>& result) {
    EXPECT_TRUE(result) << result.error().message();
  }

  void compare(std::uint32_t lane) {
    const auto difference = objects_[lane].difference(lanes_[lane]);
    ASSERT_TRUE(difference) << difference.error().message();
    EXPECT_FALSE(difference->has_value()) << "lane " << lane << ": " << **difference;
  }

  // Once nobody holds a snapshot, nothing superseded may stay.
  void expect_no_versions() {
    std::uint64_t held = 1;
    for (std::uint64_t i = 0; held != 0 && i < kCollections; ++i) {
      const auto stats = db_.stats();
      ASSERT_TRUE(stats) << stats.error().message();
      EXPECT_EQ(stats->snapshots, 0u);
      held = stats->versions_held;
      checkpoint_ = stats->checkpoint;
    }
    EXPECT_EQ(held, 0u) << "superseded versions that nobody needs are kept";
  }

  void write(std::uint32_t number) {
    Random random = random_of(number);
    Lane& lane = objects_[number];
    std::deque<Token> under_way;
    const auto settle = [&](std::size_t most) {
      for (; under_way.size() > most; under_way.pop_front()) expect(lane.wait(under_way.front()));
    };
    for (std::uint64_t i = 0; i < plan_.steps; ++i) {
      const LaneStep step = next_step(lanes_[number], random, kMix, number);
      if (step.kind == LaneStep::batch && random.one_in(2)) {
        const auto token = lane.execute_async(step);
        ASSERT_TRUE(token) << token.error().message();
        under_way.push_back(*token);
        settle(8);
      } else {
        settle(0);
        expect(lane.execute(step));
      }
      apply_step(lanes_[number], step);
    }
    settle(0);
  }

  // The index that all lanes write to, asked in every way; its entries satisfy what was asked.
  void ask(std::uint64_t thread) {
    Random random = random_of(thread);
    auto index = db_.index<2>("shared");
    ASSERT_TRUE(index) << index.error().message();
    while (writing_) {
      const double x = random.unit() * 1000;
      const double y = random.unit() * 1000;
      const Box<2> window{{x, y}, {x + 100, y + 100}};
      auto hits = index->query(intersects(window));
      std::uint64_t left = random.below(200);
      for (const auto& hit : hits) {
        EXPECT_TRUE(hit.box.min[0] <= x + 100 && hit.box.max[0] >= x);
        if (left-- == 0) break;
      }
      expect(hits.status());
      double farthest = 0;
      auto nearest = index->query(xtree::nearest(Point<2>{x, y}, 20));
      for (const auto& hit : nearest) {
        EXPECT_GE(hit.distance, farthest);
        farthest = hit.distance;
      }
      expect(nearest.status());
      const auto count = index->count(intersects(random.one_in(8) ? kAll : window));
      EXPECT_TRUE(count) << count.error().message();
      queries_ += 3;
    }
  }

  // Holds some snapshots for as long as it takes to get as many again; what one of them shows does
  // not change.
  void hold_snapshots(std::uint64_t thread) {
    struct Held {
      Snapshot snapshot;
      std::uint64_t entries;
    };
    Random random = random_of(thread);
    auto index = db_.index<2>("shared");
    ASSERT_TRUE(index) << index.error().message();
    std::vector<Held> held;
    while (writing_) {
      Snapshot snapshot = db_.snapshot();
      const auto entries = snapshot.size(*index);
      ASSERT_TRUE(entries) << entries.error().message();
      held.push_back({std::move(snapshot), *entries});
      ++snapshots_;
      const std::size_t chosen = random.below(held.size());
      const auto count = held[chosen].snapshot.count(*index, everything());
      ASSERT_TRUE(count) << count.error().message();
      EXPECT_EQ(*count, held[chosen].entries);
      if (held.size() > kHeldSnapshots) held.erase(held.begin() + static_cast<int>(chosen));
    }
  }

  // The other mode, beside it all: an index that is filled and emptied again and again.
  void use_memory(std::uint64_t thread) {
    Random random = random_of(thread);
    Index<3> index;
    std::deque<std::pair<Box<3>, std::uint64_t>> entries;
    for (std::uint64_t i = 0; writing_; ++i) {
      const Point<3> at{random.unit(), random.unit(), random.unit()};
      entries.push_back({Box<3>(at), i});
      expect(index.insert(entries.back().first, i));
      if (entries.size() > 5000) {
        const auto erased = index.erase(entries.front().first, entries.front().second);
        EXPECT_TRUE(erased && *erased);
        entries.pop_front();
      }
    }
    EXPECT_EQ(index.size().value_or(0), entries.size());
    expect(index.verify());
  }

  Database& db_;
  const SoakPlan& plan_;
  std::vector<LaneState>& lanes_;
  std::vector<Lane> objects_;
  std::atomic<bool> writing_{true};
  // Of one thread each, read once it has ended.
  std::uint64_t queries_ = 0;
  std::uint64_t snapshots_ = 0;
  std::uint64_t checkpoint_ = 0;  // the newest, at the end
};

}  // namespace

Sample run_round(const std::string& path, const SoakPlan& plan, std::vector<LaneState>& lanes,
                 SoakCounts& counts) {
  auto db = Database::open(path, plan.options);
  if (!db) {
    ADD_FAILURE() << db.error().message();
    return {};
  }
  {
    Round round(*db, plan, lanes);
    round.run();
    round.add_to(counts);
  }
  const Sample sample = take_sample(path);
  const auto closed = db->close();
  EXPECT_TRUE(closed) << closed.error().message();
  return sample;
}

}  // namespace xtree::test
