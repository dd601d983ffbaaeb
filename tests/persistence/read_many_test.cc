// NodeSource::read_many: what a Storage reads at once, against what it reads one by one.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "persistence/committed_file.h"
#include "persistence/memory_source.h"
#include "persistence/storage_model.h"
#include "support/crashing_disk.h"
#include "support/temporary_directory.h"

namespace xtree::test {
namespace {

using persistence::ImageRead;
using persistence::MemorySource;
using persistence::NodeSource;

constexpr std::uint64_t kNodes = 300;

// A database of nodes of many sizes, in several segments.
std::vector<TableEntry> write_nodes(FileSystem& files, const std::string& directory,
                                    Random& random) {
  auto storage = Storage::create(files, directory).value();
  std::vector<TableEntry> entries;
  for (std::uint64_t n = 0; n < kNodes; ++n) {
    const NodeId id = NodeId::make(n, 1);
    entries.push_back(
        storage->write(id, random_image(id, 64 * random.between(1, 400), random)).value());
    if (n % 50 == 49) storage->close_segment(entries.back().address.segment);
  }
  storage->commit(some_checkpoint(2), entries).value();
  return entries;
}

// Entries in any order, some of them more than once, with room for their images.
class Batch {
 public:
  Batch(const std::vector<TableEntry>& entries, std::size_t count, Random& random) {
    for (std::size_t i = 0; i < count; ++i) {
      const TableEntry& entry = entries[random.below(entries.size())];
      rooms_.emplace_back(entry.bytes);
      // What was answered before does not count.
      reads.push_back({entry, rooms_.back().data(), random.one_in(2)});
    }
  }

  // Compares every answer with that of `read`; returns how many are done.
  [[nodiscard]] std::size_t check_against(const NodeSource& source) const {
    std::size_t done = 0;
    for (const ImageRead& one : reads) {
      std::vector<std::byte> image(one.entry.bytes);
      EXPECT_EQ(one.done, source.read(one.entry, image).has_value());
      if (!one.done) continue;
      ++done;
      EXPECT_TRUE(std::ranges::equal(image, one.bytes()));
    }
    return done;
  }

  std::vector<ImageRead> reads;

 private:
  std::vector<std::vector<std::byte>> rooms_;
};

void expect_batches_to_be_read(const NodeSource& source, const std::vector<TableEntry>& entries,
                               Random& random) {
  for (const std::size_t count : {0, 1, 2, 63, 64, 65, 300}) {
    Batch batch(entries, count, random);
    source.read_many(batch.reads);
    EXPECT_EQ(batch.check_against(source), count);
  }
}

TEST(ReadMany, GivesWhatReadGivesOnTheOperatingSystemsFiles) {
  TemporaryDirectory directory;
  Random random(test_seed("ReadMany on files"));
  const auto entries = write_nodes(posix_file_system(), directory / "db", random);
  EXPECT_GT(entries.back().address.segment, 1u);
  const auto storage = Storage::open(posix_file_system(), directory / "db", false).value();
  expect_batches_to_be_read(*storage, entries, random);
}

TEST(ReadMany, GivesWhatReadGivesOnFilesOfAnotherKind) {
  testing::SimulatedFileSystem files;
  Random random(test_seed("ReadMany on simulated files"));
  const auto entries = write_nodes(files, "db", random);
  expect_batches_to_be_read(*Storage::open(files, "db", false).value(), entries, random);
}

TEST(ReadMany, AsksASourceWithoutAWayOfItsOwnOneByOne) {
  MemorySource source;
  Random random(test_seed("ReadMany by default"));
  std::vector<TableEntry> entries;
  for (std::uint64_t n = 0; n < 10; ++n) {
    auto image = random_image(NodeId::make(n, 1), 64 * random.between(2, 9), random);
    entries.push_back(
        source.write(reinterpret_cast<const persistence::FrameHeader*>(image.data())));
  }
  expect_batches_to_be_read(source, entries, random);
  source.fail(true);
  Batch batch(entries, 5, random);
  source.read_many(batch.reads);
  EXPECT_EQ(batch.check_against(source), 0u);
}

// Flipped bytes, a segment that is too short, and one that is not there.
TEST(ReadMany, LeavesOutWhatCannotBeReadOrBelieved) {
  testing::SimulatedFileSystem files;
  Random random(test_seed("ReadMany of damaged files"));
  const auto entries = write_nodes(files, "db", random);
  const auto storage = Storage::open(files, "db", false).value();
  const auto path_of = [](const TableEntry& entry) {
    return persistence::segment_path("db", entry.address.segment);
  };
  std::vector<bool> harmed(entries.size());
  for (std::size_t i = 0; i < entries.size(); i += 7) {
    const std::size_t place = entries[i].address.offset() + random.below(entries[i].bytes);
    flip(files, path_of(entries[i]), place, std::byte{1} << random.below(8));
    harmed[i] = true;
  }
  const TableEntry& last = entries.back();
  cut_file(files, path_of(last), last.address.offset() + last.bytes - 1);
  harmed.back() = true;
  ASSERT_NE(entries.front().address.segment, last.address.segment);
  files.remove(path_of(entries.front())).value();
  std::size_t whole = 0;
  Batch batch(entries, 0, random);
  std::vector<std::vector<std::byte>> rooms;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    rooms.emplace_back(entries[i].bytes);
    batch.reads.push_back({entries[i], rooms.back().data(), false});
    const bool lost = entries[i].address.segment == entries.front().address.segment;
    if (!harmed[i] && !lost) ++whole;
  }
  storage->read_many(batch.reads);
  EXPECT_EQ(batch.check_against(*storage), whole);
}

TEST(ReadMany, IsForAnyNumberOfThreads) {
  TemporaryDirectory directory;
  Random random(test_seed("ReadMany by threads"));
  const auto entries = write_nodes(posix_file_system(), directory / "db", random);
  const auto storage = Storage::open(posix_file_system(), directory / "db", false).value();
  std::vector<std::jthread> threads;
  for (int i = 0; i < 12; ++i) {
    threads.emplace_back([&, seed = random.next()] {
      Random own(seed);
      for (int round = 0; round < 5; ++round) {
        Batch batch(entries, 80, own);
        storage->read_many(batch.reads);
        EXPECT_EQ(batch.check_against(*storage), 80u);
      }
    });
  }
}

}  // namespace
}  // namespace xtree::test
