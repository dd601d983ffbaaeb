#include "persistence/superblock.h"

#include <gtest/gtest.h>

#include <cstring>

#include "persistence/simulated_files.h"
#include "platform/crc32c.h"

namespace xtree::persistence {
namespace {

using test::SimulatedFiles;

constexpr const char* kPath = "db/superblock";

// A directory with a superblock of generations 4 and 5.
void make(SimulatedFiles& files) {
  ASSERT_TRUE(files.make_directory("db"));
  auto copy = write_superblock_copy(files, "db", {4, 400, 44});
  ASSERT_TRUE(copy);
  EXPECT_EQ(read_superblocks(files, "db").error().code(), ErrorCode::not_found);
  ASSERT_TRUE(install_superblock_copy(files, "db", **copy));
  EXPECT_FALSE(read_superblocks(files, "db")->older.has_value());
  ASSERT_TRUE(flip_superblock(files, "db", {5, 500, 55}));
}

void store_u32(SimulatedFiles& files, std::size_t offset, std::uint32_t value) {
  std::memcpy(&files.contents(kPath)[offset], &value, sizeof value);
}

// Makes the checksum of the slot at `offset` right again.
void seal(SimulatedFiles& files, std::size_t offset) {
  const auto block = std::span(files.contents(kPath)).subspan(offset, kSuperblockBytes);
  store_u32(files, offset + 4092, platform::crc32c(block.first(4092)));
}

TEST(Superblock, IsNewestFirst) {
  SimulatedFiles files;
  make(files);
  auto found = read_superblocks(files, "db").value();
  EXPECT_EQ(found.newest.generation, 5u);
  EXPECT_EQ(found.newest.manifest_bytes, 500u);
  EXPECT_EQ(found.newest.manifest_checksum, 55u);
  ASSERT_TRUE(found.older.has_value());
  EXPECT_EQ(found.older->generation, 4u);
  ASSERT_TRUE(flip_superblock(files, "db", {6, 600, 66}));
  found = read_superblocks(files, "db").value();
  EXPECT_EQ(found.newest.generation, 6u);
  EXPECT_EQ(found.older->generation, 5u);
  EXPECT_EQ(found.older->manifest_checksum, 55u);
}

TEST(Superblock, IsReadFromTheOtherSlotWhenAnyByteOfOneIsWrong) {
  SimulatedFiles files;
  make(files);
  auto& bytes = files.contents(kPath);
  for (std::size_t slot = 0; slot < 2; ++slot) {
    for (std::size_t i = 0; i < kSuperblockBytes; ++i) {
      const std::size_t at = kSuperblockOffsets[slot] + i;
      bytes[at] ^= std::byte{0x40};
      const auto found = read_superblocks(files, "db").value();
      ASSERT_EQ(found.newest.generation, slot == 0 ? 5u : 4u);
      ASSERT_FALSE(found.older.has_value());
      bytes[at] ^= std::byte{0x40};
    }
  }
}

TEST(Superblock, IsCorruptWhenNeitherSlotIsValid) {
  SimulatedFiles files;
  make(files);
  files.contents(kPath)[100] ^= std::byte{1};
  files.contents(kPath)[65536 + 100] ^= std::byte{1};
  const auto found = read_superblocks(files, "db");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), ErrorCode::corruption);
  EXPECT_STREQ(found.error().place(), "db/superblock at byte 0");
  files.contents(kPath).clear();
  EXPECT_EQ(read_superblocks(files, "db").error().code(), ErrorCode::corruption);
  ASSERT_TRUE(files.remove(kPath));
  EXPECT_EQ(read_superblocks(files, "db").error().code(), ErrorCode::not_found);
}

TEST(Superblock, SaysWhenANewerLibraryWroteIt) {
  SimulatedFiles files;
  make(files);
  store_u32(files, 8, kFormatVersion + 1);
  EXPECT_FALSE(read_superblocks(files, "db")->older.has_value());
  seal(files, 0);
  EXPECT_EQ(read_superblocks(files, "db").error().code(), ErrorCode::newer_format);
  store_u32(files, 8, 0);
  seal(files, 0);
  EXPECT_FALSE(read_superblocks(files, "db")->older.has_value());
}

TEST(Superblock, IsNotBelievedInTheOtherSlotsPlace) {
  SimulatedFiles files;
  make(files);
  auto& bytes = files.contents(kPath);
  std::copy_n(bytes.begin() + 65536, kSuperblockBytes, bytes.begin());
  const auto found = read_superblocks(files, "db").value();
  EXPECT_EQ(found.newest.generation, 5u);
  EXPECT_FALSE(found.older.has_value());
}

TEST(Superblock, HasNoOlderOneWhenAGenerationIsMissing) {
  SimulatedFiles files;
  make(files);
  ASSERT_TRUE(flip_superblock(files, "db", {8, 800, 88}));
  const auto found = read_superblocks(files, "db").value();
  EXPECT_EQ(found.newest.generation, 8u);
  EXPECT_FALSE(found.older.has_value());
}

}  // namespace
}  // namespace xtree::persistence
