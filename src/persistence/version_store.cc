#include "persistence/version_store.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <limits>
#include <new>

#include "platform/check.h"

namespace xtree::persistence {
namespace {

constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();
// The cache is emptied by such a part of it at a time.
constexpr std::size_t kRoomParts = 16;

// The part of a frame that belongs to its node.
std::byte* body(FrameHeader* frame) noexcept { return reinterpret_cast<std::byte*>(frame + 1); }

}  // namespace

void sort_changes(Cut& cut) {
  // Latest life first within a handle, since tags only grow.
  std::ranges::sort(cut.changes, [](NodeId a, NodeId b) {
    return a.handle() != b.handle() ? a.handle() < b.handle() : a.tag() > b.tag();
  });
  const auto rest = std::ranges::unique(cut.changes, {}, &NodeId::handle);
  cut.changes.erase(rest.begin(), rest.end());
}

Result<std::unique_ptr<VersionStore>> VersionStore::create(std::uint64_t epoch,
                                                           const NodeSource* source,
                                                           const NodeFamily& family) {
  auto epochs = EpochRegistry::create(epoch);
  if (!epochs) return epochs.error();
  auto table = ObjectTable::create();
  if (!table) return table.error();
  return std::make_unique<VersionStore>(Private(), std::move(*epochs), std::move(*table), epoch,
                                        source, family);
}

VersionStore::VersionStore(Private, std::unique_ptr<EpochRegistry> epochs, ObjectTable table,
                           std::uint64_t epoch, const NodeSource* source,
                           const NodeFamily& family)
    : epochs_(std::move(epochs)),
      table_(std::move(table)),
      crowd_bytes_(kNoLimit),
      loader_(table_, frames_, source, epoch, family),
      collector_(*epochs_, table_, frames_, loader_),
      evictor_(*epochs_, table_, loader_, collector_, family),
      family_(family),
      epoch_(epoch),
      cut_epoch_(epoch) {}

Result<const FrameHeader*> VersionStore::find(NodeId id, std::uint64_t epoch) const noexcept {
  const ObjectTable::Lookup found = table_.look_up(id);
  if (found.state == ObjectTable::State::stale) return nullptr;
  if (found.ended && found.end_epoch <= epoch) return nullptr;
  if (found.state == ObjectTable::State::resident) return version_for(found.frame, epoch);
  const Result<FrameHeader*> loaded = loader_.load(id);
  if (!loaded) return loaded.error();
  note_load();
  return version_for(*loaded, epoch);
}

const FrameHeader* VersionStore::find_slowly(NodeId id, std::uint64_t epoch,
                                             ReadContext& context) const noexcept {
  const Result<const FrameHeader*> found = find(id, epoch);
  if (!found) {
    context.set(found.error());
    return nullptr;
  }
  if (*found == nullptr) {
    char place[40];
    std::snprintf(place, sizeof place, "node %016" PRIx64, id.bits);
    context.set(Error(ErrorCode::corruption, place, "a reference to a node that does not exist"));
  }
  return *found;
}

// What the slot of a node that has not ended names is its newest version, whether or not it is for
// this reader: so the link may have it.
Lead ReadView::look_up(const FrameHeader* parent, std::size_t child, std::uint64_t link,
                       NodeId id) const noexcept {
  if (is_cool(link)) {
    warm_link(parent, child, link);
    return Lead(frame_at(link & ~kCoolLink));
  }
  const std::uint64_t word = store().table_.word(id);
  if (!ObjectTable::is_plain(word, id)) return Lead(id);
  const FrameHeader* frame = ObjectTable::frame_of(word, id);
  if (frame == nullptr) return Lead(id);
  if (link == kUnknownLink) fill_link(parent, child, frame);
  return Lead(frame);
}

void ReadView::load_ahead(std::span<const NodeId> ids) const noexcept {
  store().loader_.load_ahead(ids);
  store().note_load();
}

// The newest version is not what this reader sees, or it is not known where it is.
const FrameHeader* ReadView::follow(Lead lead) const noexcept {
  if (lead.is_id()) return version(lead.id());
  const FrameHeader* frame = version_for(older_version(lead.frame()), epoch_);
  return frame != nullptr ? frame : version(NodeId{lead.frame()->node_id});
}

std::uint64_t VersionStore::begin_epoch() noexcept { return ++epoch_; }

void VersionStore::publish(std::uint64_t epoch) noexcept {
  XTREE_CHECK(epoch > epochs_->published());
  epochs_->publish(epoch);
}

// What was published or cut is not written over.
void VersionStore::check_epoch_is_running() const noexcept {
  XTREE_CHECK(epoch_ > cut_epoch_ && epoch_ > published());
}

// The newest version of a node that exists; null when it cannot be read.
FrameHeader* VersionStore::newest_frame(NodeId id) noexcept {
  check_epoch_is_running();
  const ObjectTable::Lookup found = table_.look_up(id);
  XTREE_CHECK(found.state != ObjectTable::State::stale && !found.ended);
  if (found.state == ObjectTable::State::resident) return found.frame;
  const Result<FrameHeader*> loaded = loader_.load(id);
  note_load();
  if (loaded) return *loaded;
  edit_failure_.set(loaded.error());
  return nullptr;
}

// What is to stand in front of a copy of this version, which may have been made without stamps.
FrameFront VersionStore::front_for(const FrameHeader& version) const noexcept {
  const bool is_known = version.front.words() != 0 || family_.front == nullptr;
  return is_known ? version.front : family_.front(version);
}

FrameHeader* VersionStore::new_frame(NodeId id, std::size_t bytes, FrameFront front,
                                     bool has_successor) noexcept {
  XTREE_CHECK(bytes >= kFrameAlignment && bytes % kFrameAlignment == 0 && front.words() % 8 == 0 &&
              frame_bytes(bytes, front) <= kMaxFrameBytes);
  void* memory = frames_.allocate(frame_bytes(bytes, front), has_successor);
  if (memory == nullptr) return nullptr;
  std::memset(memory, 0, front.stamps * sizeof(std::uint64_t));
  auto* frame = frame_in(memory, front);
  return ::new (static_cast<void*>(frame)) FrameHeader{.node_id = id.bits,
                                                       .birth = epoch_,
                                                       .previous = nullptr,
                                                       .front = front,
                                                       .bytes = static_cast<std::uint32_t>(bytes)};
}

FrameHeader* VersionStore::create(std::size_t bytes, FrameFront front) noexcept {
  FrameHeader* frame = create_unwritten(bytes, front);
  if (frame != nullptr) std::memset(body(frame), 0, bytes - sizeof(FrameHeader));
  return frame;
}

FrameHeader* VersionStore::create_unwritten(std::size_t bytes, FrameFront front) noexcept {
  check_epoch_is_running();
  if (!handles_) handles_ = table_.lease();
  const NodeId id = handles_.allocate();
  if (!id) return nullptr;
  FrameHeader* frame = new_frame(id, bytes, front);
  if (frame == nullptr) {
    table_.free(id);
    return nullptr;
  }
  forget_links(frame);
  table_.set_frame(id, frame);
  mark_changed(id, 0, bytes);
  return frame;
}

FrameHeader* VersionStore::edit(NodeId id) noexcept {
  FrameHeader* newest = newest_frame(id);
  return newest == nullptr ? nullptr : edit(*newest);
}

FrameHeader* VersionStore::edit(FrameHeader& newest) noexcept {
  check_epoch_is_running();
  if (newest.birth == epoch_) return &newest;
  return new_version(&newest, newest.bytes, front_for(newest));
}

FrameHeader* VersionStore::grow(NodeId id) noexcept {
  FrameHeader* newest = newest_frame(id);
  return newest == nullptr ? nullptr : grow(*newest);
}

FrameHeader* VersionStore::resize(NodeId id, std::size_t bytes, FrameFront front) noexcept {
  FrameHeader* old = newest_frame(id);
  if (old == nullptr) return nullptr;
  if (old->birth == epoch_ && old->bytes == bytes && old->front == front) return old;
  return new_version(old, bytes, front);
}

// Readers that come by the new version before its epoch is published look at `birth` and
// `previous` only, which the release store of the slot's word has completed. Where the old version
// goes soon its memory is the next one's, still in the caches; where a snapshot holds it the next
// version has other memory, which is asked for ahead.
FrameHeader* VersionStore::new_version(FrameHeader* old, std::size_t bytes,
                                       FrameFront front) noexcept {
  const NodeId id{old->node_id};
  FrameHeader* frame = new_frame(id, bytes, front, collector_.will_hold(old->birth));
  if (frame == nullptr) return nullptr;
  const std::size_t kept = std::min<std::size_t>(bytes, old->bytes);
  std::memcpy(body(frame), body(old), kept - sizeof(FrameHeader));
  std::memset(reinterpret_cast<std::byte*>(frame) + kept, 0, bytes - kept);
  take_links(frame, old);
  if (old->birth < epoch_) {
    frame->previous = old;
    table_.set_frame(id, frame);
    note(collector_.retire(id, old, epoch_));
    mark_changed(id, old->birth, bytes);
    return frame;
  }
  // No epoch will see `old`. When the node is as young as that, nobody has come by it either.
  frame->previous = old->previous;
  table_.set_frame(id, frame);
  if (old->previous == nullptr) {
    frames_.release(old);
  } else {
    note(collector_.discard(old));
  }
  return frame;
}

void VersionStore::destroy(NodeId id) noexcept {
  check_epoch_is_running();
  ObjectTable::Lookup found = table_.look_up(id);
  XTREE_CHECK(found.state != ObjectTable::State::stale && !found.ended);
  if (found.state == ObjectTable::State::cold) {
    if (loader_.end_if_cold(id, epoch_)) {
      note(collector_.retire(id, nullptr, epoch_));
      mark_changed(id, 0, 0);
      return;
    }
    found = table_.look_up(id);  // a reader has just loaded it
  }
  FrameHeader* frame = found.frame;
  mark_changed(id, frame->birth, 0);
  close_links(frame);
  if (frame->birth < epoch_) {
    table_.end(id, frame, epoch_);
    note(collector_.retire(id, frame, epoch_));
  } else if (frame->previous != nullptr) {
    table_.end(id, frame->previous, epoch_);
    note(collector_.discard(frame));
  } else {
    table_.free(id);
    frames_.release(frame);
  }
}

// Looks for old snapshots some sixteen times in the life of one.
void VersionStore::collect_when_due() {
  if (max_snapshot_age_ms_ != 0) {
    const std::uint64_t now_ms = platform::coarse_time_ms();
    if (now_ms >= next_look_ms_) {
      next_look_ms_ = now_ms + max_snapshot_age_ms_ / 16 + 1;
      if (end_snapshots(now_ms, max_snapshot_age_ms_) != 0) {
        static_cast<void>(collect());
        return;
      }
    }
  }
  collector_.collect_when_due(kCollectBudget);
  frames_.warm_some();
  if (cache_bytes_ != 0 && frames_.bytes_in_use() > crowd_bytes_.load(std::memory_order_relaxed)) {
    trim_cache();
  }
}

void VersionStore::limit_cache(std::size_t bytes) noexcept {
  cache_bytes_ = bytes;
  crowd_bytes_.store(bytes == 0 ? kNoLimit : bytes, std::memory_order_relaxed);
}

void VersionStore::checkpointed(std::uint64_t epoch) noexcept {
  loader_.set_checkpoint_epoch(epoch);
  if (cache_bytes_ != 0) crowd_bytes_.store(cache_bytes_, std::memory_order_relaxed);
}

void VersionStore::note_load() const noexcept {
  if (frames_.bytes_in_use() <= crowd_bytes_.load(std::memory_order_relaxed)) return;
  crowded_.store(true, std::memory_order_relaxed);
}

// When too little can go, it is not tried again before the frames have grown by as much once more,
// or a checkpoint has come: a look at the whole table would find the same.
void VersionStore::trim_cache() noexcept {
  if (cache_bytes_ == 0) return;
  const std::size_t part = cache_bytes_ / kRoomParts;
  const auto in_use = [&] { return frames_.bytes_in_use() - collector_.waiting_bytes(); };
  if (in_use() > crowd_bytes_.load(std::memory_order_relaxed)) {
    const std::size_t wanted = in_use() - (cache_bytes_ - part);
    evictor_.evict(wanted);
    crowd_bytes_.store(std::max(cache_bytes_, in_use() + part), std::memory_order_relaxed);
  }
  static_cast<void>(collect());
  crowded_.store(false, std::memory_order_relaxed);
}

VersionCounts VersionStore::counts() const {
  VersionCounts counts;
  counts.live_nodes = table_.live();
  counts.versions_held = collector_.versions();
  counts.version_bytes = collector_.version_bytes();
  counts.waiting_bytes = collector_.waiting_bytes();
  counts.resident_bytes = frames_.bytes_in_use();
  counts.mapped_bytes = frames_.bytes_mapped();
  counts.loaded_nodes = loader_.loaded();
  counts.evicted_nodes = evictor_.evicted();
  counts.oldest_snapshot = published();
  std::vector<std::uint64_t> snapshots;
  epochs_->add_snapshots(snapshots);
  counts.open_snapshots = snapshots.size();
  for (const std::uint64_t epoch : snapshots) {
    counts.oldest_snapshot = std::min(counts.oldest_snapshot, epoch);
  }
  const std::uint64_t opened_ms = epochs_->oldest_opening_ms();
  if (opened_ms != EpochRegistry::kNoTime) {
    counts.oldest_snapshot_age_ms = platform::coarse_time_ms() - opened_ms;
  }
  return counts;
}

Result<Cut> VersionStore::cut() {
  Cut cut;
  cut.pin = epochs_->pin_at(epoch_);
  if (!cut.pin) return Error(ErrorCode::limit_exceeded, "checkpoint", "too many open snapshots");
  cut.epoch = epoch_;
  cut.former_epoch = cut_epoch_;
  cut.changes.swap(changes_);
  cut.bytes = changed_bytes_.exchange(0, std::memory_order_relaxed);
  cut_epoch_ = epoch_;
  return cut;
}

void VersionStore::restore_changes(Cut cut) {
  if (changes_.empty()) {
    changes_.swap(cut.changes);
  } else {
    changes_.insert(changes_.end(), cut.changes.begin(), cut.changes.end());
  }
  add_changed_bytes(cut.bytes);
  cut_epoch_ = cut.former_epoch;
}

Result<const FrameHeader*> VersionStore::image(const Cut& cut, NodeId id) noexcept {
  // The walk needs the guard; what it finds is held by the cut's pin.
  const ReadGuard guard = epochs_->enter(cut.pin);
  if (!guard) return Error(ErrorCode::limit_exceeded, "checkpoint", "too many readers");
  const ObjectTable::Lookup found = table_.look_up(id);
  if (found.state == ObjectTable::State::cold) XTREE_TRY(loader_.load(id));
  return find(id, cut.epoch);
}

}  // namespace xtree::persistence
