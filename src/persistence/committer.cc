#include "persistence/committer.h"

#include <chrono>

#include "platform/check.h"
#include "platform/clock.h"
#include "platform/plant.h"

namespace xtree::persistence {
namespace {

// A group ends when its operations reach this much, so that a long queue does not make everybody
// wait for one huge write.
constexpr std::size_t kGroupBytes = std::size_t{4} << 20;
// Asynchronous writers wait when this much is queued.
constexpr std::size_t kQueueBytes = std::size_t{64} << 20;
constexpr std::size_t kQueueRequests = 65536;

bool is_synced(Durability durability) noexcept {
  return durability == Durability::strict || durability == Durability::balanced;
}
bool is_logged(Durability durability) noexcept {
  if (platform::planted(platform::Plant::eventual_not_logged)) return is_synced(durability);
  return durability != Durability::none;
}

}  // namespace

Committer::Committer(VersionStore& store, wal::LogWriter& log, Applier& applier,
                     const Options& options)
    : store_(store),
      log_(log),
      applier_(applier),
      group_window_us_(options.group_window_us),
      sync_interval_ms_(options.sync_interval_ms) {}

Committer::~Committer() { static_cast<void>(stop()); }

Result<void> Committer::admit_locked() const {
  XTREE_TRY(health_locked());
  if (stopped_) return Error(ErrorCode::closed, "database", "it was closed");
  return {};
}

void Committer::enqueue_locked(CommitRequest& request) {
  request.ticket = ++last_ticket_;
  queue_.push_back(&request);
  queued_bytes_ += request.operations.size();
  if (awaited_requests_ != 0 && queue_.size() >= awaited_requests_) company_.notify_one();
  if (request.durability == Durability::eventual) start_logger_locked();
}

Result<void> Committer::commit(CommitRequest& request) {
  std::unique_lock lock(mutex_);
  XTREE_TRY(admit_locked());
  enqueue_locked(request);
  while (!request.done) {
    if (may_lead_locked()) {
      lead_locked(lock);
    } else {
      changed_.wait(lock);
    }
  }
  return request.result;
}

Result<std::uint64_t> Committer::commit_async(std::vector<std::byte> operations,
                                              std::uint32_t count, Durability durability) {
  auto owned = std::make_unique<AsyncRequest>();
  owned->operations = std::move(operations);
  owned->request.operations = owned->operations;
  owned->request.count = count;
  owned->request.durability = durability;
  std::unique_lock lock(mutex_);
  for (;;) {
    XTREE_TRY(admit_locked());
    if (queued_bytes_ < kQueueBytes && queue_.size() < kQueueRequests) break;
    changed_.wait(lock);
  }
  enqueue_locked(owned->request);
  const std::uint64_t ticket = owned->request.ticket;
  async_.push_back(std::move(owned));
  start_logger_locked();
  if (queue_.size() == 1) changed_.notify_all();
  return ticket;
}

Result<void> Committer::wait(std::uint64_t ticket) {
  std::unique_lock lock(mutex_);
  if (ticket > last_ticket_) {
    return Error(ErrorCode::invalid_argument, "token", "this database did not give it out");
  }
  while (done_ticket_ < ticket) {
    if (may_lead_locked()) {
      lead_locked(lock);
    } else {
      changed_.wait(lock);
    }
  }
  const auto failed = async_errors_.find(ticket);
  if (failed == async_errors_.end()) return {};
  return failed->second;
}

// Gives the leader's place up only with the group done, so that the state is never between two.
void Committer::lead_locked(std::unique_lock<std::mutex>& lock) {
  leading_ = true;
  await_company(lock);
  const std::vector<CommitRequest*> group = take_group_locked();
  Result<void> result = health_locked();
  lock.unlock();
  if (result) result = process(group);
  lock.lock();
  finish_group_locked(group, result);
  leading_ = false;
  changed_.notify_all();
  if (wanted_bytes_ != 0 && appended_bytes() >= wanted_bytes_) grown_.notify_one();
}

// `balanced` writes may wait for others, and do so when the last group shows that there are some.
void Committer::await_company(std::unique_lock<std::mutex>& lock) {
  if (last_group_size_ < 2 || group_window_us_ == 0) return;
  for (const CommitRequest* request : queue_) {
    if (request->durability != Durability::balanced) return;
  }
  const std::size_t wanted = last_group_size_;
  awaited_requests_ = wanted;
  company_.wait_for(lock, std::chrono::microseconds(group_window_us_),
                    [&] { return queue_.size() >= wanted; });
  awaited_requests_ = 0;
}

std::vector<CommitRequest*> Committer::take_group_locked() {
  std::vector<CommitRequest*> group;
  std::size_t bytes = 0;
  while (!queue_.empty() && (group.empty() || bytes < kGroupBytes)) {
    group.push_back(queue_.front());
    bytes += queue_.front()->operations.size();
    queue_.pop_front();
  }
  queued_bytes_ -= bytes;
  last_group_size_ = group.size();
  return group;
}

void Committer::finish_group_locked(const std::vector<CommitRequest*>& group,
                                    const Result<void>& result) {
  const bool forgets = platform::planted(platform::Plant::failed_sync_forgotten);
  if (!result && !poison_ && !forgets) poison_ = result.error();
  for (CommitRequest* request : group) {
    if (!result) request->result = result.error();
    done_ticket_ = request->ticket;
    if (!async_.empty() && &async_.front()->request == request) {
      if (!request->result) async_errors_.emplace(request->ticket, request->result.error());
      async_.pop_front();
    } else {
      request->done = true;  // its memory is its writer's again once the lock is released
    }
  }
}

Result<void> Committer::process(const std::vector<CommitRequest*>& group) {
  bool begun = false;
  for (CommitRequest* request : group) {
    request->result = applier_.check(request->operations);
    if (!request->result) continue;
    if (!begun) store_.begin_epoch();
    begun = true;
    const Result<void> applied =
        applier_.apply(request->operations, is_logged(request->durability), request->answers);
    if (applied) continue;
    // A single operation that finds no memory has changed nothing; of several, some are done.
    if (applied.error().code() != ErrorCode::out_of_memory || request->count != 1) return applied;
    request->result = applied;
  }
  if (!begun) return {};
  XTREE_TRY(applier_.finish_epoch());
  XTREE_TRY(write_log(group));
  store_.publish();
  store_.collect_when_due();
  return {};
}

Result<void> Committer::write_log(const std::vector<CommitRequest*>& group) {
  wal::GroupInfo info{};
  bool synced = false;
  payload_.clear();
  for (const CommitRequest* request : group) {
    if (!request->result || !is_logged(request->durability)) continue;
    payload_.insert(payload_.end(), request->operations.begin(), request->operations.end());
    info.operations += request->count;
    synced = synced || is_synced(request->durability);
  }
  if (info.operations == 0) return {};
  info.first_lsn = log_.next_lsn();
  info.epoch = store_.epoch();
  info.time_us = platform::unix_time_us();
  XTREE_TRY(log_.append(info, payload_));
  appended_bytes_.store(log_.appended_bytes(), std::memory_order_relaxed);
  if (platform::planted(platform::Plant::ack_before_sync)) return {};
  return synced ? log_.sync() : Result<void>();
}

Result<void> Committer::sync_log() {
  return log_.durable_lsn() == log_.next_lsn() ? Result<void>() : log_.sync();
}

void Committer::begin_exclusive() {
  std::unique_lock lock(mutex_);
  ++exclusive_waiting_;
  changed_.wait(lock, [&] { return !leading_; });
  --exclusive_waiting_;
  leading_ = true;
}

bool Committer::try_begin_exclusive() {
  std::unique_lock lock(mutex_);
  if (leading_) return false;
  leading_ = true;
  return true;
}

void Committer::end_exclusive() {
  std::unique_lock lock(mutex_);
  leading_ = false;
  changed_.notify_all();
}

bool Committer::wait_for_bytes(std::uint64_t bytes) {
  std::unique_lock lock(mutex_);
  wanted_bytes_ = bytes;
  grown_.wait(lock, [&] { return !watched_ || appended_bytes() >= bytes; });
  wanted_bytes_ = 0;
  return watched_;
}

void Committer::stop_waiting_for_bytes() {
  std::unique_lock lock(mutex_);
  watched_ = false;
  grown_.notify_one();
}

void Committer::poison(const Error& error) {
  std::unique_lock lock(mutex_);
  if (!poison_) poison_ = error;
  changed_.notify_all();
}

Result<void> Committer::health() const {
  std::unique_lock lock(mutex_);
  return health_locked();
}

Result<void> Committer::health_locked() const {
  if (poison_) return Error(ErrorCode::poisoned, "database", poison_->message());
  return {};
}

void Committer::start_logger_locked() {
  if (logger_running_) return;
  logger_running_ = true;
  logger_ = std::thread([this] { run_logger(); });
}

// Leads while there is something queued and nobody else does, and syncs at the interval.
void Committer::run_logger() {
  const auto interval = std::chrono::milliseconds(sync_interval_ms_);
  auto next_sync = std::chrono::steady_clock::now() + interval;
  std::unique_lock lock(mutex_);
  while (!stopped_ || !queue_.empty()) {
    if (may_lead_locked() && !queue_.empty()) {
      lead_locked(lock);
    } else if (std::chrono::steady_clock::now() < next_sync) {
      changed_.wait_until(lock, next_sync);
    } else if (leading_) {
      changed_.wait(lock);
    } else {
      next_sync = std::chrono::steady_clock::now() + interval;
      if (poison_) continue;
      leading_ = true;
      lock.unlock();
      const Result<void> result = sync_log();
      lock.lock();
      leading_ = false;
      if (!result) poison_ = result.error();
      changed_.notify_all();
    }
  }
}

Result<void> Committer::stop() {
  std::unique_lock lock(mutex_);
  if (stopped_) return {};
  stopped_ = true;
  changed_.notify_all();
  while (leading_ || !queue_.empty()) {
    if (may_lead_locked()) {
      lead_locked(lock);
    } else {
      changed_.wait(lock);
    }
  }
  lock.unlock();
  if (logger_.joinable()) logger_.join();
  if (poison_) return *poison_;
  return sync_log();
}

}  // namespace xtree::persistence
