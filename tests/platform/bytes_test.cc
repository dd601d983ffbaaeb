#include "platform/bytes.h"

#include <gtest/gtest.h>

#include <array>

namespace xtree::platform {
namespace {

TEST(Bytes, IntegersLieLowestByteFirstAtAnyAddress) {
  std::array<std::byte, 16> buffer{};
  store_u64(&buffer[3], 0x0807060504030201);
  for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(std::to_integer<std::size_t>(buffer[3 + i]), i + 1);
  EXPECT_EQ(load_u64(&buffer[3]), 0x0807060504030201u);
  EXPECT_EQ(load_u32(&buffer[3]), 0x04030201u);
  EXPECT_EQ(load_u16(&buffer[4]), 0x0302u);
  store_u16(&buffer[0], 0xBBAA);
  store_u32(&buffer[12], 0xFFEEDDCC);
  EXPECT_EQ(buffer[1], std::byte{0xBB});
  EXPECT_EQ(buffer[15], std::byte{0xFF});
}

TEST(ByteWriter, WritesWhatAReaderReads) {
  std::array<std::byte, 18> buffer{};
  ByteWriter writer(buffer);
  const std::array<std::byte, 3> tail{std::byte{7}, std::byte{8}, std::byte{9}};
  writer.u8(1);
  writer.u16(2);
  writer.u32(3);
  writer.u64(4);
  writer.bytes(tail);
  writer.bytes({});
  EXPECT_TRUE(writer.ok());
  EXPECT_EQ(writer.written(), 18u);

  ByteReader reader(buffer);
  EXPECT_EQ(reader.u8(), 1u);
  EXPECT_EQ(reader.u16(), 2u);
  EXPECT_EQ(reader.u32(), 3u);
  EXPECT_EQ(reader.u64(), 4u);
  EXPECT_EQ(reader.remaining(), 3u);
  EXPECT_EQ(reader.bytes(3)[2], std::byte{9});
  EXPECT_TRUE(reader.ok());
}

TEST(ByteWriter, WritesNothingOnceSomethingDidNotFit) {
  std::array<std::byte, 6> buffer{};
  ByteWriter writer(buffer);
  writer.u32(0x01010101);
  writer.u32(0x02020202);
  EXPECT_FALSE(writer.ok());
  writer.u16(0x0303);
  EXPECT_FALSE(writer.ok());
  EXPECT_EQ(writer.written(), 4u);
  EXPECT_EQ(buffer[4], std::byte{0});
}

TEST(ByteReader, GivesZerosAfterTheFirstReadPastTheEnd) {
  std::array<std::byte, 6> buffer;
  buffer.fill(std::byte{0xFF});
  ByteReader reader(buffer);
  EXPECT_EQ(reader.u32(), 0xFFFFFFFFu);
  EXPECT_EQ(reader.u32(), 0u);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.u8(), 0u);
  EXPECT_EQ(reader.u16(), 0u);
  EXPECT_EQ(reader.u64(), 0u);
  EXPECT_TRUE(reader.bytes(1).empty());
  EXPECT_EQ(reader.remaining(), 0u);
}

TEST(ByteReader, RefusesACountThatIsLargerThanMemory) {
  std::array<std::byte, 6> buffer{};
  ByteReader reader(buffer);
  EXPECT_TRUE(reader.bytes(SIZE_MAX).empty());
  EXPECT_FALSE(reader.ok());
}

}  // namespace
}  // namespace xtree::platform
