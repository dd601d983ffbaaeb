#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "xtree/platform.h"

namespace xtree {
namespace {

class PosixTest : public testing::Test {
 protected:
  PosixTest() : root_(testing::TempDir() + "xtree-posix-XXXXXX") {
    EXPECT_NE(::mkdtemp(root_.data()), nullptr);
  }
  ~PosixTest() override { std::filesystem::remove_all(root_); }

  std::string path(const char* name) const { return root_ + "/" + name; }
  std::unique_ptr<File> create(const char* name) const {
    return files_.open(path(name), OpenMode::create).value();
  }

  std::string root_;
  FileSystem& files_ = posix_file_system();
};

std::vector<std::byte> pattern(std::size_t count) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(i * 7 + i / 251);
  return bytes;
}

TEST_F(PosixTest, WhatIsWrittenIsRead) {
  const auto file = create("f");
  const auto written = pattern(100'000);
  ASSERT_TRUE(file->write_at(5000, written));
  ASSERT_TRUE(file->sync());
  EXPECT_EQ(file->size().value(), 105'000u);
  std::vector<std::byte> read(100'000);
  EXPECT_EQ(file->read_at(5000, read).value(), read.size());
  EXPECT_EQ(read, written);
  EXPECT_EQ(file->read_at(0, std::span(read).first(5000)).value(), 5000u);
  EXPECT_EQ(std::count(read.begin(), read.begin() + 5000, std::byte{0}), 5000);
}

// Through memory where that is possible, and across the borders of what is mapped at a time.
TEST_F(PosixTest, WhatIsStoredIsWritten) {
  const auto file = create("f");
  std::vector<std::byte> expected(std::size_t{3} << 20);
  ASSERT_TRUE(file->write_at(0, expected));
  const auto bytes = pattern(100);
  for (std::uint64_t offset = 7; offset + 100 <= expected.size(); offset += 4099) {
    ASSERT_TRUE(file->store_at(offset, bytes));
    std::copy(bytes.begin(), bytes.end(),
              expected.begin() + static_cast<std::ptrdiff_t>(offset));
  }
  const std::uint64_t border = std::uint64_t{1} << 20;
  ASSERT_TRUE(file->store_at(border - 50, bytes));
  std::copy(bytes.begin(), bytes.end(), expected.begin() + (1 << 20) - 50);
  ASSERT_TRUE(file->store_at(0, {}));
  ASSERT_TRUE(file->sync());
  EXPECT_EQ(file->size().value(), expected.size());
  std::vector<std::byte> read(expected.size());
  EXPECT_EQ(files_.open(path("f"), OpenMode::read).value()->read_at(0, read).value(), read.size());
  EXPECT_EQ(read, expected);
}

TEST_F(PosixTest, AnyFewBytesAreStoredWhereverTheyAreToGo) {
  const auto file = create("f");
  std::vector<std::byte> expected(4096);
  ASSERT_TRUE(file->write_at(0, expected));
  const auto bytes = pattern(64);
  std::uint64_t at = 0;
  for (std::size_t count = 0; count < 40; ++count) {
    for (std::size_t from = 0; from < 8; from += 3) {
      const auto part = std::span(bytes).subspan(from, count);
      ASSERT_TRUE(file->store_at(at, part));
      std::ranges::copy(part, expected.begin() + static_cast<std::ptrdiff_t>(at));
      at += count + (count + from) % 3;
    }
  }
  std::vector<std::byte> read(expected.size());
  EXPECT_EQ(file->read_at(0, read).value(), read.size());
  EXPECT_EQ(read, expected);
}

TEST_F(PosixTest, StoringIntoAFileThatIsOnlyReadFails) {
  ASSERT_TRUE(create("f")->write_at(0, pattern(100)));
  const auto file = files_.open(path("f"), OpenMode::read).value();
  EXPECT_FALSE(file->store_at(10, pattern(10)));
}

TEST_F(PosixTest, ReadStopsAtTheEndOfTheFile) {
  const auto file = create("f");
  ASSERT_TRUE(file->write_at(0, pattern(10)));
  std::vector<std::byte> read(100);
  EXPECT_EQ(file->read_at(4, read).value(), 6u);
  EXPECT_EQ(file->read_at(10, read).value(), 0u);
  EXPECT_EQ(file->read_at(1000, read).value(), 0u);
}

TEST_F(PosixTest, TruncateCutsAndGrowsWithZeros) {
  const auto file = create("f");
  ASSERT_TRUE(file->write_at(0, pattern(10)));
  ASSERT_TRUE(file->truncate(4));
  ASSERT_TRUE(file->truncate(8));
  std::vector<std::byte> read(8, std::byte{1});
  EXPECT_EQ(file->read_at(0, read).value(), 8u);
  EXPECT_EQ(read[3], pattern(4)[3]);
  EXPECT_EQ(read[4], std::byte{0});
}

TEST_F(PosixTest, CreateKeepsAFileThatExists) {
  ASSERT_TRUE(create("f")->write_at(0, pattern(10)));
  EXPECT_EQ(create("f")->size().value(), 10u);
  EXPECT_EQ(files_.open(path("f"), OpenMode::read_write).value()->size().value(), 10u);
}

TEST_F(PosixTest, MissingFilesAreNotFound) {
  for (const OpenMode mode : {OpenMode::read, OpenMode::read_write}) {
    const auto opened = files_.open(path("no"), mode);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), ErrorCode::not_found);
    EXPECT_EQ(opened.error().system_error(), ENOENT);
    EXPECT_TRUE(std::string(opened.error().message()).find("/no: cannot open: ") !=
                std::string::npos);
  }
  EXPECT_EQ(files_.remove(path("no")).error().code(), ErrorCode::not_found);
  EXPECT_EQ(files_.rename(path("no"), path("x")).error().code(), ErrorCode::not_found);
  EXPECT_EQ(files_.list(path("no")).error().code(), ErrorCode::not_found);
  EXPECT_EQ(files_.sync_directory(path("no")).error().code(), ErrorCode::not_found);
  EXPECT_EQ(files_.make_directory(path("no/no")).error().code(), ErrorCode::not_found);
  EXPECT_FALSE(files_.exists(path("no")).value());
  EXPECT_FALSE(files_.exists(path("no/no")).value());
}

TEST_F(PosixTest, FileOpenedForReadingCannotBeWritten) {
  create("f");
  const auto file = files_.open(path("f"), OpenMode::read).value();
  EXPECT_EQ(file->write_at(0, pattern(1)).error().code(), ErrorCode::io_error);
}

TEST_F(PosixTest, LockIsHeldUntilTheFileIsClosed) {
  auto first = create("LOCK");
  const auto second = create("LOCK");
  ASSERT_TRUE(first->lock());
  EXPECT_EQ(second->lock().error().code(), ErrorCode::locked);
  first.reset();
  EXPECT_TRUE(second->lock());
}

TEST_F(PosixTest, DirectoriesListPlainNames) {
  ASSERT_TRUE(files_.make_directory(path("d")));
  ASSERT_TRUE(files_.make_directory(path("d")));
  create("d/b");
  create("d/a");
  auto names = files_.list(path("d")).value();
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(files_.exists(path("d")).value());
  EXPECT_TRUE(files_.sync_directory(path("d")));
  create("f");
  EXPECT_EQ(files_.make_directory(path("f")).error().code(), ErrorCode::already_exists);
}

TEST_F(PosixTest, RenameReplacesTheTarget) {
  ASSERT_TRUE(create("a")->write_at(0, pattern(10)));
  ASSERT_TRUE(create("b")->write_at(0, pattern(20)));
  ASSERT_TRUE(files_.rename(path("a"), path("b")));
  EXPECT_FALSE(files_.exists(path("a")).value());
  EXPECT_EQ(create("b")->size().value(), 10u);
  ASSERT_TRUE(files_.remove(path("b")));
  EXPECT_FALSE(files_.exists(path("b")).value());
}

TEST_F(PosixTest, PathsThatAreNoneAreRefused) {
  using namespace std::string_view_literals;
  for (const std::string_view bad : {""sv, "a\0b"sv}) {
    EXPECT_EQ(files_.open(bad, OpenMode::create).error().code(), ErrorCode::invalid_argument);
    EXPECT_EQ(files_.remove(bad).error().code(), ErrorCode::invalid_argument);
  }
}

TEST_F(PosixTest, FullDeviceIsNoSpace) {
  const auto full = files_.open("/dev/full", OpenMode::read_write);
  if (!full) GTEST_SKIP() << full.error().message();
  EXPECT_EQ((*full)->write_at(0, pattern(10)).error().code(), ErrorCode::no_space);
}

TEST_F(PosixTest, RefusedWritingIsReadOnly) {
  if (::geteuid() == 0) {
    // The superuser is refused only what nobody may do.
    if (!files_.exists("/sys/kernel").value()) GTEST_SKIP() << "there is no /sys/kernel";
    const auto opened = files_.open("/sys/kernel/xtree-test", OpenMode::create);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), ErrorCode::read_only) << opened.error().message();
  } else {
    ASSERT_EQ(::chmod(root_.c_str(), 0555), 0);
    EXPECT_EQ(files_.open(path("f"), OpenMode::create).error().code(), ErrorCode::read_only);
    ASSERT_EQ(::chmod(root_.c_str(), 0755), 0);
  }
}

// A file under the number of standard error would receive what the program prints.
TEST_F(PosixTest, FilesNeverTakeTheNumbersOfTheStandardStreams) {
  const int saved = ::dup(STDIN_FILENO);
  ASSERT_GE(saved, 0);
  ASSERT_EQ(::close(STDIN_FILENO), 0);
  const auto file = create("f");
  EXPECT_LT(::fcntl(STDIN_FILENO, F_GETFD), 0);
  EXPECT_TRUE(file->write_at(0, pattern(10)));
  ASSERT_EQ(::dup2(saved, STDIN_FILENO), STDIN_FILENO);
  ::close(saved);
}

// Blocks for `write_durably`.
struct Blocks {
  explicit Blocks(std::size_t count)
      : memory(static_cast<std::byte*>(std::aligned_alloc(kDurableWriteUnit,
                                                          count * kDurableWriteUnit))),
        bytes(memory, count * kDurableWriteUnit) {
    const auto content = pattern(bytes.size());
    std::copy(content.begin(), content.end(), bytes.begin());
  }
  Blocks(const Blocks&) = delete;
  Blocks& operator=(const Blocks&) = delete;
  ~Blocks() { std::free(memory); }

  std::byte* memory;
  std::span<std::byte> bytes;
};

// Past the cache or through it, other calls see what was written, and it sees what they wrote.
TEST_F(PosixTest, DurableWritesAndOthersSeeEachOther) {
  const auto file = create("f");
  std::vector<std::byte> expected(64 * kDurableWriteUnit);
  ASSERT_TRUE(file->write_at(0, expected));
  const auto few = pattern(100);
  const Blocks blocks(3);
  for (std::size_t i = 0; i + 3 <= 64; i += 5) {
    const std::uint64_t offset = i * kDurableWriteUnit;
    ASSERT_TRUE(file->store_at(offset + 50, few));
    ASSERT_TRUE(file->write_at(offset + 3 * kDurableWriteUnit, few));
    static_cast<void>(file->takes_durable_writes());  // a system may refuse it
    ASSERT_TRUE(file->write_durably(offset, blocks.bytes));
    ASSERT_TRUE(file->store_at(offset + 7, few));
    const auto at = expected.begin() + static_cast<std::ptrdiff_t>(offset);
    std::copy(blocks.bytes.begin(), blocks.bytes.end(), at);
    std::copy(few.begin(), few.end(), at + 7);
    std::copy(few.begin(), few.end(), at + 3 * kDurableWriteUnit);
  }
  std::vector<std::byte> read(expected.size());
  EXPECT_EQ(file->read_at(0, read).value(), read.size());
  EXPECT_EQ(read, expected);
  EXPECT_EQ(file->size().value(), expected.size());
}

TEST_F(PosixTest, ThreadsWriteDurablySideBySide) {
  const auto file = create("f");
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kEach = 16;
  ASSERT_TRUE(file->write_at(0, std::vector<std::byte>(kThreads * kEach * kDurableWriteUnit)));
  static_cast<void>(file->takes_durable_writes());
  const Blocks blocks(1);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < kEach; ++i) {
        EXPECT_TRUE(file->write_durably((i * kThreads + t) * kDurableWriteUnit, blocks.bytes));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < kThreads * kEach; ++i) {
    std::vector<std::byte> read(kDurableWriteUnit);
    ASSERT_TRUE(file->read_at(i * kDurableWriteUnit, read));
    EXPECT_TRUE(std::equal(read.begin(), read.end(), blocks.bytes.begin())) << i;
  }
}

// A path that leads to another file by now must not be written to.
TEST_F(PosixTest, DurableWritesGoToTheFileThatWasOpened) {
  const auto file = create("f");
  const Blocks blocks(1);
  ASSERT_TRUE(file->write_at(0, std::vector<std::byte>(kDurableWriteUnit)));
  ASSERT_TRUE(files_.rename(path("f"), path("g")));
  const auto other = create("f");
  EXPECT_FALSE(file->takes_durable_writes());
  ASSERT_TRUE(file->write_durably(0, blocks.bytes));
  EXPECT_EQ(other->size().value(), 0u);
  std::vector<std::byte> read(kDurableWriteUnit);
  ASSERT_TRUE(file->read_at(0, read));
  EXPECT_TRUE(std::equal(read.begin(), read.end(), blocks.bytes.begin()));
}

// A system that opens a file so and refuses the write: here for an address that is no multiple.
TEST_F(PosixTest, ARefusedDurableWriteGoesThroughTheCache) {
  const auto file = create("f");
  const Blocks blocks(2);
  const auto crooked = blocks.bytes.subspan(1, kDurableWriteUnit);
  ASSERT_TRUE(file->write_at(0, std::vector<std::byte>(kDurableWriteUnit)));
  const bool takes = file->takes_durable_writes();
  ASSERT_TRUE(file->write_durably(0, crooked));
  if (takes && file->takes_durable_writes()) GTEST_SKIP() << "the system takes any address";
  std::vector<std::byte> read(kDurableWriteUnit);
  ASSERT_TRUE(file->read_at(0, read));
  EXPECT_TRUE(std::equal(read.begin(), read.end(), crooked.begin()));
}

TEST_F(PosixTest, ThreadsWriteDisjointRangesOfOneFile) {
  constexpr std::size_t kPart = 10'000;
  const auto file = create("f");
  const auto bytes = pattern(4 * kPart);
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (std::size_t at = i * kPart; at < (i + 1) * kPart; at += 100) {
        EXPECT_TRUE(file->write_at(at, std::span(bytes).subspan(at, 100)));
      }
    });
  }
  threads.clear();
  std::vector<std::byte> read(bytes.size());
  EXPECT_EQ(file->read_at(0, read).value(), read.size());
  EXPECT_EQ(read, bytes);
}

}  // namespace
}  // namespace xtree
