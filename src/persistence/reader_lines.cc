#include "persistence/reader_lines.h"

#include <new>

namespace xtree::persistence {

Result<ReaderLines> ReaderLines::create() {
  std::unique_ptr<PinSlot[]> lines(new (std::nothrow) PinSlot[kLines]());
  if (lines == nullptr) {
    return Error(ErrorCode::out_of_memory, "memory", "no room for the lines of readers");
  }
  return ReaderLines(std::move(lines), platform::enable_process_barrier());
}

// All read-modify-writes are full barriers, and the bit is there before the line is used: a scan
// that does not see the bit, or that sees the line at rest, came first, and this reader sees all
// that was stored before that scan.
void ReaderLines::try_own(PinSlot& line, std::uintptr_t key) noexcept {
  std::uintptr_t owner = line.owner.load(std::memory_order_relaxed);
  if (owner != 0 && owner != (key | kRest)) return;
  if (!line.owner.compare_exchange_strong(owner, key, std::memory_order_seq_cst)) return;
  if (owner != 0) return;
  const auto number = static_cast<std::size_t>(&line - lines_.get());
  owned_[number / 64].fetch_or(std::uint64_t{1} << number % 64, std::memory_order_seq_cst);
}

// A store is enough: nobody but the caller takes a line from its owner.
void ReaderLines::rest_unused(std::uint64_t clock) noexcept {
  const std::uintptr_t key = platform::thread_key();
  for_each_owned([&](PinSlot& line) {
    const std::uintptr_t owner = line.owner.load(std::memory_order_relaxed);
    if (owner == key || is_at_rest(owner) || line.pinned.load(std::memory_order_relaxed) != 0 ||
        line.stamp.load(std::memory_order_relaxed) >= clock) {
      return;
    }
    line.owner.store(owner | kRest, std::memory_order_seq_cst);
  });
}

}  // namespace xtree::persistence
