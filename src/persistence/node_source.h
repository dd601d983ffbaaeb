// NodeSource: where the images of nodes come from that are not in memory.
#pragma once

#include <cstddef>
#include <span>

#include "persistence/table_file.h"
#include "xtree/result.h"

namespace xtree::persistence {

// An image to be read among others.
struct ImageRead {
  TableEntry entry;
  std::byte* image = nullptr;  // room for `entry.bytes`
  bool done = false;           // the answer: whether the image is there, and is to be believed

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {image, entry.bytes}; }
  // The part of it that takes the image as it is stored.
  [[nodiscard]] std::span<std::byte> stored() const noexcept {
    return {image, entry.stored_bytes()};
  }
};

// Calls come from any thread.
class NodeSource {
 public:
  virtual ~NodeSource() = default;
  // Fills `image`, `entry.bytes` of it, from where the entry says.
  virtual Result<void> read(const TableEntry& entry, std::span<std::byte> image) const = 0;
  // The same for many images, which a source may read at once. Those that cannot be read, or not be
  // believed, are not `done`: `read` says why.
  virtual void read_many(std::span<ImageRead> reads) const {
    for (ImageRead& one : reads) one.done = read(one.entry, one.bytes()).has_value();
  }
};

}  // namespace xtree::persistence
