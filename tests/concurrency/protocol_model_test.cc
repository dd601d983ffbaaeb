// The protocols of slots, pins and the grace period as programs of a model machine, tried in every
// order. Each comes with the ways to get it wrong, and those must be found out: that is what shows
// that the machine looks where it should.
#include <gtest/gtest.h>

#include <iostream>

#include "concurrency/model_machine.h"

namespace xtree::test {
namespace {

using Cpu = Machine::Cpu;

std::string try_all(const std::vector<Machine::Program>& programs, const Machine::State& start) {
  const Machine::Outcome outcome = Machine::run(start, programs);
  std::cout << outcome.states << " states" << std::endl;
  return outcome.wrong;
}

// A node has version A for epoch 1, and gets version B for epoch 2; then A is to go. The reader
// enters twice by its own line (reader_lines.h), the writer publishes and collects (collector.cc).
enum Word : std::size_t { kPublished, kClock, kPinned, kStamp, kSlot, kPrevious, kFreed };
constexpr std::uint64_t kVersionA = 1;
constexpr std::uint64_t kVersionB = 2;

struct Flaws {
  bool no_barrier = false;       // the writer scans without `settle`
  bool no_second_look = false;   // the reader does not look at the published epoch again
  bool no_grace_period = false;  // the writer frees what it has unlinked without looking again
  bool early_stamp = false;      // what is unlinked takes the time that the clock shows already
};

constexpr std::size_t kReader = 0;
constexpr std::size_t kWriter = 1;

// The process barrier reaches its caller and the reader.
void settle(Cpu& cpu, Flaws flaws, std::uint64_t next) {
  if (!flaws.no_barrier) {
    cpu.interrupt(kWriter);
    cpu.interrupt(kReader);
  }
  cpu.go(next);
}

Machine::Program reader_by_line(Flaws flaws) {
  return [flaws](Cpu& cpu) {
    std::uint64_t& epoch = cpu.reg(0);
    std::uint64_t& seen = cpu.reg(1);
    std::uint64_t& round = cpu.reg(2);
    switch (cpu.step()) {
      case 0: epoch = cpu.load(kPublished); return cpu.go(1);
      case 1: cpu.store(kPinned, epoch + 1); return cpu.go(flaws.no_second_look ? 3 : 2);
      case 2: {
        const std::uint64_t again = cpu.load(kPublished);
        if (again == epoch) return cpu.go(3);
        epoch = again;
        return cpu.go(1);
      }
      case 3: seen = cpu.load(kSlot); return cpu.go(seen <= epoch ? 5 : 4);
      case 4:
        seen = cpu.load(kPrevious);
        if (seen == 0) return cpu.wrong("the version that the reader's epoch needs is unlinked");
        return cpu.go(5);
      default:
        cpu.store(kPinned, 0);
        seen = 0;
        epoch = 0;
        return ++round == 2 ? cpu.done() : cpu.go(0);
    }
  };
}

// Unlinks A once it sees no pin below 2.
Machine::Program writer_and_collector(Flaws flaws) {
  return [flaws](Cpu& cpu) {
    std::uint64_t& pinned = cpu.reg(0);
    std::uint64_t& scans = cpu.reg(1);
    switch (cpu.step()) {
      case 0: cpu.store(kPrevious, kVersionA); return cpu.go(1);
      case 1: cpu.store(kSlot, kVersionB); return cpu.go(2);
      case 2: cpu.store(kPublished, 2); return cpu.go(3);
      case 3: return settle(cpu, flaws, 4);
      case 4: pinned = cpu.load(kPinned); return cpu.go(5);
      case 5:
        if (pinned == 0 || pinned - 1 >= 2) return cpu.go(6);
        return ++scans == 3 ? cpu.done() : cpu.go(3);
      default: cpu.store(kPrevious, 0); return cpu.done();
    }
  };
}

std::string try_unlinking(Flaws flaws) {
  Machine::State start;
  start.memory[kPublished] = 1;
  start.memory[kSlot] = kVersionA;
  return try_all({reader_by_line(flaws), writer_and_collector(flaws)}, start);
}

TEST(ReaderLines, KeepWhatTheirReadersNeed) { EXPECT_EQ(try_unlinking({}), ""); }
TEST(ReaderLines, NeedTheProcessBarrier) { EXPECT_NE(try_unlinking({.no_barrier = true}), ""); }
TEST(ReaderLines, NeedTheSecondLook) { EXPECT_NE(try_unlinking({.no_second_look = true}), ""); }

// The chain of a node is C, B, A. Nobody needs B any more, but a reader on the way to A, which a
// snapshot holds, may stand on it. `kPrevious` is C's; B's is always A.
Machine::Program reader_of_a_chain() {
  return [](Cpu& cpu) {
    std::uint64_t& seen = cpu.reg(0);
    std::uint64_t& round = cpu.reg(1);
    switch (cpu.step()) {
      case 0: cpu.store(kPinned, 1 + 1); return cpu.go(1);
      case 1: seen = cpu.load(kClock); return cpu.go(2);
      case 2: cpu.store(kStamp, seen); return cpu.go(3);
      case 3: seen = cpu.load(kPrevious); return cpu.go(seen == kVersionB ? 4 : 6);
      case 4:
      case 5:
        if (cpu.load(kFreed) != 0) return cpu.wrong("the frame was freed");
        return cpu.go(cpu.step() + 1);
      default:
        cpu.store(kPinned, 0);
        seen = 0;
        return ++round == 3 ? cpu.done() : cpu.go(0);
    }
  };
}

Machine::Program freer_of_the_middle(Flaws flaws) {
  return [flaws](Cpu& cpu) {
    std::uint64_t& unlinked_at = cpu.reg(0);
    std::uint64_t& pinned = cpu.reg(1);
    std::uint64_t& scans = cpu.reg(2);
    switch (cpu.step()) {
      case 0: cpu.store(kPrevious, kVersionA); return cpu.go(1);
      case 1:
        unlinked_at = cpu.load(kClock) + (flaws.early_stamp ? 0 : 1);
        return cpu.go(flaws.no_grace_period ? 6 : 2);
      case 2: cpu.add(kClock, 1); return cpu.go(3);
      case 3: return settle(cpu, flaws, 4);
      case 4: pinned = cpu.load(kPinned); return cpu.go(5);
      case 5:
        if (pinned == 0 || cpu.load(kStamp) >= unlinked_at) return cpu.go(6);
        return ++scans == 3 ? cpu.done() : cpu.go(3);
      default: cpu.store(kFreed, 1); return cpu.done();
    }
  };
}

std::string try_grace_period(Flaws flaws) {
  Machine::State start;
  start.memory[kPrevious] = kVersionB;
  return try_all({reader_of_a_chain(), freer_of_the_middle(flaws)}, start);
}

TEST(GracePeriod, NeverFreesWhatAReaderStandsOn) { EXPECT_EQ(try_grace_period({}), ""); }
TEST(GracePeriod, IsNeeded) { EXPECT_NE(try_grace_period({.no_grace_period = true}), ""); }
TEST(GracePeriod, NeedsAClockThatMovesAfterTheUnlinking) {
  EXPECT_NE(try_grace_period({.early_stamp = true}), "");
}
// The clock's step is a full barrier of the writer's alone.
TEST(GracePeriod, NeedsTheProcessBarrier) { EXPECT_NE(try_grace_period({.no_barrier = true}), ""); }

// A parent's link to a child that gets version B; then A is freed. A reader that finds the link
// unknown fills in what the child's slot holds (links.h). The parent stays the newest, or it is
// superseded by one whose link is not part of this.
enum LinkWord : std::size_t {
  kLinkWord,
  kLinkSlot,
  kLinkPinned,
  kLinkStamp,
  kLinkClock,
  kLinkFreed
};
constexpr std::uint64_t kUnknown = 0;
constexpr std::uint64_t kClosed = 9;
constexpr std::uint64_t kCold = 0;  // in the slot: on disk, from where a reader brings it as B

struct LinkFlaws {
  bool not_renewed = false;   // the link keeps what it had
  bool plain_fill = false;    // the reader stores into the link whatever it holds by now
  bool renewed_late = false;  // the link gets the new version when the old one is being freed
};

Machine::Program reader_by_link(LinkFlaws flaws) {
  return [flaws](Cpu& cpu) {
    std::uint64_t& seen = cpu.reg(0);
    std::uint64_t& round = cpu.reg(1);
    switch (cpu.step()) {
      case 0: cpu.store(kLinkPinned, 1); return cpu.go(1);
      case 1: seen = cpu.load(kLinkClock); return cpu.go(2);
      case 2: cpu.store(kLinkStamp, seen); return cpu.go(3);
      case 3:
        seen = cpu.load(kLinkWord);
        return cpu.go(seen == kUnknown ? 4 : seen == kClosed ? 6 : 7);
      case 4: seen = cpu.load(kLinkSlot); return cpu.go(seen == kCold ? 8 : 5);
      case 5:
        if (flaws.plain_fill) {
          cpu.store(kLinkWord, seen);
        } else {
          cpu.compare_exchange(kLinkWord, kUnknown, seen);
        }
        return cpu.go(7);
      case 6: seen = cpu.load(kLinkSlot); return cpu.go(seen == kCold ? 8 : 7);
      case 7:
        if (seen == kVersionA && cpu.load(kLinkFreed) != 0) return cpu.wrong("it was freed");
        return cpu.go(9);
      case 8: cpu.compare_exchange(kLinkSlot, kCold, kVersionB); return cpu.go(9);
      default:
        cpu.store(kLinkPinned, 0);
        seen = 0;
        return ++round == 2 ? cpu.done() : cpu.go(0);
    }
  };
}

// Stores `link` into the link once the slot has B.
Machine::Program renewer(LinkFlaws flaws, std::uint64_t link) {
  return [=](Cpu& cpu) {
    std::uint64_t& unlinked_at = cpu.reg(0);
    std::uint64_t& pinned = cpu.reg(1);
    std::uint64_t& scans = cpu.reg(2);
    switch (cpu.step()) {
      case 0: cpu.store(kLinkSlot, kVersionB); return cpu.go(1);
      case 1:
        if (!flaws.not_renewed && !flaws.renewed_late) cpu.store(kLinkWord, link);
        return cpu.go(2);
      case 2: unlinked_at = cpu.load(kLinkClock) + 1; return cpu.go(3);
      case 3: cpu.add(kLinkClock, 1); return cpu.go(4);
      case 4:
        cpu.interrupt(kWriter);
        cpu.interrupt(kReader);
        return cpu.go(5);
      case 5: pinned = cpu.load(kLinkPinned); return cpu.go(6);
      case 6:
        if (pinned == 0 || cpu.load(kLinkStamp) >= unlinked_at) return cpu.go(7);
        return ++scans == 3 ? cpu.done() : cpu.go(4);
      case 7:
        if (flaws.renewed_late) cpu.store(kLinkWord, link);
        return cpu.go(8);
      default: cpu.store(kLinkFreed, 1); return cpu.done();
    }
  };
}

// For a link that is renewed and one that is closed, each filled before or not.
std::vector<std::string> try_links(LinkFlaws flaws) {
  std::vector<std::string> wrong;
  for (const std::uint64_t becomes : {kVersionB, kClosed}) {
    for (const std::uint64_t was : {kUnknown, kVersionA}) {
      Machine::State start;
      start.memory[kLinkSlot] = kVersionA;
      start.memory[kLinkWord] = was;
      wrong.push_back(try_all({reader_by_link(flaws), renewer(flaws, becomes)}, start));
    }
  }
  return wrong;
}

TEST(LinkProtocol, NeverLeadToWhatWasFreed) {
  for (const std::string& wrong : try_links({})) EXPECT_EQ(wrong, "");
}
TEST(LinkProtocol, MustBeRenewedOrClosed) {
  for (const std::string& wrong : try_links({.not_renewed = true})) EXPECT_NE(wrong, "");
}
TEST(LinkProtocol, MustBeRenewedBeforeTheClockMoves) {
  for (const std::string& wrong : try_links({.renewed_late = true})) EXPECT_NE(wrong, "");
}
// A fill that overwrites does harm where there was something to fill.
TEST(LinkProtocol, MustNotBeFilledOnceTheWriterHasSetThem) {
  const std::vector<std::string> wrong = try_links({.plain_fill = true});
  EXPECT_NE(wrong[0], "");
  EXPECT_NE(wrong[2], "");
}

// The child's frame A is evicted (evictor.h): its slot becomes cold, the link is closed, and opened
// again when the frame is freed.
struct EvictionFlaws {
  bool left_open = false;      // the link becomes unknown at once
  bool opened_early = false;   // the link is opened before the readers have left
  bool unloaded_late = false;  // the slot keeps the frame until it is freed
};

Machine::Program evictor(EvictionFlaws flaws) {
  return [=](Cpu& cpu) {
    std::uint64_t& unlinked_at = cpu.reg(0);
    std::uint64_t& pinned = cpu.reg(1);
    std::uint64_t& scans = cpu.reg(2);
    switch (cpu.step()) {
      case 0: unlinked_at = cpu.load(kLinkClock) + 1; return cpu.go(1);
      case 1:
        if (!flaws.unloaded_late) cpu.store(kLinkSlot, kCold);
        return cpu.go(2);
      case 2:
        cpu.store(kLinkWord, flaws.left_open ? kUnknown : kClosed);
        return cpu.go(3);
      case 3: cpu.add(kLinkClock, 1); return cpu.go(4);
      case 4:
        cpu.interrupt(kWriter);
        cpu.interrupt(kReader);
        return cpu.go(5);
      case 5:
        if (flaws.opened_early) cpu.compare_exchange(kLinkWord, kClosed, kUnknown);
        return cpu.go(6);
      case 6: pinned = cpu.load(kLinkPinned); return cpu.go(7);
      case 7:
        if (pinned == 0 || cpu.load(kLinkStamp) >= unlinked_at) return cpu.go(8);
        return ++scans == 3 ? cpu.done() : cpu.go(4);
      case 8:
        if (flaws.unloaded_late) cpu.store(kLinkSlot, kCold);
        return cpu.go(9);
      case 9: cpu.compare_exchange(kLinkWord, kClosed, kUnknown); return cpu.go(10);
      default: cpu.store(kLinkFreed, 1); return cpu.done();
    }
  };
}

// For a link that is unknown when the child goes, and for one that leads to it.
std::vector<std::string> try_evictions(EvictionFlaws flaws) {
  std::vector<std::string> wrong;
  for (const std::uint64_t was : {kUnknown, kVersionA}) {
    Machine::State start;
    start.memory[kLinkSlot] = kVersionA;
    start.memory[kLinkWord] = was;
    wrong.push_back(try_all({reader_by_link({}), evictor(flaws)}, start));
  }
  return wrong;
}

TEST(EvictionProtocol, LeavesNoLinkToWhatWasFreed) {
  for (const std::string& wrong : try_evictions({})) EXPECT_EQ(wrong, "");
}
TEST(EvictionProtocol, NeedsTheLinkToBeClosedMeanwhile) {
  EXPECT_NE(try_evictions({.left_open = true})[0], "");
  EXPECT_NE(try_evictions({.opened_early = true})[0], "");
}
TEST(EvictionProtocol, NeedsTheSlotToBeColdBeforeTheClockMoves) {
  for (const std::string& wrong : try_evictions({.unloaded_late = true})) EXPECT_NE(wrong, "");
}

// A snapshot pins by compare-and-swap and counts; the collector trusts its last scan when the
// counter has not moved (epoch.cc, `pin`).
enum PinWord : std::size_t { kPinPublished, kPinSlot, kPinChanges, kPinUnlinked };

Machine::Program snapshot_opener(bool counts_first, bool looks_again) {
  return [=](Cpu& cpu) {
    std::uint64_t& epoch = cpu.reg(0);
    switch (cpu.step()) {
      case 0: epoch = cpu.load(kPinPublished); return cpu.go(counts_first ? 2 : 1);
      case 1: cpu.exchange(kPinSlot, epoch + 1); return cpu.go(counts_first ? 3 : 2);
      case 2: cpu.add(kPinChanges, 1); return cpu.go(counts_first ? 1 : looks_again ? 3 : 4);
      case 3: {
        const std::uint64_t again = cpu.load(kPinPublished);
        if (again == epoch) return cpu.go(4);
        epoch = again;
        return cpu.go(counts_first ? 2 : 1);
      }
      default:
        // The snapshot is open from here on.
        if (epoch < 2 && cpu.load(kPinUnlinked) != 0) {
          return cpu.wrong("the version that the snapshot needs is unlinked");
        }
        return cpu.done();
    }
  };
}

// It publishes, and orders its scan behind that.
Machine::Program trusting_collector(bool orders_scan) {
  return [orders_scan](Cpu& cpu) {
    std::uint64_t& changes = cpu.reg(0);
    std::uint64_t& known = cpu.reg(1);
    std::uint64_t& pinned = cpu.reg(2);
    switch (cpu.step()) {
      // A first scan, before anything is retired.
      case 0: known = cpu.load(kPinChanges); return cpu.go(1);
      case 1: pinned = cpu.load(kPinSlot); return cpu.go(2);
      case 2: cpu.store(kPinPublished, 2); return cpu.go(3);
      case 3:
        if (orders_scan) cpu.interrupt(kWriter);
        return cpu.go(4);
      case 4: changes = cpu.load(kPinChanges); return cpu.go(changes == known ? 6 : 5);
      case 5: pinned = cpu.load(kPinSlot); return cpu.go(6);
      case 6:
        if (pinned == 0 || pinned - 1 >= 2) cpu.store(kPinUnlinked, 1);
        return cpu.done();
      default: return cpu.done();
    }
  };
}

std::string try_snapshot(bool counts_first, bool looks_again, bool orders_scan = true) {
  Machine::State start;
  start.memory[kPinPublished] = 1;
  return try_all({snapshot_opener(counts_first, looks_again), trusting_collector(orders_scan)},
                 start);
}

TEST(SnapshotPins, HoldFromTheMomentTheyAreOpen) { EXPECT_EQ(try_snapshot(false, true), ""); }
TEST(SnapshotPins, NeedTheSecondLook) { EXPECT_NE(try_snapshot(false, false), ""); }
TEST(SnapshotPins, NeedTheCounterBehindTheSlot) { EXPECT_NE(try_snapshot(true, true), ""); }
TEST(SnapshotPins, NeedTheBarrierBetweenPublishingAndTheScan) {
  EXPECT_NE(try_snapshot(false, true, false), "");
}

// One slot: its node ends at epoch 7, the slot is freed and given out again (object_table.cc).
enum SlotWord : std::size_t { kHot, kSide };
constexpr std::uint64_t kTagUnit = 1;
constexpr std::uint64_t kEndedBit = 1 << 8;
constexpr std::uint64_t kFrameUnit = 1 << 16;
constexpr std::uint64_t kEndEpoch = 7;
constexpr std::uint64_t kLink = 99;

struct SlotFlaws {
  bool no_second_look = false;  // the reader believes the side word at once
  bool same_tag = false;        // the slot's next life has the tag of the last
};

Machine::Program slot_reader(SlotFlaws flaws) {
  return [flaws](Cpu& cpu) {
    std::uint64_t& seen = cpu.reg(0);
    std::uint64_t& side = cpu.reg(1);
    const auto judge = [&] {
      const std::uint64_t frame = seen / kFrameUnit;
      if (frame > 1) return cpu.wrong("another life of the slot answers");
      if ((seen & kEndedBit) != 0 && side != kEndEpoch) return cpu.wrong("a wrong end epoch");
      return cpu.done();
    };
    switch (cpu.step()) {
      case 0:
        seen = cpu.load(kHot);
        if ((seen & 0xff) != kTagUnit) return cpu.done();  // stale: it is not there
        if ((seen & kEndedBit) == 0) return judge();
        return cpu.go(1);
      case 1:
        side = cpu.load(kSide);
        if (flaws.no_second_look) return judge();
        return cpu.go(2);
      default: {
        const std::uint64_t again = cpu.load(kHot);
        if (again == seen) return judge();
        seen = again;
        if ((seen & 0xff) != kTagUnit) return cpu.done();
        return cpu.go((seen & kEndedBit) != 0 ? 1 : 0);
      }
    }
  };
}

Machine::Program slot_writer(SlotFlaws flaws) {
  const std::uint64_t next_tag = flaws.same_tag ? kTagUnit : 2 * kTagUnit;
  return [next_tag](Cpu& cpu) {
    switch (cpu.step()) {
      case 0: cpu.store(kSide, kEndEpoch); return cpu.go(1);  // end
      case 1: cpu.store(kHot, kFrameUnit + kEndedBit + kTagUnit); return cpu.go(2);
      case 2: cpu.store(kHot, next_tag); return cpu.go(3);  // free
      case 3: cpu.store(kSide, kLink); return cpu.go(4);
      case 4: cpu.store(kSide, 0); return cpu.go(5);                           // allocate
      default: cpu.store(kHot, 2 * kFrameUnit + next_tag); return cpu.done();  // set_frame
    }
  };
}

std::string try_slot(SlotFlaws flaws) {
  Machine::State start;
  start.memory[kHot] = kFrameUnit + kTagUnit;
  return try_all({slot_reader(flaws), slot_reader(flaws), slot_writer(flaws)}, start);
}

TEST(SlotLife, ShowsAStaleIdNothingOfTheNextLife) { EXPECT_EQ(try_slot({}), ""); }
TEST(SlotLife, NeedsTheReadersSecondLookAtAnEndedNode) {
  EXPECT_EQ(try_slot({.no_second_look = true}), "a wrong end epoch");
}
TEST(SlotLife, NeedsAnotherTagForEachLife) {
  EXPECT_EQ(try_slot({.same_tag = true}), "another life of the slot answers");
}

}  // namespace
}  // namespace xtree::test
