// The commit queue's turns (committer.h, write_turn.h) as programs of a model machine, tried in
// every order: two writers that commit, and one thread that asks for an exclusive turn. Every group
// is a crowd, so its leader leaves its place while it syncs, and nobody waits for that to lead the
// next one. One of the writers may be one that waits for no sync, and commits without the mutex
// where it can. What would be a writer that nobody wakes is a state that nobody leaves.
#include <gtest/gtest.h>

#include <iostream>

#include "concurrency/model_machine.h"

namespace xtree::test {
namespace {

using Cpu = Machine::Cpu;

constexpr std::size_t kWriters = 2;
constexpr std::uint64_t kRounds = 2;
constexpr std::size_t kSlots = 3;  // for groups that follow one another
constexpr std::size_t kLanes = 2;  // the first to sleep for a group does it on the first one

enum Word : std::size_t {
  kMutex,
  kTurnWord,  // bits of WriteTurn
  kBusy,      // whether somebody does what only one may
  kSyncing,   // how many groups were left by their leaders to be synced
  kFinished,  // the last one that is finished
  kExclusiveWaiting,
  kChanged,  // counts the calls of notify_all on `changed_`
  kOpenGroup,
  kQueued,                           // a bit for each writer
  kTurn,                             // of each lane of each slot: its word,
  kAsleep = kTurn + kSlots * kLanes,    // how many sleep on it,
  kWoken = kAsleep + kSlots * kLanes,   // and how many of them have been woken
  kPlaces = kWoken + kSlots * kLanes,   // of each slot: how many places were taken,
  kUnwoken = kPlaces + kSlots,          // and whether its second lane is to be woken
  kDone = kUnwoken + kSlots,            // a word for each writer's request
  kGroup = kDone + kWriters,
};
static_assert(kGroup + kWriters <= Machine::kWords);

constexpr std::uint64_t kTaken = 1;
constexpr std::uint64_t kAsked = 2;

struct Flaws {
  bool next_not_woken = false;  // whoever leads wakes its own group only
  bool word_read_late = false;  // a writer looks at its lane's word without the mutex
  bool woken_early = false;     // the words change before the requests are done
  bool not_counted = false;     // a writer does not say that it will sleep
  bool left_to_sleepers = false;  // who ends a group trusts the first lane to wake the second
  bool not_in_order = false;      // a group is finished before the one before it
  bool not_asked = false;         // who waits for an exclusive turn does not say so
  bool asked_late = false;        // it looks first whether somebody leads
  bool ask_forgotten = false;     // at the end of a turn
  bool ended_blindly = false;     // who leads without the mutex does not look whether one has asked
};

// Steps that any program may use; what the mutex guards may be read and written in one.
bool lock(Cpu& cpu) { return cpu.exchange(kMutex, 1) == 0; }
void unlock(Cpu& cpu) { cpu.store(kMutex, 0); }

std::uint64_t lane_of(std::uint64_t group, std::uint64_t lane) {
  return group % kSlots * kLanes + lane;
}
void wake_all(Cpu& cpu, std::uint64_t lane) {
  cpu.exchange(kWoken + lane, cpu.add(kAsleep + lane, 0));
}
void wake_one(Cpu& cpu, std::uint64_t lane) {
  cpu.add(kTurn + lane, 1);
  if (cpu.add(kAsleep + lane, 0) > cpu.add(kWoken + lane, 0)) cpu.add(kWoken + lane, 1);
}
// Wakes the second lane if nobody has set out to.
void wake_rest(Cpu& cpu, std::uint64_t group) {
  if (cpu.exchange(kUnwoken + group % kSlots, 0) != 0) wake_all(cpu, lane_of(group, 1));
}

void begin_work(Cpu& cpu) {
  if (cpu.load(kBusy) != 0) cpu.wrong("two lead");
  cpu.store(kBusy, 1);
}

// Groups of even number may be led while the one before them is synced.
bool may_lead(Cpu& cpu) {
  if ((cpu.load(kTurnWord) & kTaken) != 0 || cpu.load(kExclusiveWaiting) != 0) return false;
  const std::uint64_t syncing = cpu.load(kSyncing);
  return syncing == 0 || (syncing == 1 && cpu.load(kQueued) != 0 && cpu.load(kOpenGroup) % 2 == 0);
}

void wake_next(Cpu& cpu, Flaws flaws) {
  cpu.add(kChanged, 1);
  if (flaws.next_not_woken || cpu.load(kQueued) == 0 || !may_lead(cpu)) return;
  wake_one(cpu, lane_of(cpu.load(kOpenGroup), 0));
}

void give_way(Cpu& cpu, Flaws flaws) {
  const bool is_asked =
      cpu.load(kQueued) != 0 || cpu.load(kSyncing) != 0 || cpu.load(kExclusiveWaiting) != 0;
  cpu.store(kBusy, 0);
  cpu.store(kTurnWord, is_asked && !flaws.ask_forgotten ? kAsked : 0);
  wake_next(cpu, flaws);
}

void finish_requests(Cpu& cpu, std::uint64_t group) {
  for (std::size_t i = 0; i < kWriters; ++i) {
    if (cpu.load(kGroup + i) == group) cpu.store(kDone + i, 1);
  }
}

// Whether somebody may sleep for the group.
bool end_group(Cpu& cpu, std::uint64_t group) {
  const std::uint64_t places = cpu.load(kPlaces + group % kSlots);
  if (places == 0) return false;
  if (places > 1) {
    cpu.add(kTurn + lane_of(group, 1), 1);
    cpu.exchange(kUnwoken + group % kSlots, 1);
  }
  cpu.add(kTurn + lane_of(group, 0), 1);
  cpu.store(kPlaces + group % kSlots, 0);
  return true;
}

void take_queue(Cpu& cpu, std::uint64_t& group) {
  group = cpu.load(kOpenGroup);
  cpu.fetch_or(kTurnWord, kTaken);
  begin_work(cpu);
  cpu.store(kOpenGroup, group + 1);
  for (std::size_t i = 0; i < kWriters; ++i) {
    if ((cpu.load(kQueued) >> i & 1) != 0) cpu.store(kGroup + i, group);
  }
  cpu.store(kQueued, 0);
}

enum class Kind : bool { synced, alone };

Machine::Program writer(std::size_t number, Flaws flaws, Kind kind = Kind::synced) {
  return [=](Cpu& cpu) {
    std::uint64_t& round = cpu.reg(0);
    std::uint64_t& group = cpu.reg(1);  // that it leads
    std::uint64_t& place = cpu.reg(2);  // the group that it sleeps for,
    std::uint64_t& lane = cpu.reg(3);   // on this lane,
    std::uint64_t& seen = cpu.reg(4);   // whose word it has read
    switch (cpu.step()) {
      case 0:
        if (kind == Kind::alone && cpu.compare_exchange(kTurnWord, 0, kTaken)) return cpu.go(15);
        return cpu.go(19);
      case 1: return lock(cpu) ? cpu.go(2) : void();
      case 2: {  // with the mutex
        if (cpu.load(kDone + number) != 0) {
          unlock(cpu);
          return cpu.go(14);
        }
        if (may_lead(cpu)) return cpu.go(6);
        const std::uint64_t wanted =
            cpu.load(kGroup + number) != 0 ? cpu.load(kGroup + number) : cpu.load(kOpenGroup);
        if (place != wanted) {
          const std::size_t places = kPlaces + wanted % kSlots;
          lane = lane_of(wanted, cpu.load(places) == 0 ? 0 : 1);
          if (!flaws.not_counted) cpu.store(places, cpu.load(places) + 1);
          place = wanted;
        }
        seen = cpu.load(kTurn + lane);
        unlock(cpu);
        return cpu.go(3);
      }
      case 3:  // goes to sleep unless the word has changed
        if (flaws.word_read_late) seen = cpu.load(kTurn + lane);
        if (cpu.add(kTurn + lane, 0) != seen) return cpu.go(5);
        cpu.add(kAsleep + lane, 1);
        return cpu.go(4);
      case 4:
        if (cpu.add(kWoken + lane, 0) == 0) return;
        cpu.add(kWoken + lane, ~std::uint64_t{0});
        cpu.add(kAsleep + lane, ~std::uint64_t{0});
        return cpu.go(5);
      case 5:
        wake_rest(cpu, place);
        return cpu.go(13);
      case 6:  // with the mutex: takes what is queued
        if (cpu.load(kQueued) == 0) return cpu.wrong("a turn with nothing to do");
        take_queue(cpu, group);
        unlock(cpu);
        return cpu.go(7);
      case 7:  // leaves its place, and syncs
        if (!lock(cpu)) return;
        cpu.store(kSyncing, cpu.load(kSyncing) + 1);
        give_way(cpu, flaws);
        unlock(cpu);
        return cpu.go(8);
      case 8:  // the sync is over, be that of the group before or not
        if (!lock(cpu)) return;
        return cpu.go(9);
      case 9: {  // with the mutex
        if (cpu.load(kFinished) != group - 1) {
          if (flaws.not_in_order) return cpu.wrong("an epoch is shown before the one before it");
          seen = cpu.load(kChanged);
          unlock(cpu);
          return cpu.go(10);
        }
        cpu.store(kFinished, group);
        if (!flaws.woken_early) finish_requests(cpu, group);
        cpu.store(kSyncing, cpu.load(kSyncing) - 1);
        wake_next(cpu, flaws);
        seen = end_group(cpu, group);  // whether there is somebody to wake
        unlock(cpu);
        return cpu.go(seen != 0 ? 11 : 12);
      }
      case 10: return cpu.load(kChanged) != seen ? cpu.go(8) : void();
      case 11:
        wake_all(cpu, lane_of(group, 0));
        return cpu.go(12);
      case 12:
        if (flaws.woken_early) finish_requests(cpu, group);
        if (!flaws.left_to_sleepers) wake_rest(cpu, group);
        return cpu.go(13);
      case 13: return cpu.go(cpu.load(kDone + number) != 0 ? 14 : 1);
      case 14:
        if (cpu.load(kGroup + number) == 0) return cpu.wrong("it was done by nobody");
        group = place = lane = seen = 0;
        return ++round == kRounds ? cpu.done() : cpu.go(0);
      case 15:  // without the mutex
        begin_work(cpu);
        return cpu.go(16);
      case 16:
        cpu.store(kBusy, 0);
        return cpu.go(17);
      case 17:
        if (flaws.ended_blindly) cpu.store(kTurnWord, 0);
        if (!flaws.ended_blindly && !cpu.compare_exchange(kTurnWord, kTaken, 0)) return cpu.go(18);
        return ++round == kRounds ? cpu.done() : cpu.go(0);
      case 18:
        if (!lock(cpu)) return;
        give_way(cpu, flaws);
        unlock(cpu);
        return ++round == kRounds ? cpu.done() : cpu.go(0);
      default:
        if (!lock(cpu)) return;
        cpu.store(kDone + number, 0);
        cpu.store(kGroup + number, 0);
        cpu.store(kQueued, cpu.load(kQueued) | 1u << number);
        cpu.fetch_or(kTurnWord, kAsked);
        return cpu.go(2);
    }
  };
}

Machine::Program exclusive_thread(Flaws flaws) {
  return [=](Cpu& cpu) {
    std::uint64_t& seen = cpu.reg(0);
    const bool asks_late = flaws.asked_late;
    switch (cpu.step()) {
      case 0:
        if (!lock(cpu)) return;
        cpu.store(kExclusiveWaiting, 1);
        if (!flaws.not_asked && !asks_late) cpu.fetch_or(kTurnWord, kAsked);
        return cpu.go(1);
      case 1:  // with the mutex
        if ((cpu.load(kTurnWord) & kTaken) != 0 || cpu.load(kSyncing) != 0) return cpu.go(2);
        cpu.store(kExclusiveWaiting, 0);
        cpu.fetch_or(kTurnWord, kTaken);
        begin_work(cpu);
        unlock(cpu);
        return cpu.go(5);
      case 2:
        if (asks_late) cpu.fetch_or(kTurnWord, kAsked);
        seen = cpu.load(kChanged);
        unlock(cpu);
        return cpu.go(3);
      case 3: return cpu.load(kChanged) != seen ? cpu.go(4) : void();
      case 4: return lock(cpu) ? cpu.go(1) : void();
      default:
        if (!lock(cpu)) return;
        give_way(cpu, {});
        unlock(cpu);
        return cpu.done();
    }
  };
}

std::string try_all(Flaws flaws, Kind kind = Kind::synced) {
  Machine::State start;
  start.memory[kOpenGroup] = 1;
  const Machine::Outcome outcome = Machine::run(
      start, {writer(0, flaws), writer(1, flaws, kind), exclusive_thread(flaws)});
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
TEST(CommitQueueProtocol, NeedsWhoeverEndsAGroupToWakeThoseWhomNobodyElseHas) {
  EXPECT_NE(try_all({.left_to_sleepers = true}), "");
}
TEST(CommitQueueProtocol, NeedsGroupsToBeFinishedInTheirOrder) {
  EXPECT_NE(try_all({.not_in_order = true}), "");
}
TEST(CommitQueueProtocol, NeedsRequestsToBeDoneBeforeTheWordChanges) {
  EXPECT_NE(try_all({.woken_early = true}), "");
}

TEST(CommitQueueProtocol, WakesEveryWriterBesideOneThatNeedsNoMutex) {
  EXPECT_EQ(try_all({}, Kind::alone), "");
}
TEST(CommitQueueProtocol, NeedsWhoeverWaitsToAsk) {
  EXPECT_NE(try_all({.not_asked = true}, Kind::alone), "");
}
TEST(CommitQueueProtocol, NeedsThemToAskBeforeTheyLook) {
  EXPECT_NE(try_all({.asked_late = true}, Kind::alone), "");
}
TEST(CommitQueueProtocol, NeedsTheEndOfATurnToSayWhoWaits) {
  EXPECT_NE(try_all({.ask_forgotten = true}, Kind::alone), "");
}
TEST(CommitQueueProtocol, NeedsATurnWithoutTheMutexToEndWithALookForThoseWhoWait) {
  EXPECT_NE(try_all({.ended_blindly = true}, Kind::alone), "");
}

}  // namespace
}  // namespace xtree::test
