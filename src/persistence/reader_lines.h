// ReaderLines: a line of its own for each thread that reads, where it says what it reads.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "persistence/pin_slots.h"
#include "platform/process_barrier.h"
#include "xtree/result.h"

namespace xtree::persistence {

// The way in for nearly all readers. A thread finds its line by its key, without thread-local
// state, and keeps it: then entering is one plain store, which no other thread's store can meet.
// There is no barrier behind that store. Who scans the lines calls `settle` first, and that puts
// one into every thread: a reader's store came before it, and the scan sees it; or it came after,
// and the reader sees all that was stored before `settle`. Without a process barrier the store is
// an exchange, and `settle` is nothing.
//
// A thread whose line is in use, by its own older guard or because another thread had the same
// idea, gets null and goes the way of PinSlots. Lines are never given up: a dead thread's line
// serves the next thread that has its key, and costs a scan one look. One that is not used is put
// to rest: its thread needs a read-modify-write to use it again, and until then no barrier has to
// reach it. design/concurrency.md, "Pins".
class ReaderLines {
 public:
  static constexpr unsigned kLineBits = 8;
  static constexpr std::size_t kLines = std::size_t{1} << kLineBits;

  [[nodiscard]] static Result<ReaderLines> create();
  ReaderLines(ReaderLines&& other) noexcept
      : lines_(std::move(other.lines_)),
        has_barrier_(other.has_barrier_) {}
  ReaderLines& operator=(ReaderLines&&) = delete;

  // Pins `epoch` in this thread's line, or returns null.
  [[nodiscard]] PinSlot* enter(std::uint64_t epoch) noexcept {
    const std::uintptr_t key = platform::thread_key();
    PinSlot& line = lines_[number_for(key)];
    // Relaxed: a line has one owner for ever, and nobody else stores this key. Acquire: a guard
    // that moved to another thread was given up there, and what that thread read happens before
    // the next scan by way of this one's release.
    if (line.owner.load(std::memory_order_relaxed) != key) [[unlikely]] return nullptr;
    if (line.pinned.load(std::memory_order_acquire) != 0) [[unlikely]] return nullptr;
    show(line, epoch);
    // Behind the store, as the rest is before a barrier and a scan: that scan finds the reader, or
    // the reader finds that its line is at rest.
    if (line.owner.load(std::memory_order_seq_cst) != key) [[unlikely]] {
      line.pinned.store(0, std::memory_order_release);
      return nullptr;
    }
    return &line;
  }
  // The same for a thread that may have none yet, or one at rest: it takes one that is nobody's,
  // or wakes its own.
  [[nodiscard]] PinSlot* enter_first(std::uint64_t epoch) noexcept {
    const std::uintptr_t key = platform::thread_key();
    try_own(lines_[number_for(key)], key);
    return enter(epoch);
  }
  // Whether `settle` has nothing to do: no thread but the caller's has a line that is awake, or
  // none needs it.
  [[nodiscard]] bool is_settled() const noexcept {
    return !has_barrier_ || all_others([](const PinSlot&) { return false; });
  }
  // Whether all other threads with a line that is awake have entered since the clock showed this.
  [[nodiscard]] bool have_entered_at(std::uint64_t clock) const noexcept {
    return all_others([clock](const PinSlot& line) {
      return line.stamp.load(std::memory_order_acquire) >= clock;
    });
  }
  // Call before a scan that decides what may be reclaimed. Lines that are not in use, and have not
  // been since the clock showed this, are put to rest.
  void settle(std::uint64_t clock) noexcept {
    if (is_settled()) return;
    rest_unused(clock);
    platform::process_barrier();
  }

  // Calls `visit(epoch, line)` for every line that was seen in use.
  template <class Visit>
  void for_each_pinned(Visit&& visit) const {
    for_each_owned([&](const PinSlot& line) {
      const std::uint64_t pinned = line.pinned.load(std::memory_order_seq_cst);
      if (pinned != 0) visit(pinned - 1, line);
    });
  }

 private:
  ReaderLines(std::unique_ptr<PinSlot[]> lines, bool has_barrier) noexcept
      : lines_(std::move(lines)),
        has_barrier_(has_barrier) {}

  [[nodiscard]] static std::size_t number_for(std::uintptr_t key) noexcept {
    return static_cast<std::size_t>(key * std::uint64_t{0x9e3779b97f4a7c15} >> (64 - kLineBits));
  }
  // Makes a line say `epoch`, before anything that the caller loads from now on.
  void show(PinSlot& line, std::uint64_t epoch) noexcept {
    if (has_barrier_) [[likely]] {
      line.pinned.store(epoch + 1, std::memory_order_release);
      std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler's half of the barrier
    } else {
      line.pinned.exchange(epoch + 1, std::memory_order_seq_cst);
    }
  }
  void try_own(PinSlot& line, std::uintptr_t key) noexcept;
  void rest_unused(std::uint64_t clock) noexcept;

  // What the owner's word holds while the line is at rest. Keys are addresses of aligned memory.
  static constexpr std::uintptr_t kRest = 1;
  [[nodiscard]] static bool is_at_rest(std::uintptr_t owner) noexcept {
    return (owner & kRest) != 0;
  }
  // Whether it is so for every line that is awake and another thread's.
  template <class Holds>
  [[nodiscard]] bool all_others(Holds&& holds) const {
    const std::uintptr_t key = platform::thread_key();
    bool all = true;
    for_each_owned([&](const PinSlot& line) {
      const std::uintptr_t owner = line.owner.load(std::memory_order_seq_cst);
      all = all && (owner == key || is_at_rest(owner) || holds(line));
    });
    return all;
  }

  template <class Visit>
  void for_each_owned(Visit&& visit) const {
    for (std::size_t i = 0; i < owned_.size(); ++i) {
      std::uint64_t bits = owned_[i].load(std::memory_order_seq_cst);
      for (; bits != 0; bits &= bits - 1) {
        visit(lines_[64 * i + static_cast<std::size_t>(std::countr_zero(bits))]);
      }
    }
  }

  std::unique_ptr<PinSlot[]> lines_;
  bool has_barrier_;
  // One bit for each line that has an owner, set before it is first used.
  std::array<std::atomic<std::uint64_t>, kLines / 64> owned_ = {};
};

}  // namespace xtree::persistence
