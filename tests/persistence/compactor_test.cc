#include "persistence/compactor.h"

#include <gtest/gtest.h>

#include "support/random.h"

namespace xtree::persistence {
namespace {

using Numbers = std::vector<std::uint32_t>;

const std::vector<SegmentUse> kSegments = {{1, 100, 90}, {2, 100, 20}, {3, 100, 50}, {4, 100, 0}};

TEST(ChooseVictims, TakesTheEmptiestSegmentsAndNoMoreThanItMust) {
  // 300 bytes with 140 bytes of garbage, when the fourth segment has gone.
  EXPECT_EQ(choose_victims(kSegments, 0, {.steady_share = 0.5}), Numbers{});
  EXPECT_EQ(choose_victims(kSegments, 0, {.steady_share = 0.4}), Numbers{2});
  EXPECT_EQ(choose_victims(kSegments, 0, {.steady_share = 0.1}), (Numbers{2, 3}));
  EXPECT_EQ(choose_victims(kSegments, 0, {.steady_share = 0}), (Numbers{1, 2, 3}));
}

TEST(ChooseVictims, CountsWhatTheCheckpointAdds) {
  EXPECT_EQ(choose_victims(kSegments, 100, {.steady_share = 0.35}), Numbers{});
  EXPECT_EQ(choose_victims(kSegments, 99, {.steady_share = 0.35}), Numbers{2});
}

TEST(ChooseVictims, KeepsToTheBudgetUnlessItIsUrgent) {
  EXPECT_EQ(choose_victims(kSegments, 0, {.steady_share = 0.1, .budget_bytes = 69}), Numbers{2});
  EXPECT_EQ(choose_victims(kSegments, 0, {.steady_share = 0.1, .budget_bytes = 70}),
            (Numbers{2, 3}));
  EXPECT_EQ(choose_victims(kSegments, 0, {.steady_share = 0.1, .budget_bytes = 19}), Numbers{});
  EXPECT_EQ(
      choose_victims(kSegments, 0, {.steady_share = 0, .urgent_share = 0.2, .budget_bytes = 0}),
      (Numbers{2, 3}));
}

TEST(ChooseVictims, LetsALittleGarbageBe) {
  EXPECT_EQ(choose_victims(kSegments, 0, {.steady_share = 0, .idle_bytes = 140}), Numbers{});
  EXPECT_EQ(choose_victims(kSegments, 0, {.steady_share = 0.4, .idle_bytes = 139}), Numbers{2});
  EXPECT_EQ(choose_victims({}, 0, {.steady_share = 0}), Numbers{});
}

TEST(ChooseVictims, ReachesTheUrgentLimitWhateverTheSegmentsAre) {
  test::Random random(test::test_seed("ChooseVictims"));
  for (int run = 0; run < 2000; ++run) {
    std::vector<SegmentUse> segments;
    for (std::uint32_t number = 1; number <= random.between(1, 40); ++number) {
      const std::uint64_t bytes = 4096 * random.between(1, 1000);
      segments.push_back({number, bytes, random.below(bytes + 1)});
    }
    const std::uint64_t fresh = random.below(1u << 20);
    const CompactionLimits limits{.steady_share = 0.2, .urgent_share = 0.3, .budget_bytes = 0};
    const Numbers victims = choose_victims(segments, fresh, limits);
    std::uint64_t total = fresh;
    std::uint64_t live = fresh;
    for (const SegmentUse& use : segments) {
      const bool is_victim = std::ranges::binary_search(victims, use.number);
      ASSERT_FALSE(is_victim && use.live_bytes == 0);
      if (use.live_bytes != 0) total += is_victim ? use.live_bytes : use.bytes;
      live += use.live_bytes;
    }
    ASSERT_LE(static_cast<double>(total - live), 0.3 * static_cast<double>(total));
  }
}

}  // namespace
}  // namespace xtree::persistence
