#include "persistence/collector.h"

#include <algorithm>

#include "persistence/links.h"
#include "persistence/version_chain.h"
#include "platform/check.h"
#include "platform/plant.h"

namespace xtree::persistence {
namespace {

void sort_and_unite(std::vector<std::uint64_t>& epochs) {
  // Those of snapshots mostly come in the order in which they were opened.
  if (!std::ranges::is_sorted(epochs)) std::ranges::sort(epochs);
  epochs.erase(std::ranges::unique(epochs).begin(), epochs.end());
}

// Whether one of these ascending epochs lies in [birth, retire); raises `newest` to the greatest
// that does.
bool newest_within(const std::vector<std::uint64_t>& epochs, std::uint64_t birth,
                   std::uint64_t retire, std::uint64_t& newest) noexcept {
  const auto behind = std::ranges::lower_bound(epochs, retire);
  if (behind == epochs.begin() || behind[-1] < birth) return false;
  newest = std::max(newest, behind[-1]);
  return true;
}

}  // namespace

bool Collector::retire(NodeId id, FrameHeader* frame, std::uint64_t epoch) noexcept {
  XTREE_DCHECK(retired_.empty() || retired_.back().retire <= epoch);
  if (!platform::try_to([&] { retired_.push_back({id, frame, epoch}); })) return false;
  ++versions_;
  if (frame == nullptr) return true;
  version_bytes_ += frame_bytes(*frame);
  retired_bytes_ += frame_bytes(*frame);
  return true;
}

bool Collector::discard(FrameHeader* frame) noexcept {
  const std::uint64_t stamp = epochs_.clock() + 1;
  if (!platform::try_to([&] { waiting_.push_back({frame, stamp}); })) return false;
  waiting_bytes_ += frame_bytes(*frame);
  return true;
}

bool Collector::discard_evicted(FrameHeader* frame, const FrameHeader* parent,
                                std::size_t link) noexcept {
  const Waiting waiting{frame, epochs_.clock() + 1, parent, link};
  if (!platform::try_to([&] { waiting_.push_back(waiting); })) return false;
  waiting_bytes_ += frame_bytes(*frame);
  return true;
}

bool Collector::run(std::size_t budget, bool at_once) noexcept {
  if (is_idle()) return false;
  // Before the pins: a pin that the scans miss was made when this epoch, or a later one, was the
  // published one, and needs nothing that has retired by then.
  const std::uint64_t published = epochs_.published_for_scan();
  const std::uint64_t unused_since = epochs_.clock();
  wanted_.store(false, std::memory_order_seq_cst);
  begin_pass(unused_since);
  if (!examine_all(budget, published)) return false;
  // What has just been unlinked can go too if no reader is inside.
  if (at_once && !waiting_.empty() && waiting_.back().stamp > epochs_.clock()) {
    begin_pass(unused_since);
    oldest_stamp_ = epochs_.oldest_stamp();
  }
  const bool more_to_free = free_waiting(budget);
  return !released_.empty() || more_to_free;
}

// Examines, and tells those who close snapshots what is held.
bool Collector::examine_all(std::size_t budget, std::uint64_t published) noexcept {
  is_interrupted_ = !examine(budget, published);
  // A snapshot that closes from now on reads this; one that has closed since the scan changed the
  // counter, which is read behind it.
  newest_held_.store(held_.empty() ? 0 : held_.back().epoch + 1, std::memory_order_seq_cst);
  if (is_interrupted_ || (!held_.empty() && epochs_.snapshot_changes() != snapshot_changes_)) {
    wanted_.store(true, std::memory_order_seq_cst);
  }
  return !is_interrupted_;
}

// Each version is filed wholly or not at all, so that this may end in any place for want of memory.
bool Collector::examine(std::size_t budget, std::uint64_t published) noexcept {
  if (!platform::try_to([&] { refresh_pins(); }) || !file_retired(published)) return false;
  steps_ = 0;
  return platform::try_to([&] { examine_released(budget); });
}

void Collector::collect_when_due(std::size_t budget) {
  if (is_idle()) return;
  // Readers' lines are in the caches of those who read, and only a pass puts them to rest.
  if (!readers_are_awake_) readers_are_awake_ = !epochs_.is_settled();
  const bool wanted = wanted_.load(std::memory_order_seq_cst);
  if (!readers_are_awake_ || wanted) {
    static_cast<void>(run(budget, true));
    return;
  }
  if (retired_.size() >= next_look_) {
    next_look_ = retired_.size() + kLookVersions;
    readers_are_awake_ = false;  // another thread may write now, whose own line does not count
    collect_what_all_passed(budget);
  }
  if (!released_.empty() || retired_.size() >= kBatchVersions || retired_bytes_ >= kBatchBytes) {
    static_cast<void>(run(budget, false));
    step_clock();
  }
}

// Readers who have entered since the clock's last step need no barrier: they showed themselves
// before they stored the stamp that is seen, and whoever uses their lines later sees the clock and
// the epoch of that step, or newer ones. Ended snapshots are what that does not hold for.
void Collector::collect_what_all_passed(std::size_t budget) noexcept {
  if (epochs_.snapshot_changes() != snapshot_changes_ || is_interrupted_) return;
  if (!epochs_.have_all_entered() || !examine_all(budget, stepped_epoch_)) return;
  static_cast<void>(free_waiting(budget));
  step_clock();
}

// What is published and unlinked by now can go when everybody has entered behind this step.
void Collector::step_clock() noexcept {
  stepped_epoch_ = epochs_.published_for_scan();
  epochs_.advance_clock();
  next_look_ = retired_.size() + kLookVersions;
}

// The clock moves after the unlinking and before the look at the readers; that order is the proof
// that a reader who is not seen, or who shows the new time, cannot reach what was unlinked.
void Collector::begin_pass(std::uint64_t unused_since) {
  if (!waiting_.empty() && waiting_.back().stamp > epochs_.clock()) epochs_.advance_clock();
  epochs_.settle(unused_since);
  readers_are_awake_ = false;
}

// The newest first: then each version that nobody needs stands right behind the one that readers
// find first, however many there are of one node.
bool Collector::file_retired(std::uint64_t published) noexcept {
  const auto end = std::ranges::upper_bound(retired_, published, {}, &Version::retire);
  auto filed = end;
  const bool all = platform::try_to([&] {
    for (; filed != retired_.begin(); --filed) {
      const Version version = filed[-1];
      const std::size_t bytes = version.frame == nullptr ? 0 : frame_bytes(*version.frame);
      file(version);
      retired_bytes_ -= bytes;
    }
  });
  retired_.erase(filed, end);
  return all;
}

void Collector::refresh_pins() {
  former_.swap(guards_);
  guards_.clear();
  const std::uint64_t changes = epochs_.snapshot_changes();
  const bool changed = changes != snapshot_changes_ || is_interrupted_;
  if (changed) {
    snapshots_.clear();
    epochs_.add_snapshots(snapshots_);
    sort_and_unite(snapshots_);
    snapshot_changes_ = changes;
  }
  // Guards after snapshots: a reader enters at a snapshot's epoch before the snapshot closes, so
  // whoever finds the snapshot closed finds the reader.
  oldest_stamp_ = epochs_.add_guards(guards_);
  sort_and_unite(guards_);
  if (changed) {
    let_all_go();
  } else {
    for (const std::uint64_t epoch : former_) {
      if (!is_pinned(epoch)) let_go(epoch);
    }
  }
}

// Lets go of every epoch that is no longer pinned; both lists ascend.
void Collector::let_all_go() {
  released_.reserve(released_.size() + held_.size());
  auto snapshot = snapshots_.begin();
  const auto is_free = [&](Holding& holding) {
    while (snapshot != snapshots_.end() && *snapshot < holding.epoch) ++snapshot;
    if (snapshot != snapshots_.end() && *snapshot == holding.epoch) return false;
    if (std::ranges::binary_search(guards_, holding.epoch)) return false;
    released_.push_back(std::move(holding.versions));
    return true;
  };
  held_.erase(std::remove_if(held_.begin(), held_.end(), is_free), held_.end());
}

bool Collector::is_pinned(std::uint64_t epoch) const noexcept {
  return std::ranges::binary_search(snapshots_, epoch) ||
         std::ranges::binary_search(guards_, epoch);
}

void Collector::let_go(std::uint64_t epoch) {
  const auto holding = std::ranges::lower_bound(held_, epoch, {}, &Holding::epoch);
  if (holding == held_.end() || holding->epoch != epoch) return;
  released_.push_back(std::move(holding->versions));
  held_.erase(holding);
}

void Collector::file(const Version& version) {
  const std::uint64_t birth = version.frame == nullptr ? 0 : version.frame->birth;
  std::uint64_t newest = 0;
  const bool by_snapshot = newest_within(snapshots_, birth, version.retire, newest);
  const bool by_guard = newest_within(guards_, birth, version.retire, newest);
  const bool forgets_snapshots = platform::planted(platform::Plant::retained_slot_reused);
  if (!by_guard && (!by_snapshot || forgets_snapshots)) {
    unlink(version);
    return;
  }
  auto holding = std::ranges::lower_bound(held_, newest, {}, &Holding::epoch);
  if (holding == held_.end() || holding->epoch != newest) {
    holding = held_.insert(holding, Holding{newest, {}});
  }
  holding->versions.push_back(version);
}

// Takes a version out of its chain, wherever in it it stands. The slot of an ended node is recycled
// with its last version.
void Collector::unlink(const Version& version) {
  // Before anything is changed, so that nothing is lost if there is no memory for it.
  waiting_.push_back({nullptr, epochs_.clock() + 1});
  --versions_;
  if (version.frame == nullptr) {
    FrameHeader* loaded = loader_.free_slot(version.id);
    if (loaded == nullptr) {
      waiting_.pop_back();
      return;
    }
    waiting_.back().frame = loaded;
    waiting_bytes_ += frame_bytes(*loaded);
    return;
  }
  version_bytes_ -= frame_bytes(*version.frame);
  FrameHeader* const older = older_version(version.frame);
  const ObjectTable::Lookup found = table_.look_up(version.id);
  XTREE_CHECK(found.state == ObjectTable::State::resident);
  if (found.frame != version.frame) {
    FrameHeader* newer = found.frame;
    for (FrameHeader* next = older_version(newer); next != version.frame;
         next = older_version(newer)) {
      XTREE_CHECK(next != nullptr);
      newer = next;
      ++steps_;
    }
    link_older(newer, older);
  } else {
    XTREE_CHECK(found.ended);
    if (older != nullptr) {
      table_.relink_ended(version.id, older);
    } else {
      table_.free(version.id);
    }
  }
  waiting_.back().frame = version.frame;
  waiting_bytes_ += frame_bytes(*version.frame);
}

void Collector::examine_released(std::size_t budget) {
  while (!released_.empty() && steps_ < budget) {
    std::vector<Version>& versions = released_.back();
    if (versions.empty()) {
      released_.pop_back();
      continue;
    }
    ++steps_;
    file(versions.back());
    versions.pop_back();
  }
}

// The parent was in its slot when the child was evicted. If it is no longer, its links are closed
// for good; its memory is there, as it came to wait behind the child.
void Collector::let_link_open(const Waiting& evicted) noexcept {
  const ObjectTable::Lookup found = table_.look_up(NodeId{evicted.parent->node_id});
  if (found.frame == evicted.parent && !found.ended) open_link(evicted.parent, evicted.link);
}

bool Collector::free_waiting(std::size_t budget) {
  for (std::size_t freed = 0; !waiting_.empty(); ++freed) {
    if (waiting_.front().stamp > std::min(oldest_stamp_, epochs_.clock())) return false;
    if (freed == budget) return true;
    FrameHeader* const frame = waiting_.front().frame;
    if (waiting_.front().parent != nullptr) let_link_open(waiting_.front());
    waiting_bytes_ -= frame_bytes(*frame);
    waiting_.pop_front();
    frames_.release(frame);
  }
  return false;
}

}  // namespace xtree::persistence
