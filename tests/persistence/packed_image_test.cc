#include "persistence/packed_image.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "persistence/node_id.h"
#include "support/random.h"

namespace xtree::test {
namespace {

using namespace persistence;

using Image = std::vector<std::byte>;

std::vector<Compression> packing_ones() {
  std::vector<Compression> all;
  for (const Compression one : {Compression::lz4, Compression::zstd}) {
    if (is_supported(one)) all.push_back(one);
  }
  return all;
}

// An image of numbers of which so many bits are random.
Image make_image(std::size_t bytes, unsigned random_bits, Random& random) {
  Image image(bytes);
  for (std::size_t i = 0; i < bytes; i += 8) {
    const std::uint64_t word = (random.next() >> (64 - random_bits)) + (std::uint64_t{0x3FE} << 52);
    std::memcpy(&image[i], &word, sizeof word);
  }
  FrameHeader header{};
  header.node_id = NodeId::make(7, 1).bits;
  header.birth = 5;
  header.bytes = static_cast<std::uint32_t>(bytes);
  std::memcpy(image.data(), &header, sizeof header);
  return image;
}

// Room for the whole image that begins with its packed form, as a reader has it.
Image room_for(std::span<const std::byte> packed, std::size_t bytes) {
  Image room(packed.begin(), packed.end());
  room.resize(bytes, std::byte{0xAA});
  return room;
}

TEST(PackedImage, ComesBackAsItWas) {
  Random random(test_seed("PackedImage"));
  ImagePacker packer;
  for (const Compression compression : packing_ones()) {
    for (int run = 0; run < 200; ++run) {
      const bool is_largest = run < 4;
      const std::size_t bytes = is_largest ? kMaxFrameBytes : 64 * random.between(8, 200);
      const auto random_bits = static_cast<unsigned>(random.between(1, is_largest ? 8 : 16));
      const Image image = make_image(bytes, random_bits, random);
      const auto packed = packer.pack(image, compression);
      ASSERT_FALSE(packed.empty()) << bytes;
      ASSERT_LT(packed.size(), bytes);
      ASSERT_EQ(packed.size() % kFrameAlignment, 0u);
      ASSERT_EQ(stored_image_bytes(packed), packed.size());
      FrameHeader header;
      std::memcpy(&header, packed.data(), sizeof header);
      ASSERT_EQ(packing_of(header), compression);
      ASSERT_EQ(unpacked_bytes(header), bytes);
      // The rest of the first line can be read without unpacking.
      ASSERT_TRUE(std::equal(image.begin() + sizeof header, image.begin() + kFrameAlignment,
                             packed.begin() + sizeof header));
      Image room = room_for(packed, bytes);
      ASSERT_TRUE(unpack(room));
      ASSERT_EQ(room, image);
    }
  }
}

TEST(PackedImage, WhatDoesNotShrinkIsNotPacked) {
  Random random(2);
  ImagePacker packer;
  const Image noise = make_image(4096, 64, random);
  const Image line = make_image(64, 1, random);
  const Image two_lines = make_image(128, 1, random);
  for (const Compression compression : {Compression::none, Compression::lz4, Compression::zstd}) {
    EXPECT_TRUE(packer.pack(noise, compression).empty());
    EXPECT_TRUE(packer.pack(line, compression).empty());
    EXPECT_TRUE(packer.pack(two_lines, compression).empty());
  }
  EXPECT_TRUE(packer.pack(make_image(4096, 1, random), Compression::none).empty());
}

// A table entry has no room for the length of what stays larger than a quarter of a megabyte.
TEST(PackedImage, WhatStaysTooLargeIsNotPacked) {
  Random random(3);
  ImagePacker packer;
  for (const Compression compression : packing_ones()) {
    EXPECT_TRUE(packer.pack(make_image(kMaxFrameBytes, 32, random), compression).empty());
    const auto packed = packer.pack(make_image(kMaxFrameBytes, 8, random), compression);
    EXPECT_LE(packed.size(), kMaxPackedUnits * kFrameAlignment);
    EXPECT_FALSE(packed.empty());
  }
}

TEST(PackedImage, LengthsThatCannotBeAreRefused) {
  Random random(4);
  ImagePacker packer;
  for (const Compression compression : packing_ones()) {
    const Image image = make_image(4096, 4, random);
    const auto packed = packer.pack(image, compression);
    const auto refused = [&](std::size_t offset, std::uint32_t value) {
      Image room = room_for(packed, image.size());
      std::memcpy(&room[offset], &value, sizeof value);
      EXPECT_EQ(stored_image_bytes(room), 0u) << offset << ' ' << value;
      const auto unpacked = unpack(room);
      ASSERT_FALSE(unpacked);
      EXPECT_EQ(unpacked.error().code(), ErrorCode::corruption);
    };
    const std::size_t in_memory = offsetof(FrameHeader, bytes);
    const auto word = static_cast<std::uint32_t>(compression);
    refused(in_memory, word);
    refused(in_memory, word | 128u);
    refused(in_memory, word | static_cast<std::uint32_t>(2 * kMaxFrameBytes));
    refused(in_memory, 4096 | 3);
    refused(in_memory, 4096 | 63);
    refused(kFrameAlignment, 4096);
    refused(kFrameAlignment, 0xFFFFFFFF);
  }
  EXPECT_EQ(stored_image_bytes(std::span<const std::byte>()), 0u);
}

// The checksum is compared before; this is about what gets past it.
TEST(PackedImage, DamageIsRefusedOrGivesOtherBytesButNothingWorse) {
  Random random(test_seed("PackedImage"));
  ImagePacker packer;
  for (const Compression compression : packing_ones()) {
    int refused = 0;
    for (int run = 0; run < 2000; ++run) {
      const Image image = make_image(64 * random.between(8, 80), 12, random);
      const auto packed = packer.pack(image, compression);
      ASSERT_FALSE(packed.empty());
      Image room = room_for(packed, image.size());
      for (std::uint64_t flips = random.between(1, 4); flips != 0; --flips) {
        const std::size_t at = random.between(kFrameAlignment, packed.size() - 1);
        room[at] ^= static_cast<std::byte>(1 << random.below(8));
      }
      if (!unpack(room)) ++refused;
    }
    EXPECT_GT(refused, 0);
  }
}

}  // namespace
}  // namespace xtree::test
