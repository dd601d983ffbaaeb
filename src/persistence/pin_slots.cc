#include "persistence/pin_slots.h"

#include <functional>
#include <utility>

namespace xtree::persistence {

// Of two threads that reserve at once, one has reserved for nothing.
bool PinSlots::reserve() noexcept {
  if (reserved_.load(std::memory_order_relaxed) != nullptr) return true;
  auto range = platform::ReservedRange::create(kMaxSlots * sizeof(PinSlot));
  if (!range) return false;
  auto* slots = reinterpret_cast<PinSlot*>(range->data());
  PinSlot* none = nullptr;
  // The window's growth, which comes behind it, is what shows it to others.
  if (reserved_.compare_exchange_strong(none, slots, std::memory_order_relaxed)) {
    range_ = std::move(*range);
  }
  return true;
}

std::size_t PinSlots::number(const PinSlot* slot) const noexcept {
  const PinSlot* first = first_.data();
  const bool is_near = !std::less<>()(slot, first) && std::less<>()(slot, first + kFirstWindow);
  return static_cast<std::size_t>(slot -
                                  (is_near ? first : reserved_.load(std::memory_order_relaxed)));
}

PinSlot* PinSlots::try_claim(std::size_t number, std::uint64_t epoch) noexcept {
  PinSlot& slot = at(number);
  std::uint64_t none = 0;
  // The relaxed look only spares the bus a hopeless attempt.
  const bool claimed =
      slot.pinned.load(std::memory_order_relaxed) == 0 &&
      slot.pinned.compare_exchange_strong(none, epoch + 1, std::memory_order_seq_cst);
  return claimed ? &slot : nullptr;
}

PinSlot* PinSlots::claim(std::size_t hint, std::uint64_t epoch) noexcept {
  for (;;) {
    // The window grows before a slot of its new half is claimed, so a scan that sees the claim in
    // the order of sequentially consistent operations also sees the window.
    std::size_t window = window_.load(std::memory_order_seq_cst);
    if (window != 0) {
      if (PinSlot* slot = try_claim_within(window, hint, epoch)) return slot;
      if (window == kMaxSlots) return nullptr;
      hint = window;
    }
    if (window == kFirstWindow && !reserve()) return nullptr;
    const std::size_t wider = window == 0 ? kFirstWindow : 2 * window;
    window_.compare_exchange_strong(window, wider, std::memory_order_seq_cst);
  }
}

PinSlot* PinSlots::try_claim_within(std::size_t window, std::size_t hint,
                                    std::uint64_t epoch) noexcept {
  const std::size_t mask = window - 1;
  for (std::size_t probe = 0; probe < kNearProbes; ++probe) {
    if (PinSlot* slot = try_claim((hint + probe) & mask, epoch)) return slot;
  }
  // One thread may hold many slots, and others have their favourites next to them.
  for (std::size_t probe = 0; probe < kFarProbes; ++probe) {
    const std::size_t scattered =
        far_.fetch_add(1, std::memory_order_relaxed) * std::size_t{0x9e3779b97f4a7c15} >> 40;
    if (PinSlot* slot = try_claim(scattered & mask, epoch)) return slot;
  }
  return nullptr;
}

}  // namespace xtree::persistence
