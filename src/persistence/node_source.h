// NodeSource: where the images of nodes come from that are not in memory.
#pragma once

#include <cstddef>
#include <span>

#include "persistence/table_file.h"
#include "xtree/result.h"

namespace xtree::persistence {

// Calls come from any thread.
class NodeSource {
 public:
  virtual ~NodeSource() = default;
  // Fills `image`, `entry.bytes` of it, from where the entry says.
  virtual Result<void> read(const TableEntry& entry, std::span<std::byte> image) const = 0;
};

}  // namespace xtree::persistence
