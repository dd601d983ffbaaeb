// Everything at once, round after round, while what the process takes of the machine stays flat.
//
//   soak [--hours=H]
//
// Without hours it makes a dozen rounds, as a test. XTREE_TEST_SEED repeats a run's choices; the
// threads' timing still varies.
#include <gtest/gtest.h>
#include <malloc.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "soak/flatness.h"
#include "soak/round.h"
#include "support/random.h"
#include "support/temporary_directory.h"

namespace xtree::test {
namespace {

constexpr std::uint64_t kLeastRounds = 12;
constexpr std::uint64_t kStepsOfTest = kSanitized ? 60 : 300;
constexpr std::uint64_t kStepsOfHours = 3000;
constexpr double kSecondsPerHour = 3600;
double seconds = 0;

// What may come and go without being a leak: the heap's fragments, files that are half full.
constexpr std::uint64_t kMemorySlack = 8 << 20;
constexpr std::uint64_t kDiskSlack = 8 << 20;

SoakPlan random_plan(Random& random) {
  SoakPlan plan;
  plan.seed = random.next();
  plan.steps = seconds > 0 ? kStepsOfHours : kStepsOfTest;
  plan.options.durability = static_cast<Durability>(random.below(4));
  plan.options.log_file_bytes = std::uint64_t{64 << 10} << random.below(5);
  plan.options.checkpoint_log_bytes = std::uint64_t{64 << 10} << random.below(5);
  plan.options.sync_interval_ms = 5;
  return plan;
}

class Soak : public ::testing::Test {
 protected:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] double age() const {
    return std::chrono::duration<double>(Clock::now() - begin_).count();
  }

  void note(const Sample& open, const Sample& closed) {
    resident_.add(closed.resident_bytes);
    disk_.add(closed.disk_bytes);
    open_resident_.add(open.resident_bytes);
    open_descriptors_.add(open.descriptors);
    open_threads_.add(open.threads);
    open_disk_.add(open.disk_bytes);
  }

  void judge() const {
    const auto flat = [](const Series& series, std::uint64_t percent, std::uint64_t slack) {
      const auto growth = series.growth(percent, slack);
      EXPECT_FALSE(growth) << *growth;
    };
    if (!kSanitized) {  // which keep freed memory on purpose, and look for leaks themselves
      flat(resident_, 5, kMemorySlack);
      flat(open_resident_, 10, 2 * kMemorySlack);
    }
    flat(disk_, 25, kDiskSlack);
    flat(open_disk_, 25, 2 * kDiskSlack);
    flat(open_descriptors_, 10, 4);
    flat(open_threads_, 0, 2);
  }

  void report(std::uint64_t rounds, const SoakCounts& counts) const {
    std::printf("%.0f s, %llu rounds, %llu steps, %llu queries, %llu snapshots, checkpoint %llu\n",
                age(), static_cast<unsigned long long>(rounds),
                static_cast<unsigned long long>(counts.steps),
                static_cast<unsigned long long>(counts.queries),
                static_cast<unsigned long long>(counts.snapshots),
                static_cast<unsigned long long>(counts.checkpoint));
    for (const Series* series : {&resident_, &disk_, &open_resident_, &open_descriptors_,
                                 &open_threads_, &open_disk_}) {
      std::printf("%s\n", series->summary().c_str());
    }
    std::fflush(stdout);
  }

 private:
  const Clock::time_point begin_ = Clock::now();
  Series resident_{"memory between rounds, bytes"};
  Series disk_{"disk between rounds, bytes"};
  Series open_resident_{"memory at the end of a round, bytes"};
  Series open_descriptors_{"file descriptors at the end of a round"};
  Series open_threads_{"threads at the end of a round"};
  Series open_disk_{"disk at the end of a round, bytes"};
};

TEST_F(Soak, StaysFlatWhileEverythingHappensAtOnce) {
  Random random(test_seed("soak"));
  TemporaryDirectory directory;
  const std::string path = directory / "db";
  std::vector<LaneState> lanes(kSoakWriters);
  SoakCounts counts;
  std::thread([] {}).join();  // a sanitizer has a thread of its own, from the first one on
  const Sample first = take_sample(directory.path());
  std::uint64_t rounds = 0;
  for (double shown = 0; rounds < kLeastRounds || age() < seconds; ++rounds) {
    const SoakPlan plan = random_plan(random);
    SCOPED_TRACE(::testing::Message()
                 << "round " << rounds << ", durability "
                 << static_cast<int>(plan.options.durability) << ", seed " << plan.seed);
    const Sample open = run_round(path, plan, lanes, counts);
    malloc_trim(0);  // what the heap keeps for later is not the library's
    const Sample closed = take_sample(path);
    note(open, closed);
    EXPECT_EQ(closed.descriptors, first.descriptors);
    EXPECT_EQ(closed.threads, first.threads);
    if (HasFailure()) return;
    if (seconds > 0 && age() > shown + 60) {
      shown = age();
      report(rounds + 1, counts);
    }
  }
  report(rounds, counts);
  judge();
}

}  // namespace
}  // namespace xtree::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    constexpr const char* kHours = "--hours=";
    if (std::strncmp(argv[i], kHours, std::strlen(kHours)) != 0) {
      std::fprintf(stderr, "usage: soak [--hours=H]\n");
      return 2;
    }
    xtree::test::seconds =
        std::strtod(argv[i] + std::strlen(kHours), nullptr) * xtree::test::kSecondsPerHour;
  }
  return RUN_ALL_TESTS();
}
