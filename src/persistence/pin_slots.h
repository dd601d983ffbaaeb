// PinSlots: where readers say what they read.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "platform/memory.h"
#include "xtree/result.h"

namespace xtree::persistence {

// One reader's line. Nobody else writes it while it is claimed.
struct alignas(64) PinSlot {
  std::atomic<std::uint64_t> pinned;  // the pinned epoch plus 1; 0 while the slot is free
  std::atomic<std::uint64_t> stamp;   // of a guard: what the reclamation clock showed on entering;
                                      // of a snapshot: when it was opened, see epoch.h
  std::atomic<std::uint64_t> owner;   // in ReaderLines: the key of the thread whose line it is
};
static_assert(sizeof(PinSlot) == 64 && std::atomic<std::uint64_t>::is_always_lock_free);

// Slots, each on a cache line of its own, that any thread claims with one compare-and-swap and
// gives back with one store. No thread owns a slot beyond that, so threads may come and go. A scan
// reads a window of the slots: none at first, then a power of two that doubles when a claim finds
// all places taken that it tries, near its hint and scattered over the window, and that never
// shrinks.
//
// Every access that decides what may be reclaimed is sequentially consistent;
// design/concurrency.md, "Pins".
class PinSlots {
 public:
  static constexpr std::size_t kFirstWindow = 16;
  static constexpr std::size_t kMaxSlots = std::size_t{1} << 20;

  [[nodiscard]] static Result<PinSlots> create();
  PinSlots(PinSlots&& other) noexcept
      : range_(std::move(other.range_)),
        window_(other.window_.load(std::memory_order_relaxed)) {}
  PinSlots& operator=(PinSlots&&) = delete;

  // Claims a free slot, preferably the one numbered `hint` modulo the window, and pins `epoch` in
  // the same step. Null when the slots are used up.
  [[nodiscard]] PinSlot* claim(std::size_t hint, std::uint64_t epoch) noexcept;
  [[nodiscard]] std::size_t number(const PinSlot* slot) const noexcept {
    return static_cast<std::size_t>(slot - slots());
  }

  // Calls `visit(epoch, slot)` for every slot that was seen claimed.
  template <class Visit>
  void for_each_pinned(Visit&& visit) const {
    const std::size_t window = window_.load(std::memory_order_seq_cst);
    for (std::size_t i = 0; i < window; ++i) {
      const std::uint64_t pinned = slots()[i].pinned.load(std::memory_order_seq_cst);
      if (pinned != 0) visit(pinned - 1, slots()[i]);
    }
  }

 private:
  static constexpr std::size_t kNearProbes = 16;
  static constexpr std::size_t kFarProbes = 32;

  explicit PinSlots(platform::ReservedRange range) noexcept : range_(std::move(range)) {}
  [[nodiscard]] PinSlot* try_claim(std::size_t number, std::uint64_t epoch) noexcept;
  [[nodiscard]] PinSlot* try_claim_within(std::size_t window, std::size_t hint,
                                          std::uint64_t epoch) noexcept;
  [[nodiscard]] PinSlot* slots() const noexcept {
    return reinterpret_cast<PinSlot*>(range_.data());
  }

  platform::ReservedRange range_;
  std::atomic<std::size_t> window_ = 0;
  std::atomic<std::size_t> far_ = 0;  // how often a far probe was made
};

}  // namespace xtree::persistence
