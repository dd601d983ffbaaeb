#include "persistence/committer.h"

#include <algorithm>
#include <utility>

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

// The leader gives its time to others for such a part of a sync at most before it goes on with who
// is there, and for so long when the last sync was stuck. Who does not come again makes others wait
// so long once.
constexpr int kSyncPart = 2;
constexpr std::chrono::steady_clock::duration kLongestGathering = std::chrono::milliseconds(1);

// So many writers may be two groups, of which one is applied while the other one is synced. Fewer
// do better together, in one.
constexpr std::size_t kCrowd = 8;
// Of those who wait for a crowd's sync some watch for it, for so many times as long as the last one
// took, unless that is longer than this.
constexpr int kWatchedSyncs = 2;
constexpr std::chrono::steady_clock::duration kLongestWatch = std::chrono::milliseconds(1);
// Leaders who sync, or have done it and wait for who was before them.
constexpr unsigned kMostSyncing = 2;
static_assert(GroupSleepers::kGroups > kMostSyncing + 1);  // one is led, and one is open

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

Result<void> Committer::admit_locked(std::unique_lock<std::mutex>& lock) {
  for (;;) {
    XTREE_TRY(admit_locked());
    if (store_.changed_bytes() < most_changes_) return {};
    watch_locked(lock);
  }
}

void Committer::enqueue_locked(CommitRequest& request) {
  // What finds no memory comes before anything is queued.
  if (request.durability == Durability::eventual) start_logger_locked();
  request.ticket = ++last_ticket_;
  queue_.push(request);
  turn_.ask_locked();
  if (awaited_requests_ != 0 && queue_.size() >= awaited_requests_) company_.notify_one();
}

// A write that waits for no sync, and that finds nobody who writes or waits for anything, needs no
// mutex, nor a place in the order of the others: it is a group with neither number nor ticket.
bool Committer::try_commit_alone(CommitRequest& request) {
  if (is_synced(request.durability) || !turn_.try_take_idle()) return false;
  // The first one that is to be synced behind its writer's back calls the logger, under the mutex.
  const bool may_write = request.durability == Durability::none || is_unsynced_;
  Result<void> result;
  if (may_write) {
    CommitQueue group;
    group.push(request);
    Work work;
    result = platform::without_throwing("database", [&] { return process(group, work); });
  }
  if (result && !has_grown() && !log_.has_much_unsynced() && turn_.try_end_idle()) return may_write;
  const std::lock_guard lock(mutex_);
  if (!result) {
    request.result = result.error();
    poison_locked(result.error());
  }
  if (has_grown()) grown_.notify_one();
  give_way_locked();
  return may_write;
}

Result<void> Committer::commit(CommitRequest& request) {
  if (try_commit_alone(request)) return request.result;
  std::unique_lock lock(mutex_);
  XTREE_TRY(admit_locked(lock));
  enqueue_locked(request);
  GroupSleepers::Place place;
  // Acquire pairs with the leader's release: the result before its use, and the leader's last touch
  // of the request before its end.
  while (!request.done.load(std::memory_order_acquire)) {
    if (!lock.owns_lock()) {
      lock.lock();
    } else if (may_lead_locked()) {
      lead(lock);
    } else {
      sleepers_.take_place_locked(place, request.group != 0 ? request.group : open_group_);
      const auto watch = watch_time_locked(request);
      lock.unlock();
      sleepers_.sleep(place, watch);
    }
  }
  return request.result;
}

// How long the first of a group's sleepers look for its end: for about a sync, if it is the disk
// that they wait for, many others do, and it is fast.
std::chrono::steady_clock::duration Committer::watch_time_locked(
    const CommitRequest& request) const noexcept {
  if (!is_crowded_ || !is_synced(request.durability)) return {};
  const auto time = kWatchedSyncs * sync_time_.load(std::memory_order_relaxed);
  return time <= kLongestWatch ? time : std::chrono::steady_clock::duration();
}

Result<std::uint64_t> Committer::commit_async(std::vector<std::byte> operations,
                                              std::uint32_t count, Durability durability) {
  auto owned = std::make_unique<AsyncRequest>();
  owned->operations = std::move(operations);
  owned->request.operations = owned->operations;
  owned->request.count = count;
  owned->request.durability = durability;
  owned->request.is_asynchronous = true;
  std::unique_lock lock(mutex_);
  for (;;) {
    XTREE_TRY(admit_locked(lock));
    if (queue_.bytes() < kQueueBytes && queue_.size() < kQueueRequests) break;
    watch_locked(lock);
  }
  start_logger_locked();
  AsyncRequest& queued = *async_.emplace_back(std::move(owned));
  enqueue_locked(queued.request);
  const std::uint64_t ticket = queued.request.ticket;
  if (queue_.size() == 1 && may_lead_locked()) logger_wakes_.notify_one();
  return ticket;
}

Result<void> Committer::wait(std::uint64_t ticket) {
  std::unique_lock lock(mutex_);
  if (ticket > last_ticket_) {
    return Error(ErrorCode::invalid_argument, "token", "this database did not give it out");
  }
  turn_.ask_locked();
  while (done_ticket_ < ticket) {
    if (may_lead_locked()) {
      lead(lock);
      lock.lock();
    } else {
      watch_locked(lock);
    }
  }
  const auto failed = async_errors_.find(ticket);
  if (failed != async_errors_.end()) return failed->second;
  if (first_lost_ticket_ == 0 || ticket < first_lost_ticket_ || ticket > last_lost_ticket_) {
    return {};
  }
  return Error(ErrorCode::out_of_memory, "token", "there was no memory to keep the write's result");
}

// Sleeps until the end of a turn or a change of the state.
void Committer::watch_locked(std::unique_lock<std::mutex>& lock) {
  ++watching_;
  changed_.wait(lock);
  --watching_;
}

// While a group is synced, the next one is led when most of those have come who are not in the
// first: fewer would wait for a sync of their own, and the others for one more.
bool Committer::may_lead_beside_locked() const noexcept {
  if (syncing_ == kMostSyncing || queue_.size() < kCrowd) return false;
  const CommitRequest& first = *queue_.first();
  return !first.is_asynchronous && is_synced(first.durability) &&
         queue_.size() >= expected_requests_ - expected_requests_ / 4;
}

// Leads for what is queued. Gives the leader's place up with the group done, so that the state is
// never between two, or, when others may lead while a crowd is synced, with the group on its way to
// the disk. Returns without the mutex.
void Committer::lead(std::unique_lock<std::mutex>& lock) {
  turn_.take_locked();
  if (syncing_ == 0) await_company(lock);
  const CommitQueue group = queue_.take(kGroupBytes);
  Work work{.number = open_group_++, .is_beside = syncing_ != 0};
  for (CommitRequest* request = group.first(); request != nullptr; request = request->next) {
    request->group = work.number;
  }
  expected_requests_ -= std::min(expected_requests_, group.size());
  Result<void> result = health_locked();
  lock.unlock();
  // Memory that runs out in the middle of a group leaves it half applied, and poisons.
  if (result) result = platform::without_throwing("database", [&] { return process(group, work); });
  if (work.sync != nullptr) {
    const Result<void> synced = sync_crowd(*work.sync);
    if (result) result = synced;
  }
  lock.lock();
  while (finished_group_ + 1 != work.number) watch_locked(lock);
  finished_group_ = work.number;
  // Its epoch shows those before it, too, and the log ends where one of them is missing.
  if (result && work.is_beside) result = health_locked();
  if (result && work.epoch != 0) store_.publish(work.epoch);
  finish_group_locked(group, result);
  expected_requests_ = group.size() + queue_.size();
  is_crowded_ = group.size() >= kCrowd;
  if (work.sync != nullptr) {
    --syncing_;
    wake_next_locked();
  } else {
    give_way_locked();
  }
  if (has_grown()) grown_.notify_one();
  // To change a word would wait for all that the group has written on its way to memory: nobody
  // does it for a group of which nobody sleeps.
  const bool has_sleepers = sleepers_.end_locked(work.number);
  // Outside of the mutex, or those who wake would run into it.
  lock.unlock();
  if (has_sleepers) sleepers_.wake(work.number);
}

// Leaves the leader's place while the disk is at work. Who leads meanwhile syncs beside.
Result<void> Committer::sync_crowd(wal::SyncBeside& sync) {
  {
    const std::lock_guard lock(mutex_);
    ++syncing_;
    give_way_locked();
  }
  return run_sync(sync);
}

Result<void> Committer::run_sync(wal::SyncBeside& sync) {
  const auto begin = std::chrono::steady_clock::now();
  Result<void> result = sync.run();
  sync_time_.store(std::chrono::steady_clock::now() - begin, std::memory_order_relaxed);
  return result;
}

// Leaves the leader's place to whoever has a use for it.
void Committer::give_way_locked() {
  arm_sync_locked();
  turn_.end_locked(is_asked_locked());
  wake_next_locked();
}

// Whether anybody waits for the end of a turn, or no write may do without the mutex.
bool Committer::is_asked_locked() const noexcept {
  return !queue_.empty() || syncing_ != 0 || exclusive_waiting_ != 0 || watching_ != 0 ||
         most_changes_ != kNever || poison_ || stopped_;
}

// After a change of who leads or syncs. If somebody has been waiting for an exclusive turn, the
// writers learn of it at the end of that.
void Committer::wake_next_locked() {
  if (watching_ != 0) changed_.notify_all();
  if (queue_.empty() || !may_lead_locked()) return;
  if (queue_.first()->is_asynchronous) {
    logger_wakes_.notify_one();
  } else {
    sleepers_.wake_one_locked(open_group_);
  }
}

// The writers of the last group have just been woken, and most will come again. The first of them
// would lead a group of one, and the others wait for two syncs. So it lets them run until all are
// back, or until that takes long beside a sync.
void Committer::gather(std::unique_lock<std::mutex>& lock) {
  const auto sync_time = sync_time_.load(std::memory_order_relaxed);
  const auto end =
      std::chrono::steady_clock::now() + std::min(sync_time / kSyncPart, kLongestGathering);
  while (queue_.size() < expected_requests_ && std::chrono::steady_clock::now() < end) {
    lock.unlock();
    std::this_thread::yield();
    lock.lock();
  }
}

// Writers who wait for a sync wait for company if the last group shows that there is some:
// `balanced` ones for some time, if need be. Who hands over asynchronous writes is not held up.
void Committer::await_company(std::unique_lock<std::mutex>& lock) {
  const CommitRequest& first = *queue_.first();
  if (expected_requests_ < 2 || first.is_asynchronous || !is_synced(first.durability)) return;
  gather(lock);
  if (group_window_us_ == 0) return;
  for (CommitRequest* request = queue_.first(); request != nullptr; request = request->next) {
    if (request->durability != Durability::balanced) return;
  }
  awaited_requests_ = expected_requests_;
  company_.wait_for(lock, std::chrono::microseconds(group_window_us_),
                    [&] { return queue_.size() >= awaited_requests_; });
  awaited_requests_ = 0;
}

void Committer::keep_error_locked(const CommitRequest& request) noexcept {
  const std::uint64_t ticket = request.ticket;
  if (platform::try_to([&] { async_errors_.emplace(ticket, request.result.error()); })) return;
  if (first_lost_ticket_ == 0) first_lost_ticket_ = ticket;
  last_lost_ticket_ = ticket;
}

void Committer::finish_group_locked(const CommitQueue& group, const Result<void>& result) {
  const bool forgets = platform::planted(platform::Plant::failed_sync_forgotten);
  if (!result && !forgets) poison_locked(result.error());
  for (CommitRequest* request = group.first(); request != nullptr;) {
    CommitRequest* const next = request->next;
    if (!result) request->result = result.error();
    done_ticket_ = request->ticket;
    if (request->is_asynchronous) {
      if (!request->result) keep_error_locked(*request);
      async_.pop_front();
    } else {
      request->done.store(true, std::memory_order_release);
    }
    request = next;
  }
}

Result<void> Committer::process(const CommitQueue& group, Work& work) {
  bool begun = false;
  for (CommitRequest* request = group.first(); request != nullptr; request = request->next) {
    request->result = applier_.check(request->operations);
    if (!request->result) continue;
    if (!begun) work.epoch = store_.begin_epoch();
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
  XTREE_TRY(write_log(group, work));
  const bool is_crowd = work.sync != nullptr && group.size() >= kCrowd;
  if (work.sync != nullptr && !is_crowd) {
    XTREE_TRY(run_sync(*std::exchange(work.sync, nullptr)));
  }
  if (!is_crowd && !work.is_beside) store_.publish(std::exchange(work.epoch, 0));
  store_.collect_when_due();
  return {};
}

// Begins a sync if one of the group's writers waits for it.
Result<void> Committer::write_log(const CommitQueue& group, Work& work) {
  wal::GroupInfo info{};
  bool synced = false;
  std::span<const std::byte> payload;  // the only request's where there is one, else a copy of all
  for (const CommitRequest* request = group.first(); request != nullptr; request = request->next) {
    if (!request->result || !is_logged(request->durability)) continue;
    const std::span<const std::byte> operations = request->operations;
    if (info.operations == 0) {
      payload = operations;
    } else {
      if (payload.data() != payload_.data()) payload_.assign(payload.begin(), payload.end());
      payload_.insert(payload_.end(), operations.begin(), operations.end());
      payload = payload_;
    }
    info.operations += request->count;
    synced = synced || is_synced(request->durability);
  }
  if (info.operations == 0) return {};
  info.first_lsn = log_.next_lsn();
  info.epoch = work.epoch;
  info.time_us = platform::coarse_unix_time_us();
  if (!synced) {
    XTREE_TRY(log_.add(info, payload));
  } else if (platform::planted(platform::Plant::ack_before_sync)) {
    XTREE_TRY(log_.append(info, payload));
  } else {
    const auto sync = log_.append_for_sync(info, payload);
    if (!sync) return sync.error();
    work.sync = *sync;
  }
  appended_bytes_.store(log_.appended_bytes(), std::memory_order_relaxed);
  return {};
}

Result<void> Committer::sync_log() {
  return log_.durable_lsn() == log_.next_lsn() ? Result<void>() : log_.sync();
}

void Committer::begin_exclusive() {
  std::unique_lock lock(mutex_);
  ++exclusive_waiting_;
  turn_.ask_locked();
  while (turn_.is_taken_locked() || syncing_ != 0) watch_locked(lock);
  --exclusive_waiting_;
  turn_.take_locked();
}

bool Committer::try_begin_exclusive() {
  std::unique_lock lock(mutex_);
  turn_.ask_locked();
  if (turn_.is_taken_locked() || syncing_ != 0) return false;
  turn_.take_locked();
  return true;
}

void Committer::end_exclusive() {
  std::unique_lock lock(mutex_);
  give_way_locked();
}

bool Committer::wait_for_bytes(std::uint64_t log_bytes, std::size_t changed_bytes) {
  std::unique_lock lock(mutex_);
  wanted_bytes_ = log_bytes;
  wanted_changes_ = changed_bytes;
  turn_.ask_locked();
  grown_.wait(lock, [&] { return !watched_ || has_grown(); });
  wanted_bytes_ = kNever;
  wanted_changes_ = kNever;
  return watched_;
}

void Committer::begin_back_pressure(std::size_t changed_bytes) {
  const std::lock_guard lock(mutex_);
  most_changes_ = changed_bytes;
  turn_.ask_locked();
}

void Committer::end_back_pressure() {
  const std::lock_guard lock(mutex_);
  most_changes_ = kNever;
  changed_.notify_all();
}

void Committer::stop_waiting_for_bytes() {
  std::unique_lock lock(mutex_);
  watched_ = false;
  grown_.notify_one();
}

void Committer::poison(const Error& error) {
  std::unique_lock lock(mutex_);
  poison_locked(error);
  changed_.notify_all();
}

void Committer::poison_locked(const Error& error) {
  if (!poison_) poison_ = error;
  turn_.ask_locked();  // so that nobody writes without a look at it
}

Result<void> Committer::health() const {
  std::unique_lock lock(mutex_);
  return health_locked();
}

Result<void> Committer::health_locked() const {
  if (poison_) return Error(ErrorCode::poisoned, "database", poison_->message());
  return {};
}

Result<void> Committer::stop() {
  std::unique_lock lock(mutex_);
  if (stopped_) return {};
  stopped_ = true;
  turn_.ask_locked();
  changed_.notify_all();
  logger_wakes_.notify_one();
  while (turn_.is_taken_locked() || syncing_ != 0 || !queue_.empty()) {
    if (may_lead_locked()) {
      lead(lock);
      lock.lock();
    } else {
      watch_locked(lock);
    }
  }
  // It may have found somebody else leading when it was told to stop.
  logger_wakes_.notify_one();
  lock.unlock();
  if (logger_.joinable()) logger_.join();
  lock.lock();
  if (poison_) return *poison_;
  lock.unlock();
  return exclusively([this] { return sync_log(); });
}

}  // namespace xtree::persistence
