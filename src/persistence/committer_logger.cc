// The committer's thread, which leads for asynchronous writes and syncs behind `eventual` ones.
#include "persistence/committer.h"

namespace xtree::persistence {

void Committer::start_logger_locked() {
  if (logger_running_) return;
  logger_ = std::thread([this] { run_logger(); });
  logger_running_ = true;
}

// Sees to it that what nobody waits for the sync of is synced within the interval, or when it is
// much, or by `stop`, behind which there may be no log any more.
void Committer::arm_sync_locked() {
  if (stopped_) return;
  if (log_.has_much_unsynced() && logger_sleeps_ && handed_sync_ == nullptr) {
    handed_sync_ = log_.begin_sync();
    if (handed_sync_ != nullptr) logger_wakes_.notify_one();
  }
  const bool was_unsynced = is_unsynced_;
  is_unsynced_ = log_.has_unsynced();
  if (!is_unsynced_ || was_unsynced) return;
  next_sync_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(sync_interval_ms_);
  logger_wakes_.notify_one();
}

// Writers go on while the disk is at work: what they append belongs to the next interval.
Result<void> Committer::sync_beside() {
  wal::SyncBeside* sync = nullptr;
  XTREE_TRY(exclusively([&]() -> Result<void> {
    sync = log_.begin_sync();
    return {};
  }));
  if (sync == nullptr) return {};
  static_cast<void>(sync->run());
  return exclusively([&] { return log_.end_syncs(); });
}

// Leads while there is something queued and nobody else does, and syncs what has been waiting for
// the interval. For that it goes before those who would lead, who might never let it in. A sync
// that was handed to it goes before all else: whoever leads may wait for that.
void Committer::run_logger() {
  std::unique_lock lock(mutex_);
  while (!stopped_ || !queue_.empty() || handed_sync_ != nullptr) {
    if (handed_sync_ != nullptr) {
      wal::SyncBeside& sync = *std::exchange(handed_sync_, nullptr);
      lock.unlock();
      const Result<void> result = sync.run();
      lock.lock();
      if (!result) poison_locked(result.error());
    } else if (may_lead_locked() && !queue_.empty()) {
      lead(lock);
      lock.lock();
    } else if (is_unsynced_ && !poison_ && std::chrono::steady_clock::now() >= next_sync_) {
      next_sync_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(sync_interval_ms_);
      lock.unlock();
      const Result<void> result = sync_beside();
      lock.lock();
      if (!result) poison_locked(result.error());
    } else {
      logger_sleeps_ = true;
      if (is_unsynced_ && !poison_) {
        logger_wakes_.wait_until(lock, next_sync_);
      } else {
        logger_wakes_.wait(lock);
      }
      logger_sleeps_ = false;
    }
  }
}

}  // namespace xtree::persistence
