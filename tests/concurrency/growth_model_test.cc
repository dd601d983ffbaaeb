// Growth in place as programs of a model machine, tried in every order, with the ways to get it
// wrong.
#include <gtest/gtest.h>

#include "concurrency/model_machine.h"

namespace xtree::test {
namespace {

using Cpu = Machine::Cpu;

// A leaf that was born with one entry gets one in epoch 2 and one in epoch 3, in place (growth.h);
// the reader counts, and looks at the entry that it counts last.
enum GrowthWord : std::size_t { kGrowthPublished, kCount, kChanged, kFirstStamp, kFirstEntry = 8 };
constexpr std::uint64_t kBirth = 1;

struct GrowthFlaws {
  bool counted_early = false;  // an entry counts before its bytes are there
  bool changed_late = false;   // the leaf says that it has changed behind its count
  bool no_stamps = false;      // the reader believes the count
};

Machine::Program grower(GrowthFlaws flaws) {
  return [flaws](Cpu& cpu) {
    const std::uint64_t index = cpu.reg(0) + 1;
    const std::uint64_t epoch = kBirth + index;
    switch (cpu.step()) {
      case 0:
        if (flaws.counted_early) cpu.store(kCount, index + 1);
        return cpu.go(1);
      case 1: cpu.store(kFirstEntry + index, epoch); return cpu.go(2);
      case 2: cpu.store(kFirstStamp + index, epoch - kBirth); return cpu.go(3);
      case 3:
        if (!flaws.changed_late) cpu.store(kChanged, epoch);
        return cpu.go(4);
      case 4: cpu.store(kCount, index + 1); return cpu.go(5);
      case 5:
        if (flaws.changed_late) cpu.store(kChanged, epoch);
        return cpu.go(6);
      default:
        cpu.store(kGrowthPublished, epoch);
        return ++cpu.reg(0) == 2 ? cpu.done() : cpu.go(0);
    }
  };
}

Machine::Program counter(GrowthFlaws flaws) {
  return [flaws](Cpu& cpu) {
    std::uint64_t& epoch = cpu.reg(0);
    std::uint64_t& count = cpu.reg(1);
    switch (cpu.step()) {
      case 0: epoch = cpu.load(kGrowthPublished); return cpu.go(1);
      case 1: count = cpu.load(kCount); return cpu.go(2);
      case 2: return cpu.go(cpu.load(kChanged) <= epoch || flaws.no_stamps ? 4 : 3);
      case 3:
        if (cpu.load(kFirstStamp + count - 1) <= epoch - kBirth) return cpu.go(4);
        --count;
        return;
      default:
        if (count != epoch) return cpu.wrong("the reader counts other entries than its epoch has");
        if (cpu.load(kFirstEntry + count - 1) == 0) return cpu.wrong("an entry is not there");
        return cpu.done();
    }
  };
}

std::string try_growth(GrowthFlaws flaws) {
  Machine::State start;
  start.memory[kGrowthPublished] = kBirth;
  start.memory[kCount] = 1;
  start.memory[kFirstEntry] = kBirth;
  return Machine::run(start, {counter(flaws), grower(flaws)}).wrong;
}

TEST(Growth, ShowsEachEpochItsEntries) { EXPECT_EQ(try_growth({}), ""); }
TEST(Growth, NeedsTheCountBehindTheEntry) { EXPECT_NE(try_growth({.counted_early = true}), ""); }
TEST(Growth, NeedsTheChangeBeforeTheCount) { EXPECT_NE(try_growth({.changed_late = true}), ""); }
TEST(Growth, NeedsTheStamps) { EXPECT_NE(try_growth({.no_stamps = true}), ""); }

}  // namespace
}  // namespace xtree::test
