// NodeLoader: nodes that are only on disk, brought into memory when they are first needed.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>

#include "persistence/frame_pool.h"
#include "persistence/links.h"
#include "persistence/node_family.h"
#include "persistence/node_source.h"
#include "persistence/object_table.h"
#include "xtree/result.h"

namespace xtree::persistence {

// Any thread loads. A handle's load lock is held while its node is read, so that a node is read
// once, and by everything else that changes a slot whose node is not in memory, or its cold word.
class NodeLoader {
 public:
  // The newest checkpoint is of `checkpoint_epoch`. Without a source nothing is on disk.
  NodeLoader(ObjectTable& table, FramePool& frames, const NodeSource* source,
             std::uint64_t checkpoint_epoch, const NodeFamily& family) noexcept
      : table_(table),
        frames_(frames),
        source_(source),
        family_(family),
        checkpoint_epoch_(checkpoint_epoch) {}

  // The node's newest frame, read from disk unless it is in memory; null when the slot's life has
  // ended. An image is believed when it has the checksum that the table and the image itself name,
  // and is this node in the size and the age that it must have.
  Result<FrameHeader*> load(NodeId id) noexcept;

  // Loads those of the nodes that are only on disk, with one look at the disk for all of them. It
  // does what it can: who needs a node that is missing afterwards loads it, and learns why.
  static constexpr std::size_t kMostAtOnce = 64;
  void load_ahead(std::span<const NodeId> ids) noexcept;

  // Ends a node at `epoch` if it is only on disk; false when it is in memory.
  [[nodiscard]] bool end_if_cold(NodeId id, std::uint64_t epoch) noexcept;
  // Ends the life of a slot whose node was only on disk when it ended. Returns the frame if it has
  // been loaded since, or null.
  [[nodiscard]] FrameHeader* free_slot(NodeId id) noexcept;

  // What the newest checkpoint holds for a handle.
  void set_on_disk(const TableEntry& entry) noexcept;
  void clear_on_disk(NodeId id) noexcept;
  // The epoch of the newest checkpoint, once all of it has been said by the two before.
  void set_checkpoint_epoch(std::uint64_t epoch) noexcept {
    checkpoint_epoch_.store(epoch, std::memory_order_release);
  }
  // Whether this frame, its node's newest, is what the newest checkpoint holds, so that it can be
  // read again.
  [[nodiscard]] bool is_on_disk(const FrameHeader& frame) noexcept;
  // The slot of such a frame forgets it.
  void unload(const FrameHeader& frame) noexcept;

  // Nodes that have been read from disk.
  [[nodiscard]] std::uint64_t loaded() const noexcept {
    return loaded_.load(std::memory_order_relaxed);
  }

 private:
  Result<FrameHeader*> read(const TableEntry& entry) noexcept;
  [[nodiscard]] TableEntry entry_if_cold(NodeId id) noexcept;
  [[nodiscard]] bool take_in(const ImageRead& read) noexcept;
  Result<FrameHeader*> make_frame(void* image, std::size_t bytes) noexcept;
  Result<void> check(const TableEntry& entry, std::span<const std::byte> image) const noexcept;
  [[nodiscard]] std::mutex& lock_of(NodeId id) noexcept {
    return locks_[id.handle() % locks_.size()];
  }

  ObjectTable& table_;
  FramePool& frames_;
  const NodeSource* source_;
  const NodeFamily family_;
  std::atomic<std::uint64_t> checkpoint_epoch_;
  std::atomic<std::uint64_t> loaded_ = 0;  // a figure, which orders nothing
  std::array<std::mutex, 16> locks_;
};

}  // namespace xtree::persistence
