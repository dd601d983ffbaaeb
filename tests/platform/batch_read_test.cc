#include "platform/batch_read.h"

#include <gtest/gtest.h>
#include <sys/time.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "support/random.h"
#include "support/temporary_directory.h"

namespace xtree::test {
namespace {

using platform::read_batch;
using platform::ReadRequest;

std::byte byte_at(std::size_t file, std::uint64_t offset) {
  return static_cast<std::byte>(file * 31 + offset * 7 + offset / 251);
}

// Files whose every byte says where it is.
class Files {
 public:
  static constexpr std::size_t kCount = 5;
  static constexpr std::size_t kBytes = 300'000;

  Files() {
    std::vector<std::byte> bytes(kBytes);
    for (std::size_t i = 0; i < kCount; ++i) {
      for (std::size_t at = 0; at < kBytes; ++at) bytes[at] = byte_at(i, at);
      const std::string path = directory_ / std::to_string(i);
      auto file = posix_file_system().open(path, OpenMode::create).value();
      EXPECT_TRUE(file->write_at(0, bytes));
      files_.push_back(posix_file_system().open(path, OpenMode::read).value());
    }
  }
  File* operator[](std::size_t i) const { return files_[i].get(); }
  [[nodiscard]] std::string directory() const { return directory_.path(); }

 private:
  TemporaryDirectory directory_;
  std::vector<std::unique_ptr<File>> files_;
};

// Some requests, and room for their answers.
class Batch {
 public:
  void add(const Files& files, std::size_t file, std::uint64_t offset, std::size_t bytes) {
    rooms_.emplace_back(bytes, std::byte{0xEE});
    places_.push_back(file);
    requests.push_back({files[file], offset, rooms_.back()});
  }
  static Batch random(const Files& files, std::size_t count, Random& random) {
    Batch batch;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t bytes = random.one_in(10) ? random.below(100'000) : random.below(5000);
      batch.add(files, random.below(Files::kCount), random.below(Files::kBytes - bytes), bytes);
    }
    return batch;
  }
  // How many requests are done; each of them has to have its file's bytes.
  [[nodiscard]] std::size_t done() const {
    std::size_t done = 0;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (!requests[i].done) continue;
      ++done;
      for (std::size_t at = 0; at < rooms_[i].size(); ++at) {
        if (rooms_[i][at] == byte_at(places_[i], requests[i].offset + at)) continue;
        ADD_FAILURE() << "request " << i << " has a wrong byte at " << at;
        break;
      }
    }
    return done;
  }

  std::vector<ReadRequest> requests;

 private:
  std::vector<std::vector<std::byte>> rooms_;
  std::vector<std::size_t> places_;
};

// Whether a batch of random requests comes back complete and right.
bool reads(const Files& files, std::size_t count, Random& random) {
  Batch batch = Batch::random(files, count, random);
  read_batch(batch.requests);
  return batch.done() == count;
}

class BatchReadTest : public testing::Test {
 protected:
  Files files_;
};

TEST_F(BatchReadTest, ReadsPiecesOfManyFilesInBatchesOfAnySize) {
  Random random(test_seed("BatchRead"));
  for (const std::size_t count : {0, 1, 2, 3, 63, 64, 65, 128, 200, 1, 2}) {
    EXPECT_TRUE(reads(files_, count, random)) << count << " requests";
  }
}

TEST_F(BatchReadTest, PiecesBehindTheEndOfAFileAreNotDone) {
  Batch batch;
  batch.add(files_, 0, 0, 100);
  batch.add(files_, 1, Files::kBytes - 99, 100);
  batch.add(files_, 2, Files::kBytes, 1);
  batch.add(files_, 2, Files::kBytes * 10, 10'000);
  batch.add(files_, 3, Files::kBytes - 100, 100);
  batch.add(files_, 4, 0, Files::kBytes + 1);
  read_batch(batch.requests);
  EXPECT_EQ(batch.done(), 2u);
  EXPECT_TRUE(batch.requests[0].done);
  EXPECT_TRUE(batch.requests[4].done);
}

TEST_F(BatchReadTest, AFileThatCannotBeReadSpoilsNothingElse) {
  const auto unreadable = posix_file_system().open(files_.directory(), OpenMode::read).value();
  Random random(test_seed("BatchRead beside failures"));
  for (const std::size_t count : {1, 2, 70}) {
    Batch batch = Batch::random(files_, count, random);
    batch.requests[count / 2].file = unreadable.get();
    if (batch.requests[count / 2].bytes.empty()) continue;
    batch.requests[count / 2].done = true;
    read_batch(batch.requests);
    EXPECT_FALSE(batch.requests[count / 2].done);
    EXPECT_EQ(batch.done(), count - 1);
  }
}

// A file that notes what it is told and asked.
class NotingFile final : public File {
 public:
  struct Note {
    bool announced;
    std::uint64_t offset;
    std::size_t bytes;
    bool operator==(const Note&) const = default;
  };

  void will_read(std::uint64_t offset, std::size_t bytes) noexcept override {
    notes.push_back({true, offset, bytes});
  }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> bytes) override {
    notes.push_back({false, offset, bytes.size()});
    return bytes.size();
  }
  Result<void> write_at(std::uint64_t, std::span<const std::byte>) override { return {}; }
  Result<void> sync() override { return {}; }
  Result<void> truncate(std::uint64_t) override { return {}; }
  Result<std::uint64_t> size() override { return std::uint64_t{0}; }
  Result<void> lock() override { return {}; }

  std::vector<Note> notes;
};

TEST(BatchRead, AnnouncesPiecesInTurnsBeforeItReadsThem) {
  constexpr std::uint64_t kFar = 1 << 20;
  NotingFile file;
  std::byte room{};
  std::vector<ReadRequest> requests;
  for (std::uint64_t i = 1; i <= 66; ++i) requests.push_back({&file, i * kFar, {&room, 1}});
  read_batch(requests);
  std::vector<NotingFile::Note> expected;
  for (const auto& [first, end] : {std::pair(1, 65), std::pair(65, 67)}) {
    for (const bool announced : {true, false}) {
      for (int i = first; i < end; ++i) expected.push_back({announced, i * kFar, 1});
    }
  }
  EXPECT_EQ(file.notes, expected);
  file.notes.clear();
  read_batch(std::span(requests).first(1));
  EXPECT_EQ(file.notes, (std::vector<NotingFile::Note>{{false, kFar, 1}}));
}

TEST(BatchRead, AnnouncesNeighboursAsOnePiece) {
  NotingFile file;
  NotingFile other;
  std::vector<std::byte> room(4096);
  const std::span<std::byte> page(room);
  std::vector<ReadRequest> requests = {
      {&file, 500000, page},          {&file, 4096, page}, {&other, 12288, page},
      {&file, 0, page.first(100)},    {&file, 0, page},    {&file, 8192 + 4096, page},
      {&file, 500000 + 8193, page},
  };
  read_batch(requests);
  const auto announced = [](const NotingFile& noting) {
    std::vector<NotingFile::Note> pieces;
    for (const auto& note : noting.notes) {
      if (note.announced) pieces.push_back(note);
    }
    return pieces;
  };
  EXPECT_EQ(announced(file),
            (std::vector<NotingFile::Note>{
                {true, 0, 8192 + 4096 + 4096}, {true, 500000, 4096}, {true, 508193, 4096}}));
  EXPECT_EQ(announced(other), (std::vector<NotingFile::Note>{{true, 12288, 4096}}));
  EXPECT_EQ(file.notes.size(), 3u + 6u);
}

void nothing(int) {}

TEST_F(BatchReadTest, SignalsDoNotEndABatch) {
  struct sigaction interrupt {};
  interrupt.sa_handler = nothing;  // and not SA_RESTART
  struct sigaction before {};
  ASSERT_EQ(::sigaction(SIGALRM, &interrupt, &before), 0);
  const itimerval often{{0, 200}, {0, 200}};
  ASSERT_EQ(::setitimer(ITIMER_REAL, &often, nullptr), 0);
  Random random(test_seed("BatchRead beside signals"));
  for (int i = 0; i < 300; ++i) EXPECT_TRUE(reads(files_, 40, random));
  const itimerval never{};
  ASSERT_EQ(::setitimer(ITIMER_REAL, &never, nullptr), 0);
  ASSERT_EQ(::sigaction(SIGALRM, &before, nullptr), 0);
}

}  // namespace
}  // namespace xtree::test
