#include "persistence/stored_image.h"

#include <cstring>

#include "persistence/packed_image.h"
#include "platform/check.h"
#include "platform/crc32c.h"

namespace xtree::persistence {

std::uint32_t image_checksum(std::span<const std::byte> image) noexcept {
  XTREE_CHECK(image.size() >= sizeof(FrameHeader));
  FrameHeader header;
  std::memcpy(&header, image.data(), sizeof header);
  header.checksum = 0;
  return platform::crc32c(image.subspan(sizeof header),
                          platform::crc32c(std::as_bytes(std::span(&header, 1))));
}

const char* what_is_wrong(NodeId id, std::uint32_t bytes, std::uint32_t checksum,
                          std::span<const std::byte> image) noexcept {
  FrameHeader header;
  std::memcpy(&header, image.data(), sizeof header);
  if (image_checksum(image) != checksum || header.checksum != checksum) {
    return "a node is damaged: its checksum is not the one in the table";
  }
  if (header.node_id != id.bits || unpacked_bytes(header) != bytes ||
      stored_image_bytes(image) != image.size()) {
    return "another node is in the place of this one";
  }
  return nullptr;
}

FrameHeader stored_header(std::span<const std::byte> image, std::uint64_t next_lsn) noexcept {
  constexpr std::size_t behind = offsetof(FrameHeader, previous) + sizeof(FrameHeader::previous);
  static_assert(sizeof next_lsn == sizeof(FrameHeader::previous));
  FrameHeader header;
  std::memcpy(&header, image.data(), offsetof(FrameHeader, previous));
  std::memcpy(&header.previous, &next_lsn, sizeof next_lsn);
  std::memcpy(reinterpret_cast<std::byte*>(&header) + behind, image.data() + behind,
              sizeof header - behind);
  return header;
}

std::uint32_t store_image(std::span<const std::byte> image, std::uint64_t next_lsn,
                          std::byte* room) noexcept {
  const FrameHeader header = stored_header(image, next_lsn);
  std::memcpy(room, &header, sizeof header);
  std::memcpy(room + sizeof header, image.data() + sizeof header, image.size() - sizeof header);
  return seal_image({room, image.size()});
}

std::uint32_t seal_image(std::span<std::byte> image) noexcept {
  const std::uint32_t checksum = image_checksum(image);
  std::memcpy(image.data() + offsetof(FrameHeader, checksum), &checksum, sizeof checksum);
  return checksum;
}

}  // namespace xtree::persistence
