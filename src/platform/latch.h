// Latch: a lock for a few instructions.
#pragma once

#include <atomic>
#include <thread>

namespace xtree::platform {

// Taking it is one exchange and giving it back one store, half of what a mutex costs; whoever finds
// it taken offers its time to others until it is not. For work that never blocks and is rarely met
// by two threads. Used like a std::mutex.
class Latch {
 public:
  // Acquire pairs with `unlock`: what was done under the latch happens before this.
  [[nodiscard]] bool try_lock() noexcept {
    return !held_.exchange(true, std::memory_order_acquire);
  }
  void lock() noexcept {
    while (!try_lock()) {
      while (held_.load(std::memory_order_relaxed)) std::this_thread::yield();
    }
  }
  void unlock() noexcept { held_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> held_ = false;
};

}  // namespace xtree::platform
