#include "xtree/testing/crash_test.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/random.h"
#include "testing/case_file.h"
#include "testing/driver.h"
#include "testing/minimise.h"
#include "testing/workloads.h"

namespace xtree::test {
namespace {

using testing::CrashTestOptions;
using testing::CrashTestReport;

// States of one run in a test: the figures are for a second or two.
constexpr std::uint64_t kStates = kSanitized ? 3000 : 40000;

CrashTestReport run(const CrashTestOptions& options) {
  auto report = testing::run_crash_test(options);
  EXPECT_TRUE(report) << report.error().message();
  for (const testing::CrashTestFault& fault : report->faults) {
    ADD_FAILURE() << fault.workload << ": " << fault.message << "\n" << fault.text;
  }
  return *std::move(report);
}

class Workloads : public ::testing::TestWithParam<std::string> {};

TEST_P(Workloads, SurviveEveryCrash) {
  const bool is_large = GetParam() == "supernodes";
  const CrashTestReport report = run({.seed = 2,
                                      .seconds = 0,
                                      .states = is_large ? kStates / 40 : kStates,
                                      .workload = GetParam()});
  EXPECT_GT(report.crash_points, 0u);
  EXPECT_GT(report.distinct, 0u);
}

INSTANTIATE_TEST_SUITE_P(CrashTest, Workloads,
                         ::testing::ValuesIn(testing::crash_workloads()),
                         [](const auto& tested) { return tested.param; });

TEST(CrashTest, MakesTheSameRunFromTheSameSeed) {
  const CrashTestOptions options{.seed = 7, .seconds = 0, .states = 5000};
  const CrashTestReport first = run(options);
  const CrashTestReport second = run(options);
  EXPECT_EQ(first.states, second.states);
  EXPECT_EQ(first.crash_points, second.crash_points);
  EXPECT_EQ(first.lives, second.lives);
}

TEST(CrashTest, RefusesAWorkloadThatNobodyKnows) {
  const auto report = testing::run_crash_test({.workload = "dance"});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), ErrorCode::invalid_argument);
}

TEST(CrashTest, MakesSupernodesAndShrinksThem) {
  testing::Random random(1);
  const testing::Script script = make_script(testing::Workload::supernodes, random);
  testing::SimulatedFileSystem files;
  testing::Driver driver(files);
  driver.open().value();
  testing::Content content;
  std::uint64_t most = 0;
  std::uint64_t last = 0;
  for (const testing::Step& step : script) {
    const Result<void> done = driver.run(step, content);
    ASSERT_TRUE(done) << done.error().message();
    step.apply_to(content);
    if (!content.has_index(2)) continue;
    const auto wide = driver.database().index<6, std::uint32_t, float>(testing::kIndexNames[2]);
    last = wide->stats()->supernodes;
    most = std::max(most, last);
  }
  EXPECT_GT(most, 0u);
  EXPECT_EQ(last, 0u);
}

TEST(CrashCase, ComesBackFromItsText) {
  testing::Random random(5);
  testing::Case failed;
  failed.message = "found this, expected that";
  failed.lives.push_back({make_script(testing::Workload::levels, random),
                          testing::Death::process, 17, {}});
  failed.lives.push_back({make_script(testing::Workload::schema, random),
                          testing::Death::power, 4,
                          {{testing::Loss::head, false, 3}, {testing::Loss::lost, true, 0}}});
  const std::string text = to_text(failed);
  const auto parsed = testing::parse_case(text);
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(to_text(*parsed), text);
  EXPECT_EQ(parsed->lives[1].fates, failed.lives[1].fates);
  EXPECT_EQ(parsed->lives[0].death, testing::Death::process);
}

TEST(CrashCase, RefusesWhatIsNone) {
  for (const char* text : {"", "hello", "xtree crash case 1\n", "xtree crash case 1\nstep write",
                           "xtree crash case 1\nlife\nstep dance strict 0",
                           "xtree crash case 1\nlife\nstep write strict 9",
                           "xtree crash case 1\nlife\nstep write strict 0 put 0 99 0 0",
                           "xtree crash case 1\nlife\ncrash sleep 3",
                           "xtree crash case 1\nlife\nfate gone 1 0"}) {
    const auto result = testing::replay_crash(text);
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().code(), ErrorCode::invalid_argument);
  }
}

TEST(CrashCase, SaysThatAllIsWellWhenItIs) {
  const auto result = testing::replay_crash(
      "xtree crash case 1\nlife\nstep create-index strict 0\n"
      "step write strict 0 insert 0 1 0 0\ncrash process 30\n");
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_FALSE(result->has_value()) << **result;
}

}  // namespace
}  // namespace xtree::test
