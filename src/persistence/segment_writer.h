// SegmentWriter: the images of one checkpoint, back to back and in large writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "persistence/segment_allocator.h"
#include "persistence/segment_file.h"
#include "xtree/result.h"

namespace xtree::persistence {

// Collects images that follow each other in a segment, and writes whole sectors of them, each
// once. One thread at a time.
class SegmentWriter {
 public:
  SegmentWriter(SegmentFiles& files, SegmentAllocator& allocator) noexcept
      : files_(files), allocator_(allocator) {}

  // Where an image goes, and the room for it, which is to be filled before the next call. A null
  // address when the numbers of segments are used up.
  struct Place {
    DiskAddress address;
    std::span<std::byte> room;
  };
  Result<Place> place(std::size_t bytes, Heat heat);
  // Hands over what has been collected. The next image begins a sector.
  Result<void> flush();
  // Drops it.
  void discard() noexcept { used_ = 0, segment_ = 0; }

  // Bytes written to segments so far.
  [[nodiscard]] std::uint64_t written_bytes() const noexcept { return written_bytes_; }

 private:
  // At least an image's length beside the sector that another one has begun.
  static constexpr std::size_t kBufferBytes = kMaxFrameBytes + kSectorBytes;
  struct alignas(kSectorBytes) Sector {
    std::byte bytes[kSectorBytes];
  };

  [[nodiscard]] std::span<std::byte> buffer() noexcept {
    return {sectors_[0].bytes, kBufferBytes};
  }
  Result<void> write(std::size_t bytes);

  SegmentFiles& files_;
  SegmentAllocator& allocator_;
  std::unique_ptr<Sector[]> sectors_;  // when first needed; what was not collected holds anything
  std::size_t used_ = 0;
  std::uint32_t segment_ = 0;  // where the buffer's first byte goes; 0 when it has none
  std::uint64_t offset_ = 0;
  std::uint64_t written_bytes_ = 0;
};

}  // namespace xtree::persistence
