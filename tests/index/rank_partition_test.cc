#include "index/rank_partition.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <vector>

#include "index/shared_partition.h"
#include "platform/workers.h"
#include "support/random.h"

namespace xtree::index {
namespace {

using Words = std::vector<std::uint32_t>;

// Rows of a number and `axes` floats, whose keys `key` makes.
Words make_rows(std::size_t count, std::size_t axes, const std::function<float()>& key) {
  Words rows;
  for (std::size_t i = 0; i < count; ++i) {
    rows.push_back(static_cast<std::uint32_t>(i));
    for (std::size_t axis = 0; axis < axes; ++axis) {
      rows.push_back(std::bit_cast<std::uint32_t>(key()));
    }
  }
  return rows;
}

// The range of a few keys: what a caller can know.
FloatRange sampled_range(const Words& rows, std::size_t stride, std::size_t key) {
  FloatRange range{std::numeric_limits<float>::max(), -std::numeric_limits<float>::max()};
  const std::size_t step = std::max<std::size_t>(1, rows.size() / stride / 50) * stride;
  for (std::size_t at = 0; at < rows.size(); at += step) {
    const float x = std::bit_cast<float>(rows[at + key]);
    range = {std::min(range.low, x), std::max(range.high, x)};
  }
  return range;
}

std::vector<std::size_t> random_ranks(std::size_t count, test::Random& random) {
  std::set<std::size_t> ranks;
  const std::size_t wanted = random.between(1, kMostSlabs - 1);
  while (ranks.size() < std::min(wanted, count - 1)) ranks.insert(random.between(1, count - 1));
  return {ranks.begin(), ranks.end()};
}

// Every row is there once, unchanged, and no key of a slab is above one of the next slab, but for
// keys that count as equal.
void check_slabs(const Words& before, const Words& after, std::size_t stride, std::size_t key,
                 const std::vector<std::size_t>& ranks) {
  const std::size_t count = before.size() / stride;
  std::vector<bool> seen(count, false);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t number = after[i * stride];
    ASSERT_LT(number, count);
    ASSERT_FALSE(seen[number]);
    seen[number] = true;
    ASSERT_TRUE(std::equal(after.begin() + static_cast<std::ptrdiff_t>(i * stride),
                           after.begin() + static_cast<std::ptrdiff_t>((i + 1) * stride),
                           before.begin() + static_cast<std::ptrdiff_t>(number * stride)));
  }
  const auto key_at = [&](std::size_t i) { return std::bit_cast<float>(after[i * stride + key]); };
  for (const std::size_t rank : ranks) {
    float highest = key_at(0);
    for (std::size_t i = 1; i < rank; ++i) highest = std::max(highest, key_at(i));
    float lowest = key_at(rank);
    for (std::size_t i = rank + 1; i < count; ++i) lowest = std::min(lowest, key_at(i));
    ASSERT_LE(highest - lowest, 1e-30f) << "rank " << rank << " of " << count;
  }
}

template <int D>
void check(std::size_t count, const std::function<float()>& key, test::Random& random,
           platform::Workers& workers) {
  constexpr std::size_t kAxes = D != 0 ? D : 5;
  constexpr std::size_t kStride = kAxes + 1;
  const Words before = make_rows(count, kAxes, key);
  const std::size_t axis = random.below(kAxes);
  const FloatRange range = sampled_range(before, kStride, axis + 1);
  const std::vector<std::size_t> ranks = random_ranks(count, random);
  const RankPartition<D> partition(axis, kStride);
  Words from = before;
  Words to(before.size());
  partition.run(from.data(), to.data(), count, range, ranks);
  check_slabs(before, to, kStride, axis + 1, ranks);
  Words shared_from = before;
  Words shared_to(before.size());
  const std::size_t chunks = random.between(1, std::min<std::size_t>(count, 20));
  Words counts(chunks * SharedPartition<D>::kCountWords, 77);
  SharedPartition<D> shared(partition, shared_from.data(), shared_to.data(), count, range, ranks,
                            chunks, counts.data());
  workers.for_each(shared.chunks(), [&](std::size_t i) { shared.count_chunk(i); });
  shared.aim();
  workers.for_each(shared.chunks(), [&](std::size_t i) { shared.move_chunk(i); });
  workers.for_each(shared.zones(), [&](std::size_t i) { shared.settle_zone(i); });
  EXPECT_EQ(shared_to, to) << "not the same when threads share the work";
}

TEST(RankPartition, PutsEveryRowOnItsSideOfTheRanks) {
  const std::uint64_t seed = test::test_seed("RankPartition");
  test::Random random(seed);
  platform::Workers workers(3);
  const auto unit = [&random] { return static_cast<float>(random.unit()); };
  const std::function<float()> keys[] = {
      unit,
      [] { return 7.0f; },
      [&] { return random.one_in(2) ? 0.0f : 1.0f; },
      [&] { return random.one_in(2) ? -0.0f : 0.0f; },
      [&] { return static_cast<float>(random.below(20)); },
      [&] { return random.one_in(50) ? 1e37f : -unit(); },
      [&] { return random.one_in(10) ? unit() : unit() * 1e-7f; },
      [&] { return std::ldexp(1 + unit(), static_cast<int>(random.below(250)) - 125); },
      [&] { return (unit() - 0.5f) * 0x1p126f; },
  };
  for (const auto& key : keys) {
    for (const std::size_t count : {2, 3, 17, 600, 5000}) {
      check<1>(count, key, random, workers);
      check<2>(count, key, random, workers);
      check<0>(count, key, random, workers);
    }
    check<2>(100000, key, random, workers);
  }
}

TEST(RankPartition, KeepsTheOrderOfEqualKeys) {
  const Words before = make_rows(1000, 1, [] { return 1.0f; });
  Words from = before;
  Words to(before.size());
  const std::size_t ranks[] = {100, 500};
  RankPartition<1>(0, 2).run(from.data(), to.data(), 1000, {1, 1}, ranks);
  EXPECT_EQ(to, before);
}

}  // namespace
}  // namespace xtree::index
