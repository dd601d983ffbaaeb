// Kills writers at random moments and goes on with the directory that they leave.
//
//   kill_test [--cycles=N]
//
// XTREE_TEST_SEED repeats a run's choices; the moments of death still vary.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <deque>
#include <filesystem>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "crash/cycles.h"
#include "support/child_process.h"
#include "support/temporary_directory.h"

namespace xtree::test {
namespace {

enum class Ending { kill_after_acknowledgements, kill_after_time, exit, close };

struct Plan : CyclePlan {
  Ending ending = Ending::close;
  std::uint64_t first_lane = 0;  // lanes from this one on write, each in a thread of its own
  std::uint64_t lanes = 1;
  std::uint64_t steps = 0;
  std::uint64_t acknowledgements = 0;
  std::uint64_t microseconds = 0;
  bool forgets = false;  // afterwards the system is made to read what the disk has

  [[nodiscard]] bool writes(std::uint64_t lane) const {
    return lane >= first_lane && lane < first_lane + lanes;
  }
  [[nodiscard]] Random random_of(std::uint64_t lane) const { return Random(seed + lane); }
};

std::ostream& operator<<(std::ostream& out, const Plan& plan) {
  return out << "seed " << plan.seed << ", durability "
             << static_cast<int>(plan.options.durability) << ", ending "
             << static_cast<int>(plan.ending) << ", lanes " << plan.first_lane << " + "
             << plan.lanes << ", window " << plan.window << ", log file "
             << plan.options.log_file_bytes << ", checkpoint at "
             << plan.options.checkpoint_log_bytes << ", background "
             << plan.options.background_checkpoints << ", forgets " << plan.forgets;
}

Plan random_plan(Random& random) {
  Plan plan;
  static_cast<CyclePlan&>(plan) = random_cycle(random);
  plan.lanes = random.one_in(3) ? kLanes : 1;
  plan.first_lane = random.below(kLanes - plan.lanes + 1);
  const std::uint64_t ending = random.below(10);
  plan.ending = ending < 5   ? Ending::kill_after_acknowledgements
                : ending < 8 ? Ending::kill_after_time
                : ending < 9 ? Ending::exit
                             : Ending::close;
  plan.steps = plan.ending == Ending::exit || plan.ending == Ending::close ? random.between(1, 100)
                                                                          : 100'000;
  plan.acknowledgements = random.between(1, 200);
  plan.microseconds = random.below(random.one_in(2) ? 60'000 : 15'000);
  plan.forgets = random.one_in(3);
  return plan;
}

// Some groups of the log go to the disk past the system's cache: what that has of the files, which
// goes to the disk here, must not undo it.
void forget_cached(const std::string& path) {
  if (!std::filesystem::exists(path)) return;  // it was killed before that
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (!entry.is_regular_file()) continue;
    const int file = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    ASSERT_GE(file, 0) << entry.path();
    EXPECT_EQ(::fdatasync(file), 0) << entry.path();
    EXPECT_EQ(::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED), 0) << entry.path();
    ::close(file);
  }
}

struct Message {
  enum Kind : std::uint32_t { matched, acknowledged } kind;
  std::uint32_t lane;
  std::uint64_t count;  // the candidate that matched, or the steps that are done
};

int fail(int code, const std::string& text) {
  std::cerr << "writer: " << text << std::endl;
  return code;
}

class LaneWriter {
 public:
  LaneWriter(const Plan& plan, Lane& lane, std::uint32_t number, LaneState state, int report)
      : plan_(plan), lane_(lane), number_(number), state_(std::move(state)), report_(report),
        random_(plan.random_of(number)) {}

  int run() {
    for (std::uint64_t i = 1; i <= plan_.steps; ++i) {
      const LaneStep step = next_step(state_, random_, plan_.mix, number_);
      if (plan_.window != 0 && step.kind == LaneStep::batch) {
        const auto token = lane_.execute_async(step);
        if (!token) return fail(10, token.error().message());
        under_way_.push_back({*token, i});
        if (const int code = settle(plan_.window)) return code;
      } else {
        if (const int code = settle(0)) return code;
        const auto done = lane_.execute(step);
        if (!done) return fail(11, done.error().message());
        acknowledge(i);
      }
      apply_step(state_, step);
    }
    return settle(0);
  }
  [[nodiscard]] const LaneState& state() const { return state_; }

 private:
  struct UnderWay {
    Token token;
    std::uint64_t step;
  };

  int settle(std::size_t most) {
    while (under_way_.size() > most) {
      const auto done = lane_.wait(under_way_.front().token);
      if (!done) return fail(12, done.error().message());
      acknowledge(under_way_.front().step);
      under_way_.pop_front();
    }
    return 0;
  }
  void acknowledge(std::uint64_t step) {
    const Message message{Message::acknowledged, number_, step};
    write_whole(report_, &message, sizeof message);
  }

  const Plan& plan_;
  Lane& lane_;
  std::uint32_t number_;
  LaneState state_;
  int report_;
  Random random_;
  std::deque<UnderWay> under_way_;
};

// The candidate that the lane is found in, or -1.
int find_candidate(Lane& lane, const Candidates& candidates) {
  std::string text;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const auto difference = lane.difference(candidates[i]);
    if (!difference) return fail(-1, difference.error().message());
    if (!difference->has_value()) return static_cast<int>(i);
    text += "\n  " + std::to_string(i) + ": " + **difference;
  }
  return fail(-1, "the lane is in none of its states:" + text);
}

// The child: opens, checks, reports what it found, writes, and ends or is ended.
int check_and_write(const std::string& path, const Plan& plan,
                    const std::vector<Candidates>& candidates, int report) {
  auto opened = Database::open(path, plan.options);
  if (!opened) return fail(2, opened.error().message());
  Database db = std::move(opened).value();
  std::deque<Lane> lanes;
  std::deque<LaneWriter> writers;
  for (std::uint32_t i = 0; i < kLanes; ++i) {
    auto lane = Lane::open(db, i);
    if (!lane) return fail(3, lane.error().message());
    lanes.push_back(std::move(lane).value());
    const int found = find_candidate(lanes.back(), candidates[i]);
    if (found < 0) return fail(4, "lane " + std::to_string(i));
    const auto& state = candidates[i][static_cast<std::size_t>(found)];
    if (plan.writes(i)) writers.emplace_back(plan, lanes.back(), i, state, report);
    const Message message{Message::matched, i, static_cast<std::uint64_t>(found)};
    write_whole(report, &message, sizeof message);
  }
  if (const auto verified = db.verify(); !verified) return fail(5, verified.error().message());

  std::vector<std::thread> threads;
  std::vector<int> codes(writers.size());
  for (std::size_t i = 1; i < writers.size(); ++i) {
    threads.emplace_back([&, i] { codes[i] = writers[i].run(); });
  }
  codes[0] = writers[0].run();
  for (auto& thread : threads) thread.join();
  for (const int code : codes) {
    if (code != 0) return code;
  }
  for (std::size_t i = 0; i < writers.size(); ++i) {
    const auto difference = lanes[plan.first_lane + i].difference(writers[i].state());
    if (!difference) return fail(6, difference.error().message());
    if (difference->has_value()) return fail(7, "at the end: " + **difference);
  }
  if (plan.ending != Ending::close) _exit(0);
  const auto closed = db.close();
  return closed ? 0 : fail(8, closed.error().message());
}

// Follows one child from its fork to its end.
class Cycle {
 public:
  Cycle(const Plan& plan, std::vector<Candidates>& candidates)
      : plan_(plan), candidates_(candidates), done_(kLanes, 0), matched_(kLanes, -1) {}

  void run(const std::string& path) {
    ChildProcess child(120, [&](int report) -> int {
      return check_and_write(path, plan_, candidates_, report);
    });
    follow(child);
    const int status = child.wait();
    if (!killed_ || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
      ASSERT_TRUE(WIFEXITED(status)) << "the writer died of signal " << WTERMSIG(status);
      ASSERT_EQ(WEXITSTATUS(status), 0);
      ended_ = true;
    }
    for (std::size_t lane = 0; lane < kLanes; ++lane) take_candidates(lane);
    if (plan_.forgets) forget_cached(path);
  }
  [[nodiscard]] std::uint64_t acknowledged() const { return acknowledged_; }
  [[nodiscard]] bool opened() const { return matched_.back() >= 0; }

 private:
  using Clock = std::chrono::steady_clock;

  // Reads what the child reports, and kills it when its time has come. What it had reported before
  // is still in the pipe then.
  void follow(ChildProcess& child) {
    const auto end = Clock::now() + std::chrono::microseconds(plan_.microseconds);
    for (;;) {
      if (!killed_ && plan_.ending == Ending::kill_after_time) {
        const auto left = std::chrono::duration_cast<std::chrono::microseconds>(end - Clock::now());
        if (left.count() <= 0) {
          kill(child);
        } else {
          const timespec time = {left.count() / 1'000'000, left.count() % 1'000'000 * 1000};
          pollfd ready = {child.report(), POLLIN, 0};
          if (ppoll(&ready, 1, &time, nullptr) <= 0) continue;
        }
      }
      Message message;
      if (!read_whole(child.report(), &message, sizeof message)) return;
      ASSERT_LT(message.lane, kLanes);
      if (message.kind == Message::matched) {
        matched_[message.lane] = static_cast<int>(message.count);
        continue;
      }
      ASSERT_GT(message.count, done_[message.lane]);
      done_[message.lane] = message.count;
      ++acknowledged_;
      if (plan_.ending == Ending::kill_after_acknowledgements && !killed_ &&
          acknowledged_ >= plan_.acknowledgements) {
        kill(child);
      }
    }
  }
  void kill(ChildProcess& child) {
    child.kill();
    killed_ = true;
  }

  // What the lane may hold now: the acknowledged steps, and a few more in their order.
  void take_candidates(std::size_t lane) {
    if (matched_[lane] < 0) return;  // it wrote nothing, and its state is as open as it was
    LaneState state = candidates_[lane][static_cast<std::size_t>(matched_[lane])];
    Candidates next = {state};
    if (plan_.writes(lane)) {
      Random random = plan_.random_of(lane);
      const std::uint64_t most =
          ended_ ? done_[lane] : std::min(plan_.steps, done_[lane] + plan_.window + 1);
      const bool logged = plan_.options.durability != Durability::none;
      const bool kept = logged || (ended_ && plan_.ending == Ending::close);
      for (std::uint64_t i = 1; i <= most; ++i) {
        const LaneStep step = next_step(state, random, plan_.mix, lane);
        apply_step(state, step);
        // Without a log only checkpoints make anything sure.
        if (i <= done_[lane] && (kept || step.kind == LaneStep::checkpoint)) next.clear();
        next.push_back(state);
      }
    }
    candidates_[lane] = std::move(next);
  }

  const Plan& plan_;
  std::vector<Candidates>& candidates_;
  std::vector<std::uint64_t> done_;
  std::vector<int> matched_;
  std::uint64_t acknowledged_ = 0;
  bool killed_ = false;
  bool ended_ = false;
};

TEST(Kill, LosesNothingAcknowledgedAndInventsNothing) {
  Random random(test_seed("kill"));
  TemporaryDirectory directory;
  const std::string path = directory / "db";
  std::vector<Candidates> candidates(kLanes, Candidates(1));
  CycleCounts counts = count_cycles(kSanitized ? 40 : 220);
  for (std::uint64_t i = 0; i < counts.cycles; ++i) {
    const Plan plan = random_plan(random);
    SCOPED_TRACE(testing::Message() << "cycle " << i << ": " << plan);
    Cycle cycle(plan, candidates);
    cycle.run(path);
    if (HasFailure()) return;
    counts.acknowledged += cycle.acknowledged();
    counts.opened += cycle.opened() ? 1 : 0;
  }
  Plan last;
  last.steps = 20;
  Cycle cycle(last, candidates);
  cycle.run(path);
  expect_enough(counts);
}

}  // namespace
}  // namespace xtree::test
