// NodeLoader: nodes that are only on disk, brought into memory when they are first needed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>

#include "persistence/frame_pool.h"
#include "persistence/links.h"
#include "persistence/node_source.h"
#include "persistence/object_table.h"
#include "xtree/result.h"

namespace xtree::persistence {

// Any thread loads. A handle's load lock is held while its node is read, so that a node is read
// once, and by everything else that changes a slot whose node is not in memory, or its cold word.
class NodeLoader {
 public:
  // Images may have been born up to `newest_birth`. Without a source nothing is on disk, and
  // without a `link_count` there are no links.
  NodeLoader(ObjectTable& table, FramePool& frames, const NodeSource* source,
             std::uint64_t newest_birth, LinkCount link_count) noexcept
      : table_(table),
        frames_(frames),
        source_(source),
        newest_birth_(newest_birth),
        link_count_(link_count) {}

  // The node's newest frame, read from disk unless it is in memory; null when the slot's life has
  // ended. An image is believed when it has the checksum that the table and the image itself name,
  // and is this node in the size and the age that it must have.
  Result<FrameHeader*> load(NodeId id) noexcept;

  // Ends a node at `epoch` if it is only on disk; false when it is in memory.
  [[nodiscard]] bool end_if_cold(NodeId id, std::uint64_t epoch) noexcept;
  // Ends the life of a slot whose node was only on disk when it ended. Returns the frame if it has
  // been loaded since, or null.
  [[nodiscard]] FrameHeader* free_slot(NodeId id) noexcept;

  // What the newest checkpoint holds for a handle.
  void set_on_disk(const TableEntry& entry) noexcept;
  void clear_on_disk(NodeId id) noexcept;

 private:
  Result<FrameHeader*> read(const TableEntry& entry) noexcept;
  Result<FrameHeader*> make_frame(void* image, std::size_t bytes) noexcept;
  Result<void> check(const TableEntry& entry, std::span<const std::byte> image) const noexcept;
  [[nodiscard]] std::mutex& lock_of(NodeId id) noexcept {
    return locks_[id.handle() % locks_.size()];
  }

  ObjectTable& table_;
  FramePool& frames_;
  const NodeSource* source_;
  const std::uint64_t newest_birth_;
  const LinkCount link_count_;
  std::array<std::mutex, 16> locks_;
};

}  // namespace xtree::persistence
