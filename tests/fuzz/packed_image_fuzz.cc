// Packed images of anything: they are refused, or come back as an image that packs again.
#include <cstring>
#include <vector>

#include "fuzz/input.h"
#include "persistence/packed_image.h"

namespace {

using namespace xtree::persistence;
using xtree::test::require;

using Image = std::vector<std::byte>;

// Anything unpacks to what it was packed from.
void pack_and_unpack(const Image& image) {
  ImagePacker packer;
  for (const auto compression : {xtree::Compression::lz4, xtree::Compression::zstd}) {
    const auto packed = packer.pack(image, compression);
    if (packed.empty()) continue;
    require(stored_image_bytes(packed) == packed.size());
    Image room(packed.begin(), packed.end());
    room.resize(image.size());
    require(unpack(room).has_value());
    require(room == image);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  Image image(bytes, bytes + size);
  const std::size_t stored = stored_image_bytes(image);
  if (stored == 0) return 0;
  FrameHeader header;
  std::memcpy(&header, image.data(), sizeof header);
  image.resize(unpacked_bytes(header));
  if (packing_of(header) != xtree::Compression::none && !unpack(image)) return 0;
  pack_and_unpack(image);
  return 0;
}
