// Evictor: takes nodes out of memory that can be read again from disk.
#pragma once

#include <cstddef>
#include <cstdint>

#include "persistence/collector.h"
#include "persistence/epoch.h"
#include "persistence/node_family.h"
#include "persistence/node_loader.h"
#include "persistence/object_table.h"

namespace xtree::persistence {

// A clock hand goes round the object table and looks at the links of each directory node. An
// address becomes cool; a link that is cool, or unknown, when the hand comes by again has led no
// reader to the child since, and the child goes if it may: it is as the newest checkpoint has it,
// no older version of it is held, and none of its own children is in memory. Nor may it have been
// changed in place since an epoch that a reader is at, for an image does not tell what came when.
// So nodes that are read stay, which readers show by nothing but the links that they fill and warm
// anyway; a node that was read once goes before one that was read twice; and leaves go before what
// leads to them.
//
// What has no parent, a root or the catalog, stays. All of it belongs to the writer, between two
// epochs. design/concurrency.md, "Eviction".
class Evictor {
 public:
  Evictor(EpochRegistry& epochs, ObjectTable& table, NodeLoader& loader,
          Collector& collector, const NodeFamily& family) noexcept
      : epochs_(epochs), table_(table), loader_(loader), collector_(collector), family_(family) {}

  // Goes on until so many bytes have been evicted, and twice round at the most; returns how many
  // were. Their memory is free once the collector has seen readers leave.
  std::size_t evict(std::size_t bytes) noexcept;

  // Nodes evicted in all.
  [[nodiscard]] std::uint64_t evicted() const noexcept { return evicted_; }

 private:
  [[nodiscard]] std::size_t evict_children(const FrameHeader& parent) noexcept;
  [[nodiscard]] FrameHeader* idle_child(const FrameHeader& parent, std::size_t place) noexcept;
  [[nodiscard]] FrameHeader* resident_child(const FrameHeader& parent,
                                            std::size_t place) const noexcept;
  [[nodiscard]] bool may_go(const FrameHeader& frame) noexcept;

  EpochRegistry& epochs_;
  ObjectTable& table_;
  NodeLoader& loader_;
  Collector& collector_;
  const NodeFamily family_;
  std::uint64_t oldest_ = 0;  // no reader is at an older epoch
  std::uint32_t hand_ = 0;  // the slot that is looked at next
  std::uint64_t evicted_ = 0;
};

}  // namespace xtree::persistence
