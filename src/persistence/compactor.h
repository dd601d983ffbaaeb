// Compactor: moves images out of segments that are mostly garbage, so that these can go.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <vector>

#include "persistence/segment_allocator.h"
#include "persistence/storage.h"
#include "persistence/version_store.h"
#include "xtree/options.h"
#include "xtree/result.h"

namespace xtree::persistence {

// How much garbage segments may hold, as a share of their bytes.
struct CompactionLimits {
  double steady_share = 0;    // above it, images are moved within the budget
  double urgent_share = 1;    // above it, whatever the budget is
  std::uint64_t budget_bytes = std::numeric_limits<std::uint64_t>::max();  // of images to be moved
  std::uint64_t idle_bytes = 0;  // garbage below this is let be
};

// The segments to be emptied, so that all keep to the limits once `fresh_bytes` have been added to
// them: the emptiest ones first, and as few as will do. Segments without an image go anyhow, and
// are not among them.
std::vector<std::uint32_t> choose_victims(std::vector<SegmentUse> segments,
                                          std::uint64_t fresh_bytes,
                                          const CompactionLimits& limits);

// What a checkpoint may do beside its own work.
enum class Compaction : std::uint8_t {
  none,        // writers are waiting
  background,  // in three gears, by the share of garbage: nothing, within the budget, or at once
  full,        // as much as pays, a part of it per checkpoint
};

// A part of each checkpoint: it first says which segments the checkpoint should empty, and later
// moves what is left in them. An image is moved as it is, behind its NodeID: no other node
// notices. Everything but `pause`, `resume` and the figure belongs to who takes checkpoints.
class Compactor {
 public:
  Compactor(Storage& storage, const VersionStore& store, const Options& options) noexcept;

  // Call it when the images that the checkpoint replaces have been released, and before its own,
  // `fresh_bytes` together at most, are written.
  void choose(std::uint64_t fresh_bytes, Compaction effort);
  // Call it when they have been written. `changes` ascend by handle, and do so again with those of
  // the images that were moved.
  Result<void> move(std::vector<TableEntry>& changes);
  // Whether a checkpoint of `full` effort would find something to do.
  [[nodiscard]] bool has_work() const;

  // From now on nothing is done in the background, until `resume`. Any thread.
  void pause() noexcept { is_paused_.store(true, std::memory_order_relaxed); }
  void resume() noexcept { is_paused_.store(false, std::memory_order_relaxed); }
  // Bytes of images moved so far. Any thread.
  [[nodiscard]] std::uint64_t moved_bytes() const noexcept {
    return moved_bytes_.load(std::memory_order_relaxed);
  }

 private:
  [[nodiscard]] CompactionLimits background_limits() noexcept;
  [[nodiscard]] CompactionLimits full_limits() const noexcept;

  Storage& storage_;
  const VersionStore& store_;
  const CompactionLimits limits_;
  const std::uint64_t bytes_per_second_;
  std::uint64_t looked_ms_;  // when the budget was given out last
  std::vector<std::uint32_t> victims_;  // ascending
  // Neither orders anything.
  std::atomic<bool> is_paused_{false};
  std::atomic<std::uint64_t> moved_bytes_{0};
};

}  // namespace xtree::persistence
