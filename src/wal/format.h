// The bytes of log files: design/wal_format.md.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

#include "platform/bytes.h"
#include "platform/check.h"
#include "platform/crc32c.h"

namespace xtree::wal {

// Groups begin on blocks of this size, so that a torn write can never reach a synced group.
inline constexpr std::uint64_t kBlockBytes = 4096;
inline constexpr std::uint32_t kLogFormatVersion = 1;

// A place in the log. File 0 stands for the time before the first file, which is file 1.
struct LogPosition {
  std::uint64_t file = 0;
  std::uint64_t offset = 0;
  friend auto operator<=>(const LogPosition&, const LogPosition&) noexcept = default;
};

// What the log says of a group beside its payload. The operations of a group have the sequence
// numbers from `first_lsn` on.
struct GroupInfo {
  std::uint64_t first_lsn = 0;
  std::uint32_t operations = 0;
  std::uint64_t epoch = 0;
  std::uint64_t time_us = 0;  // microseconds since 1970
};

// The first bytes of a file. Section "File header" of design/wal_format.md.
struct FileHeader {
  std::uint64_t magic = 0;
  std::uint32_t format_version = 0;
  std::uint32_t reserved = 0;
  std::uint64_t file = 0;
  std::uint64_t generation = 0;
  std::uint64_t first_lsn = 0;               // of the first group in this file
  std::uint64_t predecessor_file = 0;        // the file that this one continues
  std::uint64_t predecessor_offset = 0;      // where that one ended
  std::uint64_t predecessor_generation = 0;
  std::uint64_t carried_end = 0;             // the groups before it were synced before this header
  std::uint64_t file_bytes = 0;              // the file was synced at this size
  std::uint32_t reserved_too = 0;
  std::uint32_t header_crc = 0;              // of all bytes before this field
};
static_assert(sizeof(FileHeader) == 88);
static_assert(offsetof(FileHeader, format_version) == 8);
static_assert(offsetof(FileHeader, file) == 16);
static_assert(offsetof(FileHeader, generation) == 24);
static_assert(offsetof(FileHeader, first_lsn) == 32);
static_assert(offsetof(FileHeader, predecessor_file) == 40);
static_assert(offsetof(FileHeader, predecessor_offset) == 48);
static_assert(offsetof(FileHeader, predecessor_generation) == 56);
static_assert(offsetof(FileHeader, carried_end) == 64);
static_assert(offsetof(FileHeader, file_bytes) == 72);
static_assert(offsetof(FileHeader, header_crc) == 84);
static_assert(std::is_trivially_copyable_v<FileHeader>);

// How a group came into its file.
enum class GroupOrigin : std::uint32_t {
  appended = 1,  // by a commit, after the file's header had been synced
  carried = 2,   // copied from an older file, and synced before this file's header was written
};

// The first bytes of a group. Section "Group header" of design/wal_format.md.
struct GroupHeader {
  std::uint64_t magic = 0;
  std::uint32_t format_version = 0;
  std::uint32_t operations = 0;
  std::uint64_t file = 0;
  std::uint64_t offset = 0;         // where in the file this group begins
  std::uint64_t generation = 0;
  std::uint64_t first_lsn = 0;
  std::uint64_t epoch = 0;
  std::uint64_t durable_lsn = 0;    // all operations below it were synced when this was written
  std::uint64_t time_us = 0;
  std::uint64_t payload_bytes = 0;
  std::uint32_t payload_crc = 0;
  GroupOrigin origin = GroupOrigin::appended;
  std::uint32_t reserved = 0;
  std::uint32_t header_crc = 0;     // of all bytes before this field
};
static_assert(sizeof(GroupHeader) == 96);
static_assert(offsetof(GroupHeader, format_version) == 8);
static_assert(offsetof(GroupHeader, operations) == 12);
static_assert(offsetof(GroupHeader, file) == 16);
static_assert(offsetof(GroupHeader, offset) == 24);
static_assert(offsetof(GroupHeader, generation) == 32);
static_assert(offsetof(GroupHeader, first_lsn) == 40);
static_assert(offsetof(GroupHeader, epoch) == 48);
static_assert(offsetof(GroupHeader, durable_lsn) == 56);
static_assert(offsetof(GroupHeader, time_us) == 64);
static_assert(offsetof(GroupHeader, payload_bytes) == 72);
static_assert(offsetof(GroupHeader, payload_crc) == 80);
static_assert(offsetof(GroupHeader, origin) == 84);
static_assert(offsetof(GroupHeader, header_crc) == 92);
static_assert(std::is_trivially_copyable_v<GroupHeader>);

// The first bytes of an addition: a small group in the rest of the last block of a group that was
// appended before it and has not been synced. Section "Additions" of design/wal_format.md.
struct AdditionHeader {
  std::uint16_t operations = 0;     // 0: there are no more additions
  std::uint16_t payload_bytes = 0;
  std::uint32_t epochs = 0;         // since the epoch of the group
  std::uint32_t time_us = 0;        // since the time of the group
  std::uint32_t crc = 0;            // of the fields before it and the payload, see `sum_before`
};
static_assert(sizeof(AdditionHeader) == 16);
static_assert(offsetof(AdditionHeader, payload_bytes) == 2);
static_assert(offsetof(AdditionHeader, epochs) == 4);
static_assert(offsetof(AdditionHeader, time_us) == 8);
static_assert(offsetof(AdditionHeader, crc) == 12);
static_assert(std::is_trivially_copyable_v<AdditionHeader>);

// The first group of a file follows the header's block.
inline constexpr std::uint64_t kFirstGroupOffset = kBlockBytes;

constexpr std::uint64_t whole_blocks(std::uint64_t bytes) noexcept {
  return (bytes + kBlockBytes - 1) & ~(kBlockBytes - 1);
}
// What a group with such a payload takes in its file.
constexpr std::uint64_t group_bytes(std::uint64_t payload_bytes) noexcept {
  return whole_blocks(sizeof(GroupHeader) + payload_bytes);
}

// Additions begin at multiples of 8 bytes.
inline constexpr std::uint64_t kAdditionAlignment = 8;
constexpr std::uint64_t addition_place(std::uint64_t offset) noexcept {
  return (offset + kAdditionAlignment - 1) & ~(kAdditionAlignment - 1);
}

// Writes a header to the front of `to`, with magic, version and checksum filled in.
void encode(FileHeader header, std::span<std::byte> to) noexcept;
// Returns the header's checksum.
std::uint32_t encode(GroupHeader header, std::span<std::byte> to) noexcept;
// Writes an addition, payload and all, to the front of `to`, and returns its checksum. It goes on
// from `sum_before`, the checksum of the addition before, or of the group's header: so what a block
// holds of a former life is never taken for an addition to what it holds now.
std::uint32_t encode(const AdditionHeader& header, std::span<const std::byte> payload,
                     std::uint32_t sum_before, std::span<std::byte> to) noexcept;
// What encode returns for an addition with this header, which is encoded, and payload.
inline std::uint32_t addition_checksum(std::span<const std::byte> header,
                                       std::span<const std::byte> payload,
                                       std::uint32_t sum_before) noexcept {
  return platform::crc32c(
      payload, platform::crc32c(header.first(offsetof(AdditionHeader, crc)), sum_before));
}

// The header at the front of `from`; nothing when there are too few bytes, when they are no
// header, or when the checksum is wrong. The header of a file may be of a newer format.
std::optional<FileHeader> decode_file_header(std::span<const std::byte> from) noexcept;
std::optional<GroupHeader> decode_group_header(std::span<const std::byte> from) noexcept;
// The header of a whole addition at the front of `from`; nothing when there is none.
std::optional<AdditionHeader> decode_addition(std::span<const std::byte> from,
                                              std::uint32_t sum_before) noexcept;

// The fields go straight to where they belong, two and two. Read as one from where they were stored
// one by one, they would have to wait until they are in the cache, behind all that the commit has
// stored before. Nor are they stored to be handed over: so this is inline.
inline std::uint32_t encode(const AdditionHeader& header, std::span<const std::byte> payload,
                            std::uint32_t sum_before, std::span<std::byte> to) noexcept {
  XTREE_CHECK(to.size() >= sizeof header + payload.size());
  XTREE_CHECK(payload.size() < kBlockBytes);
  const auto pair = [](std::uint64_t low, std::uint64_t high) { return low | high << 32; };
  platform::store_u64(to.data(), pair(header.operations | payload.size() << 16, header.epochs));
  platform::store_u32(to.data() + 8, header.time_us);
  const std::uint32_t sum = addition_checksum(to, payload, sum_before);
  platform::store_u64(to.data() + 8, pair(header.time_us, sum));
  if (!payload.empty()) std::memcpy(to.data() + sizeof header, payload.data(), payload.size());
  return sum;
}

}  // namespace xtree::wal
