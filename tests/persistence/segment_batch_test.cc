#include "persistence/segment_batch.h"

#include <gtest/gtest.h>

#include "persistence/storage_model.h"
#include "platform/workers.h"
#include "support/crashing_disk.h"

namespace xtree::test {
namespace {

using persistence::NewImage;
using testing::Call;
using testing::SimulatedFileSystem;

constexpr const char* kDirectory = "db";
constexpr std::uint64_t kNextLsn = 77;
const Error kPlanted(ErrorCode::io_error, 5, "disk", "planted");

// Images for several segments, which nobody changes, and the entries that they get.
struct Images {
  explicit Images(Random& random, std::size_t bytes, std::size_t longest) {
    for (std::size_t sum = 0; sum < bytes; sum += bytes_of.back().size()) {
      const NodeId id = NodeId::make(bytes_of.size(), 1);
      bytes_of.push_back(random_image(id, 64 * random.between(1, longest / 64), random));
    }
    entries.resize(bytes_of.size());
    for (std::size_t i = 0; i < entries.size(); ++i) {
      images.push_back({bytes_of[i], &entries[i]});
    }
  }

  std::vector<std::vector<std::byte>> bytes_of;
  std::vector<TableEntry> entries;
  std::vector<NewImage> images;
};

void check_read(const Storage& storage, const Images& images) {
  for (std::size_t i = 0; i < images.entries.size(); ++i) {
    std::vector<std::byte> image(images.entries[i].bytes);
    storage.read(images.entries[i], image).value();
    persistence::FrameHeader header;
    std::memcpy(&header, image.data(), sizeof header);
    std::uint64_t next_lsn;
    std::memcpy(&next_lsn, &header.previous, sizeof next_lsn);
    ASSERT_EQ(next_lsn, kNextLsn);
    header.previous = nullptr;
    std::memcpy(image.data(), &header, sizeof header);
    ASSERT_EQ(without_checksum(image), images.bytes_of[i]) << "image " << i;
  }
}

TEST(SegmentBatch, LeavesTheFilesThatOneWriterLeavesWhateverTheNumberOfThreads) {
  const std::uint64_t seed = test_seed("SegmentBatch");
  for (const std::size_t longest : {std::size_t{5000}, std::size_t{1} << 20}) {
    Random random(seed);
    Images images(random, std::size_t{6} << 20, longest);
    SimulatedFileSystem one;
    const auto alone = Storage::create(one, kDirectory).value();
    std::vector<TableEntry> entries;
    for (const auto& image : images.bytes_of) {
      const NodeId id = NodeId::make(entries.size(), 1);
      entries.push_back(alone->write(id, image, kNextLsn).value());
    }
    alone->commit(some_checkpoint(2), entries).value();
    for (const std::size_t threads : {1, 2, 5}) {
      SimulatedFileSystem files;
      platform::Workers workers(threads);
      const auto storage = Storage::create(files, kDirectory).value();
      storage->write_all(images.images, kNextLsn, workers).value();
      ASSERT_EQ(images.entries, entries);
      storage->commit(some_checkpoint(2), images.entries).value();
      EXPECT_EQ(storage->segment_bytes_written(), alone->segment_bytes_written());
      ASSERT_EQ(all_files(files), all_files(one));
      for (const std::string& path : all_files(one)) {
        ASSERT_EQ(read_file(files, path), read_file(one, path)) << path;
      }
      check_read(*storage, images);
      storage->verify().value();
    }
  }
}

TEST(SegmentBatch, GoesOnBehindImagesThatWereWrittenOneByOne) {
  Random random(3);
  Images images(random, std::size_t{1} << 20, 5000);
  SimulatedFileSystem files;
  platform::Workers workers(2);
  const auto storage = Storage::create(files, kDirectory).value();
  std::vector<TableEntry> entries;
  const NodeId first = NodeId::make(1'000'000, 1);
  const auto image = random_image(first, 4160, random);
  const TableEntry before = storage->write(first, image).value();
  storage->write_all(images.images, kNextLsn, workers).value();
  const NodeId last = NodeId::make(1'000'001, 1);
  const TableEntry behind = storage->write(last, random_image(last, 64, random)).value();
  entries = images.entries;
  entries.push_back(before);
  entries.push_back(behind);
  storage->commit(some_checkpoint(2), entries).value();
  check_read(*storage, images);
  storage->verify().value();
}

TEST(SegmentBatch, AFailedCallFailsTheBatchAndChangesNothing) {
  Random random(5);
  Images images(random, std::size_t{3} << 20, 5000);
  SimulatedFileSystem files;
  platform::Workers workers(3);
  const auto storage = Storage::create(files, kDirectory).value();
  for (const Call call : {Call::write, Call::open}) {
    for (std::uint64_t n = 1;; ++n) {
      files.fail(call, n, kPlanted);
      const auto written = storage->write_all(images.images, kNextLsn, workers);
      files.heal();
      if (written) break;
      ASSERT_EQ(written.error().code(), ErrorCode::io_error);
      ASSERT_FALSE(storage->poisoned());
      storage->abandon();
      ASSERT_LT(n, 100u);
    }
    storage->abandon();
  }
  storage->write_all(images.images, kNextLsn, workers).value();
  storage->commit(some_checkpoint(2), images.entries).value();
  check_read(*storage, images);
}

TEST(SegmentBatch, WritesNothingToAStorageThatIsRead) {
  SimulatedFileSystem files;
  Storage::create(files, kDirectory).value();
  const auto storage = Storage::open(files, kDirectory, false).value();
  Random random(1);
  Images images(random, 1000, 5000);
  platform::Workers workers(1);
  EXPECT_EQ(storage->write_all(images.images, kNextLsn, workers).error().code(),
            ErrorCode::read_only);
}

}  // namespace
}  // namespace xtree::test
