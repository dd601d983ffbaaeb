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

// Both read-modify-writes are full barriers, and the bit is there before the line is used: a scan
// that does not see the bit came first, and this reader sees all that was stored before that scan.
void ReaderLines::try_own(PinSlot& line, std::uintptr_t key) noexcept {
  if (line.owner.load(std::memory_order_relaxed) != 0) return;
  std::uint64_t nobody = 0;
  if (!line.owner.compare_exchange_strong(nobody, key, std::memory_order_seq_cst)) return;
  const auto number = static_cast<std::size_t>(&line - lines_.get());
  owned_[number / 64].fetch_or(std::uint64_t{1} << number % 64, std::memory_order_seq_cst);
}

bool ReaderLines::is_settled() const noexcept {
  if (!has_barrier_) return true;
  const std::uintptr_t key = platform::thread_key();
  bool others = false;
  for_each_owned([&](const PinSlot& line) {
    others = others || line.owner.load(std::memory_order_relaxed) != key;
  });
  return !others;
}

}  // namespace xtree::persistence
