#include "wal/format.h"

#include <cstring>

#include "platform/plant.h"

namespace xtree::wal {
namespace {

// "XTREELOG" and "XTREEGRP", read as little-endian numbers.
constexpr std::uint64_t kFileMagic = 0x474F4C4545525458;
constexpr std::uint64_t kGroupMagic = 0x5052474545525458;

template <class Header>
std::uint32_t checksum(std::span<const std::byte> bytes) noexcept {
  return platform::crc32c(bytes.first(offsetof(Header, header_crc)));
}

template <class Header>
std::uint32_t encode_as(Header header, std::uint64_t magic, std::span<std::byte> to) noexcept {
  XTREE_CHECK(to.size() >= sizeof header);
  header.magic = magic;
  header.format_version = kLogFormatVersion;
  std::memcpy(to.data(), &header, sizeof header);
  const std::uint32_t sum = checksum<Header>(to);
  platform::store_u32(to.data() + offsetof(Header, header_crc), sum);
  return sum;
}

template <class Header>
std::optional<Header> decode_as(std::uint64_t magic, std::span<const std::byte> from) noexcept {
  Header header;
  if (from.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, from.data(), sizeof header);
  // The magic first: most blocks that are looked at in vain are zeros.
  if (header.magic != magic || header.header_crc != checksum<Header>(from)) return std::nullopt;
  return header;
}

}  // namespace

void encode(FileHeader header, std::span<std::byte> to) noexcept {
  static_cast<void>(encode_as(header, kFileMagic, to));
}

std::uint32_t encode(GroupHeader header, std::span<std::byte> to) noexcept {
  return encode_as(header, kGroupMagic, to);
}

std::optional<FileHeader> decode_file_header(std::span<const std::byte> from) noexcept {
  return decode_as<FileHeader>(kFileMagic, from);
}

std::optional<GroupHeader> decode_group_header(std::span<const std::byte> from) noexcept {
  auto header = decode_as<GroupHeader>(kGroupMagic, from);
  if (header && header->format_version != kLogFormatVersion) return std::nullopt;
  return header;
}

std::optional<AdditionHeader> decode_addition(std::span<const std::byte> from,
                                              std::uint32_t sum_before) noexcept {
  AdditionHeader header;
  if (from.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, from.data(), sizeof header);
  if (header.operations == 0 || header.payload_bytes > from.size() - sizeof header) {
    return std::nullopt;
  }
  const auto payload = from.subspan(sizeof header, header.payload_bytes);
  const bool is_whole = header.crc == addition_checksum(from, payload, sum_before) ||
                        platform::planted(platform::Plant::addition_unchecked);
  return is_whole ? std::optional(header) : std::nullopt;
}

}  // namespace xtree::wal
