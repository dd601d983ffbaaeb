#include "crash/cycles.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <iostream>

namespace xtree::test {
namespace {

std::uint64_t asked = 0;  // by --cycles=N; 0 when nobody did

}  // namespace

CycleCounts count_cycles(std::uint64_t usual) { return {.cycles = asked != 0 ? asked : usual}; }

void expect_enough(const CycleCounts& counts) {
  std::cout << counts.cycles << " cycles, in " << counts.opened << " of them writers at work, "
            << counts.acknowledged << " steps acknowledged" << std::endl;
  EXPECT_GT(counts.opened, counts.cycles / 3);
  EXPECT_GT(counts.acknowledged, counts.cycles);
}

CyclePlan random_cycle(Random& random) {
  CyclePlan plan;
  plan.seed = random.next();
  plan.options.log_file_bytes = std::uint64_t{16 << 10} << random.below(5);
  plan.options.checkpoint_log_bytes = std::uint64_t{16 << 10} << random.below(7);
  plan.options.background_checkpoints = !random.one_in(5);
  plan.options.sync_interval_ms = 5;
  const std::uint64_t level = random.below(10);
  plan.options.durability = level < 6   ? Durability::strict
                            : level < 7 ? Durability::balanced
                            : level < 9 ? Durability::eventual
                                        : Durability::none;
  // Without a log nothing says in which order the steps were lost and the indexes made, which are
  // logged all the same.
  plan.mix.structure = plan.options.durability != Durability::none;
  plan.window = random.one_in(3) ? random.between(1, 16) : 0;
  return plan;
}

}  // namespace xtree::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    constexpr const char* kCycles = "--cycles=";
    const bool is_known = std::strncmp(argv[i], kCycles, std::strlen(kCycles)) == 0;
    if (is_known) xtree::test::asked = std::strtoull(argv[i] + std::strlen(kCycles), nullptr, 10);
    if (!is_known || xtree::test::asked == 0) {
      std::cerr << "usage: " << argv[0] << " [--cycles=N]\n";
      return 2;
    }
  }
  return RUN_ALL_TESTS();
}
