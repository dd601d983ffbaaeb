// Flips bytes of small databases: deep verification finds each flip in live data, and none that is
// not there.
//
// XTREE_FLIP_ALL=1 flips every byte. By default, of 4096 bytes that are all zero or in a file in
// which no flip matters, and with a sanitizer of all, one byte in a few is flipped.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "support/crashing_disk.h"
#include "support/random.h"
#include "xtree/database.h"
#include "xtree/repair.h"

namespace xtree::test {
namespace {

using testing::SimulatedFileSystem;

constexpr const char* kDirectory = "db";
constexpr std::size_t kBlock = 4096;
constexpr std::size_t kLogHeaderBytes = 88;                // design/wal_format.md, "File header"
constexpr std::uint64_t kSlotOffsets[] = {0, 65536};  // design/file_format.md, "Superblock"

Options options_for(SimulatedFileSystem& files) {
  Options options;
  options.file_system = &files;
  options.background_checkpoints = false;
  options.log_file_bytes = 2 * kBlock;
  return options;
}

// Some writes into a database with two indexes and named values.
void write_some(Database& db, Random& random, int batches) {
  auto boxes = db.index<2>("boxes").value();
  auto points = db.index<3, std::uint32_t, float, Shape::points>("points").value();
  for (int i = 0; i < batches; ++i) {
    Batch batch;
    for (int j = 0; j < 6; ++j) {
      const auto x = static_cast<double>(random.below(1000));
      batch.insert(boxes, Box<2>{{x, 1}, {x + 3, 9}}, random.below(100));
      batch.insert(points, Point<3, float>{static_cast<float>(x), 2, 3},
                   static_cast<std::uint32_t>(i));
    }
    batch.put("name-" + std::to_string(i % 3), std::to_string(i));
    ASSERT_TRUE(db.apply(batch));
  }
}

// A stretch of a database's life, which ends with a kill, or with a close.
struct Life {
  int batches = 0;
  bool has_checkpoint = false;
  int batches_behind = 0;
  bool closes = false;
};

DirectoryImage make_image(Random& random, std::initializer_list<Life> lives) {
  testing::DiskImage disk;
  for (const Life& life : lives) {
    SimulatedFileSystem files(disk);
    auto db = Database::open(kDirectory, options_for(files));
    EXPECT_TRUE(db) << db.error().message();
    if (!db) break;
    write_some(*db, random, life.batches);
    EXPECT_TRUE(!life.has_checkpoint || db->checkpoint());
    write_some(*db, random, life.batches_behind);
    EXPECT_TRUE(!life.closes || db->close());
    disk = files.image();
  }
  return directory_of(disk, kDirectory);
}

class DeepVerify : public ::testing::Test {
 protected:
  DeepReport report_of(const DirectoryImage& image) {
    SimulatedFileSystem files(disk_of(kDirectory, image));
    files.refuse_writing(true);
    RepairOptions options;
    options.file_system = &files;
    auto report = verify_deep(kDirectory, options);
    EXPECT_TRUE(report) << report.error().message();
    return report ? std::move(*report) : DeepReport();
  }

  [[nodiscard]] static bool finds_something(const DeepReport& report) {
    return !report.faults.empty() || !report.doubts.empty();
  }

  // Whether the byte is flipped in this run; what is never found in may be sampled. Zeros in a
  // segment may be a live leaf's room for entries.
  bool is_chosen(const Bytes& bytes, std::uint64_t at, bool is_dead, bool is_segment) {
    const char* all = std::getenv("XTREE_FLIP_ALL");
    if (all != nullptr && *all == '1') return true;
    if (kSanitized) return random_.one_in(101);
    const auto block = bytes.begin() + static_cast<std::ptrdiff_t>(at / kBlock * kBlock);
    const auto end = bytes.end() - block > static_cast<std::ptrdiff_t>(kBlock)
                         ? block + static_cast<std::ptrdiff_t>(kBlock)
                         : bytes.end();
    const bool is_zero = std::all_of(block, end, [](std::byte b) { return b == std::byte{0}; });
    return !((is_zero && !is_segment) || is_dead) || random_.one_in(101);
  }

  // The flips that were found are as many as the bytes that are said to be live; of the files in
  // which every byte is, each flip was found.
  void flip(DirectoryImage image, const std::string& first_live_log_file) {
    ASSERT_FALSE(HasFailure());
    const DeepReport whole = report_of(image);
    for (const Fault& fault : whole.faults) ADD_FAILURE() << fault.file << ": " << fault.text;
    for (const Fault& doubt : whole.doubts) ADD_FAILURE() << doubt.file << ": " << doubt.text;
    EXPECT_GT(whole.entries, 0u);
    const std::string last_live_log_file = *begun_log_files(image).rbegin();
    std::uint64_t found = 0;
    for (auto& [name, bytes] : image) {
      const bool is_log = name.starts_with("wal/");
      const bool is_dead =
          is_log && (name < first_live_log_file || name > last_live_log_file);
      const bool is_segment = name.starts_with("segments/");
      const bool is_all_live = name.starts_with("MANIFEST-") || name.starts_with("table/");
      for (std::uint64_t i = 0; i < bytes.size(); ++i) {
        if (!is_chosen(bytes, i, is_dead, is_segment)) continue;
        // A released file that was made ready under a new name has its old header; when that is not
        // whole, it looks like a new one that a crash cut short.
        if (is_log && name > last_live_log_file && i < kLogHeaderBytes) continue;
        const std::byte mask = std::byte{1} << random_.below(8);
        bytes[i] ^= mask;
        const bool is_found = finds_something(report_of(image));
        bytes[i] ^= mask;
        const bool in_slot =
            name == "superblock" &&
            std::ranges::any_of(kSlotOffsets, [&](auto at) { return i >= at && i < at + kBlock; });
        if (is_all_live || in_slot) {
          EXPECT_TRUE(is_found) << name << " at " << i;
        }
        EXPECT_FALSE(is_dead && is_found) << name << " at " << i;
        ASSERT_FALSE(HasFailure());
        found += is_found ? 1 : 0;
      }
    }
    if (kSanitized) return;
    EXPECT_EQ(found, whole.live_bytes);
  }

  std::uint64_t seed_ = test_seed("deep flips");
  Random random_{seed_};
};

// Behind a checkpoint the log goes on in a new file, so what stands in files before it is dead.
std::string newest_log_file(const DirectoryImage& image) {
  return *begun_log_files(image).rbegin();
}

TEST_F(DeepVerify, FindsEveryFlipInLiveDataOfAClosedDatabase) {
  const DirectoryImage image = make_image(random_, {{.batches = 20, .closes = true}});
  flip(image, newest_log_file(image));
}

TEST_F(DeepVerify, FindsEveryFlipInLiveDataOfAKilledDatabase) {
  const DirectoryImage image =
      make_image(random_, {{.batches = 12, .has_checkpoint = true, .batches_behind = 1}});
  flip(image, newest_log_file(image));
}

// The log goes through two lives, with groups that the second one carried over.
TEST_F(DeepVerify, FindsEveryFlipInLiveDataOfARevivedDatabase) {
  const DirectoryImage before = make_image(random_, {{.batches = 10, .has_checkpoint = true}});
  const std::string first = newest_log_file(before);
  testing::DiskImage disk = disk_of(kDirectory, before);
  for (int life = 0; life < 2; ++life) {
    SimulatedFileSystem files(disk);
    auto db = Database::open(kDirectory, options_for(files));
    ASSERT_TRUE(db) << db.error().message();
    write_some(*db, random_, 1);
    disk = files.image();
  }
  flip(directory_of(disk, kDirectory), first);
}

TEST_F(DeepVerify, NamesEveryOneOfManyFaults) {
  DirectoryImage image =
      make_image(random_, {{.batches = 60, .has_checkpoint = true, .batches_behind = 4}});
  const auto names_of = [&](const std::string& prefix) {
    std::vector<std::string> names;
    for (const auto& [name, bytes] : image) {
      if (name.starts_with(prefix) && name.back() != '/') names.push_back(name);
    }
    return names;
  };
  const auto flip = [&](const std::string& name, std::size_t at) {
    ASSERT_LT(at, image[name].size()) << name;
    image[name][at] ^= std::byte{1};
  };
  const std::string segment = names_of("segments/").front();
  const std::string manifest = names_of("MANIFEST-").front();  // the other one leads to the rest
  const auto logs = begun_log_files(image);
  ASSERT_GE(logs.size(), 2u);
  const std::string log = *std::next(logs.rbegin());  // the one behind it proves that it was synced
  flip("superblock", kSlotOffsets[1] + 20);
  flip(segment, 70);
  flip(segment, 2 * kBlock + 70);
  flip(log, kBlock + 100);
  std::map<std::string, int> faults;
  for (const Fault& fault : report_of(image).faults) ++faults[fault.file];
  EXPECT_EQ(faults, (std::map<std::string, int>{{"superblock", 1}, {segment, 2}, {log, 1}}));
  flip("superblock", kSlotOffsets[1] + 20);
  flip(manifest, 20);
  faults.clear();
  for (const Fault& fault : report_of(image).faults) ++faults[fault.file];
  EXPECT_EQ(faults, (std::map<std::string, int>{{manifest, 1}, {segment, 2}, {log, 1}}));
}

}  // namespace
}  // namespace xtree::test
