// Tests that let writers work until something ends them, look at what is left, and begin again.
#pragma once

#include <cstdint>
#include <deque>

#include "crash/lane.h"
#include "support/random.h"
#include "xtree/options.h"

namespace xtree::test {

inline constexpr std::uint64_t kLanes = 3;

// States of one lane that may be left, in the order in which they were reached.
using Candidates = std::deque<LaneState>;

struct CycleCounts {
  std::uint64_t cycles = 0;        // to be run: `usual`, or what `--cycles=N` asked for
  std::uint64_t opened = 0;        // in so many of them writers came to work
  std::uint64_t acknowledged = 0;  // steps
};
[[nodiscard]] CycleCounts count_cycles(std::uint64_t usual);
// Says what happened, and expects that it was enough to mean something.
void expect_enough(const CycleCounts& counts);

// What the writers of one cycle do.
struct CyclePlan {
  std::uint64_t seed = 0;
  Options options;
  LaneMix mix;
  std::uint64_t window = 0;  // asynchronous writes under way at most, per lane
};
[[nodiscard]] CyclePlan random_cycle(Random& random);

}  // namespace xtree::test
