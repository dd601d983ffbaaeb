// Committer: turns writes from any thread into groups, each one epoch and one synced log group.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "persistence/applier.h"
#include "persistence/version_store.h"
#include "wal/writer.h"
#include "xtree/options.h"
#include "xtree/result.h"

namespace xtree::persistence {

// One write: its operations are applied together or not at all.
struct CommitRequest {
  std::span<const std::byte> operations;
  std::uint32_t count = 0;
  Durability durability = Durability::strict;
  bool* answers = nullptr;  // one per operation, or null

  // The committer's own.
  std::uint64_t ticket = 0;
  bool done = false;
  Result<void> result;
};

// The first thread that finds nobody leading leads: it takes what has queued up, applies it under a
// new epoch, appends it to the log as one group, syncs, publishes the epoch, and wakes everybody
// once. Those who come meanwhile make up the next group. There is no timer, but for `balanced`
// writes that come in company. A thread of its own leads for asynchronous writes, and syncs the log
// behind `eventual` ones; it is started by the first of either.
//
// A failure to append, to sync or to apply poisons the committer: the epoch stays unpublished, and
// every write from then on fails. design/concurrency.md, "The commit queue".
class Committer {
 public:
  Committer(VersionStore& store, wal::LogWriter& log, Applier& applier, const Options& options);
  ~Committer();
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  // Returns once the write is visible and as durable as it asks.
  Result<void> commit(CommitRequest& request);
  // Queues the operations and returns their ticket; waits only while the queue is full.
  Result<std::uint64_t> commit_async(std::vector<std::byte> operations, std::uint32_t count,
                                     Durability durability);
  // Returns once the ticket's write is done, with its result. Ticket 0 is that of no write.
  Result<void> wait(std::uint64_t ticket);

  // Runs `work` as the only writer, between two groups.
  template <class F>
  Result<void> exclusively(F&& work) {
    begin_exclusive();
    Result<void> result = work();
    end_exclusive();
    return result;
  }

  // No write succeeds from now on. The first error stays.
  void poison(const Error& error);
  // The error that stopped all writing, as later writes report it.
  [[nodiscard]] Result<void> health() const;
  // Refuses new writes with `closed` and returns when all that were accepted are done and synced.
  Result<void> stop();

  // Runs `work` as `exclusively` does, unless somebody else is writing.
  template <class F>
  void try_exclusively(F&& work) {
    if (!try_begin_exclusive()) return;
    work();
    end_exclusive();
  }

  // Bytes that were appended to the log since it was opened.
  [[nodiscard]] std::uint64_t appended_bytes() const noexcept {
    return appended_bytes_.load(std::memory_order_relaxed);  // a figure that orders nothing
  }
  // Waits until so many are, for the one thread that watches; false once it was told to stop.
  bool wait_for_bytes(std::uint64_t bytes);
  void stop_waiting_for_bytes();

 private:
  struct AsyncRequest {
    std::vector<std::byte> operations;
    CommitRequest request;
  };

  void begin_exclusive();
  bool try_begin_exclusive();
  void end_exclusive();
  Result<void> health_locked() const;
  Result<void> admit_locked() const;
  [[nodiscard]] bool may_lead_locked() const noexcept {
    return !leading_ && exclusive_waiting_ == 0;
  }
  void enqueue_locked(CommitRequest& request);
  void lead_locked(std::unique_lock<std::mutex>& lock);
  void await_company(std::unique_lock<std::mutex>& lock);
  std::vector<CommitRequest*> take_group_locked();
  void finish_group_locked(const std::vector<CommitRequest*>& group, const Result<void>& result);
  Result<void> process(const std::vector<CommitRequest*>& group);
  Result<void> write_log(const std::vector<CommitRequest*>& group);
  Result<void> sync_log();
  void start_logger_locked();
  void run_logger();

  VersionStore& store_;
  wal::LogWriter& log_;
  Applier& applier_;
  const std::uint32_t group_window_us_;
  const std::uint32_t sync_interval_ms_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;  // a group ended, a request came, or the state changed
  std::condition_variable company_;  // the queue has reached `awaited_requests_`
  // Guarded by mutex_.
  std::deque<CommitRequest*> queue_;
  std::size_t queued_bytes_ = 0;
  std::deque<std::unique_ptr<AsyncRequest>> async_;   // by ticket, until done
  std::map<std::uint64_t, Error> async_errors_;       // failed and not yet waited for
  std::uint64_t last_ticket_ = 0;
  std::uint64_t done_ticket_ = 0;
  std::size_t last_group_size_ = 0;
  bool leading_ = false;               // somebody leads, or has the writer's part exclusively
  unsigned exclusive_waiting_ = 0;     // goes before those who would lead
  std::size_t awaited_requests_ = 0;   // by the leader, who waits for company; 0 when none does
  bool stopped_ = false;
  bool logger_running_ = false;
  std::optional<Error> poison_;
  std::thread logger_;

  std::condition_variable grown_;  // the log has reached `wanted_bytes_`
  std::uint64_t wanted_bytes_ = 0;  // guarded by mutex_; 0 when nobody waits
  bool watched_ = true;             // guarded by mutex_
  std::atomic<std::uint64_t> appended_bytes_{0};

  std::vector<std::byte> payload_;  // the leader's
};

}  // namespace xtree::persistence
