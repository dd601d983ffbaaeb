#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>

#include "platform/crc32c.h"
#include "support/child_process.h"
#include "support/crashing_disk.h"
#include "support/temporary_directory.h"
#include "xtree/database.h"

namespace xtree::test {
namespace {

namespace fs = std::filesystem;

ErrorCode open_code(const std::string& path, const Options& options = {}) {
  const auto db = Database::open(path, options);
  EXPECT_FALSE(db) << path << " should not open";
  return db ? ErrorCode::io_error : db.error().code();
}

Options existing() {
  Options options;
  options.create_if_missing = false;
  return options;
}

void make_database(const std::string& path, FileSystem* files = nullptr) {
  Options options;
  options.file_system = files;
  Database db = Database::open(path, options).value();
  ASSERT_TRUE(db.index<2>("entries").value().insert(Point<2>{1, 1}, 1));
  ASSERT_TRUE(db.close());
}

TEST(BadDirectory, WithAStrangersFilesIsNotADatabase) {
  TemporaryDirectory directory;
  const std::string path = directory / "home";
  const std::string text = "my holiday";
  Bytes letter(text.size());
  std::memcpy(letter.data(), text.data(), text.size());
  const DirectoryImage image = {{"letter.txt", letter}, {"photos/", {}}, {"photos/1.jpg", letter}};
  write_directory(path, image);
  EXPECT_EQ(open_code(path), ErrorCode::not_a_database);
  EXPECT_EQ(open_code(path, existing()), ErrorCode::not_a_database);
  EXPECT_EQ(read_directory(path), image);
}

TEST(BadDirectory, WithAStrangersSuperblockIsRefusedAndKept) {
  TemporaryDirectory directory;
  const std::string path = directory / "home";
  const DirectoryImage image = {{"superblock", Bytes(200'000, std::byte{0x5a})}};
  write_directory(path, image);
  const ErrorCode code = open_code(path);
  EXPECT_TRUE(code == ErrorCode::corruption || code == ErrorCode::not_a_database);
  EXPECT_EQ(read_directory(path).at("superblock"), image.at("superblock"));
}

TEST(BadDirectory, ThatIsAFileOrHasNoParentIsRefused) {
  TemporaryDirectory directory;
  write_directory(directory / "x", {{"file", Bytes(10)}});
  EXPECT_FALSE(Database::open(directory / "x/file"));
  EXPECT_FALSE(Database::open(directory / "x/file/db"));
  EXPECT_EQ(open_code(directory / "absent/db"), ErrorCode::not_found);
  EXPECT_EQ(open_code(""), ErrorCode::invalid_argument);
  EXPECT_EQ(read_directory(directory / "x").at("file"), Bytes(10));
}

TEST(BadDirectory, ThatIsAbsentOrEmptyIsFilledOnlyOnRequest) {
  TemporaryDirectory directory;
  EXPECT_EQ(open_code(directory / "db", existing()), ErrorCode::not_found);
  EXPECT_FALSE(fs::exists(directory / "db"));
  fs::create_directory(directory / "empty");
  EXPECT_FALSE(Database::open(directory / "empty", existing()));
  EXPECT_TRUE(fs::is_empty(directory / "empty"));
  EXPECT_TRUE(Database::open(directory / "empty"));
  EXPECT_TRUE(Database::open(directory / "empty", existing()));
}

// design/file_format.md, "Superblock": two blocks of 4 KiB, the format version at byte 8, and the
// CRC32C of what is before it in the last four bytes.
TEST(BadDirectory, OfANewerFormatIsRefusedAndKept) {
  constexpr std::size_t kBlock = 4096;
  TemporaryDirectory directory;
  const std::string path = directory / "db";
  make_database(path);
  DirectoryImage image = read_directory(path);
  Bytes& superblock = image.at("superblock");
  std::size_t patched = 0;
  for (std::size_t slot = 0; slot + kBlock <= superblock.size(); slot += std::size_t{64} << 10) {
    std::byte* block = superblock.data() + slot;
    std::uint32_t version;
    std::memcpy(&version, block + 8, sizeof version);
    if (version == 0) continue;
    ++version;
    std::memcpy(block + 8, &version, sizeof version);
    const std::uint32_t sum = platform::crc32c(std::span(block, kBlock - 4));
    std::memcpy(block + kBlock - 4, &sum, sizeof sum);
    ++patched;
  }
  ASSERT_GE(patched, 1u);
  write_directory(path, image);
  const auto db = Database::open(path);
  ASSERT_FALSE(db);
  EXPECT_EQ(db.error().code(), ErrorCode::newer_format);
  EXPECT_NE(std::string(db.error().place()).find("superblock"), std::string::npos);
  EXPECT_EQ(read_directory(path), image);
}

TEST(BadDirectory, ThatAnotherObjectHasOpenIsLocked) {
  TemporaryDirectory directory;
  Database first = Database::open(directory / "db").value();
  EXPECT_EQ(open_code(directory / "db"), ErrorCode::locked);
  EXPECT_EQ(open_code(directory / "./db"), ErrorCode::locked);
  ASSERT_TRUE(first.index<2>("entries").value().insert(Point<2>{1, 1}, 1));
  ASSERT_TRUE(first.close());
  Database second = Database::open(directory / "db").value();
  EXPECT_EQ(second.index<2>("entries").value().size().value(), 1u);
}

TEST(BadDirectory, ThatAnotherProcessHasOpenIsLockedUntilItEnds) {
  TemporaryDirectory directory;
  const std::string path = directory / "db";
  ChildProcess holder(60, [&](int report) -> int {
    Database db = Database::open(path).value();
    db.index<2>("entries").value().insert(Point<2>{1, 1}, 1).value();
    const char ready = 'r';
    write_whole(report, &ready, 1);
    for (;;) pause();
  });
  char ready = 0;
  ASSERT_TRUE(read_whole(holder.report(), &ready, 1));
  EXPECT_EQ(open_code(path), ErrorCode::locked);
  holder.kill();
  holder.wait();
  Database db = Database::open(path).value();
  EXPECT_EQ(db.index<2>("entries").value().size().value(), 1u);
}

// A file system that refuses writing, as root would write to any directory.
TEST(BadDirectory, ThatIsReadOnlyIsRefused) {
  testing::SimulatedFileSystem files;
  ASSERT_TRUE(files.make_directory("db"));
  make_database("db", &files);
  const DirectoryImage before = directory_of(files.image(), "db");
  files.refuse_writing(true);
  Options options;
  options.file_system = &files;
  EXPECT_EQ(open_code("db", options), ErrorCode::read_only);
  EXPECT_EQ(open_code("young", options), ErrorCode::read_only);
  EXPECT_EQ(directory_of(files.image(), "db"), before);
  files.refuse_writing(false);
  EXPECT_EQ(Database::open("db", options).value().index<2>("entries").value().size().value(), 1u);
}

TEST(BadDirectory, WithoutPermissionIsRefused) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  TemporaryDirectory directory;
  make_database(directory / "db");
  fs::permissions(directory / "db", fs::perms::owner_read | fs::perms::owner_exec);
  fs::permissions(directory / "db/LOCK", fs::perms::owner_read);
  EXPECT_EQ(open_code(directory / "db"), ErrorCode::read_only);
  fs::permissions(directory / "db", fs::perms::owner_all);
  fs::permissions(directory / "db/LOCK", fs::perms::owner_all);
  EXPECT_TRUE(Database::open(directory / "db"));
}

}  // namespace
}  // namespace xtree::test
