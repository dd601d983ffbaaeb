#include "persistence/segment_writer.h"

#include <cstring>

#include "platform/check.h"

namespace xtree::persistence {

Result<SegmentWriter::Place> SegmentWriter::place(std::size_t bytes, Heat heat) {
  if (sectors_ == nullptr) {
    // Not cleared: most checkpoints of small databases touch a few pages of it.
    sectors_ = std::make_unique_for_overwrite<Sector[]>(kBufferBytes / kSectorBytes);
  }
  const auto address = allocator_.allocate(bytes, heat);
  if (!address) return Place{};
  if (address->segment != segment_) {
    XTREE_TRY(flush());
    segment_ = address->segment;
    offset_ = address->offset();
  }
  XTREE_CHECK(address->offset() == offset_ + used_);
  if (used_ + bytes > kBufferBytes) {
    const std::size_t whole = used_ / kSectorBytes * kSectorBytes;
    XTREE_TRY(write(whole));
    used_ -= whole;
    offset_ += whole;
    std::memmove(buffer().data(), buffer().data() + whole, used_);
  }
  const Place place{*address, buffer().subspan(used_, bytes)};
  used_ += bytes;
  return place;
}

Result<void> SegmentWriter::flush() {
  if (segment_ == 0) return {};
  const std::size_t padded = round_up_to_sector(used_);
  std::memset(buffer().data() + used_, 0, padded - used_);
  allocator_.pad(segment_);
  XTREE_TRY(write(padded));
  discard();
  return {};
}

Result<void> SegmentWriter::write(std::size_t bytes) {
  written_bytes_ += bytes;
  return files_.write(segment_, offset_, buffer().first(bytes));
}

}  // namespace xtree::persistence
