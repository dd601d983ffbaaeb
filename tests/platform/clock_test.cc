#include "platform/clock.h"

#include <gtest/gtest.h>

namespace xtree::platform {
namespace {

TEST(Stopwatch, LosesNothingBetweenLaps) {
  std::uint64_t whole_us = 0;
  std::uint64_t laps_us = 0;
  Stopwatch outer;
  Stopwatch inner;
  for (int i = 0; i < 100000; ++i) inner.lap(laps_us);
  inner.lap(laps_us);
  outer.lap(whole_us);
  // The outer watch began before the inner one and ended after it; the laps were all shorter than
  // what a watch shows.
  EXPECT_LE(laps_us, whole_us);
  EXPECT_GT(laps_us, 0u);
}

TEST(Clock, UnixTimeIsInMicroseconds) {
  const std::uint64_t second_us = 1'000'000;
  const std::uint64_t year_us = 365 * 24 * 3600 * second_us;
  EXPECT_GT(coarse_unix_time_us(), 50 * year_us);
  EXPECT_LT(coarse_unix_time_us(), 500 * year_us);
}

}  // namespace
}  // namespace xtree::platform
