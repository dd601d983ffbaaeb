#include <gtest/gtest.h>

#include "harness/fault_run.h"
#include "support/random.h"

namespace xtree::test {
namespace {

using testing::Call;
using testing::Failure;

// Every call of this kind that the script makes fails once, in a run of its own, or it and all that
// follow do.
void fail_each_call(Call kind) {
  const testing::Script script = script_for_faults();
  const std::uint64_t step = kSanitized ? 5 : 1;
  std::uint64_t met = 0;
  for (const Failure failure : {Failure::once, Failure::from_then_on}) {
    for (const bool full_disk : {false, true}) {
      for (std::uint64_t nth = 1;; nth += step) {
        const FaultPlan plan{kind, nth, failure, full_disk};
        const FaultRun run = run_with_fault(script, plan);
        if (!run.met) break;
        ++met;
        ASSERT_FALSE(run.wrong) << to_string(plan) << ": " << *run.wrong;
      }
    }
  }
  ::testing::Test::RecordProperty("runs", static_cast<int>(met));
  EXPECT_GT(met, 0u) << "the script makes no such call";
}

class Faults : public ::testing::TestWithParam<Call> {};

TEST_P(Faults, LoseNothingAndLeakNothing) { fail_each_call(GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    EveryCall, Faults,
    ::testing::Values(Call::open, Call::read, Call::write, Call::sync, Call::truncate, Call::size,
                      Call::lock, Call::exists, Call::list, Call::make_directory, Call::remove,
                      Call::rename, Call::sync_directory),
    [](const auto& tested) { return std::string(testing::to_string(tested.param)); });

}  // namespace
}  // namespace xtree::test
