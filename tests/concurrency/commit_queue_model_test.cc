// The commit queue's turns (committer.h) as programs of a model machine, tried in every order: two
// writers that commit, and one thread that asks for an exclusive turn. What would be a writer that
// nobody wakes is a state that nobody leaves.
#include <gtest/gtest.h>

#include <iostream>

#include "concurrency/model_machine.h"

namespace xtree::test {
namespace {

using Cpu = Machine::Cpu;

constexpr std::size_t kWriters = 2;
constexpr std::uint64_t kRounds = 2;

enum Word : std::size_t {
  kMutex,
  kLeading,
  kExclusiveWaiting,
  kChanged,                // counts the calls of notify_all on `changed_`
  kOpenGroup,
  kQueued,                 // a bit for each writer
  kTurn,                   // two words, for even groups and odd ones,
  kAsleep = kTurn + 2,     // how many sleep on each,
  kWoken = kAsleep + 2,    // and how many of them have been woken
  kCounted = kWoken + 2,   // how many the leader takes for asleep on each
  kDone = kCounted + 2,    // a word for each writer's request
  kGroup = kDone + kWriters,
};
static_assert(kGroup + kWriters <= Machine::kWords);

struct Flaws {
  bool next_not_woken = false;  // whoever leads wakes its own group only
  bool word_read_late = false;  // a writer looks at its group's word without the mutex
  bool woken_early = false;     // the word changes before the requests are done
  bool not_counted = false;     // a writer does not say that it will sleep
};

// Steps that any program may use; what the mutex guards may be read and written in one.
bool lock(Cpu& cpu) { return cpu.exchange(kMutex, 1) == 0; }
void unlock(Cpu& cpu) { cpu.store(kMutex, 0); }

void wake_all(Cpu& cpu, std::uint64_t turn) {
  cpu.add(kTurn + turn, 1);
  cpu.exchange(kWoken + turn, cpu.add(kAsleep + turn, 0));
}
void wake_one(Cpu& cpu, std::uint64_t turn) {
  cpu.add(kTurn + turn, 1);
  if (cpu.add(kAsleep + turn, 0) > cpu.add(kWoken + turn, 0)) cpu.add(kWoken + turn, 1);
}

void give_way(Cpu& cpu, Flaws flaws) {
  cpu.store(kLeading, 0);
  cpu.add(kChanged, 1);
  if (flaws.next_not_woken || cpu.load(kQueued) == 0 || cpu.load(kExclusiveWaiting) != 0) return;
  wake_one(cpu, cpu.load(kOpenGroup) % 2);
}

void finish_group(Cpu& cpu, std::uint64_t group) {
  for (std::size_t i = 0; i < kWriters; ++i) {
    if (cpu.load(kGroup + i) == group) cpu.store(kDone + i, 1);
  }
}

Machine::Program writer(std::size_t number, Flaws flaws) {
  return [=](Cpu& cpu) {
    std::uint64_t& round = cpu.reg(0);
    std::uint64_t& group = cpu.reg(1);  // that it leads
    std::uint64_t& turn = cpu.reg(2);   // that it sleeps on
    std::uint64_t& seen = cpu.reg(3);   // there
    switch (cpu.step()) {
      case 0:
        if (!lock(cpu)) return;
        cpu.store(kDone + number, 0);
        cpu.store(kGroup + number, 0);
        cpu.store(kQueued, cpu.load(kQueued) | 1u << number);
        return cpu.go(2);
      case 1: return lock(cpu) ? cpu.go(2) : void();
      case 2:  // with the mutex
        if (cpu.load(kDone + number) != 0) {
          unlock(cpu);
          return cpu.go(9);
        }
        if (cpu.load(kLeading) == 0 && cpu.load(kExclusiveWaiting) == 0) return cpu.go(5);
        turn = (cpu.load(kGroup + number) != 0 ? cpu.load(kGroup + number) : cpu.load(kOpenGroup)) %
               2;
        seen = cpu.load(kTurn + turn);
        if (!flaws.not_counted) cpu.store(kCounted + turn, cpu.load(kCounted + turn) + 1);
        unlock(cpu);
        return cpu.go(3);
      case 3:  // goes to sleep unless the word has changed
        if (flaws.word_read_late) seen = cpu.load(kTurn + turn);
        if (cpu.add(kTurn + turn, 0) != seen) return cpu.go(8);
        cpu.add(kAsleep + turn, 1);
        return cpu.go(4);
      case 4:
        if (cpu.add(kWoken + turn, 0) == 0) return;
        cpu.add(kWoken + turn, ~std::uint64_t{0});
        cpu.add(kAsleep + turn, ~std::uint64_t{0});
        return cpu.go(8);
      case 5:  // with the mutex: takes what is queued
        if (cpu.load(kQueued) == 0) return cpu.wrong("a turn with nothing to do");
        cpu.store(kLeading, 1);
        group = cpu.load(kOpenGroup);
        cpu.store(kOpenGroup, group + 1);
        for (std::size_t i = 0; i < kWriters; ++i) {
          if ((cpu.load(kQueued) >> i & 1) != 0) cpu.store(kGroup + i, group);
        }
        cpu.store(kQueued, 0);
        unlock(cpu);
        return cpu.go(6);
      case 6:
        if (!lock(cpu)) return;
        if (flaws.woken_early) {
          wake_all(cpu, group % 2);
        } else {
          finish_group(cpu, group);
        }
        give_way(cpu, flaws);
        // Nobody is woken of a group of which nobody sleeps.
        turn = cpu.load(kCounted + group % 2);
        cpu.store(kCounted + group % 2, 0);
        unlock(cpu);
        return cpu.go(turn != 0 || flaws.woken_early ? 7 : 8);
      case 7:
        if (flaws.woken_early) {
          finish_group(cpu, group);
        } else {
          wake_all(cpu, group % 2);
        }
        return cpu.go(8);
      case 8: return cpu.go(cpu.load(kDone + number) != 0 ? 9 : 1);
      default:
        if (cpu.load(kGroup + number) == 0) return cpu.wrong("it was done by nobody");
        group = turn = seen = 0;
        return ++round == kRounds ? cpu.done() : cpu.go(0);
    }
  };
}

Machine::Program exclusive_thread() {
  return [](Cpu& cpu) {
    std::uint64_t& seen = cpu.reg(0);
    switch (cpu.step()) {
      case 0:
        if (!lock(cpu)) return;
        cpu.store(kExclusiveWaiting, 1);
        return cpu.go(1);
      case 1:  // with the mutex
        if (cpu.load(kLeading) != 0) {
          seen = cpu.load(kChanged);
          unlock(cpu);
          return cpu.go(2);
        }
        cpu.store(kExclusiveWaiting, 0);
        cpu.store(kLeading, 1);
        unlock(cpu);
        return cpu.go(4);
      case 2: return cpu.load(kChanged) != seen ? cpu.go(3) : void();
      case 3: return lock(cpu) ? cpu.go(1) : void();
      case 4:
        if (!lock(cpu)) return;
        give_way(cpu, {});
        unlock(cpu);
        return cpu.done();
      default: return cpu.done();
    }
  };
}

std::string try_all(Flaws flaws) {
  Machine::State start;
  start.memory[kOpenGroup] = 1;
  const Machine::Outcome outcome =
      Machine::run(start, {writer(0, flaws), writer(1, flaws), exclusive_thread()});
  std::cout << outcome.states << " states" << std::endl;
  return outcome.wrong;
}

TEST(CommitQueueProtocol, WakesEveryWriterInEveryOrder) { EXPECT_EQ(try_all({}), ""); }
TEST(CommitQueueProtocol, NeedsWhoeverGivesWayToWakeOneOfTheNextGroup) {
  EXPECT_NE(try_all({.next_not_woken = true}), "");
}
TEST(CommitQueueProtocol, NeedsTheWordToBeReadUnderTheMutex) {
  EXPECT_NE(try_all({.word_read_late = true}), "");
}
TEST(CommitQueueProtocol, NeedsThoseWhoWillSleepToBeCounted) {
  EXPECT_NE(try_all({.not_counted = true}), "");
}
TEST(CommitQueueProtocol, NeedsRequestsToBeDoneBeforeTheWordChanges) {
  EXPECT_NE(try_all({.woken_early = true}), "");
}

}  // namespace
}  // namespace xtree::test
