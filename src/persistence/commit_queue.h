// CommitRequest, one write on its way, and CommitQueue, some in their order.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "xtree/options.h"
#include "xtree/result.h"

namespace xtree::persistence {

// One write: its operations are applied together or not at all.
struct CommitRequest {
  std::span<const std::byte> operations;
  std::uint32_t count = 0;
  Durability durability = Durability::strict;
  bool* answers = nullptr;  // one per operation, or null

  // The committer's own. `done` is stored last, with release, and makes the memory the writer's
  // again; everything else is guarded by the committer's mutex.
  CommitRequest* next = nullptr;  // behind it in the queue, or in its group
  std::uint64_t ticket = 0;
  std::uint64_t group = 0;        // that took it; 0 while it is queued
  bool is_asynchronous = false;
  Result<void> result;
  std::atomic<bool> done = false;
};

// Requests in order, linked through `next`.
class CommitQueue {
 public:
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] CommitRequest* first() const noexcept { return first_; }

  void push(CommitRequest& request) noexcept;
  // Takes requests off the front until they have so many bytes, one at least if there is one.
  CommitQueue take(std::size_t bytes) noexcept;

 private:
  CommitRequest* first_ = nullptr;
  CommitRequest* last_ = nullptr;
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;
};

inline void CommitQueue::push(CommitRequest& request) noexcept {
  (first_ == nullptr ? first_ : last_->next) = &request;
  last_ = &request;
  ++size_;
  bytes_ += request.operations.size();
}

inline CommitQueue CommitQueue::take(std::size_t bytes) noexcept {
  CommitQueue taken;
  while (first_ != nullptr && (taken.empty() || taken.bytes_ < bytes)) {
    CommitRequest& request = *first_;
    first_ = std::exchange(request.next, nullptr);
    --size_;
    bytes_ -= request.operations.size();
    taken.push(request);
  }
  return taken;
}

}  // namespace xtree::persistence
