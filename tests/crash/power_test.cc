// Cuts the power under writers in several threads, at any of their changes to real files, makes on
// the real file system what the disk may hold then, and opens it again.
//
//   power_test [--cycles=N]
//
// XTREE_TEST_SEED repeats a run's choices; the threads' timing still varies.
#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <iostream>
#include <thread>

#include "crash/lane.h"
#include "support/temporary_directory.h"
#include "xtree/testing/crash_model.h"
#include "xtree/testing/recording_file_system.h"

namespace xtree::test {
namespace {

using xtree::testing::CrashModel;
using xtree::testing::DiskImage;
using xtree::testing::Event;
using xtree::testing::Fate;
using xtree::testing::Loss;
using xtree::testing::RecordingFileSystem;
using xtree::testing::Unit;

constexpr std::uint64_t kLanes = 3;
constexpr const char* kDatabase = "db";
std::uint64_t cycles = kSanitized ? 40 : 200;

// States of one lane that the disk may hold, in the order in which they were reached.
using Candidates = std::deque<LaneState>;

struct Plan {
  Options options;
  LaneMix mix;
  std::uint64_t seed = 0;
  std::uint64_t window = 0;  // asynchronous writes under way at most, per lane
  std::uint64_t events = 0;  // before the power fails

  // Whether a write that returned survives.
  [[nodiscard]] bool is_synced() const {
    return options.durability == Durability::strict || options.durability == Durability::balanced;
  }
};

Plan random_plan(Random& random) {
  Plan plan;
  plan.seed = random.next();
  plan.options.log_file_bytes = std::uint64_t{16 << 10} << random.below(4);
  plan.options.checkpoint_log_bytes = std::uint64_t{16 << 10} << random.below(5);
  plan.options.background_checkpoints = !random.one_in(5);
  plan.options.sync_interval_ms = 5;
  const std::uint64_t level = random.below(10);
  plan.options.durability = level < 6   ? Durability::strict
                            : level < 7 ? Durability::balanced
                            : level < 9 ? Durability::eventual
                                        : Durability::none;
  plan.mix.structure = plan.options.durability != Durability::none;  // as in kill_test
  plan.window = random.one_in(3) ? random.between(1, 16) : 0;
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
  for (std::uint32_t i = 0; i < kLanes; ++i) {
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

// What the disk holds: nothing of what was not synced, all of it, or anything between.
DiskImage lose_power(const DiskImage& before, const RecordingFileSystem& files, Random& random) {
  CrashModel model(before);
  for (const Event& event : files.trace().events) model.apply(event);
  const std::vector<Unit> units = model.units();
  std::vector<Fate> fates(units.size());
  const std::uint64_t shape = random.below(4);
  for (std::size_t i = 0; i < units.size(); ++i) {
    const bool any = shape >= 2;
    fates[i].loss = any ? static_cast<Loss>(random.below(7)) : shape == 0 ? Loss::lost : Loss::kept;
    fates[i].size_kept = any ? random.one_in(2) : shape == 1;
    fates[i].argument = static_cast<std::uint32_t>(random.below(units[i].sectors + 1));
  }
  return model.build(units, fates);
}

// Numbers an image's files from 0 on, or the numbers of long dead ones would add up.
DiskImage renumbered(DiskImage image) {
  std::vector<DiskImage::Entry> entries = image.take_entries();
  std::uint32_t number = 0;
  for (DiskImage::Entry& entry : entries) entry.number = number++;
  return DiskImage(std::move(entries));
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
    Options options = plan.options;
    options.file_system = &files;
    if (auto db = Database::open(kDatabase, options)) {
      write_to(*db, plan, files);
    } else {
      ASSERT_FALSE(files.has_power()) << db.error().message();
    }
    ASSERT_FALSE(files.has_power());
    image_ = renumbered(lose_power(image_, files, random_));
  }

  void write_to(Database& db, const Plan& plan, const RecordingFileSystem& files) {
    std::deque<Lane> lanes;
    std::deque<Writer> writers;
    for (std::uint32_t i = 0; i < kLanes; ++i) {
      auto lane = Lane::open(db, i);
      if (!lane) {
        EXPECT_FALSE(files.has_power()) << lane.error().message();
        return;
      }
      lanes.push_back(std::move(lane).value());
      writers.emplace_back(plan, lanes.back(), i, candidates_[i]);
    }
    ++opened_;
    std::vector<std::thread> threads;
    for (Writer& writer : writers) threads.emplace_back([&writer] { writer.run(); });
    for (std::thread& thread : threads) thread.join();
    for (const Writer& writer : writers) acknowledged_ += writer.acknowledged();
  }

  Random random_{test_seed("power")};
  TemporaryDirectory directory_;
  DiskImage image_;
  std::vector<Candidates> candidates_ = std::vector<Candidates>(kLanes, Candidates(1));
  std::uint64_t opened_ = 0;
  std::uint64_t acknowledged_ = 0;
};

TEST_F(Power, TakesNothingThatWasAcknowledged) {
  for (std::uint64_t i = 0; i < cycles; ++i) {
    const Plan plan = random_plan(random_);
    SCOPED_TRACE(::testing::Message()
                 << "cycle " << i << ", durability " << static_cast<int>(plan.options.durability)
                 << ", window " << plan.window << ", power for " << plan.events << " changes");
    ASSERT_NO_FATAL_FAILURE(write(plan));
    ASSERT_NO_FATAL_FAILURE(check_on_real_files());
    if (HasFailure()) return;
  }
  std::cout << cycles << " cycles, in " << opened_ << " of them writers at work, " << acknowledged_
            << " steps acknowledged" << std::endl;
  EXPECT_GT(opened_, cycles / 3);
  EXPECT_GT(acknowledged_, cycles);
}

}  // namespace
}  // namespace xtree::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    constexpr const char* kCycles = "--cycles=";
    if (std::strncmp(argv[i], kCycles, std::strlen(kCycles)) != 0) {
      std::cerr << "usage: power_test [--cycles=N]\n";
      return 2;
    }
    xtree::test::cycles = std::strtoull(argv[i] + std::strlen(kCycles), nullptr, 10);
  }
  return RUN_ALL_TESTS();
}
