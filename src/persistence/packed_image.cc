#include "persistence/packed_image.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "platform/check.h"
#include "platform/without_throwing.h"

namespace xtree::persistence {
namespace {

// Follows the first line; behind it are so many packed bytes, and zeros up to the next unit.
struct PackedHeader {
  std::uint32_t bytes;
  std::uint32_t reserved;
};
static_assert(sizeof(PackedHeader) == 8);
constexpr std::size_t kPackedOffset = kFrameAlignment + sizeof(PackedHeader);

constexpr std::size_t kWord = sizeof(std::uint64_t);
constexpr std::size_t kTile = kWord * kWord;
static_assert(kFrameAlignment % kTile == 0);

std::size_t whole_units(std::size_t bytes) noexcept {
  return (bytes + kFrameAlignment - 1) / kFrameAlignment * kFrameAlignment;
}

// Exchanges rows and columns of eight words of eight bytes: halves, then quarters, then bytes.
void transpose(std::uint64_t (&rows)[kWord]) noexcept {
  const auto exchange = [](std::uint64_t& low, std::uint64_t& high, unsigned shift,
                           std::uint64_t mask) {
    const std::uint64_t moved = ((low >> shift) ^ high) & mask;
    high ^= moved;
    low ^= moved << shift;
  };
  for (std::size_t i = 0; i < 4; ++i) exchange(rows[i], rows[i + 4], 32, 0x00000000FFFFFFFF);
  for (const std::size_t i : {0, 1, 4, 5}) exchange(rows[i], rows[i + 2], 16, 0x0000FFFF0000FFFF);
  for (std::size_t i = 0; i < kWord; i += 2) exchange(rows[i], rows[i + 1], 8, 0x00FF00FF00FF00FF);
}

// Words become planes: all their first bytes, then all their second ones, and so on. Coordinates
// that lie beside each other differ in their last bytes, and numbers of objects in their first, so
// planes have long runs where words have none.
void to_planes(std::span<const std::byte> words, std::byte* planes) noexcept {
  const std::size_t plane_bytes = words.size() / kWord;
  for (std::size_t tile = 0; tile * kTile < words.size(); ++tile) {
    std::uint64_t rows[kWord];
    std::memcpy(rows, words.data() + tile * kTile, kTile);
    transpose(rows);
    for (std::size_t i = 0; i < kWord; ++i) {
      std::memcpy(planes + i * plane_bytes + tile * kWord, &rows[i], kWord);
    }
  }
}

void from_planes(const std::byte* planes, std::span<std::byte> words) noexcept {
  const std::size_t plane_bytes = words.size() / kWord;
  for (std::size_t tile = 0; tile * kTile < words.size(); ++tile) {
    std::uint64_t rows[kWord];
    for (std::size_t i = 0; i < kWord; ++i) {
      std::memcpy(&rows[i], planes + i * plane_bytes + tile * kWord, kWord);
    }
    transpose(rows);
    std::memcpy(words.data() + tile * kTile, rows, kTile);
  }
}

PackedHeader packed_header(std::span<const std::byte> stored) noexcept {
  PackedHeader header;
  std::memcpy(&header, stored.data() + kFrameAlignment, sizeof header);
  return header;
}

}  // namespace

std::size_t stored_image_bytes(std::span<const std::byte> stored) noexcept {
  FrameHeader header;
  if (stored.size() < kFrameAlignment) return 0;
  std::memcpy(&header, stored.data(), sizeof header);
  const std::size_t bytes = unpacked_bytes(header);
  if (bytes < kFrameAlignment || bytes > kMaxFrameBytes) return 0;
  if (packing_of(header) == Compression::none) return bytes;
  if (packing_of(header) > Compression::zstd || stored.size() < kPackedOffset) return 0;
  const std::size_t packed = whole_units(kPackedOffset + packed_header(stored).bytes);
  return packed < bytes && packed <= kMaxPackedUnits * kFrameAlignment ? packed : 0;
}

std::span<std::byte> ImagePacker::pack(std::span<const std::byte> image, Compression compression) {
  const std::size_t most =
      std::min(image.size() - kFrameAlignment, kMaxPackedUnits * kFrameAlignment);
  if (compression == Compression::none || most <= kPackedOffset) return {};
  const auto words = image.subspan(kFrameAlignment);
  planes_.resize(words.size());
  packed_.resize(most);
  to_planes(words, planes_.data());
  const std::size_t bytes =
      compressor_.compress(compression, planes_, std::span(packed_).subspan(kPackedOffset));
  if (bytes == 0) return {};
  FrameHeader header;
  std::memcpy(&header, image.data(), sizeof header);
  header.bytes |= static_cast<std::uint32_t>(compression);
  std::memcpy(packed_.data(), image.data(), kFrameAlignment);
  std::memcpy(packed_.data(), &header, sizeof header);
  const PackedHeader packed{static_cast<std::uint32_t>(bytes), 0};
  std::memcpy(packed_.data() + kFrameAlignment, &packed, sizeof packed);
  const std::size_t stored = whole_units(kPackedOffset + bytes);
  std::fill(packed_.begin() + static_cast<std::ptrdiff_t>(kPackedOffset + bytes),
            packed_.begin() + static_cast<std::ptrdiff_t>(stored), std::byte{0});
  return std::span(packed_).first(stored);
}

Result<void> unpack(std::span<std::byte> room) noexcept {
  FrameHeader header;
  XTREE_CHECK(room.size() >= kFrameAlignment);
  std::memcpy(&header, room.data(), sizeof header);
  if (packing_of(header) == Compression::none) return {};
  if (stored_image_bytes(room) == 0 || unpacked_bytes(header) != room.size()) {
    return Error(ErrorCode::corruption, "node", kUnpackable);
  }
  const auto packed = room.subspan(kPackedOffset, packed_header(room).bytes);
  return platform::without_throwing("node", [&]() -> Result<void> {
    const auto words = room.subspan(kFrameAlignment);
    const auto planes = std::make_unique_for_overwrite<std::byte[]>(words.size());
    XTREE_TRY(
        platform::decompress(packing_of(header), packed, {planes.get(), words.size()}));
    from_planes(planes.get(), words);
    header.bytes = unpacked_bytes(header);
    std::memcpy(room.data(), &header, sizeof header);
    return {};
  });
}

}  // namespace xtree::persistence
