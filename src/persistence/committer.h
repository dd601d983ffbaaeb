// Committer: turns writes from any thread into groups, each one epoch and one synced log group.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "persistence/applier.h"
#include "persistence/commit_queue.h"
#include "persistence/group_sleepers.h"
#include "persistence/version_store.h"
#include "persistence/write_turn.h"
#include "platform/without_throwing.h"
#include "wal/writer.h"
#include "xtree/options.h"
#include "xtree/result.h"

namespace xtree::persistence {

// The first thread that finds nobody leading leads: it takes what has queued up, applies it under a
// new epoch, appends it to the log as one group, syncs, publishes the epoch, wakes the group's
// writers, and one of those who came meanwhile, who make up the next group. Where there are many,
// that one leads while the first group is still being synced. A thread of its own leads for
// asynchronous writes, and syncs the log behind `eventual` ones; it is started by the first of
// either.
//
// A failure to append, to sync or to apply poisons the committer: the epoch stays unpublished, and
// every write from then on fails. design/concurrency.md, "The commit queue".
class Committer {
 public:
  static constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();
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
    Result<void> result = platform::without_throwing("database", std::forward<F>(work));
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
  // The same, for who wants to see whether somebody commits.
  [[nodiscard]] const std::atomic<std::uint64_t>& progress() const noexcept {
    return appended_bytes_;
  }
  // Waits until so many are, or the store has so many bytes of changes, for the one thread that
  // watches; false once it was told to stop.
  bool wait_for_bytes(std::uint64_t log_bytes, std::size_t changed_bytes);
  void stop_waiting_for_bytes();
  // Between these two calls of that thread new writes wait while the store has so many bytes of
  // changes, so that they do not outrun the checkpoint that it takes.
  void begin_back_pressure(std::size_t changed_bytes);
  void end_back_pressure();

 private:
  // One group on its way.
  struct Work {
    std::uint64_t number = 0;  // of the group
    std::uint64_t epoch = 0;   // that is still to be published; 0 for none
    bool is_beside = false;    // another group was synced when this one began
    wal::SyncBeside* sync = nullptr;  // that makes it durable, once it was begun
  };
  struct AsyncRequest {
    std::vector<std::byte> operations;
    CommitRequest request;
  };

  void begin_exclusive();
  bool try_begin_exclusive();
  void end_exclusive();
  Result<void> health_locked() const;
  void poison_locked(const Error& error);
  Result<void> admit_locked() const;
  Result<void> admit_locked(std::unique_lock<std::mutex>& lock);
  bool try_commit_alone(CommitRequest& request);
  [[nodiscard]] bool is_asked_locked() const noexcept;
  [[nodiscard]] bool may_lead_locked() const noexcept {
    return !turn_.is_taken_locked() && exclusive_waiting_ == 0 &&
           (syncing_ == 0 || may_lead_beside_locked());
  }
  [[nodiscard]] bool may_lead_beside_locked() const noexcept;
  [[nodiscard]] std::chrono::steady_clock::duration watch_time_locked(
      const CommitRequest& request) const noexcept;
  void enqueue_locked(CommitRequest& request);
  void lead(std::unique_lock<std::mutex>& lock);
  Result<void> sync_crowd(wal::SyncBeside& sync);
  Result<void> run_sync(wal::SyncBeside& sync);
  void give_way_locked();
  void wake_next_locked();
  void gather(std::unique_lock<std::mutex>& lock);
  void await_company(std::unique_lock<std::mutex>& lock);
  void finish_group_locked(const CommitQueue& group, const Result<void>& result);
  void watch_locked(std::unique_lock<std::mutex>& lock);
  void keep_error_locked(const CommitRequest& request) noexcept;
  Result<void> process(const CommitQueue& group, Work& work);
  Result<void> write_log(const CommitQueue& group, Work& work);
  Result<void> sync_log();
  Result<void> sync_beside();
  void start_logger_locked();
  void run_logger();
  void arm_sync_locked();

  VersionStore& store_;
  wal::LogWriter& log_;
  Applier& applier_;
  const std::uint32_t group_window_us_;
  const std::uint32_t sync_interval_ms_;

  // Who wakes looks at its request before it takes the mutex: of many that wake together only those
  // who have something to do there meet in it.
  GroupSleepers sleepers_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;  // a turn ended, or the state changed; not for writers
  std::condition_variable company_;  // the queue has reached `awaited_requests_`
  std::condition_variable logger_wakes_;
  // Guarded by mutex_.
  CommitQueue queue_;
  std::uint64_t open_group_ = 1;  // the group that will take what is queued
  unsigned watching_ = 0;         // threads that sleep on changed_
  std::deque<std::unique_ptr<AsyncRequest>> async_;   // by ticket, until done
  std::map<std::uint64_t, Error> async_errors_;       // failed and not yet waited for
  // Of those that failed and whose error found no memory; 0 when there is none.
  std::uint64_t first_lost_ticket_ = 0;
  std::uint64_t last_lost_ticket_ = 0;
  std::uint64_t last_ticket_ = 0;
  std::uint64_t done_ticket_ = 0;
  std::size_t expected_requests_ = 0;  // of the last group, and those queued when it ended
  bool is_crowded_ = false;            // the last group was a crowd
  std::chrono::steady_clock::time_point next_sync_;  // if the log `is_unsynced_`
  unsigned syncing_ = 0;               // leaders who left their place while they sync
  std::uint64_t finished_group_ = 0;   // groups are finished in their order
  unsigned exclusive_waiting_ = 0;     // goes before those who would lead
  std::size_t awaited_requests_ = 0;   // by the leader, who waits for company; 0 when none does
  bool stopped_ = false;
  bool logger_running_ = false;
  bool logger_sleeps_ = false;
  wal::SyncBeside* handed_sync_ = nullptr;  // it was begun, for the logger to run
  std::optional<Error> poison_;
  std::thread logger_;

  // Of whoever leads, or has the writer's part exclusively.
  WriteTurn turn_;
  // Written by who has the turn, and under the mutex; so either is enough to read it: the log has
  // groups that the logger is to sync.
  bool is_unsynced_ = false;

  [[nodiscard]] bool has_grown() const noexcept {
    return appended_bytes() >= wanted_bytes_.load(std::memory_order_relaxed) ||
           store_.changed_bytes() >= wanted_changes_.load(std::memory_order_relaxed);
  }
  std::condition_variable grown_;   // one of the two has been reached
  // Written under the mutex by who asks for a turn then.
  std::atomic<std::uint64_t> wanted_bytes_ = kNever;
  std::atomic<std::size_t> wanted_changes_ = kNever;
  // Guarded by mutex_.
  std::size_t most_changes_ = kNever;  // new writes wait while there are more
  bool watched_ = true;
  std::atomic<std::uint64_t> appended_bytes_{0};

  // How long the last group's sync took; it orders nothing.
  std::atomic<std::chrono::steady_clock::duration> sync_time_{};

  // The leader's.
  std::vector<std::byte> payload_;
};

}  // namespace xtree::persistence
