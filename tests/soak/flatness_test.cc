#include "soak/flatness.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/random.h"
#include "support/temporary_directory.h"

namespace xtree::test {
namespace {

TEST(Flatness, SeesALeakOfOnePartInAHundredPerSample) {
  Series series("bytes");
  for (std::uint64_t i = 0; i < 100; ++i) series.add(1000 + 10 * i);
  EXPECT_TRUE(series.growth(10, 20));
}

TEST(Flatness, ForgivesTheWarmUpAndSinglePeaks) {
  Series series("bytes");
  Random random(test_seed("flatness"));
  for (std::uint64_t i = 0; i < 100; ++i) {
    const std::uint64_t noise = random.below(50);
    series.add(i < 25 ? 10 * i : i % 10 == 0 ? 5000 : 1000 + noise);
  }
  const auto growth = series.growth(10, 20);
  EXPECT_FALSE(growth) << *growth;
}

TEST(Flatness, SaysNothingOfTooFewSamples) {
  Series series("bytes");
  for (int i = 0; i < 3; ++i) series.add(1);
  EXPECT_TRUE(series.growth(100, 100));
}

TEST(Flatness, SamplesSeeWhatTheProcessTakes) {
  const TemporaryDirectory directory;
  const Sample before = take_sample(directory.path());
  write_directory(directory / "files", {{"one", Bytes(1 << 20, std::byte{1})}});
  std::vector<char> memory(64 << 20, 'x');
  const Sample after = take_sample(directory.path());
  EXPECT_GE(after.disk_bytes, before.disk_bytes + (1 << 20));
  EXPECT_GE(after.resident_bytes, before.resident_bytes + memory.size() / 2);
  EXPECT_EQ(after.descriptors, before.descriptors);
  EXPECT_EQ(after.threads, before.threads);
}

}  // namespace
}  // namespace xtree::test
