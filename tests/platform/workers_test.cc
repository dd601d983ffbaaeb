#include "platform/workers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <set>
#include <thread>
#include <vector>

namespace xtree::platform {
namespace {

TEST(Workers, CallEveryPartOnce) {
  for (const std::size_t threads : {1, 2, 5}) {
    Workers workers(threads);
    EXPECT_EQ(workers.count(), threads);
    for (std::size_t parts = 0; parts < 300; ++parts) {
      std::vector<int> calls(parts, 0);  // without atomics: the end of a loop orders its parts
      workers.for_each(parts, [&](std::size_t part) { ++calls[part]; });
      EXPECT_EQ(calls, std::vector<int>(parts, 1));
    }
  }
}

TEST(Workers, SeeWhatWasWrittenBeforeALoop) {
  Workers workers(4);
  std::vector<std::uint64_t> numbers(64, 1);
  for (int round = 0; round < 200; ++round) {
    const std::uint64_t sum = std::accumulate(numbers.begin(), numbers.end(), std::uint64_t{0});
    ASSERT_EQ(sum, 64u + 64u * static_cast<unsigned>(round));
    workers.for_each(numbers.size(), [&](std::size_t part) { ++numbers[part]; });
  }
}

// Each part waits until the others have begun, so this ends only if as many threads take part.
TEST(Workers, WorkAtTheSameTime) {
  constexpr std::size_t kThreads = 3;
  Workers workers(kThreads);
  std::atomic<std::size_t> begun = 0;
  workers.for_each(kThreads, [&](std::size_t) {
    ++begun;
    while (begun < kThreads) std::this_thread::yield();
  });
  EXPECT_EQ(begun, kThreads);
}

TEST(Workers, StartNoThreadForOne) {
  Workers workers(1);
  const std::thread::id self = std::this_thread::get_id();
  std::set<std::thread::id> seen;
  workers.for_each(100, [&](std::size_t) { seen.insert(std::this_thread::get_id()); });
  EXPECT_EQ(seen, std::set<std::thread::id>{self});
}

TEST(Workers, AreAsManyAsProcessorsForZero) {
  const Workers workers(0);
  EXPECT_EQ(workers.count(), std::max(1u, std::thread::hardware_concurrency()));
}

}  // namespace
}  // namespace xtree::platform
