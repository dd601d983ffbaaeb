// WriteTurn: the writer's part, which one thread has at a time, as one word.
#pragma once

#include <atomic>
#include <cstdint>

#include "platform/check.h"

namespace xtree::persistence {

// Threads take turns under the committer's mutex, but for one that finds the word idle: nobody has
// the turn, and nobody has asked for it. It takes and ends its turn without the mutex, one exchange
// each. Who asks, under the mutex, makes it end its turn under the mutex, too, where it sees who
// waits for what; and while the word says that somebody asks, nobody takes a turn without it. So an
// answer of `is_taken_locked` stays true until the mutex is given up, if one has asked before.
class WriteTurn {
 public:
  // Without the mutex. Acquire pairs with the end of the turn before.
  [[nodiscard]] bool try_take_idle() noexcept {
    std::uint32_t idle = 0;
    return word_.compare_exchange_strong(idle, kTaken, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }
  // Without the mutex; false if somebody has asked meanwhile, and then it is not ended.
  [[nodiscard]] bool try_end_idle() noexcept {
    std::uint32_t taken = kTaken;
    return word_.compare_exchange_strong(taken, 0, std::memory_order_release,
                                         std::memory_order_relaxed);
  }

  // With the mutex, as all below.
  void ask_locked() noexcept { word_.fetch_or(kAsked, std::memory_order_acquire); }
  [[nodiscard]] bool is_taken_locked() const noexcept {
    return (word_.load(std::memory_order_relaxed) & kTaken) != 0;
  }
  // Nobody has it, and somebody has asked.
  void take_locked() noexcept {
    XTREE_DCHECK(word_.load(std::memory_order_relaxed) == kAsked);
    word_.fetch_or(kTaken, std::memory_order_acquire);
  }
  void end_locked(bool is_asked) noexcept {
    word_.store(is_asked ? kAsked : 0, std::memory_order_release);
  }

 private:
  static constexpr std::uint32_t kTaken = 1;
  static constexpr std::uint32_t kAsked = 2;
  std::atomic<std::uint32_t> word_ = 0;
};

}  // namespace xtree::persistence
