#include "persistence/manifest.h"

#include <gtest/gtest.h>

#include <cstring>

#include "persistence/committed_file.h"
#include "platform/crc32c.h"
#include "xtree/testing/simulated_file_system.h"

namespace xtree::persistence {
namespace {

Manifest example() {
  Manifest manifest;
  manifest.checkpoint = {7, 70, 701, 3, 8192, 2, NodeId::make(5, 1)};
  manifest.next_table = 12;
  manifest.next_segment = 9;
  manifest.segments = {{2, 65536}, {8, 4096}};
  manifest.table_files = {{4, 100, table_file_bytes(100), 77, 0},
                          {11, 3, table_file_bytes(3), 78, 0}};
  return manifest;
}

// Makes the checksum right again, in the bytes and in the superblock.
void seal(std::vector<std::byte>& bytes, Superblock& superblock) {
  std::memset(&bytes[12], 0, 4);
  superblock.manifest_checksum = platform::crc32c(bytes);
  superblock.manifest_bytes = bytes.size();
  std::memcpy(&bytes[12], &superblock.manifest_checksum, 4);
}

void expect_corrupt(const Result<Manifest>& result) {
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::corruption) << result.error().message();
  EXPECT_EQ(std::string(result.error().place()).find("the path"), 0u);
}

// Changes 4 bytes of an example and makes the checksums right again.
Result<Manifest> decode_with(std::size_t offset, std::uint32_t value) {
  Superblock superblock;
  auto bytes = encode_manifest(example(), superblock);
  std::memcpy(&bytes[offset], &value, sizeof value);
  seal(bytes, superblock);
  return decode_manifest(bytes, superblock, "the path");
}

TEST(Manifest, ComesBackAsItWas) {
  const Manifest manifest = example();
  Superblock superblock;
  const auto bytes = encode_manifest(manifest, superblock);
  EXPECT_EQ(bytes.size(), 128u + 2 * 8 + 2 * 32);
  EXPECT_EQ(superblock.generation, 7u);
  EXPECT_EQ(superblock.manifest_bytes, bytes.size());
  const auto found = decode_manifest(bytes, superblock, "the path").value();
  EXPECT_EQ(found.checkpoint, manifest.checkpoint);
  EXPECT_EQ(found.next_table, 12u);
  EXPECT_EQ(found.next_segment, 9u);
  EXPECT_EQ(found.segments, manifest.segments);
  ASSERT_EQ(found.table_files.size(), 2u);
  EXPECT_EQ(std::memcmp(found.table_files.data(), manifest.table_files.data(), 64), 0);
}

TEST(Manifest, IsRefusedWhenAnyByteIsWrong) {
  Superblock superblock;
  auto bytes = encode_manifest(example(), superblock);
  for (std::byte& byte : bytes) {
    byte ^= std::byte{0x08};
    expect_corrupt(decode_manifest(bytes, superblock, "the path"));
    byte ^= std::byte{0x08};
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    expect_corrupt(decode_manifest(std::span(bytes).first(size), superblock, "the path"));
  }
}

TEST(Manifest, IsRefusedWhenTheSuperblockMeansAnother) {
  Superblock superblock;
  const auto bytes = encode_manifest(example(), superblock);
  Superblock other = superblock;
  other.generation = 8;
  expect_corrupt(decode_manifest(bytes, other, "the path"));
  other = superblock;
  ++other.manifest_checksum;
  expect_corrupt(decode_manifest(bytes, other, "the path"));
}

TEST(Manifest, IsRefusedWhenItsNumbersAreImpossible) {
  ASSERT_TRUE(decode_with(80, 9));
  EXPECT_EQ(decode_with(8, kFormatVersion + 1).error().code(), ErrorCode::newer_format);
  expect_corrupt(decode_with(8, 0));
  expect_corrupt(decode_with(80, 8));            // a segment has the next number
  expect_corrupt(decode_with(84, 0xFFFFFFFFu));  // segments that would take 32 GiB
  expect_corrupt(decode_with(88, 0xFFFFFFFFu));
  expect_corrupt(decode_with(84, 1));
  expect_corrupt(decode_with(72, 11));   // a table file has the next number
  expect_corrupt(decode_with(128, 0));   // a segment without a number
  expect_corrupt(decode_with(128, 8));   // a segment twice
  expect_corrupt(decode_with(144, 11));  // a table file twice
  expect_corrupt(decode_with(172, 1));   // reserved
}

TEST(Manifest, IsReadOnlyWhenTheFileHasTheSizeThatTheSuperblockSays) {
  testing::SimulatedFileSystem files;
  ASSERT_TRUE(files.make_directory("db"));
  Superblock superblock;
  const auto bytes = encode_manifest(example(), superblock);
  EXPECT_EQ(read_manifest(files, "db", superblock).error().code(), ErrorCode::corruption);
  auto file = files.open(manifest_path("db", 7), OpenMode::create).value();
  ASSERT_TRUE(file->write_at(0, bytes));
  EXPECT_TRUE(read_manifest(files, "db", superblock));
  superblock.manifest_bytes = std::uint64_t{1} << 62;
  EXPECT_EQ(read_manifest(files, "db", superblock).error().code(), ErrorCode::corruption);
  ASSERT_TRUE(file->truncate((64u << 20) + 1));
  superblock.manifest_bytes = (64u << 20) + 1;
  EXPECT_STREQ(read_manifest(files, "db", superblock).error().place(),
               "db/MANIFEST-0000000000000007 at byte 67108865");
}

TEST(CommittedFile, IsNamedByANumberThatCanBeReadBack) {
  EXPECT_EQ(segment_path("db", 0x2a), "db/segments/000000000000002a");
  EXPECT_EQ(table_path("db", 1), "db/table/0000000000000001");
  EXPECT_EQ(number_in_name("00000000000000fE", ""), std::nullopt);
  EXPECT_EQ(number_in_name("00000000000000fe", ""), 0xfeu);
  EXPECT_EQ(number_in_name("MANIFEST-ffffffffffffffff", kManifestPrefix), ~std::uint64_t{0});
  EXPECT_EQ(number_in_name("MANIFEST-fffffffffffffff", kManifestPrefix), std::nullopt);
  EXPECT_EQ(number_in_name("0000000000000001.log", ""), std::nullopt);
}

TEST(CommittedFile, KeepsTheEndOfALongPathInAnError) {
  const std::string path = std::string(300, 'x') + "/segments/0000000000000001";
  const std::string place = corruption(path, 4096, "wrong").place();
  EXPECT_NE(place.find("x/segments/0000000000000001 at byte 4096"), std::string::npos);
}

}  // namespace
}  // namespace xtree::persistence
