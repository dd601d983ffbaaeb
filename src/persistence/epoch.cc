#include "persistence/epoch.h"

#include <algorithm>
#include <limits>
#include <new>

namespace xtree::persistence {
namespace {

// Where this thread looks for a free slot first, so that threads stay out of each other's lines.
std::size_t thread_hint() noexcept {
  return platform::thread_key() * std::size_t{0x9e3779b97f4a7c15} >> 40;
}

}  // namespace

Result<std::unique_ptr<EpochRegistry>> EpochRegistry::create(std::uint64_t published) {
  auto lines = ReaderLines::create();
  if (!lines) return lines.error();
  std::unique_ptr<EpochRegistry> registry(new (std::nothrow)
                                              EpochRegistry(std::move(*lines), published));
  if (!registry) return Error(ErrorCode::out_of_memory, "epochs", "no memory for the registry");
  return registry;
}

// A pin counts once `published` was seen unchanged after the slot showed it: a collector that does
// not find the slot had loaded `published` before that second look, so it still takes the epoch
// for the published one, which it keeps. All of it is sequentially consistent for that argument.
SnapshotPin EpochRegistry::pin(std::uint64_t now_ms) noexcept {
  std::uint64_t epoch = published();
  PinSlot* slot = snapshots_.claim(snapshot_hint_.load(std::memory_order_relaxed), epoch);
  if (slot == nullptr) return {};
  for (;;) {
    // Between the slot and the second look, so that a collector that trusts its last scan because
    // the counter has not moved is in the same position as one that scanned.
    snapshot_changes_.fetch_add(1, std::memory_order_seq_cst);
    const std::uint64_t again = published();
    if (again == epoch) break;
    epoch = again;
    slot->pinned.store(epoch + 1, std::memory_order_seq_cst);
  }
  if (now_ms != kNoTime) slot->stamp.store(now_ms + 1, std::memory_order_release);
  // Relaxed: only a guess where the next free slot is.
  snapshot_hint_.store(snapshots_.number(slot) + 1, std::memory_order_relaxed);
  return SnapshotPin(this, slot, epoch);
}

// The collector belongs to the writer as well, so it runs before this or sees the pin.
SnapshotPin EpochRegistry::pin_at(std::uint64_t epoch) noexcept {
  PinSlot* slot = snapshots_.claim(snapshot_hint_.load(std::memory_order_relaxed), epoch);
  if (slot == nullptr) return {};
  snapshot_changes_.fetch_add(1, std::memory_order_seq_cst);
  return SnapshotPin(this, slot, epoch);
}

// Release: whoever finds the slot free finds the guards of those who entered by this pin. The
// counter changes after the slot, so a collector that sees it changed sees the slot free.
void EpochRegistry::close(PinSlot* slot) noexcept {
  // Before the slot is free, so that a stamp that is seen belongs to the pin that is seen or is 0.
  slot->stamp.store(0, std::memory_order_relaxed);
  slot->pinned.store(0, std::memory_order_release);
  snapshot_changes_.fetch_add(1, std::memory_order_seq_cst);
  snapshot_hint_.store(snapshots_.number(slot), std::memory_order_relaxed);
}

// Compares the stamp, not the epoch: if the pin has closed since and the slot has another, that one
// was opened later and has another stamp.
std::size_t EpochRegistry::end_snapshots(std::uint64_t time_ms) noexcept {
  std::size_t ended = 0;
  snapshots_.for_each_pinned([&](std::uint64_t, PinSlot& slot) {
    std::uint64_t opened = slot.stamp.load(std::memory_order_acquire);
    if (opened == 0 || opened == kEnded || opened > time_ms + 1) return;
    if (slot.stamp.compare_exchange_strong(opened, kEnded, std::memory_order_seq_cst)) ++ended;
  });
  // As for pins that close.
  if (ended != 0) snapshot_changes_.fetch_add(1, std::memory_order_seq_cst);
  return ended;
}

std::uint64_t EpochRegistry::oldest_opening_ms() const noexcept {
  std::uint64_t oldest = kNoTime;
  snapshots_.for_each_pinned([&](std::uint64_t, const PinSlot& slot) {
    const std::uint64_t opened = slot.stamp.load(std::memory_order_acquire);
    if (opened != 0 && opened != kEnded) oldest = std::min(oldest, opened - 1);
  });
  return oldest;
}

PinSlot* EpochRegistry::claim_place(std::uint64_t epoch) noexcept {
  PinSlot* line = lines_.enter_first(epoch);
  return line != nullptr ? line : guards_.claim(thread_hint(), epoch);
}

// Stores as a slot wants it, which is more than a line does.
ReadGuard EpochRegistry::enter_slowly(PinSlot* place, std::uint64_t epoch) noexcept {
  if (place == nullptr) place = claim_place(epoch);
  if (place == nullptr) return {};
  for (std::uint64_t again = published(); again != epoch; again = published()) {
    epoch = again;
    place->pinned.store(epoch + 1, std::memory_order_seq_cst);
  }
  stamp(*place);
  return ReadGuard(place, epoch);
}

void EpochRegistry::add_snapshots(std::vector<std::uint64_t>& epochs) const {
  snapshots_.for_each_pinned([&](std::uint64_t epoch, const PinSlot& slot) {
    if (slot.stamp.load(std::memory_order_seq_cst) != kEnded) epochs.push_back(epoch);
  });
}

std::uint64_t EpochRegistry::add_guards(std::vector<std::uint64_t>& epochs) const {
  std::uint64_t oldest = std::numeric_limits<std::uint64_t>::max();
  const auto add = [&](std::uint64_t epoch, const PinSlot& slot) {
    epochs.push_back(epoch);
    // Acquire pairs with the reader's release. A stamp of a later reader is seen only after the
    // one that was found had left, and its reads happen before this.
    oldest = std::min(oldest, slot.stamp.load(std::memory_order_acquire));
  };
  lines_.for_each_pinned(add);
  guards_.for_each_pinned(add);
  return oldest;
}

// A reader whom the scan does not find enters at what is published by now or later, or by a pin
// that the scan has found: guards are looked at behind pins, as in the collector's scan.
std::uint64_t EpochRegistry::oldest_epoch() noexcept {
  std::uint64_t oldest = published_for_scan();
  settle();
  const auto look = [&](std::uint64_t epoch, const PinSlot&) { oldest = std::min(oldest, epoch); };
  snapshots_.for_each_pinned(look);
  lines_.for_each_pinned(look);
  guards_.for_each_pinned(look);
  return oldest;
}

std::uint64_t EpochRegistry::oldest_stamp() const noexcept {
  std::uint64_t oldest = std::numeric_limits<std::uint64_t>::max();
  const auto look = [&](std::uint64_t, const PinSlot& slot) {
    oldest = std::min(oldest, slot.stamp.load(std::memory_order_acquire));  // as in `add_guards`
  };
  lines_.for_each_pinned(look);
  guards_.for_each_pinned(look);
  return oldest;
}

}  // namespace xtree::persistence
