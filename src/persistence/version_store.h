// VersionStore: nodes as versions behind NodeIDs, for one writer and any number of readers.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "persistence/collector.h"
#include "persistence/epoch.h"
#include "persistence/evictor.h"
#include "persistence/frame.h"
#include "persistence/frame_pool.h"
#include "persistence/links.h"
#include "persistence/node_family.h"
#include "persistence/node_id.h"
#include "persistence/node_loader.h"
#include "persistence/object_table.h"
#include "persistence/version_chain.h"
#include "platform/clock.h"
#include "platform/plant.h"
#include "platform/without_throwing.h"
#include "xtree/result.h"

namespace xtree::persistence {

class VersionStore;

// The first error that a reader, or the writer, met.
class ReadFailure {
 public:
  void set(const Error& error) noexcept {
    if (!error_) error_ = error;
  }
  [[nodiscard]] bool has_failed() const noexcept { return error_.has_value(); }
  [[nodiscard]] Result<void> status() const noexcept {
    return error_ ? Result<void>(*error_) : Result<void>();
  }
  [[nodiscard]] Error error_or(const Error& other) const noexcept {
    return error_ ? *error_ : other;
  }

 private:
  std::optional<Error> error_;
};

// What belongs to one reader: where it reads, and the first error that it met.
class ReadContext : public ReadFailure {
  friend class ReadView;
  const VersionStore* store_ = nullptr;
};

// Where a child can be found later: the frame that its parent's link or its slot led to, or else
// its NodeID. It is good for as long as the reader who has it is inside.
class Lead {
 public:
  Lead() = default;  // of no value, in arrays
  explicit Lead(const FrameHeader* frame) noexcept
      : bits_(reinterpret_cast<std::uintptr_t>(frame)) {}
  explicit Lead(NodeId id) noexcept : bits_(std::rotl(id.bits, kTurn) | kIsId) {}

  [[nodiscard]] bool is_id() const noexcept { return (bits_ & kIsId) != 0; }
  [[nodiscard]] NodeId id() const noexcept { return NodeId{std::rotr(bits_ & ~kIsId, kTurn)}; }
  [[nodiscard]] const FrameHeader* frame() const noexcept { return frame_at(bits_); }

 private:
  // Set in no address of a frame; and a NodeID turned by half has a bit of its slot there, in which
  // no slot of this build has a one.
  static constexpr std::uint64_t kIsId = 1;
  static constexpr int kTurn = 32;
  static_assert(kFrameAlignment > kIsId && ObjectTable::kSlots <= std::uint64_t{1} << kTurn &&
                kSlotBits > kTurn);
  std::uint64_t bits_;
};

// What a reader sees at one epoch: two words, to be passed by value, in registers: what is copied
// through memory just behind the stores of its words waits for them. Its ReadGuard and its
// ReadContext outlive it.
class ReadView {
 public:
  // The node's version at this epoch; null when it cannot be read, and the context then says why.
  [[nodiscard]] const FrameHeader* version(NodeId id) const noexcept;
  // The same if it takes one look at the slot; null when it takes more.
  [[nodiscard]] const FrameHeader* resident(NodeId id) const noexcept {
    return slots().resident(id, epoch_);
  }
  // The same for a node that need not exist at this epoch; then it is null, and no failure.
  [[nodiscard]] Result<const FrameHeader*> find(NodeId id) const noexcept;
  // Where the child with this number of a node that was read at this epoch can be found; when the
  // parent's link does not lead to it, what `ask(link)` returns, which knows the child's NodeID and
  // calls `look_up`. (Best out of line, so that it costs nothing where it is not asked.)
  template <class Ask>
  [[nodiscard]] [[gnu::always_inline]] static Lead lead(const FrameHeader* parent,
                                                        std::size_t child, Ask&& ask) noexcept {
    std::uint64_t link = kClosedLink;
    if (child < parent->front.links) [[likely]] {
      link = load_link(parent, child);
      if (is_address(link)) [[likely]] return Lead(frame_at(link));
    }
    return ask(link);
  }
  [[nodiscard]] Lead look_up(const FrameHeader* parent, std::size_t child, std::uint64_t link,
                             NodeId id) const noexcept;
  // As for a NodeID.
  [[nodiscard]] const FrameHeader* version(Lead lead) const noexcept {
    const FrameHeader* frame = lead.frame();
    if (!lead.is_id() && frame->birth <= epoch_) [[likely]] return frame;
    return follow(lead);
  }
  // Brings into memory what of these is only on disk, kMostAtOnce of them at most: faster than one
  // after the other. Those that cannot be read stay where they are.
  static constexpr std::size_t kMostAtOnce = NodeLoader::kMostAtOnce;
  void load_ahead(std::span<const NodeId> ids) const noexcept;
  // Starts to bring a line of the frame near, or one before it where `offset` is a negative number
  // made unsigned; the prefetch of what is no address does nothing.
  [[gnu::always_inline]] static void prefetch_at(Lead lead, std::size_t offset) noexcept {
    const auto frame = reinterpret_cast<std::uintptr_t>(lead.frame());
    __builtin_prefetch(reinterpret_cast<const char*>(frame + offset));
  }
  // Starts to bring the first lines of the node's newest version near.
  template <std::size_t lines>
  void prefetch(NodeId id) const noexcept {
    slots().prefetch_frame<lines>(id);
  }
  [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
  // Whether it is the writer's own, of everything so far.
  [[nodiscard]] bool is_writers() const noexcept { return epoch_ == kNewest; }
  // The error that made `version` return null, or `other` when there was none.
  [[nodiscard]] Error error_or(const Error& other) const noexcept {
    return context_->error_or(other);
  }

 private:
  friend class VersionStore;
  ReadView(const VersionStore& store, std::uint64_t epoch, ReadContext& context) noexcept
      : context_(&context),
        epoch_(epoch) {
    context.store_ = &store;
  }

  static constexpr std::uint64_t kNewest = std::numeric_limits<std::uint64_t>::max();
  [[nodiscard]] const FrameHeader* follow(Lead lead) const noexcept;

  [[nodiscard]] const VersionStore& store() const noexcept { return *context_->store_; }
  [[nodiscard]] ObjectTable::Reader slots() const noexcept;

  ReadContext* context_;
  std::uint64_t epoch_;
};

// The state of one epoch, held for a checkpoint.
struct Cut {
  std::uint64_t epoch = 0;
  std::vector<NodeId> changes;  // what was made, changed or destroyed since the cut before
  std::size_t bytes = 0;        // as VersionStore::changed_bytes
  SnapshotPin pin;
  std::uint64_t former_epoch = 0;  // of the cut before
};

// Brings a cut's changes into the order that a table wants: ascending by handle, and for every
// handle its latest life only. For the checkpointer's own time, it needs no lock.
void sort_changes(Cut& cut);

struct VersionCounts {
  std::uint64_t live_nodes = 0;
  std::uint64_t versions_held = 0;  // superseded, and kept for snapshots and readers
  std::uint64_t version_bytes = 0;
  std::uint64_t waiting_bytes = 0;   // unlinked, and waiting for readers to leave
  std::uint64_t resident_bytes = 0;  // of all frames
  std::uint64_t mapped_bytes = 0;    // taken from the operating system for frames
  std::uint64_t loaded_nodes = 0;    // read from disk so far
  std::uint64_t evicted_nodes = 0;   // taken out of memory so far
  std::uint64_t open_snapshots = 0;
  std::uint64_t oldest_snapshot = 0;  // its epoch; the published one when there is none
  std::uint64_t oldest_snapshot_age_ms = 0;
};

// A reader enters with a ReadGuard and looks at nodes through a ReadView:
//
//   const ReadGuard guard = store.enter();
//   ReadContext context;
//   const ReadView view = store.view(guard, context);
//   if (const FrameHeader* frame = view.version(id)) ...
//
// What it finds is complete, belongs to that life of the node, and stays as it is while the guard,
// or a SnapshotPin of the same epoch, lives, but for what the writer adds by `grow`.
// Readers wait for nobody, unless a node has to be read from disk.
//
// The functions of the writer are for one thread at a time, the one that holds the commit lock.
// Everything between `begin_epoch` and `publish` becomes visible together. An epoch may begin
// before the one before it is published. design/concurrency.md has the argument.
class VersionStore {
  struct Private {};

 public:
  // `epoch` is the newest checkpoint's and counts as published. `source`, which outlives the store,
  // has the images of the restored nodes; a store that restores none needs no source. Without a
  // family loaded frames have no links, and no node is evicted.
  [[nodiscard]] static Result<std::unique_ptr<VersionStore>> create(std::uint64_t epoch,
                                                                    const NodeSource* source,
                                                                    const NodeFamily& family = {});
  VersionStore(Private, std::unique_ptr<EpochRegistry> epochs, ObjectTable table,
               std::uint64_t epoch, const NodeSource* source, const NodeFamily& family);
  VersionStore(const VersionStore&) = delete;
  VersionStore& operator=(const VersionStore&) = delete;

  // Takes over the checkpoint's table, ascending by handle, before any other use.
  Result<void> restore(const TableEntry& entry) { return table_.restore(entry); }

  // Readers: any thread.

  // False when kMaxSlots pins are open, or guards respectively, or when the snapshot has ended.
  [[nodiscard]] SnapshotPin pin() const noexcept {
    return epochs_->pin(platform::coarse_time_ms());
  }
  [[nodiscard]] ReadGuard enter() const noexcept { return epochs_->enter(); }
  [[nodiscard]] ReadGuard enter(const SnapshotPin& snapshot) const noexcept {
    return epochs_->enter(snapshot);
  }
  [[nodiscard]] ReadView view(const ReadGuard& guard, ReadContext& context) const noexcept {
    return ReadView(*this, guard.epoch(), context);
  }
  // The node's version at an epoch that the caller has entered, or null when it did not exist then
  // or does not exist any more; an error when it exists and cannot be read.
  Result<const FrameHeader*> find(NodeId id, std::uint64_t epoch) const noexcept;
  [[nodiscard]] std::uint64_t published() const noexcept { return epochs_->published(); }
  // Lets a reader that has kept nothing but NodeIDs, or will look at nothing else that it has kept,
  // count as one that has just entered, at its old epoch.
  void renew(ReadGuard& guard) const noexcept { epochs_->renew(guard); }
  // Whether frames take more memory than `limit_cache` allows, so that somebody should have the
  // writer's part and call `trim_cache`.
  [[nodiscard]] bool is_crowded() const noexcept {
    return crowded_.load(std::memory_order_relaxed);  // a hint, which orders nothing
  }

  // The writer.

  // Begins the next epoch and returns it.
  std::uint64_t begin_epoch() noexcept;
  // The epoch that began last.
  [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
  // Shows readers the running epoch.
  void publish() noexcept { publish(epoch_); }
  // Shows readers an epoch that has begun, and what came before it. Another thread than the writer
  // may call it, in order, if what the writer did for that epoch happens before the call.
  void publish(std::uint64_t epoch) noexcept;
  // What the writer itself sees, now and later: every change so far.
  [[nodiscard]] ReadView newest(ReadContext& context) const noexcept {
    return ReadView(*this, ReadView::kNewest, context);
  }

  // As index/store.h says of the functions of these names. A frame may be changed in place until
  // the epoch ends. Null when the node cannot be read or memory that was not reserved is exhausted.
  // Links are unknown in a new node; in a new version they are what they were in the old one.
  [[nodiscard]] bool reserve(std::size_t bytes, std::size_t largest = kMaxFrameBytes) noexcept {
    frames_.warm_some();
    return make_room(bytes) && frames_.reserve(bytes, largest);
  }
  [[nodiscard]] std::span<std::byte> map_ahead(std::size_t bytes, std::size_t largest) noexcept {
    return frames_.map_ahead(bytes, largest);
  }
  [[nodiscard]] FrameHeader* create(std::size_t bytes, FrameFront front = {}) noexcept;
  [[nodiscard]] FrameHeader* create_unwritten(std::size_t bytes, FrameFront front = {}) noexcept;
  [[nodiscard]] FrameHeader* edit(NodeId id) noexcept;
  // The same for a node whose newest version is at hand.
  [[nodiscard]] FrameHeader* edit(FrameHeader& newest) noexcept;
  [[nodiscard]] FrameHeader* resize(NodeId id, std::size_t bytes, FrameFront front = {}) noexcept;
  // As `edit`, for changes that are right for readers of all epochs that have the version: so it is
  // copied only if it has nothing in front, or a cut holds it, whose image must stay as it is.
  [[nodiscard]] FrameHeader* grow(FrameHeader& newest) noexcept {
    check_epoch_is_running();
    return grows_in_place(newest) ? &newest : edit(newest);
  }
  [[nodiscard]] FrameHeader* grow(NodeId id) noexcept;
  [[nodiscard]] bool grows_in_place(const FrameHeader& newest) const noexcept {
    const bool is_cut =
        newest.birth <= cut_epoch_ && !platform::planted(platform::Plant::cut_grown);
    const bool has_front = newest.front.words() != 0 || newest.birth == epoch_;
    return !is_cut && has_front &&
           epoch_ - newest.birth <= std::numeric_limits<std::uint32_t>::max();
  }
  // Needs no memory and reads nothing. The node must exist.
  void destroy(NodeId id) noexcept;
  // Why a node could not be read for `edit` or `resize`, the first time that this happened.
  [[nodiscard]] const ReadFailure& edit_failure() const noexcept { return edit_failure_; }
  // `out_of_memory` when a change of the running epoch could not be noted, for the collector or for
  // the next checkpoint. The epoch must not be published then, and no other begin.
  [[nodiscard]] Result<void> epoch_status() const noexcept {
    if (!is_incomplete_) return {};
    return Error(ErrorCode::out_of_memory, "nodes", "there is no memory to note what changed");
  }

  // Gives back what no reader can ask for any more; call it after `publish`, and when a snapshot
  // has closed. True when the budget ended it: there is more that could be done now.
  static constexpr std::size_t kCollectBudget = 4096;
  bool collect(std::size_t budget = kCollectBudget) { return collector_.collect(budget); }
  // What a commit calls, which need not have all memory back at once.
  void collect_when_due();

  // Any thread: call it when a snapshot of this epoch has closed. True when it may be worth to call
  // `collect_when_due`; if nobody does, the next commit will.
  [[nodiscard]] bool snapshot_closed(std::uint64_t epoch) noexcept {
    return collector_.want_for(epoch);
  }

  // Ends the snapshots that are open for this long at `now_ms`, of platform::coarse_time_ms;
  // returns how many. What they held goes with the next `collect`.
  std::size_t end_snapshots(std::uint64_t now_ms, std::uint64_t age_ms) noexcept {
    return now_ms < age_ms ? 0 : epochs_->end_snapshots(now_ms - age_ms);
  }
  // From now on commits end snapshots of this age; 0 lets them be.
  void limit_snapshot_age(std::uint64_t age_ms) noexcept { max_snapshot_age_ms_ = age_ms; }

  // From now on frames are to take no more than so many bytes; 0 is no limit. Nodes that the newest
  // checkpoint has not got, and what snapshots hold, cannot be evicted.
  void limit_cache(std::size_t bytes) noexcept;
  [[nodiscard]] std::size_t cache_bytes() const noexcept { return cache_bytes_; }
  // Evicts nodes when they take more than that. Between two epochs.
  void trim_cache() noexcept;
  // Roughly what must be written before it can be evicted: the nodes changed since the last cut.
  // Any thread may ask.
  [[nodiscard]] std::size_t changed_bytes() const noexcept {
    return changed_bytes_.load(std::memory_order_relaxed);  // a figure, which orders nothing
  }

  [[nodiscard]] VersionCounts counts() const;
  // Calls `visit(NodeId)` for every node that exists, in no order.
  template <class Visit>
  void for_each_live(Visit&& visit) const {
    table_.for_each_live(visit);
  }

  // Checkpoints: `has_changes`, `cut` and `restore_changes` belong to the writer; one checkpointing
  // thread calls the others, beside the writer and readers.

  // Whether there is anything that the last cut does not hold.
  [[nodiscard]] bool has_changes() const noexcept { return !changes_.empty(); }
  // Ends the running epoch and holds its state, published or not. Nothing may be changed before the
  // next `begin_epoch`, unless the cut is given back. An error when kMaxSlots pins are open.
  Result<Cut> cut();
  // Gives back a cut that came to nothing: its changes count as changes again.
  void restore_changes(Cut cut);
  // What a changed node was at the cut; null when it did not exist. It stays where it is while the
  // cut lives. Its `previous` may change meanwhile and must not be looked at. A destroyed node that
  // is only on disk and that an older snapshot may still read is brought into memory, because the
  // coming checkpoint gives up its place.
  Result<const FrameHeader*> image(const Cut& cut, NodeId id) noexcept;
  // What the newest checkpoint holds for the id's handle, perhaps for an earlier life of it; zero
  // when it holds nothing.
  [[nodiscard]] TableEntry on_disk(NodeId id) const noexcept { return table_.on_disk(id); }
  // Calls `visit(const TableEntry&)` for everything that it holds.
  template <class Visit>
  void for_each_on_disk(Visit&& visit) const {
    table_.for_each_on_disk(visit);
  }
  // Say what the newest checkpoint holds, once it is committed.
  void written(const TableEntry& entry) noexcept { loader_.set_on_disk(entry); }
  void forgotten(NodeId id) noexcept { loader_.clear_on_disk(id); }
  // Behind those: it is of this epoch.
  void checkpointed(std::uint64_t epoch) noexcept;

 private:
  friend class ReadView;

  static constexpr std::size_t kNotesPerOperation = 16;
  static constexpr std::size_t kBytesPerNote = 256;

  [[nodiscard]] const FrameHeader* find_slowly(NodeId id, std::uint64_t epoch,
                                               ReadContext& context) const noexcept;
  void check_epoch_is_running() const noexcept;
  [[nodiscard]] FrameHeader* newest_frame(NodeId id) noexcept;
  [[nodiscard]] FrameFront front_for(const FrameHeader& version) const noexcept;
  [[nodiscard]] FrameHeader* new_frame(NodeId id, std::size_t bytes, FrameFront front,
                                       bool has_successor = false) noexcept;
  [[nodiscard]] FrameHeader* new_version(FrameHeader* old, std::size_t bytes,
                                         FrameFront front) noexcept;
  // What an operation of this size may have to note, and the handles that it may take.
  [[nodiscard]] bool make_room(std::size_t bytes) noexcept {
    const std::size_t notes = kNotesPerOperation + bytes / kBytesPerNote;
    return platform::make_room(changes_, notes) && collector_.make_room(notes) &&
           table_.reserve(notes);
  }
  void note(bool noted) noexcept { is_incomplete_ = is_incomplete_ || !noted; }
  void mark_changed(NodeId id, std::uint64_t birth, std::size_t bytes) noexcept {
    if (birth > cut_epoch_) return;
    note(platform::try_to([&] { changes_.push_back(id); }));
    add_changed_bytes(bytes);
  }
  void add_changed_bytes(std::size_t bytes) noexcept {
    changed_bytes_.store(changed_bytes() + bytes, std::memory_order_relaxed);
  }
  void note_load() const noexcept;

  // What readers read, and on other lines what writing changes.
  std::unique_ptr<EpochRegistry> epochs_;
  ObjectTable table_;
  mutable std::atomic<bool> crowded_ = false;
  std::atomic<std::size_t> crowd_bytes_;  // with more of them the memory is crowded
  alignas(64) FramePool frames_;
  // Loading changes where a version is, and not what a reader sees.
  mutable NodeLoader loader_;
  Collector collector_;
  Evictor evictor_;
  const NodeFamily family_;

  // The writer's.
  std::uint64_t epoch_;             // the one that began last
  std::uint64_t cut_epoch_;         // of the last cut; versions born later are in changes_
  ObjectTable::Allocator handles_;  // leased when first needed
  std::uint64_t max_snapshot_age_ms_ = 0;
  std::uint64_t next_look_ms_ = 0;  // for snapshots that are too old
  std::vector<NodeId> changes_;     // since the last cut
  std::size_t cache_bytes_ = 0;
  ReadFailure edit_failure_;
  bool is_incomplete_ = false;  // something could not be noted

  std::atomic<std::size_t> changed_bytes_ = 0;
};

inline ObjectTable::Reader ReadView::slots() const noexcept { return store().table_.reader(); }

[[gnu::always_inline]] inline const FrameHeader* ReadView::version(NodeId id) const noexcept {
  const FrameHeader* frame = resident(id);
  return frame != nullptr ? frame : store().find_slowly(id, epoch_, *context_);
}

inline Result<const FrameHeader*> ReadView::find(NodeId id) const noexcept {
  const FrameHeader* frame = resident(id);
  if (frame != nullptr) return frame;
  return store().find(id, epoch_);
}

}  // namespace xtree::persistence
