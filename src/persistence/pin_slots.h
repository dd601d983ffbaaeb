// PinSlots: where readers say what they read.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "platform/memory.h"

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
// shrinks. The first window lies in the object; address space for the others is reserved when they
// are needed, which in most databases is never.
//
// Every access that decides what may be reclaimed is sequentially consistent;
// design/concurrency.md, "Pins".
class PinSlots {
 public:
  static constexpr std::size_t kFirstWindow = 16;
  static constexpr std::size_t kMaxSlots = std::size_t{1} << 20;

  PinSlots() = default;
  PinSlots(const PinSlots&) = delete;
  PinSlots& operator=(const PinSlots&) = delete;

  // Claims a free slot, preferably the one numbered `hint` modulo the window, and pins `epoch` in
  // the same step. Null when the slots are used up, or the system's address space.
  [[nodiscard]] PinSlot* claim(std::size_t hint, std::uint64_t epoch) noexcept;
  [[nodiscard]] std::size_t number(const PinSlot* slot) const noexcept;

  // Calls `visit(epoch, slot)` for every slot that was seen claimed.
  template <class Visit>
  void for_each_pinned(Visit&& visit) const {
    const std::size_t window = window_.load(std::memory_order_seq_cst);
    for (std::size_t i = 0; i < window; ++i) {
      PinSlot& slot = at(i);
      const std::uint64_t pinned = slot.pinned.load(std::memory_order_seq_cst);
      if (pinned != 0) visit(pinned - 1, slot);
    }
  }

 private:
  static constexpr std::size_t kNearProbes = 16;
  static constexpr std::size_t kFarProbes = 32;

  [[nodiscard]] bool reserve() noexcept;
  [[nodiscard]] PinSlot* try_claim(std::size_t number, std::uint64_t epoch) noexcept;
  [[nodiscard]] PinSlot* try_claim_within(std::size_t window, std::size_t hint,
                                          std::uint64_t epoch) noexcept;
  // Of the window. Relaxed: who grew the window beyond the first had seen the pointer, which is
  // stored once; so it is seen by whoever sees that window.
  [[nodiscard]] PinSlot& at(std::size_t number) const noexcept {
    return number < kFirstWindow ? first_[number]
                                 : reserved_.load(std::memory_order_relaxed)[number];
  }

  mutable std::array<PinSlot, kFirstWindow> first_ = {};  // as memory behind a pointer
  // Room for all slots; those of the first window are not used.
  std::atomic<PinSlot*> reserved_ = nullptr;
  platform::ReservedRange range_;  // where it points; stored once, by who stored that
  std::atomic<std::size_t> window_ = 0;
  std::atomic<std::size_t> far_ = 0;  // how often a far probe was made
};

}  // namespace xtree::persistence
