// Checksums made right again, so that a fuzzer's changes come to what stands behind them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "persistence/storage.h"
#include "persistence/superblock.h"
#include "platform/crc32c.h"
#include "wal/format.h"

namespace xtree::test {

using FileBytes = std::vector<std::byte>;

// Writes the checksum of `bytes`, taken with the field zero and going on from `before`, to its
// field in them. The checksum, or `before` when the field is not within the bytes.
inline std::uint32_t mend_checksum(std::span<std::byte> bytes, std::size_t field,
                                   std::uint32_t before = 0) {
  std::uint32_t checksum = 0;
  if (bytes.size() < field + sizeof checksum) return before;
  std::memcpy(&bytes[field], &checksum, sizeof checksum);
  checksum = platform::crc32c(bytes, before);
  std::memcpy(&bytes[field], &checksum, sizeof checksum);
  return checksum;
}

// The slot of a superblock at this offset.
inline void mend_superblock_slot(FileBytes& file, std::uint64_t offset) {
  constexpr std::size_t kField = persistence::kSuperblockBytes - sizeof(std::uint32_t);
  if (file.size() < offset + persistence::kSuperblockBytes) return;
  const auto slot = std::span(file).subspan(offset, persistence::kSuperblockBytes);
  const std::uint32_t checksum = platform::crc32c(slot.first(kField));
  std::memcpy(&slot[kField], &checksum, sizeof checksum);
}

inline std::uint32_t mend_manifest(FileBytes& file) { return mend_checksum(file, 12); }

// A table file that has one block, whose checksum stands at its end and goes on from the header's.
inline std::uint32_t mend_table(FileBytes& file) {
  constexpr std::size_t kHeaderBytes = 32;
  if (file.size() < kHeaderBytes + sizeof(std::uint32_t)) return 0;
  std::uint32_t checksum = mend_checksum(std::span(file).first(kHeaderBytes), 12);
  const std::size_t field = file.size() - sizeof checksum;
  checksum = platform::crc32c(std::span(file).first(field).subspan(kHeaderBytes), checksum);
  std::memcpy(&file[field], &checksum, sizeof checksum);
  return checksum;
}

// The image of a node that begins here in a segment, if it is within the file.
inline void mend_image(FileBytes& file, std::uint64_t offset) {
  persistence::FrameHeader header;
  if (offset + sizeof header > file.size()) return;
  std::memcpy(static_cast<void*>(&header), &file[offset], sizeof header);
  if (header.bytes < sizeof header || offset + header.bytes > file.size()) return;
  const auto image = std::span(file).subspan(offset, header.bytes);
  const std::uint32_t checksum = persistence::image_checksum(image);
  std::memcpy(&image[offsetof(persistence::FrameHeader, checksum)], &checksum, sizeof checksum);
}

// The additions of a group that begins here, one after the other as far as they go.
inline void mend_additions(std::span<std::byte> group, std::uint64_t offset, std::uint32_t sum) {
  wal::AdditionHeader header;
  for (;;) {
    if (offset + sizeof header > group.size()) return;
    std::memcpy(static_cast<void*>(&header), &group[offset], sizeof header);
    const std::uint64_t end = offset + sizeof header + header.payload_bytes;
    if (header.operations == 0 || end > group.size()) return;
    const auto addition = group.subspan(offset, end - offset);
    const FileBytes payload(addition.begin() + sizeof header, addition.end());
    sum = wal::encode(header, payload, sum, addition);
    offset = wal::addition_place(end);
  }
}

// What begins with this block of a log file: its header, or a group with its additions.
inline void mend_log_block(FileBytes& file, std::size_t block) {
  if ((block + 1) * wal::kBlockBytes > file.size()) return;
  const auto bytes = std::span(file).subspan(block * wal::kBlockBytes);
  if (block == 0) {
    wal::FileHeader header;
    std::memcpy(static_cast<void*>(&header), bytes.data(), sizeof header);
    return wal::encode(header, bytes);
  }
  wal::GroupHeader header;
  std::memcpy(static_cast<void*>(&header), bytes.data(), sizeof header);
  const bool is_whole = header.payload_bytes <= bytes.size() - sizeof header;
  if (is_whole) {
    header.payload_crc = platform::crc32c(bytes.subspan(sizeof header, header.payload_bytes));
  }
  const std::uint32_t sum = wal::encode(header, bytes);
  if (!is_whole || wal::group_bytes(header.payload_bytes) > bytes.size()) return;
  mend_additions(bytes.first(wal::group_bytes(header.payload_bytes)),
                 wal::addition_place(sizeof header + header.payload_bytes), sum);
}

}  // namespace xtree::test
