// Passes of the collector without a process barrier, and lines that are put to rest
// (reader_lines.h, collector.cc), as programs of a model machine, tried in every order.
#include <gtest/gtest.h>

#include <iostream>

#include "concurrency/model_machine.h"

namespace xtree::test {
namespace {

using Cpu = Machine::Cpu;

// A node has version A for epoch 1, and gets version B for epoch 2; then A is unlinked. Or it has
// versions C, B and A, and a snapshot of epoch 1, for which B is not needed; then B is unlinked,
// and its frame freed. `kPrevious` is B's word or C's. The reader enters twice by its own line,
// which the collector may put to rest.
enum Word : std::size_t {
  kPublished,
  kClock,
  kPinned,
  kStamp,
  kOwner,
  kSlot,
  kPrevious,
  kFreed
};
constexpr std::uint64_t kVersionA = 1;
constexpr std::uint64_t kVersionB = 2;
constexpr std::uint64_t kKey = 1;
constexpr std::uint64_t kAtRest = 2;
constexpr std::size_t kReader = 0;
constexpr std::size_t kWriter = 1;

struct Flaws {
  bool no_look_at_rest = false;  // the reader does not look again whether its line is at rest
  bool no_barrier = false;       // the line is at rest as soon as it is marked
  bool plain_wake = false;       // the reader wakes its line with a plain store
  bool early_step = false;       // the clock moves before the epoch is published
  bool any_stamp = false;        // a stamp from before the clock's last step counts
  bool one_step = false;         // what has been unlinked is freed without another step
};

// Steps of readers.
constexpr std::uint64_t kShow = 1;  // by the line
constexpr std::uint64_t kLookAgain = 4;
constexpr std::uint64_t kFind = 6;
constexpr std::uint64_t kLeave = 9;
constexpr std::uint64_t kWake = 10;

// The part of both readers that is by the line; goes on at kLookAgain.
void show(Cpu& cpu, Flaws flaws) {
  const std::uint64_t epoch = cpu.reg(0);
  switch (cpu.step()) {
    case kShow: return cpu.go(cpu.load(kOwner) == kKey ? 2 : kWake);
    case 2: cpu.store(kPinned, epoch + 1); return cpu.go(flaws.no_look_at_rest ? kLookAgain : 3);
    case 3:
      if (cpu.load(kOwner) == kKey) return cpu.go(kLookAgain);
      cpu.store(kPinned, 0);
      return cpu.go(kWake);
    default:
      if (flaws.plain_wake) {
        cpu.store(kOwner, kKey);
      } else {
        cpu.compare_exchange(kOwner, kAtRest, kKey);
      }
      return cpu.go(kShow);
  }
}

void leave(Cpu& cpu) {
  std::uint64_t& round = cpu.reg(2);
  cpu.store(kPinned, 0);
  cpu.reg(0) = 0;
  cpu.reg(1) = 0;
  return ++round == 2 ? cpu.done() : cpu.go(0);
}

Machine::Program newest_reader(Flaws flaws) {
  return [flaws](Cpu& cpu) {
    std::uint64_t& epoch = cpu.reg(0);
    std::uint64_t& seen = cpu.reg(1);
    switch (cpu.step()) {
      case 0: epoch = cpu.load(kPublished); return cpu.go(kShow);
      case kLookAgain: {
        const std::uint64_t again = cpu.load(kPublished);
        if (again == epoch) return cpu.go(5);
        epoch = again;
        cpu.exchange(kPinned, epoch + 1);
        return;
      }
      case 5: seen = cpu.load(kClock); return cpu.go(8);
      case 8: cpu.store(kStamp, seen); return cpu.go(kFind);
      case kFind: seen = cpu.load(kSlot); return cpu.go(seen <= epoch ? kLeave : 7);
      case 7:
        if (cpu.load(kPrevious) != 0) return cpu.go(kLeave);
        return cpu.wrong("the version that the reader's epoch needs is unlinked");
      case kLeave: return leave(cpu);
      default: return show(cpu, flaws);
    }
  };
}

// Of the snapshot's epoch, on its way to A.
Machine::Program snapshot_reader(Flaws flaws) {
  return [flaws](Cpu& cpu) {
    std::uint64_t& seen = cpu.reg(1);
    switch (cpu.step()) {
      case 0: cpu.reg(0) = 1; return cpu.go(kShow);
      case kLookAgain: seen = cpu.load(kClock); return cpu.go(5);
      case 5: cpu.store(kStamp, seen); return cpu.go(kFind);
      case kFind: seen = cpu.load(kPrevious); return cpu.go(seen == kVersionB ? 7 : kLeave);
      case 7:
      case 8:
        if (cpu.load(kFreed) != 0) return cpu.wrong("the frame was freed");
        return cpu.go(cpu.step() + 1);
      case kLeave: return leave(cpu);
      default: return show(cpu, flaws);
    }
  };
}

// Goes on at `next` once the reader needs no barrier: it has entered since the clock's last step,
// or its line is at rest, to which it is put if it is not in use.
void pass(Cpu& cpu, Flaws flaws, std::uint64_t here, std::uint64_t next) {
  std::uint64_t& passes = cpu.reg(1);
  switch (cpu.step() - here) {
    case 0: return cpu.go(cpu.load(kOwner) == kAtRest ? next : here + 1);
    case 1: {
      const std::uint64_t clock = cpu.load(kClock);
      return cpu.go(cpu.load(kStamp) >= clock || flaws.any_stamp ? next : here + 2);
    }
    case 2:
      if (++passes == 3) return cpu.done();
      return cpu.go(cpu.load(kPinned) == 0 ? here + 3 : here);
    case 3: cpu.exchange(kOwner, kAtRest); return cpu.go(here + 4);
    default:
      cpu.interrupt(kWriter);
      if (!flaws.no_barrier) cpu.interrupt(kReader);
      return cpu.go(here);
  }
}

Machine::Program unlinker(Flaws flaws) {
  return [flaws](Cpu& cpu) {
    std::uint64_t& pinned = cpu.reg(0);
    const std::uint64_t step = cpu.step();
    if (step >= 10 && step < 15) return pass(cpu, flaws, 10, 20);
    switch (step) {
      case 0: cpu.store(kPrevious, kVersionA); return cpu.go(1);
      case 1: cpu.store(kSlot, kVersionB); return cpu.go(flaws.early_step ? 3 : 2);
      case 2: cpu.store(kPublished, 2); return cpu.go(flaws.early_step ? 10 : 3);
      case 3: cpu.add(kClock, 1); return cpu.go(flaws.early_step ? 2 : 10);
      case 20: pinned = cpu.load(kPinned); return cpu.go(21);
      default:
        if (pinned == 0 || pinned - 1 >= 2) cpu.store(kPrevious, 0);
        return cpu.done();
    }
  };
}

// Passes before and behind the unlinking. The stamp of a reader that is inside shows whether it
// entered since the clock's last step.
Machine::Program freer(Flaws flaws) {
  return [flaws](Cpu& cpu) {
    std::uint64_t& pinned = cpu.reg(0);
    const std::uint64_t step = cpu.step();
    if (step >= 10 && step < 15) return pass(cpu, flaws, 10, 20);
    if (step >= 30 && step < 35) return pass(cpu, flaws, 30, 40);
    switch (step) {
      case 0: cpu.add(kClock, 1); return cpu.go(10);
      case 20: cpu.store(kPrevious, kVersionA); return cpu.go(flaws.one_step ? 42 : 21);
      case 21: cpu.add(kClock, 1); return cpu.go(30);
      case 40: pinned = cpu.load(kPinned); return cpu.go(41);
      case 41: {
        const bool has_left = pinned == 0 || cpu.load(kStamp) >= cpu.load(kClock);
        return has_left ? cpu.go(42) : cpu.done();
      }
      default: cpu.store(kFreed, 1); return cpu.done();
    }
  };
}

std::string try_all(const std::vector<Machine::Program>& programs, std::uint64_t previous) {
  Machine::State start;
  start.memory[kPublished] = 1;
  start.memory[kOwner] = kKey;
  start.memory[kSlot] = kVersionA;
  start.memory[kPrevious] = previous;
  const Machine::Outcome outcome = Machine::run(start, programs);
  std::cout << outcome.states << " states" << std::endl;
  return outcome.wrong;
}

std::string try_unlinking(Flaws flaws) {
  return try_all({newest_reader(flaws), unlinker(flaws)}, 0);
}
std::string try_freeing(Flaws flaws) {
  return try_all({snapshot_reader(flaws), freer(flaws)}, kVersionB);
}

TEST(LineProtocol, KeepsWhatReadersNeed) { EXPECT_EQ(try_unlinking({}), ""); }
TEST(LineProtocol, NeverFreesWhatAReaderStandsOn) { EXPECT_EQ(try_freeing({}), ""); }
TEST(LineProtocol, NeedsALookAtTheRestBehindThePin) {
  EXPECT_NE(try_freeing({.no_look_at_rest = true}), "");
}
TEST(LineProtocol, NeedsTheProcessBarrierForARest) {
  EXPECT_NE(try_unlinking({.no_barrier = true}), "");
  EXPECT_NE(try_freeing({.no_barrier = true}), "");
}
TEST(LineProtocol, NeedsABarrierInWhoWakes) { EXPECT_NE(try_freeing({.plain_wake = true}), ""); }
TEST(LineProtocol, NeedsTheEpochBeforeTheStep) {
  EXPECT_NE(try_unlinking({.early_step = true}), "");
}
TEST(LineProtocol, NeedsAStampFromBehindTheStep) {
  EXPECT_NE(try_unlinking({.any_stamp = true}), "");
  EXPECT_NE(try_freeing({.any_stamp = true}), "");
}
TEST(LineProtocol, NeedsAStepBetweenUnlinkingAndFreeing) {
  EXPECT_NE(try_freeing({.one_step = true}), "");
}

}  // namespace
}  // namespace xtree::test
