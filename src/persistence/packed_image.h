// Packed images: how the nodes of an index that asks for compression lie in segments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "persistence/frame.h"
#include "platform/compression.h"
#include "xtree/options.h"
#include "xtree/result.h"

namespace xtree::persistence {

// A packed image keeps its first line, so that it says what any image says; the low bits of `bytes`
// say how the rest is packed. design/file_format.md, "Packed images".
inline constexpr std::uint32_t kPackingMask = kFrameAlignment - 1;
// Larger ones are not stored: twelve bits of a table entry say how many units there are.
inline constexpr std::size_t kMaxPackedUnits = (std::size_t{1} << 12) - 1;

// How the image is packed that begins with this header.
[[nodiscard]] constexpr Compression packing_of(const FrameHeader& stored) noexcept {
  return static_cast<Compression>(stored.bytes & kPackingMask);
}
// The bytes that the image has in memory.
[[nodiscard]] constexpr std::uint32_t unpacked_bytes(const FrameHeader& stored) noexcept {
  return stored.bytes & ~kPackingMask;
}

// The bytes that an image takes, from the beginning of what is stored there; 0 when no image can
// begin so.
[[nodiscard]] std::size_t stored_image_bytes(std::span<const std::byte> stored) noexcept;

// Why an image that has its checksum cannot be unpacked: it was damaged before it was written.
inline constexpr const char* kUnpackable =
    "a packed node is damaged: it has the right checksum, and cannot be unpacked";

// Packs images. One thread at a time.
class ImagePacker {
 public:
  // The packed form of an image, but for its checksum, until the next call. Empty when it would be
  // no smaller.
  [[nodiscard]] std::span<std::byte> pack(std::span<const std::byte> image,
                                          Compression compression);

 private:
  platform::Compressor compressor_;
  std::vector<std::byte> planes_;
  std::vector<std::byte> packed_;
};

// Makes of an image what it was, if it is packed: `room` has the bytes that it has in memory, and
// begins with what is stored. The checksum stays that of the packed form. `corruption` means
// kUnpackable, which the caller says, who knows the place.
[[nodiscard]] Result<void> unpack(std::span<std::byte> room) noexcept;

}  // namespace xtree::persistence
