#include "platform/workers.h"

#include <algorithm>
#include <exception>

namespace xtree::platform {
namespace {

constexpr std::size_t kMostThreads = 256;

}  // namespace

std::size_t thread_count(std::size_t wanted) noexcept {
  if (wanted == 0) wanted = std::max(1u, std::thread::hardware_concurrency());
  return std::min(wanted, kMostThreads);
}

Workers::Workers(std::size_t threads) noexcept {
  threads = thread_count(threads);
  if (threads == 1) return;
  // The system may refuse a thread, or the memory for it; then those that there are do the work.
  try {
    threads_.reserve(threads - 1);
    while (threads_.size() + 1 < threads) threads_.emplace_back([this] { serve(); });
  } catch (const std::exception&) {
  }
}

Workers::~Workers() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Workers::run(Loop& loop) noexcept {
  {
    const std::lock_guard lock(mutex_);
    loop_ = &loop;
    ++begun_;
  }
  wake_.notify_all();
  loop.take_part();
  std::unique_lock lock(mutex_);
  loop_ = nullptr;  // who wakes up only now has nothing left to do
  rest_.wait(lock, [this] { return busy_ == 0; });
}

void Workers::serve() noexcept {
  std::unique_lock lock(mutex_);
  std::size_t seen = 0;
  for (;;) {
    wake_.wait(lock, [&] { return ending_ || (loop_ != nullptr && begun_ != seen); });
    if (ending_) return;
    seen = begun_;
    Loop& loop = *loop_;
    ++busy_;
    lock.unlock();
    loop.take_part();
    lock.lock();
    if (--busy_ == 0) rest_.notify_one();
  }
}

}  // namespace xtree::platform
