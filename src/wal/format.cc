#include "wal/format.h"

#include <cstring>

#include "platform/bytes.h"
#include "platform/check.h"
#include "platform/crc32c.h"

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
void encode_as(Header header, std::uint64_t magic, std::span<std::byte> to) noexcept {
  XTREE_CHECK(to.size() >= sizeof header);
  header.magic = magic;
  header.format_version = kLogFormatVersion;
  std::memcpy(to.data(), &header, sizeof header);
  platform::store_u32(to.data() + offsetof(Header, header_crc), checksum<Header>(to));
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
  encode_as(header, kFileMagic, to);
}

void encode(GroupHeader header, std::span<std::byte> to) noexcept {
  encode_as(header, kGroupMagic, to);
}

std::optional<FileHeader> decode_file_header(std::span<const std::byte> from) noexcept {
  return decode_as<FileHeader>(kFileMagic, from);
}

std::optional<GroupHeader> decode_group_header(std::span<const std::byte> from) noexcept {
  auto header = decode_as<GroupHeader>(kGroupMagic, from);
  if (header && header->format_version != kLogFormatVersion) return std::nullopt;
  return header;
}

}  // namespace xtree::wal
