// Cuts the power under writers in several threads, at any of their changes to real files, makes on
// the real file system what the disk may hold then, and opens it again.
//
//   power_test [--cycles=N]
//
// XTREE_TEST_SEED repeats a run's choices; the threads' timing still varies.
#include <gtest/gtest.h>

#include <deque>
#include <thread>

#include "crash/cycles.h"
#include "support/crashing_disk.h"
#include "support/lingering_syncs.h"
#include "support/temporary_directory.h"
#include "xtree/testing/recording_file_system.h"

namespace xtree::test {
namespace {

using xtree::testing::DiskImage;
using xtree::testing::RecordingFileSystem;

constexpr const char* kDatabase = "db";

struct Plan : CyclePlan {
  std::uint64_t events = 0;  // before the power fails

  // Whether a write that returned survives.
  [[nodiscard]] bool is_synced() const {
    return options.durability == Durability::strict || options.durability == Durability::balanced;
  }
};

Plan random_plan(Random& random) {
  Plan plan;
  static_cast<CyclePlan&>(plan) = random_cycle(random);
  plan.events = random.below(random.one_in(3) ? 60 : 500);
  return plan;
}

// One lane's writer: it works until the power fails, and keeps what may be on the disk then.
class Writer {
 public:
  Writer(const Plan& plan, Lane& lane, std::uint64_t number, Candidates& candidates)
      : plan_(plan), lane_(lane), number_(number), candidates_(candidates),
        random_(plan.seed + number) {}

  void run() {
    LaneState state = candidates_.back();
    for (;;) {
      const LaneStep step = next_step(state, random_, plan_.mix, number_);
      apply_step(state, step);
      if (plan_.window != 0 && step.kind == LaneStep::batch) {
        candidates_.push_back(state);
        const auto token = lane_.execute_async(step);
        if (!token) return;
        under_way_.push_back({*token, first_ + candidates_.size() - 1});
        if (!settle(plan_.window)) return;
      } else {
        if (!settle(0)) return;
        candidates_.push_back(state);
        if (!lane_.execute(step)) return;
        const bool kept = plan_.is_synced() || step.kind == LaneStep::checkpoint;
        if (kept) forget_before(first_ + candidates_.size() - 1);
        ++acknowledged_;
      }
    }
  }
  [[nodiscard]] std::uint64_t acknowledged() const { return acknowledged_; }

 private:
  struct UnderWay {
    Token token;
    std::uint64_t state;  // number of the one that the write makes
  };

  bool settle(std::size_t most) {
    for (; under_way_.size() > most; under_way_.pop_front()) {
      if (!lane_.wait(under_way_.front().token)) return false;
      if (plan_.is_synced()) forget_before(under_way_.front().state);
      ++acknowledged_;
    }
    return true;
  }
  void forget_before(std::uint64_t state) {
    for (; first_ < state; ++first_) candidates_.pop_front();
  }

  const Plan& plan_;
  Lane& lane_;
  const std::uint64_t number_;
  Candidates& candidates_;
  std::uint64_t first_ = 0;  // number of the first candidate
  Random random_;
  std::deque<UnderWay> under_way_;
  std::uint64_t acknowledged_ = 0;
};

// Each lane holds one of its states; the others are no longer possible.
void find_states(Database& db, std::vector<Candidates>& candidates) {
  for (std::uint32_t i = 0; i < candidates.size(); ++i) {
    auto lane = Lane::open(db, i);
    ASSERT_TRUE(lane) << lane.error().message();
    std::string text;
    bool found = false;
    for (LaneState& state : candidates[i]) {
      const auto difference = lane->difference(state);
      ASSERT_TRUE(difference) << difference.error().message();
      found = !difference->has_value();
      if (found) {
        candidates[i] = Candidates(1, LaneState(state));
        break;
      }
      text += "\n  " + **difference;
    }
    ASSERT_TRUE(found) << "lane " << i << " is in none of its states:" << text;
  }
}

class Power : public ::testing::Test {
 protected:
  // Opens what is on the disk with nothing between the engine and the system, and looks.
  void check_on_real_files() {
    const std::string root = directory_ / "check";
    const auto made = materialise(image_, root);
    ASSERT_TRUE(made) << made.error().message();
    auto db = Database::open(root + "/" + kDatabase, {.background_checkpoints = false});
    ASSERT_TRUE(db) << db.error().message();
    find_states(*db, candidates_);
    if (HasFatalFailure()) return;
    const auto verified = db->verify();
    ASSERT_TRUE(verified) << verified.error().message();
    const auto closed = db->close();
    ASSERT_TRUE(closed) << closed.error().message();
  }

  // Lets the lanes write until the power fails.
  void write(const Plan& plan) {
    const std::string root = directory_ / "disk";
    const auto made = materialise(image_, root);
    ASSERT_TRUE(made) << made.error().message();
    RecordingFileSystem files(posix_file_system(), root, image_);
    files.cut_after(plan.events);
    LingeringSyncs slow(files, syncs_last_);
    Options options = plan.options;
    options.file_system = &slow;
    if (auto db = Database::open(kDatabase, options)) {
      write_to(*db, plan, files);
    } else {
      ASSERT_FALSE(files.has_power()) << db.error().message();
    }
    ASSERT_FALSE(files.has_power());
    image_ = lose_power(image_, files.trace(), random_);
  }

  void write_to(Database& db, const Plan& plan, const RecordingFileSystem& files) {
    std::deque<Lane> lanes;
    std::deque<Writer> writers;
    for (std::uint32_t i = 0; i < candidates_.size(); ++i) {
      auto lane = Lane::open(db, i);
      if (!lane) {
        EXPECT_FALSE(files.has_power()) << lane.error().message();
        return;
      }
      lanes.push_back(std::move(lane).value());
      writers.emplace_back(plan, lanes.back(), i, candidates_[i]);
    }
    ++counts_.opened;
    std::vector<std::thread> threads;
    for (Writer& writer : writers) threads.emplace_back([&writer] { writer.run(); });
    for (std::thread& thread : threads) thread.join();
    for (const Writer& writer : writers) counts_.acknowledged += writer.acknowledged();
  }

  void run() {
    for (std::uint64_t i = 0; i < counts_.cycles; ++i) {
      const Plan plan = random_plan(random_);
      SCOPED_TRACE(::testing::Message()
                   << "cycle " << i << ", durability " << static_cast<int>(plan.options.durability)
                   << ", window " << plan.window << ", power for " << plan.events << " changes");
      ASSERT_NO_FATAL_FAILURE(write(plan));
      ASSERT_NO_FATAL_FAILURE(check_on_real_files());
      if (HasFailure()) return;
    }
    expect_enough(counts_);
  }

  Random random_{test_seed("power")};
  TemporaryDirectory directory_;
  DiskImage image_;
  std::vector<Candidates> candidates_ = std::vector<Candidates>(kLanes, Candidates(1));
  int syncs_last_ = 0;  // so many times others are let go first
  CycleCounts counts_ = count_cycles(kSanitized ? 40 : 200);
};

TEST_F(Power, TakesNothingThatWasAcknowledged) { run(); }

// Groups of them are written while others are synced.
TEST_F(Power, TakesNothingThatWasAcknowledgedOfACrowd) {
  candidates_ = std::vector<Candidates>(24, Candidates(1));
  syncs_last_ = 100;
  counts_ = count_cycles(kSanitized ? 10 : 20);
  run();
}

}  // namespace
}  // namespace xtree::test
