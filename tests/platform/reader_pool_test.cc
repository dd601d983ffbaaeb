#include "platform/reader_pool.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <latch>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "xtree/testing/simulated_file_system.h"

namespace xtree::test {
namespace {

using platform::ReaderPool;

constexpr std::size_t kPieces = 4;

// Counts its readers, which may be told to wait in the middle of a batch.
class CountingFiles final : public testing::SimulatedFileSystem {
 public:
  std::unique_ptr<BatchReader> batch_reader() override;

  bool out_of_memory = false;
  std::atomic<std::size_t> made{0};
  std::atomic<std::size_t> batches{0};
  std::latch* reading = nullptr;  // counted down by each batch, which goes on after `go`
  std::latch* go = nullptr;
};

class CountingReader final : public BatchReader {
 public:
  CountingReader(CountingFiles& files, std::unique_ptr<BatchReader> base)
      : files_(files), base_(std::move(base)) {}

  void read(std::span<ReadRequest> requests) noexcept override {
    EXPECT_FALSE(busy_.exchange(true)) << "two threads have one reader";
    ++files_.batches;
    if (files_.reading != nullptr) files_.reading->count_down();
    if (files_.go != nullptr) files_.go->wait();
    base_->read(requests);
    busy_ = false;
  }

 private:
  CountingFiles& files_;
  std::unique_ptr<BatchReader> base_;
  std::atomic<bool> busy_{false};
};

std::unique_ptr<BatchReader> CountingFiles::batch_reader() {
  if (out_of_memory) throw std::bad_alloc();
  ++made;
  return std::make_unique<CountingReader>(*this, FileSystem::batch_reader());
}

class ReaderPoolTest : public ::testing::Test {
 protected:
  ReaderPoolTest() : file_(files_.open("f", OpenMode::create).value()) {
    const std::array<std::byte, kPieces> bytes = {std::byte{1}, std::byte{2}, std::byte{3},
                                                  std::byte{4}};
    EXPECT_TRUE(file_->write_at(0, bytes));
  }

  // Reads some bytes of the file, each as a piece, and looks at them.
  void read(std::size_t pieces = kPieces) {
    std::array<std::byte, kPieces> bytes{};
    std::array<ReadRequest, kPieces> requests;
    for (std::size_t i = 0; i < pieces; ++i) requests[i] = {file_.get(), i, {&bytes[i], 1}};
    pool_.read(std::span(requests).first(pieces));
    for (std::size_t i = 0; i < pieces; ++i) {
      EXPECT_TRUE(requests[i].done);
      EXPECT_EQ(bytes[i], static_cast<std::byte>(i + 1));
    }
  }

  CountingFiles files_;
  std::unique_ptr<File> file_;
  ReaderPool pool_{files_};
};

TEST_F(ReaderPoolTest, MakesNoReaderForASingleRead) {
  read(0);
  read(1);
  EXPECT_EQ(files_.made, 0u);
}

TEST_F(ReaderPoolTest, OneThreadKeepsToOneReader) {
  for (int i = 0; i < 10; ++i) read();
  EXPECT_EQ(files_.made, 1u);
  EXPECT_EQ(files_.batches, 10u);
}

TEST_F(ReaderPoolTest, WhoFindsAllReadersTakenReadsAlone) {
  std::latch reading(ReaderPool::kMost);
  std::latch go(1);
  files_.reading = &reading;
  files_.go = &go;
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < ReaderPool::kMost; ++i) threads.emplace_back([this] { read(); });
  reading.wait();
  read();
  EXPECT_EQ(files_.made, ReaderPool::kMost);
  EXPECT_EQ(files_.batches, ReaderPool::kMost);
  go.count_down();
  threads.clear();
  files_.reading = nullptr;
  read();
  EXPECT_EQ(files_.made, ReaderPool::kMost);
  EXPECT_EQ(files_.batches, ReaderPool::kMost + 1);
}

TEST_F(ReaderPoolTest, ReadsWithoutAReaderWhileThereIsNoMemoryForOne) {
  files_.out_of_memory = true;
  for (std::size_t i = 0; i <= ReaderPool::kMost; ++i) read();
  files_.out_of_memory = false;
  read();
  EXPECT_EQ(files_.made, 1u);
  EXPECT_EQ(files_.batches, 1u);
}

TEST_F(ReaderPoolTest, ThreadsNeverShareAReader) {
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < ReaderPool::kMost + 4; ++i) {
    threads.emplace_back([this] {
      for (int round = 0; round < 200; ++round) read();
    });
  }
  threads.clear();
  EXPECT_LE(files_.made, ReaderPool::kMost);
}

}  // namespace
}  // namespace xtree::test
