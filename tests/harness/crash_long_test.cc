// A run of all workloads with a fixed seed: the part of a campaign that every change has to pass.
#include <gtest/gtest.h>

#include <iostream>

#include "support/random.h"
#include "xtree/testing/crash_test.h"

namespace xtree::test {
namespace {

TEST(CrashTestLong, FindsNothing) {
  testing::prepare_process_for_crash_tests();
  const auto report = testing::run_crash_test(
      {.seed = 2026, .seconds = 0, .states = kSanitized ? 20000u : 1500000u});
  ASSERT_TRUE(report) << report.error().message();
  std::cout << report->states << " states, " << report->distinct << " distinct, " << report->lives
            << " lives, " << report->seconds << " s" << std::endl;
  for (const testing::CrashTestFault& fault : report->faults) {
    ADD_FAILURE() << fault.workload << ": " << fault.message << "\n" << fault.text;
  }
  EXPECT_EQ(report->deepest, 3u);
}

}  // namespace
}  // namespace xtree::test
