// Workers: threads that share the parts of one piece of work.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace xtree::platform {

// What a number of threads that a caller asks for means: 0 is one for each processor. More than
// some hundred would only wait for each other.
[[nodiscard]] std::size_t thread_count(std::size_t wanted) noexcept;

// Threads for the duration of one call of the library, the caller's own among them.
//
//   Workers workers(4);
//   workers.for_each(chunks, [&](std::size_t chunk) { ... });
//
// With one thread nothing is started, and everything runs in the caller. One thread at a time may
// call `for_each`, from outside of any work.
class Workers {
 public:
  // Starts `threads - 1` threads, or as many of them as the system grants. 0: one for each
  // processor.
  explicit Workers(std::size_t threads) noexcept;
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers();

  // Threads that work, the caller included.
  [[nodiscard]] std::size_t count() const noexcept { return threads_.size() + 1; }

  // Calls `work(i)` once for each i below `parts`, in any order and on any of the threads, and
  // returns when all are done; what they did happens before the return. Parts are handed out one
  // by one as threads come for them, so they need not be equal.
  template <class F>
  void for_each(std::size_t parts, F&& work) noexcept {
    if (threads_.empty() || parts <= 1) {
      for (std::size_t i = 0; i < parts; ++i) work(i);
      return;
    }
    using Work = std::remove_reference_t<F>;
    Loop loop{[](void* context, std::size_t part) { (*static_cast<Work*>(context))(part); },
              const_cast<void*>(static_cast<const void*>(&work)), parts, {0}};
    run(loop);
  }

 private:
  struct Loop {
    void (*call)(void* context, std::size_t part);
    void* context;
    std::size_t parts;
    std::atomic<std::size_t> next;  // a ticket; the mutex orders what the parts do

    void take_part() noexcept {
      for (;;) {
        const std::size_t part = next.fetch_add(1, std::memory_order_relaxed);
        if (part >= parts) return;
        call(context, part);
      }
    }
  };

  void run(Loop& loop) noexcept;
  void serve() noexcept;

  std::mutex mutex_;
  std::condition_variable wake_;   // a loop has begun, or the end has come
  std::condition_variable rest_;   // the last thread has left the loop
  Loop* loop_ = nullptr;           // guarded by mutex_, as is what follows
  std::size_t busy_ = 0;           // threads in the loop, without the caller
  std::size_t begun_ = 0;          // loops so far, so that no thread enters one twice
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace xtree::platform
