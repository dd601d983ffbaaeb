// Checkpointer: writes the nodes that changed, so that the log behind them can go.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "persistence/applier.h"
#include "persistence/committer.h"
#include "persistence/compactor.h"
#include "persistence/storage.h"
#include "persistence/version_store.h"
#include "platform/check.h"
#include "wal/writer.h"
#include "xtree/result.h"

namespace xtree::persistence {

// A checkpoint cuts the history between two groups, while no group is under way: from there on the
// log goes into a new file, and the versions that the cut's epoch sees stay until they are written.
// Writing them runs beside readers and writers. One superblock flip ends it. Until then nothing
// that an earlier checkpoint needs has been touched, so a failure changes nothing but time.
// design/recovery.md, "Checkpoints".
class Checkpointer {
 public:
  // `log_bytes` is the log that recovery found behind the last checkpoint.
  Checkpointer(Storage& storage, VersionStore& store, wal::LogWriter& log, Committer& committer,
               Applier& applier, std::uint64_t log_bytes, const Options& options);
  ~Checkpointer();
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;

  // Takes one now, after the one that is being taken, if any. Nothing is written when nothing has
  // changed since the last one.
  Result<void> run();
  // Takes some that also move images together, until no segment has much garbage left.
  Result<void> compact();
  // Takes the last one. Everything later is refused, `closed`, and leaves the log alone.
  Result<void> close();

  // Makes an epoch durable by a checkpoint instead of the log: `change` does it within a new epoch
  // and says whether there was anything to do; the epoch is published once the checkpoint holds it.
  // When the checkpoint fails, `undo` takes the change back within the same epoch. Writers wait, so
  // up to `threads` threads, at least one, write what changed as fast as they can.
  template <class Change, class Undo>
  Result<void> commit_epoch(std::size_t threads, Change&& change, Undo&& undo);

  // A thread takes checkpoints from now on, each time the log has grown by the threshold.
  void start();
  // Ends the thread, after the checkpoint that it is taking.
  void stop();

  // Bytes of log behind the last checkpoint.
  [[nodiscard]] std::uint64_t log_bytes() const noexcept;
  // Names the newest checkpoint; each gets a higher number than the one before.
  [[nodiscard]] std::uint64_t generation() const noexcept {
    return generation_.load(std::memory_order_relaxed);  // a figure that orders nothing
  }
  [[nodiscard]] Compactor& compactor() noexcept { return compactor_; }
  // Reads the newest checkpoint's files again, after the checkpoint that is being taken.
  Result<void> verify_storage();

 private:
  // What a cut fixes of a checkpoint, and what it started from.
  struct Plan {
    Cut cut;
    Checkpoint checkpoint;
    std::uint64_t cut_bytes = 0;
    // Threads that write images; 0 when somebody may commit meanwhile, and comes first.
    std::size_t threads = 0;
    Result<void> repeated;  // what came of committing it for the second time
  };

  // Memory that ran out and input that was refused; after any other failure nobody knows.
  [[nodiscard]] static bool changes_nothing(ErrorCode code) noexcept {
    return code == ErrorCode::out_of_memory || code == ErrorCode::invalid_argument ||
           code == ErrorCode::limit_exceeded;
  }
  [[nodiscard]] bool needed() const noexcept;
  [[nodiscard]] Result<void> check_open_locked() const;
  Result<void> run_locked(Compaction effort);
  Result<Plan> cut_locked();
  Result<std::vector<const FrameHeader*>> release_changes(const Plan& plan);
  Result<void> write_images(const Plan& plan, const std::vector<const FrameHeader*>& frames,
                            std::vector<TableEntry>& changes);
  Result<std::vector<TableEntry>> write(const Plan& plan, Compaction effort);
  template <class Step>
  auto as_one_step(Step&& step);
  Result<void> store_plan(Plan& plan, Compaction effort);
  void tell_store(const Plan& plan, const std::vector<TableEntry>& changes) noexcept;
  Result<void> finish_locked(Plan& plan, const Result<void>& stored);
  Result<void> remove_log();
  [[nodiscard]] std::uint64_t threshold(std::uint64_t node_bytes) const noexcept;
  [[nodiscard]] std::uint64_t threshold() const noexcept {
    return threshold(storage_.live_segment_bytes());
  }
  [[nodiscard]] std::size_t changes_threshold() const noexcept;
  void watch();

  Storage& storage_;
  VersionStore& store_;
  wal::LogWriter& log_;
  Committer& committer_;
  Applier& applier_;
  const std::uint64_t replayed_bytes_;
  const std::uint64_t threshold_bytes_;

  Compactor compactor_;

  std::mutex running_;                          // held while a checkpoint is being taken
  bool closed_ = false;                         // guarded by it
  std::atomic<std::uint64_t> cut_bytes_{0};     // log bytes before the last checkpoint's cut
  std::atomic<std::uint64_t> generation_;
  std::thread thread_;
};

template <class Change, class Undo>
Result<void> Checkpointer::commit_epoch(std::size_t threads, Change&& change, Undo&& undo) {
  XTREE_CHECK(threads != 0);
  const std::lock_guard lock(running_);
  XTREE_TRY(check_open_locked());
  return committer_.exclusively([&]() -> Result<void> {
    XTREE_TRY(committer_.health());
    store_.begin_epoch();
    const Result<bool> changed = platform::without_throwing("index", change);
    if (!changed) {
      if (!changes_nothing(changed.error().code())) committer_.poison(changed.error());
      return changed.error();
    }
    if (!*changed) return {};
    auto plan = cut_locked();
    if (plan) plan->threads = threads;
    const Result<void> stored = plan ? store_plan(*plan, Compaction::none) : plan.error();
    Result<void> finished = plan ? finish_locked(*plan, stored) : plan.error();
    if (finished) finished = remove_log();
    if (stored) {
      store_.publish();
    } else if (const Result<void> undone = platform::without_throwing("index", undo); !undone) {
      committer_.poison(undone.error());
    }
    return finished;
  });
}

}  // namespace xtree::persistence
