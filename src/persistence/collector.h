// Collector: gives back the versions that no reader can ask for any more.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "persistence/epoch.h"
#include "persistence/frame_pool.h"
#include "persistence/node_loader.h"
#include "persistence/object_table.h"
#include "platform/without_throwing.h"

namespace xtree::persistence {

// A version holds for the epochs [birth, retire). Once `retire` is published it is garbage exactly
// when no pinned epoch lies in its interval. One that is not garbage is filed under the newest
// pinned epoch that needs it, and is looked at again when that pin is gone and not before: new pins
// are always of later epochs, so what a thousand snapshots hold costs a commit nothing.
//
// Garbage is unlinked at once. Its memory is reused only after a grace period: when every reader
// that may be standing on it has left (design/concurrency.md, "The grace period").
//
// All of it belongs to the writer.
class Collector {
 public:
  Collector(EpochRegistry& epochs, ObjectTable& table, FramePool& frames,
            NodeLoader& loader)
      : epochs_(epochs),
        table_(table),
        frames_(frames),
        loader_(loader) {}

  // `epoch`, which grows from call to call, is the first one that does without this version. A null
  // frame stands for a node that was only on disk when it ended.
  // False when there was no memory to note it, which never happens in the room that was made.
  [[nodiscard]] bool retire(NodeId id, FrameHeader* frame, std::uint64_t epoch) noexcept;
  [[nodiscard]] bool make_room(std::size_t versions) noexcept {
    return platform::make_room(retired_, versions);
  }
  // Takes a frame that no slot and no other frame refers to any more. False when there was no
  // memory to note it.
  [[nodiscard]] bool discard(FrameHeader* frame) noexcept;
  // The same for one that is about to be evicted, and opens the parent's link to it when it goes.
  [[nodiscard]] bool discard_evicted(FrameHeader* frame, const FrameHeader* parent,
                                     std::size_t link) noexcept;

  // Looks at what was retired since the last time, and at no more than `budget` versions that have
  // lost the pin that held them; gives back at most as many frames. True when there is more that
  // could be done now. Without memory to work in it leaves everything to a later call.
  bool collect(std::size_t budget) { return run(budget, true); }
  // The same for a commit among many: puts it off while it would disturb threads that read, until
  // it is worth it or a snapshot has closed. Threads that enter again and again are not disturbed
  // by a look at every kLookVersions. It leaves behind less than kBatchVersions versions and
  // kBatchBytes that were not looked at, and as much that was unlinked.
  void collect_when_due(std::size_t budget);
  static constexpr std::size_t kLookVersions = 32;
  static constexpr std::size_t kBatchVersions = 256;
  static constexpr std::size_t kBatchBytes = std::size_t{1} << 20;

  // Whether a version of this birth that is superseded now will stay for a snapshot, as far as is
  // known.
  [[nodiscard]] bool will_hold(std::uint64_t birth) const noexcept {
    return !snapshots_.empty() && snapshots_.back() >= birth;
  }

  // For any thread: whether a snapshot of `epoch` that has closed may have been all that held some
  // version; if so, the next `collect_when_due` looks, whoever calls it.
  [[nodiscard]] bool want_for(std::uint64_t epoch) noexcept {
    if (epoch >= newest_held_.load(std::memory_order_seq_cst)) return false;
    wanted_.store(true, std::memory_order_seq_cst);
    return true;
  }

  // Superseded versions that are still linked, and their bytes in memory.
  [[nodiscard]] std::size_t versions() const noexcept { return versions_; }
  [[nodiscard]] std::size_t version_bytes() const noexcept { return version_bytes_; }
  // Frames that wait for readers to leave.
  [[nodiscard]] std::size_t waiting_bytes() const noexcept { return waiting_bytes_; }

 private:
  struct Version {
    NodeId id;
    FrameHeader* frame;
    std::uint64_t retire;
  };
  // The versions that one pinned epoch needs and no newer one.
  struct Holding {
    std::uint64_t epoch;
    std::vector<Version> versions;
  };
  struct Waiting {
    FrameHeader* frame;
    std::uint64_t stamp;  // readers that entered when the clock showed this cannot reach it
    const FrameHeader* parent = nullptr;  // whose link to the frame was closed,
    std::size_t link = 0;                 // at this place
  };

  // Whether there is nothing that a pass could give back.
  [[nodiscard]] bool is_idle() const noexcept { return versions_ == 0 && waiting_.empty(); }
  [[nodiscard]] bool run(std::size_t budget, bool at_once) noexcept;
  // False when it found no memory.
  [[nodiscard]] bool examine(std::size_t budget, std::uint64_t published) noexcept;
  [[nodiscard]] bool examine_all(std::size_t budget, std::uint64_t published) noexcept;
  void collect_what_all_passed(std::size_t budget) noexcept;
  void step_clock() noexcept;
  void begin_pass(std::uint64_t unused_since);
  void refresh_pins();
  [[nodiscard]] bool file_retired(std::uint64_t published) noexcept;
  [[nodiscard]] bool is_pinned(std::uint64_t epoch) const noexcept;
  void let_go(std::uint64_t epoch);
  void let_all_go();
  void file(const Version& version);
  void unlink(const Version& version);
  void examine_released(std::size_t budget);
  [[nodiscard]] bool free_waiting(std::size_t budget);
  void let_link_open(const Waiting& evicted) noexcept;

  EpochRegistry& epochs_;
  ObjectTable& table_;
  FramePool& frames_;
  NodeLoader& loader_;

  std::vector<Version> retired_;  // not looked at yet, by `retire`
  std::size_t retired_bytes_ = 0;
  std::vector<Holding> held_;  // ascending by epoch; every epoch is in one of the two lists below
  std::vector<std::vector<Version>> released_;  // what lost its pin
  std::deque<Waiting> waiting_;                 // ascending by stamp

  // The pinned epochs as last seen, ascending, without repetitions.
  std::vector<std::uint64_t> snapshots_;
  std::vector<std::uint64_t> guards_;
  std::vector<std::uint64_t> former_;  // the guards as seen before
  std::uint64_t snapshot_changes_ = 0;
  bool is_interrupted_ = false;  // the last pass found no memory, and its lists say nothing
  std::uint64_t oldest_stamp_ = 0;  // of the readers inside, as last seen
  std::uint64_t stepped_epoch_ = 0;  // it was published before the clock's last step
  std::size_t next_look_ = 0;        // when so many versions are retired
  bool readers_are_awake_ = false;   // at the last look; a new one may not say otherwise

  std::size_t versions_ = 0;
  std::size_t version_bytes_ = 0;
  std::size_t waiting_bytes_ = 0;
  std::size_t steps_ = 0;  // taken by this call of `collect`

  // Threads that close snapshots read the one and set the other.
  std::atomic<std::uint64_t> newest_held_ = 0;  // the last epoch in held_, plus 1; 0 without one
  std::atomic<bool> wanted_ = false;
};

}  // namespace xtree::persistence
