#include "wal/format.h"

#include <gtest/gtest.h>

#include <array>

#include "platform/bytes.h"
#include "platform/crc32c.h"

namespace xtree::wal {
namespace {

using Block = std::array<std::byte, 128>;

Block encoded_group() {
  Block block{};
  encode(GroupHeader{.operations = 3,
                     .file = 5,
                     .offset = 8192,
                     .generation = 2,
                     .first_lsn = 77,
                     .epoch = 9,
                     .durable_lsn = 70,
                     .time_us = 123,
                     .payload_bytes = 1000,
                     .payload_crc = 0xABCD,
                     .origin = GroupOrigin::carried},
         block);
  return block;
}

TEST(WalFormat, FileHeaderComesBackAsItWasWritten) {
  Block block{};
  encode(FileHeader{.file = 1,
                    .generation = 2,
                    .first_lsn = 3,
                    .predecessor_file = 4,
                    .predecessor_offset = 5,
                    .predecessor_generation = 6,
                    .carried_end = 7,
                    .file_bytes = 8},
         block);
  const auto header = decode_file_header(block);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->format_version, kLogFormatVersion);
  EXPECT_EQ(header->file, 1u);
  EXPECT_EQ(header->generation, 2u);
  EXPECT_EQ(header->first_lsn, 3u);
  EXPECT_EQ(header->predecessor_file, 4u);
  EXPECT_EQ(header->predecessor_offset, 5u);
  EXPECT_EQ(header->predecessor_generation, 6u);
  EXPECT_EQ(header->carried_end, 7u);
  EXPECT_EQ(header->file_bytes, 8u);
  EXPECT_FALSE(decode_group_header(block));
}

TEST(WalFormat, GroupHeaderComesBackAsItWasWritten) {
  const auto header = decode_group_header(encoded_group());
  ASSERT_TRUE(header);
  EXPECT_EQ(header->operations, 3u);
  EXPECT_EQ(header->file, 5u);
  EXPECT_EQ(header->offset, 8192u);
  EXPECT_EQ(header->generation, 2u);
  EXPECT_EQ(header->first_lsn, 77u);
  EXPECT_EQ(header->epoch, 9u);
  EXPECT_EQ(header->durable_lsn, 70u);
  EXPECT_EQ(header->time_us, 123u);
  EXPECT_EQ(header->payload_bytes, 1000u);
  EXPECT_EQ(header->payload_crc, 0xABCDu);
  EXPECT_EQ(header->origin, GroupOrigin::carried);
  EXPECT_FALSE(decode_file_header(encoded_group()));
}

TEST(WalFormat, EveryChangedBitOfAHeaderIsNoticed) {
  for (std::size_t bit = 0; bit < 8 * sizeof(GroupHeader); ++bit) {
    Block block = encoded_group();
    block[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    EXPECT_FALSE(decode_group_header(block)) << "bit " << bit;
  }
}

TEST(WalFormat, HeaderThatIsCutOffIsNone) {
  const Block block = encoded_group();
  EXPECT_TRUE(decode_group_header(std::span(block).first(sizeof(GroupHeader))));
  EXPECT_FALSE(decode_group_header(std::span(block).first(sizeof(GroupHeader) - 1)));
  EXPECT_FALSE(decode_group_header({}));
}

// The bytes themselves, so that a change of the format does not go unseen.
TEST(WalFormat, BytesOfAGroupHeaderStayWhatTheyAre) {
  const Block block = encoded_group();
  EXPECT_EQ(std::memcmp(block.data(), "XTREEGRP", 8), 0);
  EXPECT_EQ(platform::load_u32(&block[8]), 1u);
  EXPECT_EQ(platform::load_u32(&block[12]), 3u);
  EXPECT_EQ(platform::load_u64(&block[40]), 77u);
  EXPECT_EQ(platform::load_u64(&block[72]), 1000u);
  EXPECT_EQ(platform::load_u32(&block[92]), platform::crc32c(std::span(block).first(92)));
}

TEST(WalFormat, AdditionIsBelievedBehindWhatItWasWrittenBehind) {
  const Block payload = encoded_group();
  std::array<std::byte, 300> bytes{};
  const std::uint32_t sum =
      encode(AdditionHeader{.operations = 2, .epochs = 3, .time_us = 4}, payload, 7, bytes);
  const auto header = decode_addition(bytes, 7);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->operations, 2u);
  EXPECT_EQ(header->payload_bytes, payload.size());
  EXPECT_EQ(header->crc, sum);
  EXPECT_FALSE(decode_addition(bytes, 8));
  const std::size_t used = sizeof(AdditionHeader) + payload.size();
  EXPECT_TRUE(decode_addition(std::span(bytes).first(used), 7));
  EXPECT_FALSE(decode_addition(std::span(bytes).first(used - 1), 7));
  for (std::size_t bit = 0; bit < 8 * used; ++bit) {
    bytes[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    EXPECT_FALSE(decode_addition(bytes, 7)) << "bit " << bit;
    bytes[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
  }
  // The bytes themselves, so that a change of the format does not go unseen.
  EXPECT_EQ(platform::load_u32(&bytes[0]), 2u | payload.size() << 16);
  EXPECT_EQ(platform::load_u32(&bytes[4]), 3u);
  EXPECT_EQ(platform::load_u32(&bytes[8]), 4u);
  EXPECT_EQ(platform::load_u32(&bytes[12]),
            platform::crc32c(payload, platform::crc32c(std::span(bytes).first(12), 7)));
}

TEST(WalFormat, ZerosAreNoAddition) {
  EXPECT_FALSE(decode_addition(std::array<std::byte, 64>{}, 0));
}

TEST(WalFormat, GroupsTakeWholeBlocks) {
  EXPECT_EQ(group_bytes(0), 4096u);
  EXPECT_EQ(group_bytes(4096 - 96), 4096u);
  EXPECT_EQ(group_bytes(4096 - 95), 8192u);
}

}  // namespace
}  // namespace xtree::wal
