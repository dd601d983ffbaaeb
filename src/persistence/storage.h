// Storage: the files of a database but for its log: superblock, manifests, object table files and
// segments. It knows nodes as images behind NodeIDs, and commits a checkpoint as one step.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "persistence/frame.h"
#include "persistence/node_id.h"
#include "xtree/platform.h"

namespace xtree::persistence {

// Where an image lies. Slots of a segment have one size class; classes are multiples of 4 KiB.
struct DiskAddress {
  std::uint32_t segment = 0;   // number of the segment file; 0 means nowhere
  std::uint16_t slot = 0;      // slot within the segment
  std::uint8_t size_class = 0;
  std::uint8_t reserved = 0;
  explicit operator bool() const noexcept { return segment != 0; }
  friend bool operator==(const DiskAddress&, const DiskAddress&) noexcept = default;
};
static_assert(sizeof(DiskAddress) == 8);

// One slot of the object table as a checkpoint knows it. An entry with no address is a free slot
// whose tag must not be given out again.
struct TableEntry {
  NodeId id;
  DiskAddress address;
  std::uint32_t checksum = 0;  // of the image; it stands in the image too
  std::uint32_t bytes = 0;     // of the image
};
static_assert(sizeof(TableEntry) == 24);

// What a checkpoint says beside the table.
struct Checkpoint {
  std::uint64_t generation = 0;      // counts superblock flips; 0 before the first
  std::uint64_t epoch = 0;           // the state that it holds
  std::uint64_t next_lsn = 1;        // the first operation that it does not hold
  std::uint64_t log_file = 0;        // where in the log that operation's group begins
  std::uint64_t log_offset = 0;
  std::uint64_t log_generation = 0;  // the recovery generation in which that part was written
  NodeId catalog;                    // the object that lists everything else
};

}  // namespace xtree::persistence
