// EpochRegistry: which epochs readers may still ask for, and which readers are inside.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "persistence/pin_slots.h"
#include "persistence/reader_lines.h"
#include "xtree/result.h"

namespace xtree::persistence {

class EpochRegistry;

// Keeps one epoch readable until it is destroyed: what a snapshot is made of. It does not keep
// memory from being reused, so whoever follows references enters with a ReadGuard as well; a
// version that was found stays where it is while the pin lives. Move-only; one thread at a time.
class SnapshotPin {
 public:
  SnapshotPin() = default;
  SnapshotPin(SnapshotPin&& other) noexcept
      : registry_(std::exchange(other.registry_, nullptr)),
        slot_(other.slot_),
        epoch_(other.epoch_) {}
  SnapshotPin& operator=(SnapshotPin&& other) noexcept {
    std::swap(registry_, other.registry_);
    std::swap(slot_, other.slot_);
    std::swap(epoch_, other.epoch_);
    return *this;
  }
  ~SnapshotPin();

  // False for a default-made or moved-from pin, and when kMaxSlots pins are open.
  explicit operator bool() const noexcept { return registry_ != nullptr; }
  [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
  // Whether `end_snapshots` has ended it: then it keeps nothing, and lets nobody enter any more.
  [[nodiscard]] bool has_ended() const noexcept;

 private:
  friend class EpochRegistry;
  SnapshotPin(EpochRegistry* registry, PinSlot* slot, std::uint64_t epoch) noexcept
      : registry_(registry),
        slot_(slot),
        epoch_(epoch) {}

  EpochRegistry* registry_ = nullptr;
  PinSlot* slot_ = nullptr;
  std::uint64_t epoch_ = 0;
};

// A reader that is inside: its epoch stays readable, and no frame that it can come across is
// reused. For the time of a query or a cursor; a guard that stays holds back all memory that is
// unlinked after it entered. Move-only; one thread at a time.
class ReadGuard {
 public:
  ReadGuard() = default;
  ReadGuard(ReadGuard&& other) noexcept
      : slot_(std::exchange(other.slot_, nullptr)),
        epoch_(other.epoch_) {}
  ReadGuard& operator=(ReadGuard&& other) noexcept {
    std::swap(slot_, other.slot_);
    std::swap(epoch_, other.epoch_);
    return *this;
  }
  // Release: everything that the reader read happens before a scan that finds the slot free.
  ~ReadGuard() {
    if (slot_ != nullptr) slot_->pinned.store(0, std::memory_order_release);
  }

  // False for a default-made or moved-from guard, and when kMaxSlots readers are inside.
  explicit operator bool() const noexcept { return slot_ != nullptr; }
  [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }

 private:
  friend class EpochRegistry;
  ReadGuard(PinSlot* slot, std::uint64_t epoch) noexcept : slot_(slot), epoch_(epoch) {}

  PinSlot* slot_ = nullptr;
  std::uint64_t epoch_ = 0;
};

// Any thread opens and closes pins and guards; publishing is ordered by the caller; scans belong to
// the collector. design/concurrency.md, "Pins" and "The grace period", has the argument.
class EpochRegistry {
 public:
  [[nodiscard]] static Result<std::unique_ptr<EpochRegistry>> create(std::uint64_t published);

  EpochRegistry(const EpochRegistry&) = delete;
  EpochRegistry& operator=(const EpochRegistry&) = delete;

  // The newest epoch that readers may enter. It orders everything written for that epoch before
  // everything that a reader does who learnt of it here.
  [[nodiscard]] std::uint64_t published() const noexcept {
    return published_.load(std::memory_order_seq_cst);
  }
  // Whoever scans for readers takes it from `published_for_scan`, which costs what this does not.
  void publish(std::uint64_t epoch) noexcept { published_.store(epoch, std::memory_order_release); }
  // The published epoch, which everybody sees from now on: a read-modify-write, where a fence would
  // do that the thread sanitizer does not know.
  [[nodiscard]] std::uint64_t published_for_scan() noexcept {
    return published_.fetch_add(0, std::memory_order_seq_cst);
  }

  // Pins the published epoch. A pin that tells when it was opened can be ended for its age.
  static constexpr std::uint64_t kNoTime = std::numeric_limits<std::uint64_t>::max();
  [[nodiscard]] SnapshotPin pin(std::uint64_t now_ms = kNoTime) noexcept;
  // The writer's: pins an epoch that is published or will be, with no retired version in it yet.
  [[nodiscard]] SnapshotPin pin_at(std::uint64_t epoch) noexcept;
  // Ends the pins that were opened at `time_ms` or before; returns how many.
  std::size_t end_snapshots(std::uint64_t time_ms) noexcept;
  // When the oldest pin that tells it was opened; kNoTime when there is none.
  [[nodiscard]] std::uint64_t oldest_opening_ms() const noexcept;
  // As in `pin`, what counts is that `published` was seen unchanged after the line showed it.
  [[nodiscard]] [[gnu::always_inline]] ReadGuard enter() noexcept {
    const std::uint64_t epoch = published();
    PinSlot* line = lines_.enter(epoch);
    if (line == nullptr || published() != epoch) [[unlikely]] return enter_slowly(line, epoch);
    stamp(*line);
    return ReadGuard(line, epoch);
  }
  // Enters at the epoch of a pin that is open; the guard may outlive the pin. No guard when the pin
  // has ended.
  [[nodiscard]] ReadGuard enter(const SnapshotPin& pin) noexcept {
    PinSlot* line = lines_.enter(pin.epoch());
    if (line == nullptr) [[unlikely]]
      line = claim_place(pin.epoch());
    if (line == nullptr) [[unlikely]]
      return {};
    stamp(*line);
    ReadGuard guard(line, pin.epoch());
    // Behind the line's store, as the ending is before a scan: either that scan finds the reader,
    // or the reader finds the end.
    if (pin.has_ended()) [[unlikely]]
      return {};
    return guard;
  }

  // A reader that is inside, and gives up all that it has found, counts as one that entered now.
  // Release, in `stamp`: what it read before happens before the scan that sees the new stamp.
  void renew(ReadGuard& guard) noexcept { stamp(*guard.slot_); }

  // Changes whenever a snapshot pin was opened or closed; read it before `add_snapshots`.
  [[nodiscard]] std::uint64_t snapshot_changes() const noexcept {
    return snapshot_changes_.load(std::memory_order_seq_cst);
  }
  // Append the epochs that are pinned, in no order, with repetitions. `add_guards` also tells what
  // `oldest_stamp` does, and like that wants `settle` to be called first.
  void add_snapshots(std::vector<std::uint64_t>& epochs) const;
  std::uint64_t add_guards(std::vector<std::uint64_t>& epochs) const;

  // No reader is inside at an older epoch, and none will enter at one.
  [[nodiscard]] std::uint64_t oldest_epoch() noexcept;

  // After it, a reader that a scan does not find sees everything that was stored before it. Threads
  // that have not entered since the clock showed this are not asked any more until they come again.
  void settle(std::uint64_t unused_since = 0) noexcept { lines_.settle(unused_since); }
  // Whether that costs nothing now.
  [[nodiscard]] bool is_settled() const noexcept { return lines_.is_settled(); }
  // Whether it is not needed for what was published and unlinked before the clock's last step: all
  // who would not see that without it have entered since.
  [[nodiscard]] bool have_all_entered() const noexcept { return lines_.have_entered_at(clock()); }

  // The reclamation clock. What is unlinked now is out of reach for readers who enter once the
  // clock shows more than it does now.
  [[nodiscard]] std::uint64_t clock() const noexcept {
    return clock_.load(std::memory_order_relaxed);
  }
  void advance_clock() noexcept { clock_.fetch_add(1, std::memory_order_seq_cst); }
  // Every reader that is inside entered when the clock showed this or more. Called after
  // `advance_clock` and `settle`.
  [[nodiscard]] std::uint64_t oldest_stamp() const noexcept;

 private:
  friend class SnapshotPin;
  EpochRegistry(ReaderLines lines, std::uint64_t published) noexcept
      : lines_(std::move(lines)),
        published_(published) {}
  // In a snapshot's stamp: the time of opening plus 1, 0 before that is known and without one, or:
  static constexpr std::uint64_t kEnded = std::numeric_limits<std::uint64_t>::max();

  void close(PinSlot* slot) noexcept;
  // `place` shows `epoch`, or is null.
  [[nodiscard]] ReadGuard enter_slowly(PinSlot* place, std::uint64_t epoch) noexcept;
  // For a thread that has no line or uses it: a line, a slot, or null.
  [[nodiscard]] PinSlot* claim_place(std::uint64_t epoch) noexcept;
  // The clock is read once the reader is shown. Until the stamp is stored the line shows that of an
  // earlier reader, which is older: that holds back too much, never too little. Release: who sees
  // this stamp knows that the earlier reader has left.
  void stamp(PinSlot& line) noexcept {
    line.stamp.store(clock_.load(std::memory_order_seq_cst), std::memory_order_release);
  }

  PinSlots snapshots_;
  ReaderLines lines_;
  PinSlots guards_;  // for readers who find their lines in use
  // On lines of their own: readers poll the first two, snapshots write the last two.
  alignas(64) std::atomic<std::uint64_t> published_;
  alignas(64) std::atomic<std::uint64_t> clock_ = 0;
  alignas(64) std::atomic<std::uint64_t> snapshot_changes_ = 0;
  std::atomic<std::size_t> snapshot_hint_ = 0;
};

inline bool SnapshotPin::has_ended() const noexcept {
  return slot_->stamp.load(std::memory_order_seq_cst) == EpochRegistry::kEnded;
}

inline SnapshotPin::~SnapshotPin() {
  if (registry_ != nullptr) registry_->close(slot_);
}

}  // namespace xtree::persistence
