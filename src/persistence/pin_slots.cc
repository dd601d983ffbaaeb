#include "persistence/pin_slots.h"

namespace xtree::persistence {

Result<PinSlots> PinSlots::create() {
  auto range = platform::ReservedRange::create(kMaxSlots * sizeof(PinSlot));
  if (!range) return range.error();
  return PinSlots(std::move(*range));
}

PinSlot* PinSlots::claim(std::size_t hint, std::uint64_t epoch) noexcept {
  for (;;) {
    // The window grows before a slot of its new half is claimed, so a scan that sees the claim in
    // the order of sequentially consistent operations also sees the window.
    std::size_t window = window_.load(std::memory_order_seq_cst);
    for (std::size_t probe = 0; probe < kProbes; ++probe) {
      PinSlot& slot = slots()[(hint + probe) % window];
      std::uint64_t none = 0;
      // The relaxed look only spares the bus a hopeless attempt.
      if (slot.pinned.load(std::memory_order_relaxed) == 0 &&
          slot.pinned.compare_exchange_strong(none, epoch + 1, std::memory_order_seq_cst)) {
        return &slot;
      }
    }
    if (window == kMaxSlots) return nullptr;
    hint = window;
    window_.compare_exchange_strong(window, 2 * window, std::memory_order_seq_cst);
  }
}

}  // namespace xtree::persistence
