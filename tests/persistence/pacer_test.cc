#include "persistence/pacer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "persistence/storage.h"
#include "platform/workers.h"
#include "support/crashing_disk.h"
#include "xtree/testing/simulated_file_system.h"

namespace xtree::test {
namespace {

using persistence::Pacer;
using persistence::Storage;
using testing::SimulatedFileSystem;

constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
constexpr std::size_t kStepBytes = std::size_t{64} << 10;
const Error kPlanted(ErrorCode::io_error, 5, "disk", "planted");

// What the files below were asked to do, and who commits meanwhile.
struct Notes {
  std::vector<std::size_t> written;       // bytes of each call
  std::vector<std::size_t> written_back;
  std::vector<std::size_t> started_back;
  std::vector<std::uint64_t> truncated;   // to so many bytes
  std::atomic<std::uint64_t> commits = 0;
  std::uint64_t commits_per_call = 0;
  bool write_back_fails = false;
};

class NotingFile final : public File {
 public:
  NotingFile(std::unique_ptr<File> file, Notes& notes) : file_(std::move(file)), notes_(notes) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> bytes) override {
    return file_->read_at(offset, bytes);
  }
  Result<void> write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    notes_.commits += notes_.commits_per_call;
    notes_.written.push_back(bytes.size());
    return file_->write_at(offset, bytes);
  }
  Result<void> write_back(std::uint64_t, std::size_t bytes) override {
    notes_.written_back.push_back(bytes);
    return notes_.write_back_fails ? Result<void>(kPlanted) : Result<void>();
  }
  Result<void> start_write_back(std::uint64_t, std::size_t bytes) override {
    notes_.started_back.push_back(bytes);
    return notes_.write_back_fails ? Result<void>(kPlanted) : Result<void>();
  }
  Result<void> sync() override { return file_->sync(); }
  Result<void> truncate(std::uint64_t bytes) override {
    notes_.commits += notes_.commits_per_call;
    notes_.truncated.push_back(bytes);
    return file_->truncate(bytes);
  }
  Result<std::uint64_t> size() override { return file_->size(); }
  Result<void> lock() override { return file_->lock(); }

 private:
  const std::unique_ptr<File> file_;
  Notes& notes_;
};

class NotingFileSystem final : public SimulatedFileSystem {
 public:
  Result<std::unique_ptr<File>> open(std::string_view path, OpenMode mode) override {
    auto file = SimulatedFileSystem::open(path, mode);
    if (!file) return file;
    return std::unique_ptr<File>(std::make_unique<NotingFile>(std::move(*file), notes));
  }

  Notes notes;
};

std::size_t sum(const std::vector<std::size_t>& sizes) {
  std::size_t bytes = 0;
  for (const std::size_t size : sizes) bytes += size;
  return bytes;
}

class PacerTest : public ::testing::Test {
 protected:
  // A piece that is no multiple of a step, so that the last step is a short one.
  Result<void> write() {
    return pacer_.write(*files_.open("file", OpenMode::create).value(), 4096, bytes_);
  }
  [[nodiscard]] Notes& notes() { return files_.notes; }

  const std::vector<std::byte> bytes_ =
      std::vector<std::byte>(5 * kStepBytes + 4096, std::byte{7});
  NotingFileSystem files_;
  Pacer pacer_{files_};
};

TEST_F(PacerTest, WritesInOnePieceWhileNobodyCommits) {
  ASSERT_TRUE(write());
  EXPECT_EQ(notes().written, (std::vector<std::size_t>{bytes_.size()}));
  EXPECT_EQ(notes().written_back, notes().written);
  pacer_.give_way_to(notes().commits, kNever);
  ASSERT_TRUE(write());
  EXPECT_EQ(notes().written.size(), 2u);
}

TEST_F(PacerTest, WritesInSmallStepsBesideCommitsAndEachReachesTheDiskBeforeTheNext) {
  notes().commits_per_call = 1;
  pacer_.give_way_to(notes().commits, kNever);
  notes().commits = 1;
  ASSERT_TRUE(write());
  EXPECT_EQ(notes().written, notes().written_back);
  EXPECT_EQ(sum(notes().written), bytes_.size());
  EXPECT_EQ(notes().written.size(), 6u);
  for (const std::size_t step : notes().written) EXPECT_LE(step, kStepBytes);
  std::vector<std::byte> found(4096 + bytes_.size());
  const auto file = files_.open("file", OpenMode::read).value();
  ASSERT_EQ(file->read_at(0, found).value(), found.size());
  EXPECT_TRUE(std::equal(bytes_.begin(), bytes_.end(), found.begin() + 4096));
}

TEST_F(PacerTest, TakesNobodyWhoHadCommittedBeforeForBusy) {
  notes().commits = 5;
  pacer_.give_way_to(notes().commits, kNever);
  ASSERT_TRUE(write());
  EXPECT_EQ(notes().written, (std::vector<std::size_t>{bytes_.size()}));
}

TEST_F(PacerTest, WritesAtFullSpeedOnceTheLimitIsReached) {
  notes().commits_per_call = 1;
  pacer_.give_way_to(notes().commits, 4);
  notes().commits = 1;
  ASSERT_TRUE(write());
  EXPECT_EQ(notes().written.size(), 4u);
  EXPECT_EQ(sum(notes().written), bytes_.size());
}

TEST_F(PacerTest, ShrinksFilesInStepsBeforeTheyAreRemovedBesideCommits) {
  constexpr std::uint64_t kStep = std::uint64_t{1} << 20;
  for (const std::uint64_t limit : {kNever, std::uint64_t{1}}) {  // writing may be late
    files_.open("file", OpenMode::create).value()->truncate(3 * kStep + 1).value();
    notes().truncated.clear();
    notes().commits_per_call = 1;
    notes().commits = 0;
    pacer_.give_way_to(notes().commits, limit);
    notes().commits = 1;
    ASSERT_TRUE(pacer_.remove("file"));
    EXPECT_EQ(notes().truncated, (std::vector<std::uint64_t>{2 * kStep + 1, kStep + 1, 1}));
    EXPECT_FALSE(files_.exists("file").value());
  }
}

TEST_F(PacerTest, RemovesAtOnceWhileNobodyCommits) {
  files_.open("file", OpenMode::create).value()->truncate(std::uint64_t{8} << 20).value();
  notes().truncated.clear();
  ASSERT_TRUE(pacer_.remove("file"));
  EXPECT_TRUE(notes().truncated.empty());
  EXPECT_FALSE(files_.exists("file").value());
  EXPECT_EQ(pacer_.remove("file").error().code(), ErrorCode::not_found);
}

TEST_F(PacerTest, BytesThatCouldNotBeWrittenBackAreLost) {
  notes().write_back_fails = true;
  EXPECT_EQ(write().error().code(), ErrorCode::io_error);
  EXPECT_TRUE(pacer_.has_lost());
}

// A storage, and one image for it.
class WriteBackTest : public PacerTest {
 protected:
  WriteBackTest() {
    persistence::FrameHeader header{};
    header.node_id = id_.bits;
    header.birth = 1;
    header.bytes = sizeof image_;
    std::memcpy(image_, &header, sizeof header);
    notes().written_back.clear();
  }
  // The system may tell of a failed write only once, so no later sync is to be believed.
  void expect_poisoned() {
    notes().write_back_fails = false;
    EXPECT_TRUE(storage_->poisoned());
    storage_->abandon();
    EXPECT_EQ(storage_->write(id_, image_).error().code(), ErrorCode::poisoned);
  }

  const persistence::NodeId id_ = persistence::NodeId::make(0, 1);
  alignas(64) std::byte image_[4096] = {};
  const std::unique_ptr<Storage> storage_ = Storage::create(files_, "db").value();
};

TEST_F(WriteBackTest, AFailurePoisonsTheStorageAsAFailedSyncDoes) {
  const auto entry = storage_->write(id_, image_);
  ASSERT_TRUE(entry);
  notes().write_back_fails = true;
  EXPECT_EQ(storage_->commit(storage_->checkpoint(), {&*entry, 1}).error().code(),
            ErrorCode::io_error);
  expect_poisoned();
}

TEST_F(WriteBackTest, ABatchStartsItAndItsFailurePoisonsTheStorageToo) {
  platform::Workers workers(1);
  persistence::TableEntry entry;
  const persistence::NewImage image{image_, &entry};
  storage_->write_all({&image, 1}, 0, workers).value();
  EXPECT_EQ(notes().started_back, std::vector<std::size_t>{sizeof image_});
  EXPECT_TRUE(notes().written_back.empty());
  notes().write_back_fails = true;
  EXPECT_EQ(storage_->write_all({&image, 1}, 0, workers).error().code(), ErrorCode::io_error);
  expect_poisoned();
}

}  // namespace
}  // namespace xtree::test
