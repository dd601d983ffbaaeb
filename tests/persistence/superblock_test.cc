#include "persistence/superblock.h"

#include <gtest/gtest.h>

#include "platform/crc32c.h"
#include "support/crashing_disk.h"

namespace xtree::persistence {
namespace {

using test::flip;
using testing::SimulatedFileSystem;

constexpr const char* kPath = "db/superblock";

// A directory with a superblock of generations 4 and 5.
void make(SimulatedFileSystem& files) {
  ASSERT_TRUE(files.make_directory("db"));
  auto copy = write_superblock_copy(files, "db", {4, 400, 44});
  ASSERT_TRUE(copy);
  EXPECT_EQ(read_superblocks(files, "db").error().code(), ErrorCode::not_found);
  ASSERT_TRUE(install_superblock_copy(files, "db", **copy));
  EXPECT_FALSE(read_superblocks(files, "db")->older.has_value());
  ASSERT_TRUE(flip_superblock(files, "db", {5, 500, 55}));
}

void store_u32(SimulatedFileSystem& files, std::size_t offset, std::uint32_t value) {
  const auto file = files.open(kPath, OpenMode::read_write).value();
  file->write_at(offset, std::as_bytes(std::span(&value, 1))).value();
}

// Makes the checksum of the slot at `offset` right again.
void seal(SimulatedFileSystem& files, std::size_t offset) {
  const test::Bytes bytes = test::read_file(files, kPath);
  store_u32(files, offset + 4092, platform::crc32c(std::span(bytes).subspan(offset, 4092)));
}

TEST(Superblock, IsNewestFirst) {
  SimulatedFileSystem files;
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
  SimulatedFileSystem files;
  make(files);
  for (std::size_t slot = 0; slot < 2; ++slot) {
    for (std::size_t i = 0; i < kSuperblockBytes; ++i) {
      const std::size_t at = kSuperblockOffsets[slot] + i;
      flip(files, kPath, at);
      const auto found = read_superblocks(files, "db").value();
      ASSERT_EQ(found.newest.generation, slot == 0 ? 5u : 4u);
      ASSERT_FALSE(found.older.has_value());
      flip(files, kPath, at);
    }
  }
}

TEST(Superblock, IsCorruptWhenNeitherSlotIsValid) {
  SimulatedFileSystem files;
  make(files);
  flip(files, kPath, 100);
  flip(files, kPath, 65536 + 100);
  const auto found = read_superblocks(files, "db");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), ErrorCode::corruption);
  EXPECT_STREQ(found.error().place(), "db/superblock at byte 0");
  test::cut_file(files, kPath, 0);
  EXPECT_EQ(read_superblocks(files, "db").error().code(), ErrorCode::corruption);
  ASSERT_TRUE(files.remove(kPath));
  EXPECT_EQ(read_superblocks(files, "db").error().code(), ErrorCode::not_found);
}

TEST(Superblock, SaysWhenANewerLibraryWroteIt) {
  SimulatedFileSystem files;
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
  SimulatedFileSystem files;
  make(files);
  test::Bytes bytes = test::read_file(files, kPath);
  std::copy_n(bytes.begin() + 65536, kSuperblockBytes, bytes.begin());
  test::write_file(files, kPath, bytes);
  const auto found = read_superblocks(files, "db").value();
  EXPECT_EQ(found.newest.generation, 5u);
  EXPECT_FALSE(found.older.has_value());
}

TEST(Superblock, HasNoOlderOneWhenAGenerationIsMissing) {
  SimulatedFileSystem files;
  make(files);
  ASSERT_TRUE(flip_superblock(files, "db", {8, 800, 88}));
  const auto found = read_superblocks(files, "db").value();
  EXPECT_EQ(found.newest.generation, 8u);
  EXPECT_FALSE(found.older.has_value());
}

}  // namespace
}  // namespace xtree::persistence
