#include "persistence/checkpointer.h"

#include <algorithm>
#include <optional>

#include "persistence/family_order.h"
#include "platform/plant.h"
#include "platform/without_throwing.h"
#include "platform/workers.h"

namespace xtree::persistence {
namespace {

constexpr std::size_t kMostIdleLogFiles = 4;
// A checkpoint may write every node. So that this costs a third of what the log does, the log may
// grow to so many times the nodes' bytes, if that is no more than so many thresholds.
constexpr std::uint64_t kLogPerNodes = 3;
constexpr std::uint64_t kMostThresholds = 8;
// Writers come first until they have filled so large a part of the log that they may fill until the
// next checkpoint: an open after a crash would have to replay all of it.
constexpr std::uint64_t kPatience = 2;
// With a limited cache a checkpoint also starts when changed nodes, which cannot be evicted, take
// such a part of it, and while it runs writers may change as much again. It is not worth it for
// less than so many bytes.
constexpr std::size_t kCacheParts = 4;
constexpr std::size_t kLeastChanges = std::size_t{1} << 20;

// To start threads for less than a megabyte takes longer than to write it.
constexpr std::size_t kFewImages = 256;

}  // namespace

Checkpointer::Checkpointer(Storage& storage, VersionStore& store, wal::LogWriter& log,
                           Committer& committer, Applier& applier, std::uint64_t log_bytes,
                           const Options& options)
    : storage_(storage),
      store_(store),
      log_(log),
      committer_(committer),
      applier_(applier),
      replayed_bytes_(log_bytes),
      threshold_bytes_(options.checkpoint_log_bytes),
      compactor_(storage, store, options),
      generation_(storage.checkpoint().generation) {}

Checkpointer::~Checkpointer() { stop(); }

// The acquire load sees to it that the bytes appended by the cut are among those read behind it.
std::uint64_t Checkpointer::log_bytes() const noexcept {
  const std::uint64_t cut = cut_bytes_.load(std::memory_order_acquire);
  return replayed_bytes_ + committer_.appended_bytes() - cut;
}

Result<void> Checkpointer::verify_storage() {
  const std::lock_guard lock(running_);
  return storage_.verify();
}

Result<void> Checkpointer::check_open_locked() const {
  return closed_ ? Result<void>(Error(ErrorCode::closed, "database", "it was closed"))
                 : Result<void>();
}

// Every open begins a log file, also when nothing is written: a checkpoint lets the old ones go.
bool Checkpointer::needed() const noexcept {
  return log_bytes() != 0 || store_.has_changes() || !storage_.checkpoint().catalog ||
         log_.older_files() > kMostIdleLogFiles;
}

Result<void> Checkpointer::run() {
  const std::lock_guard lock(running_);
  XTREE_TRY(check_open_locked());
  return run_locked(Compaction::background);
}

// A sector per checkpoint stays garbage, so a small database may never be done; but then it gets no
// better either.
Result<void> Checkpointer::compact() {
  const std::lock_guard lock(running_);
  XTREE_TRY(check_open_locked());
  const auto garbage = [&] { return storage_.segment_bytes() - storage_.live_segment_bytes(); };
  for (;;) {
    const std::uint64_t before = garbage();
    XTREE_TRY(run_locked(Compaction::full));
    if (garbage() >= before || !compactor_.has_work()) return {};
  }
}

Result<void> Checkpointer::close() {
  const std::lock_guard lock(running_);
  XTREE_TRY(check_open_locked());
  closed_ = true;
  XTREE_TRY(committer_.exclusively([&]() -> Result<void> {
    log_.keep_no_spares();
    return {};
  }));
  XTREE_TRY(run_locked(Compaction::background));
  return remove_log();
}

Result<void> Checkpointer::run_locked(Compaction effort) {
  const bool wanted = effort == Compaction::full && compactor_.has_work();
  std::optional<Plan> plan;
  const Result<void> begun = committer_.exclusively([&]() -> Result<void> {
    XTREE_TRY(committer_.health());
    if (!needed() && !wanted) return {};
    auto made = cut_locked();
    if (!made) return made.error();
    plan.emplace(std::move(made).value());
    return {};
  });
  if (!begun || !plan) return begun;
  const Result<void> stored = store_plan(*plan, effort);
  XTREE_TRY(committer_.exclusively([&] { return finish_locked(*plan, stored); }));
  return remove_log();
}

// Fixes what the checkpoint holds: everything up to now, and of the log what comes next.
Result<Checkpointer::Plan> Checkpointer::cut_locked() {
  auto position = platform::without_throwing("log", [this] { return log_.roll(); });
  if (platform::planted(platform::Plant::released_before_flip) && position) {
    XTREE_TRY(log_.release_before(position->file));
    XTREE_TRY(remove_log());
  }
  if (!position) {
    committer_.poison(position.error());
    return position.error();
  }
  auto cut = store_.cut();
  if (!cut) return cut.error();
  Plan plan;
  plan.cut = std::move(cut).value();
  plan.cut_bytes = replayed_bytes_ + committer_.appended_bytes();
  // The first checkpoint of a large index finds hardly any nodes on disk.
  const std::uint64_t next_threshold =
      threshold(std::max<std::uint64_t>(storage_.live_segment_bytes(), plan.cut.bytes));
  storage_.pacer().give_way_to(committer_.progress(),
                               committer_.appended_bytes() + next_threshold / kPatience);
  plan.checkpoint.epoch = plan.cut.epoch;
  plan.checkpoint.next_lsn = log_.next_lsn();
  plan.checkpoint.log_file = position->file;
  plan.checkpoint.log_offset = position->offset;
  plan.checkpoint.log_generation = log_.generation();
  plan.checkpoint.catalog = applier_.catalog();
  applier_.cut();
  return plan;
}

// Gives up the places of all changed nodes, so that it is known what the segments still hold.
// Returns the nodes as the cut sees them, null for those that it does not.
Result<std::vector<const FrameHeader*>> Checkpointer::release_changes(const Plan& plan) {
  std::vector<const FrameHeader*> frames;
  frames.reserve(plan.cut.changes.size());
  for (const NodeId id : plan.cut.changes) {
    auto image = store_.image(plan.cut, id);
    if (!image) return image.error();
    storage_.release(store_.on_disk(id));
    frames.push_back(*image);
  }
  return frames;
}

// Writes the images of these changes, and fills their entries in.
Result<void> Checkpointer::write_images(const Plan& plan,
                                        const std::vector<const FrameHeader*>& frames,
                                        std::vector<TableEntry>& changes) {
  const NodeFamily family = applier_.node_family();
  std::vector<NewImage> together;
  for (const std::uint32_t i : family_order(plan.cut.changes, frames, family)) {
    const FrameHeader* frame = frames[i];
    const std::span image(reinterpret_cast<const std::byte*>(frame), frame->bytes);
    const Compression compression =
        family.compression == nullptr ? Compression::none : family.compression(*frame);
    if (plan.threads != 0 && compression == Compression::none) {
      together.push_back({image, &changes[i]});
      continue;
    }
    auto written =
        storage_.write(changes[i].id, image, plan.checkpoint.next_lsn, compression);
    if (!written) return written.error();
    changes[i] = *written;
  }
  if (together.empty()) return {};
  // One more than write, which sleeps most of the time (SegmentBatch).
  const bool alone = plan.threads == 1 || together.size() < kFewImages;
  platform::Workers workers(alone ? 1 : plan.threads + 1);
  return storage_.write_all(together, plan.checkpoint.next_lsn, workers);
}

// Writes every changed node, and what has to move. Returns the table's changes by handle.
Result<std::vector<TableEntry>> Checkpointer::write(const Plan& plan, Compaction effort) {
  auto frames = release_changes(plan);
  if (!frames) return frames.error();
  std::uint64_t bytes = 0;
  for (const FrameHeader* frame : *frames) bytes += frame != nullptr ? frame->bytes : 0;
  compactor_.choose(bytes, effort);
  std::vector<TableEntry> changes(frames->size());
  for (std::size_t i = 0; i < changes.size(); ++i) changes[i].id = plan.cut.changes[i];
  XTREE_TRY(write_images(plan, *frames, changes));
  XTREE_TRY(compactor_.move(changes));
  if (platform::planted(platform::Plant::freed_handles_forgotten)) {
    std::erase_if(changes, [](const TableEntry& entry) { return !entry.address; });
  }
  return changes;
}

// Of a step that memory leaves in the middle nobody knows what it has done, so nothing more is
// written.
template <class Step>
auto Checkpointer::as_one_step(Step&& step) {
  bool has_ended = false;
  auto result = platform::without_throwing("checkpoint", [&] {
    auto returned = step();
    has_ended = true;
    return returned;
  });
  if (!has_ended) storage_.poison();
  return result;
}

// Commits the checkpoint, and then once more without a change: then both slots of the superblock
// name this state, and damage to one of them takes nothing back that the log does not hold. A
// failure of the repetition leaves the checkpoint as good as any was before it was repeated. With
// the repetition go the segments that were emptied, so readers are sent to the new places before.
Result<void> Checkpointer::store_plan(Plan& plan, Compaction effort) {
  sort_changes(plan.cut);
  if (platform::planted(platform::Plant::change_forgotten) && plan.cut.changes.size() > 1) {
    plan.cut.changes.pop_back();
  }
  const auto changes = as_one_step([&] { return write(plan, effort); });
  Result<void> result =
      changes ? as_one_step([&] { return storage_.commit(plan.checkpoint, *changes); })
              : changes.error();
  if (result) {
    tell_store(plan, *changes);
    plan.repeated = as_one_step([&] { return storage_.commit(plan.checkpoint, {}); });
  }
  if (result && plan.repeated) return result;
  static_cast<void>(as_one_step([this]() -> Result<void> {
    storage_.abandon();
    return {};
  }));
  return result;
}

// Lets everybody know what is on disk now. Who is reading an image from its old place is waited
// for.
void Checkpointer::tell_store(const Plan& plan,
                              const std::vector<TableEntry>& changes) noexcept {
  if (platform::planted(platform::Plant::readers_not_told)) return;
  for (const TableEntry& entry : changes) {
    if (entry.address) {
      store_.written(entry);
    } else {
      store_.forgotten(entry.id);
    }
  }
  store_.checkpointed(plan.cut.epoch);
}

// Lets the log go that the checkpoint replaces, or takes the list of changes back for the next
// time.
Result<void> Checkpointer::finish_locked(Plan& plan, const Result<void>& stored) {
  if (!stored) {
    // A later checkpoint that did not know of these changes would lose them.
    if (!platform::try_to([&] { store_.restore_changes(std::move(plan.cut)); })) {
      committer_.poison(stored.error());
    }
    if (storage_.poisoned()) committer_.poison(stored.error());
    return stored;
  }
  if (storage_.poisoned()) committer_.poison(plan.repeated.error());
  applier_.checkpointed();
  plan.cut = Cut();
  store_.trim_cache();
  cut_bytes_.store(plan.cut_bytes, std::memory_order_release);
  generation_.store(storage_.checkpoint().generation, std::memory_order_relaxed);
  const Result<void> released = platform::without_throwing(
      "log", [this] { return log_.release_before(storage_.oldest_needed_log_file()); });
  if (!released) committer_.poison(released.error());
  return released;
}

// Beside commits, unless they wait for the checkpoint: behind a long log there are many files.
Result<void> Checkpointer::remove_log() {
  const Result<void> removed = platform::without_throwing("log", [this] {
    return log_.remove_unneeded(
        [this](const std::string& path) { return storage_.pacer().remove(path); });
  });
  if (!removed) committer_.poison(removed.error());
  return removed;
}

void Checkpointer::start() {
  thread_ = std::thread([this] { watch(); });
}

void Checkpointer::stop() {
  committer_.stop_waiting_for_bytes();
  if (thread_.joinable()) thread_.join();
}

// How far the log may grow when a checkpoint of all nodes has so many bytes.
std::uint64_t Checkpointer::threshold(std::uint64_t node_bytes) const noexcept {
  return std::clamp(kLogPerNodes * node_bytes, threshold_bytes_,
                    kMostThresholds * threshold_bytes_);
}

std::size_t Checkpointer::changes_threshold() const noexcept {
  const std::size_t cache = store_.cache_bytes();
  return cache == 0 ? Committer::kNever : std::max(cache / kCacheParts, kLeastChanges);
}

// A checkpoint that fails is tried again when there is as much once more; what failed is kept for
// those who write, by the poisoning, or is told to whoever calls `run`.
void Checkpointer::watch() {
  const std::size_t most_changes = changes_threshold();
  std::uint64_t log_target = log_bytes() >= threshold() ? 0 : threshold() - log_bytes();
  std::size_t changes_target = most_changes;
  while (committer_.wait_for_bytes(log_target, changes_target)) {
    committer_.begin_back_pressure(most_changes);
    const Result<void> taken =
        platform::without_throwing("checkpoint", [this] { return run(); });
    committer_.end_back_pressure();
    log_target = committer_.appended_bytes() + threshold();
    changes_target = most_changes;
    if (!taken && most_changes != Committer::kNever) changes_target += store_.changed_bytes();
  }
}

}  // namespace xtree::persistence
