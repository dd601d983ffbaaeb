#include "platform/check.h"

#include <gtest/gtest.h>

#include "xtree/result.h"

namespace xtree::platform {
namespace {

TEST(CheckDeathTest, FailedCheckAbortsWithItsConditionAndPlace) {
  const int one = 1;
  XTREE_CHECK(one == 1);
  EXPECT_DEATH(XTREE_CHECK(one == 2), "^xtree: check_test.cc:[0-9]+: check failed: one == 2");
}

TEST(Try, ReturnsTheErrorAndNothingElse) {
  int steps = 0;
  const auto half = [](int value) -> Result<int> {
    if (value % 2 != 0) return Error(ErrorCode::closed, "here", "gone");
    return value / 2;
  };
  const auto run = [&](int value) -> Result<int> {
    XTREE_TRY(half(value));
    return ++steps;
  };
  EXPECT_EQ(run(2).value(), 1);
  const auto failed = run(3);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::closed);
  EXPECT_EQ(steps, 1);
}

}  // namespace
}  // namespace xtree::platform
