#include "index/leaf_fills.h"

#include <gtest/gtest.h>

#include "support/random.h"

namespace xtree::test {
namespace {

using index::LeafFills;

constexpr std::uint64_t kLargeTree = 1'000'000;

TEST(LeafFills, SmallTreeHasNoGuesses) {
  LeafFills fills;
  fills.note(4096, 7);
  EXPECT_EQ(fills.guess(4096), 0u);
  fills.fit(1000);
  fills.note(4096, 7);
  EXPECT_EQ(fills.guess(4096), 0u);
}

TEST(LeafFills, LeavesOfALargeTreeAreMostlyRemembered) {
  LeafFills fills;
  fills.fit(kLargeTree);
  // As many leaves as such a tree has, some 5 KiB apart, as nodes lie.
  constexpr std::uint64_t kLeaves = kLargeTree / 64;
  const auto address = [](std::uint64_t leaf) { return 0x7f12'3456'0000 + leaf * 5056; };
  const auto count = [](std::uint64_t leaf) { return static_cast<std::uint32_t>(leaf % 96 + 1); };
  for (std::uint64_t leaf = 0; leaf < kLeaves; ++leaf) fills.note(address(leaf), count(leaf));
  std::uint64_t right = 0;
  for (std::uint64_t leaf = 0; leaf < kLeaves; ++leaf) {
    right += fills.guess(address(leaf)) == count(leaf) ? 1 : 0;
  }
  EXPECT_GT(right, kLeaves / 2);
}

TEST(LeafFills, GrowsWithTheTreeAndBeginsAnew) {
  LeafFills fills;
  fills.fit(kLargeTree);
  fills.note(4096, 7);
  fills.fit(kLargeTree + 1);
  EXPECT_EQ(fills.guess(4096), 7u);
  fills.fit(2 * kLargeTree);
  EXPECT_EQ(fills.guess(4096), 0u);
  fills.note(4096, 9);
  fills.fit(kLargeTree);
  EXPECT_EQ(fills.guess(4096), 9u);
}

// Under the address sanitizer a place beside the memory would show.
TEST(LeafFills, AnyAddressHasAPlace) {
  Random random(test_seed("LeafFills"));
  LeafFills fills;
  for (int i = 0; i < 10000; ++i) {
    fills.fit(random.next() >> (40 + random.below(24)));
    const std::uint64_t address = random.next() >> random.below(64);
    fills.note(address, 5);
    const std::uint32_t guess = fills.guess(address);
    EXPECT_TRUE(guess == 0 || guess == 5);
  }
}

}  // namespace
}  // namespace xtree::test
