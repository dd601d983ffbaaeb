#include "persistence/storage.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "persistence/committed_file.h"
#include "persistence/compactor.h"
#include "persistence/storage_model.h"
#include "support/crashing_disk.h"

namespace xtree::test {
namespace {

using persistence::Checkpoint;
using persistence::kSectorBytes;
using testing::Call;
using testing::SimulatedFileSystem;

constexpr const char* kDirectory = "db";
const Error kPlanted(ErrorCode::io_error, 5, "disk", "planted");

// One node with a given image, committed.
TableEntry commit_node(Storage& storage, NodeId id, std::span<const std::byte> image,
                       const TableEntry& old = {}) {
  storage.release(old);
  const TableEntry entry = storage.write(id, image).value();
  storage.commit(some_checkpoint(storage.checkpoint().generation + 1), std::span(&entry, 1))
      .value();
  return entry;
}

TEST(Storage, KeepsNodesOnTheOperatingSystemsFiles) {
  TemporaryDirectory directory;
  Random random(1);
  const NodeId id = NodeId::make(7, 3);
  const auto image = random_image(id, 4096 + 64, random);
  Checkpoint next = some_checkpoint(5);
  next.catalog = id;
  {
    auto storage = Storage::create(posix_file_system(), directory / "db").value();
    EXPECT_EQ(storage->checkpoint().generation, 1u);
    EXPECT_TRUE(storage->take_table().empty());
    const TableEntry entry = storage->write(id, image).value();
    const std::vector<TableEntry> changes = {entry, {NodeId::make(9, 1), {}, 0, 0}};
    storage->commit(next, changes).value();
  }
  auto storage = Storage::open(posix_file_system(), directory / "db", false).value();
  next.generation = 2;
  EXPECT_EQ(storage->checkpoint(), next);
  const auto table = storage->take_table();
  ASSERT_EQ(table.size(), 2u);
  EXPECT_EQ(table[0].id, id);
  EXPECT_EQ(table[1].id, NodeId::make(9, 1));
  EXPECT_FALSE(table[1].address);
  std::vector<std::byte> read(table[0].bytes);
  storage->read(table[0], read).value();
  EXPECT_EQ(without_checksum(read), image);
  EXPECT_EQ(storage->live_segment_bytes(), 4160u);
  storage->verify().value();
}

TEST(Storage, SaysWhatIsThereAndWhatIsNot) {
  SimulatedFileSystem files;
  EXPECT_EQ(Storage::open(files, kDirectory, true).error().code(), ErrorCode::not_found);
  Storage::create(files, kDirectory).value();
  EXPECT_EQ(Storage::create(files, kDirectory).error().code(), ErrorCode::already_exists);
  auto reader = Storage::open(files, kDirectory, false).value();
  Random random(1);
  const NodeId id = NodeId::make(0, 1);
  EXPECT_EQ(reader->write(id, random_image(id, 64, random)).error().code(), ErrorCode::read_only);
  EXPECT_EQ(reader->commit({}, {}).error().code(), ErrorCode::read_only);
}

// Watches that nothing is written over or removed that one of the two newest checkpoints needs.
class Guard {
 public:
  explicit Guard(SimulatedFileSystem& files) : files_(files) { files_.record(&trace_); }
  ~Guard() { files_.record(nullptr); }

  // Looks at what was done since the last look.
  void look() {
    for (; seen_ < trace_.events.size(); ++seen_) {
      const testing::Event& event = trace_.events[seen_];
      if (event.path != nullptr) paths_[event.node] = *event.path;
      const std::string& path = paths_[event.node];
      if (event.kind == testing::EventKind::write)
        look_at_write(path, event.bytes.offset, event.bytes.end());
      if (event.kind == testing::EventKind::remove) look_at_removal(path);
    }
  }

  // What the next flip of the superblock makes the newest checkpoint.
  void expect(const Contents& contents) {
    next_.clear();
    for (const auto& [handle, node] : contents) {
      if (node.entry.address) next_.push_back(node.entry);
    }
  }

  [[nodiscard]] std::uint64_t generation() const { return generation_; }

 private:
  void look_at_write(const std::string& path, std::uint64_t begin, std::uint64_t end) {
    if (path == "db/superblock") flip();
    for (const auto& checkpoint : {newest_, older_}) {
      for (const TableEntry& entry : checkpoint) {
        if (path != persistence::segment_path(kDirectory, entry.address.segment)) continue;
        const std::uint64_t from = entry.address.offset() / kSectorBytes * kSectorBytes;
        const std::uint64_t to =
            persistence::round_up_to_sector(entry.address.offset() + entry.stored_bytes());
        EXPECT_EQ(begin % kSectorBytes, 0u) << path;
        EXPECT_FALSE(begin < to && from < end) << path << " at " << begin;
      }
    }
    if (path.find("/table/") != std::string::npos || path.find("MANIFEST") != std::string::npos) {
      EXPECT_FALSE(needed_.contains(path)) << path;
    }
  }
  void look_at_removal(const std::string& path) {
    EXPECT_FALSE(needed_.contains(path)) << path;
    for (const auto& checkpoint : {newest_, older_}) {
      for (const TableEntry& entry : checkpoint) {
        EXPECT_NE(path, persistence::segment_path(kDirectory, entry.address.segment));
      }
    }
  }
  void flip() {
    older_ = std::move(newest_);
    newest_ = next_;
    needed_ = {persistence::manifest_path(kDirectory, generation_),
               persistence::manifest_path(kDirectory, generation_ + 1)};
    ++generation_;
  }

  SimulatedFileSystem& files_;
  testing::Trace trace_;
  std::size_t seen_ = 0;
  std::map<std::uint32_t, std::string> paths_;  // by number of the file
  std::uint64_t generation_ = 1;
  std::vector<TableEntry> next_;
  std::vector<TableEntry> newest_;
  std::vector<TableEntry> older_;
  std::set<std::string> needed_;
};

TEST(Storage, MatchesAModelAndKeepsWhatTwoCheckpointsNeed) {
  const std::uint64_t seed = test_seed("Storage model");
  for (std::uint64_t run = 0; run < (kSanitized ? 6 : 30); ++run) {
    SCOPED_TRACE(seed + run);
    Random random(seed + run);
    SimulatedFileSystem files;
    Guard guard(files);
    auto storage = Storage::create(files, kDirectory).value();
    Contents contents;
    for (std::uint64_t step = 0; step < 60; ++step) {
      Contents changed = contents;
      std::vector<TableEntry> changes;
      ASSERT_TRUE(write_random_changes(*storage, changed, changes, random));
      if (random.one_in(5)) {
        storage->abandon();
      } else {
        guard.look();
        guard.expect(changed);
        storage->commit(some_checkpoint(storage->checkpoint().generation + 1), changes).value();
        guard.look();
        ASSERT_EQ(storage->checkpoint().generation, guard.generation());
        contents = std::move(changed);
      }
      if (random.one_in(3)) {
        const Checkpoint before = storage->checkpoint();
        const std::uint64_t oldest = storage->oldest_needed_log_file();
        const std::uint64_t live = storage->live_segment_bytes();
        storage = Storage::open(files, kDirectory, true).value();
        ASSERT_EQ(storage->checkpoint(), before);
        ASSERT_EQ(storage->oldest_needed_log_file(), oldest);
        ASSERT_EQ(storage->live_segment_bytes(), live);
        ASSERT_EQ(difference(*storage, contents), "");
      }
      ASSERT_FALSE(::testing::Test::HasFailure());
    }
    guard.look();
    storage->verify().value();
  }
}

TEST(Storage, FallsBackToTheCheckpointBeforeADamagedNewestSlot) {
  SimulatedFileSystem files;
  Random random(test_seed("Storage fallback"));
  Contents older, newest;
  std::vector<TableEntry> changes;
  {
    auto storage = Storage::create(files, kDirectory).value();
    for (std::uint64_t n = 2; n <= 9; ++n) {
      older = newest;
      ASSERT_TRUE(write_random_changes(*storage, newest, changes, random));
      storage->commit(some_checkpoint(n), changes).value();
    }
    EXPECT_EQ(storage->oldest_needed_log_file(), 8u);
  }
  for (std::size_t i = 0; i < persistence::kSuperblockBytes; ++i) {
    if (i >= 64 && i + 64 < persistence::kSuperblockBytes && i % 97 != 0) continue;
    flip(files, "db/superblock", 65536 + i);  // generation 9 is odd
    auto storage = Storage::open(files, kDirectory, false).value();
    ASSERT_EQ(storage->checkpoint().generation, 8u);
    ASSERT_EQ(difference(*storage, older), "");
    flip(files, "db/superblock", 65536 + i);
  }
  flip(files, "db/superblock", 65536 + 20);
  {
    // The next checkpoint takes the damaged slot's place, and the two are in order again.
    auto storage = Storage::open(files, kDirectory, true).value();
    EXPECT_EQ(storage->oldest_needed_log_file(), 8u);
    newest = older;
    ASSERT_TRUE(write_random_changes(*storage, newest, changes, random));
    storage->commit(some_checkpoint(9), changes).value();
  }
  auto storage = Storage::open(files, kDirectory, true).value();
  EXPECT_EQ(storage->checkpoint().generation, 9u);
  EXPECT_EQ(storage->oldest_needed_log_file(), 8u);
  EXPECT_EQ(difference(*storage, newest), "");
}

TEST(Storage, NeverBelievesAFlippedByte) {
  SimulatedFileSystem files;
  Random random(test_seed("Storage flips"));
  Contents older, newest;
  {
    auto storage = Storage::create(files, kDirectory).value();
    std::vector<TableEntry> changes;
    for (std::uint64_t n = 2; n <= 6; ++n) {
      older = newest;
      ASSERT_TRUE(write_random_changes(*storage, newest, changes, random));
      storage->commit(some_checkpoint(n), changes).value();
    }
  }
  std::size_t refused = 0;
  for (const std::string& path : all_files(files)) {
    const bool is_segment = path.find("/segments/") != std::string::npos;
    const std::size_t bytes = read_file(files, path).size();
    for (std::size_t i = 0; i < bytes; i += is_segment ? 509 : 1) {
      if (path == "db/superblock" && i > 4096 && i < 65536) continue;
      const std::byte bits = std::byte{1} << random.below(8);
      flip(files, path, i, bits);
      auto storage = Storage::open(files, kDirectory, false);
      const auto verified = storage ? (*storage)->verify() : Result<void>(storage.error());
      if (!verified) {
        ++refused;
        ASSERT_EQ(verified.error().code(), ErrorCode::corruption) << path << " at " << i;
        ASSERT_NE(std::string(verified.error().place()).find(path), std::string::npos);
      } else {
        const bool fell_back = (*storage)->checkpoint().generation == 5;
        ASSERT_EQ(difference(**storage, fell_back ? older : newest), "") << path << " at " << i;
      }
      flip(files, path, i, bits);
    }
  }
  EXPECT_GT(refused, 100u);
}

TEST(Storage, FindsALostWriteOfANode) {
  SimulatedFileSystem files;
  Random random(3);
  auto storage = Storage::create(files, kDirectory).value();
  const NodeId id = NodeId::make(0, 1);
  const TableEntry first = commit_node(*storage, id, random_image(id, 4096, random));
  const TableEntry second = commit_node(*storage, id, random_image(id, 4096, random), first);
  ASSERT_EQ(first.address, (persistence::DiskAddress{1, 0}));
  ASSERT_EQ(second.address, (persistence::DiskAddress{2, 0}));
  write_file(files, persistence::segment_path(kDirectory, 2),
             read_file(files, persistence::segment_path(kDirectory, 1)));
  const auto verified = storage->verify();
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().code(), ErrorCode::corruption);
  EXPECT_STREQ(verified.error().place(), "db/segments/0000000000000002 at byte 0");
}

TEST(Storage, GoesOnAfterAWriteThatFailed) {
  for (std::uint64_t n = 0;; ++n) {
    SimulatedFileSystem files;
    Random random(n);
    auto storage = Storage::create(files, kDirectory).value();
    storage = Storage::open(files, kDirectory, true).value();
    Contents contents;
    std::vector<TableEntry> changes;
    files.fail(Call::write, n + 1, kPlanted);
    const NodeId id = NodeId::make(0, 1);
    const auto image = random_image(id, 256, random);
    auto entry = storage->write(id, image);
    bool failed = !entry;
    if (entry) failed = !storage->commit(some_checkpoint(2), std::span(&*entry, 1));
    files.heal();
    if (!failed) {
      EXPECT_GT(n, 4u);
      return;
    }
    storage->abandon();
    EXPECT_EQ(storage->checkpoint().generation, 1u);
    entry = storage->write(id, image);
    if (!entry) {
      // Only the flip itself leaves it open which checkpoint there is.
      EXPECT_EQ(entry.error().code(), ErrorCode::poisoned);
      continue;
    }
    storage->commit(some_checkpoint(2), std::span(&*entry, 1)).value();
    storage = Storage::open(files, kDirectory, true).value();
    EXPECT_EQ(storage->checkpoint().generation, 2u);
    storage->verify().value();
  }
}

// How many syncs of this kind a commit makes; when any of them fails the storage is poisoned.
std::uint64_t count_poisonous_syncs(Call kind) {
  for (std::uint64_t n = 0;; ++n) {
    SimulatedFileSystem files;
    Random random(n);
    auto storage = Storage::create(files, kDirectory).value();
    const NodeId id = NodeId::make(0, 1);
    const auto image = random_image(id, 256, random);
    const TableEntry first = commit_node(*storage, id, image);
    storage = Storage::open(files, kDirectory, true).value();
    storage->release(first);
    const auto entry = storage->write(id, random_image(id, 512, random));
    files.fail(kind, n + 1, kPlanted);
    if (storage->commit(some_checkpoint(3), std::span(&*entry, 1))) return n;
    files.heal();
    storage->abandon();
    EXPECT_EQ(storage->write(id, image).error().code(), ErrorCode::poisoned);
    EXPECT_EQ(storage->commit({}, {}).error().code(), ErrorCode::poisoned);
    EXPECT_EQ(storage->checkpoint().generation, 2u);
    std::vector<std::byte> read(first.bytes);
    storage->read(first, read).value();
    EXPECT_EQ(without_checksum(read), image);
  }
}

TEST(Storage, IsPoisonedByASyncThatFailed) {
  EXPECT_GE(count_poisonous_syncs(Call::sync), 4u);  // segment, table, manifest, superblock
  EXPECT_GE(count_poisonous_syncs(Call::sync_directory), 3u);  // of each of the first three
}

// Moves what is left in the segments that hold too much garbage, as the Compactor does.
void empty_segments(Storage& storage, Contents& contents, std::vector<TableEntry>& changes) {
  const auto victims =
      persistence::choose_victims(storage.segment_uses(), 0, {.steady_share = 0.3});
  for (const std::uint32_t victim : victims) storage.close_segment(victim);
  for (auto& [handle, node] : contents) {
    if (!std::ranges::binary_search(victims, node.entry.address.segment)) continue;
    node.entry = storage.move(node.entry).value();
    const auto place = std::ranges::lower_bound(
        changes, handle, {}, [](const TableEntry& entry) { return entry.id.handle(); });
    const bool is_there = place != changes.end() && place->id.handle() == handle;
    if (is_there) {
      *place = node.entry;
    } else {
      changes.insert(place, node.entry);
    }
  }
}

TEST(Storage, StaysSmallWhenSegmentsAreEmptied) {
  SimulatedFileSystem files;
  Random random(test_seed("Storage stays small"));
  auto storage = Storage::create(files, kDirectory).value();
  Contents contents;
  std::vector<TableEntry> changes;
  for (std::uint64_t n = 2; n < 300; ++n) {
    ASSERT_TRUE(write_random_changes(*storage, contents, changes, random));
    storage->commit(some_checkpoint(n), changes).value();
    changes.clear();
    empty_segments(*storage, contents, changes);
    storage->commit(some_checkpoint(n), changes).value();
    // A sector of each of the two checkpoints is not to be helped.
    const std::uint64_t garbage = storage->segment_bytes() - storage->live_segment_bytes();
    ASSERT_LE(static_cast<double>(garbage),
              0.3 * static_cast<double>(storage->segment_bytes()) + 2 * kSectorBytes);
    if (n % 50 == 0) storage = Storage::open(files, kDirectory, true).value();
  }
  storage->commit(some_checkpoint(300), {}).value();
  std::uint64_t bytes = 0;
  std::size_t count = 0;
  for (const std::string& path : all_files(files)) {
    if (path.find("/segments/") == std::string::npos) continue;
    bytes += read_file(files, path).size();
    ++count;
  }
  EXPECT_EQ(bytes, storage->segment_bytes());
  EXPECT_LT(count, 12u);
  storage->verify().value();
}

TEST(Storage, LeavesAnImageWhereItIsThatCannotBeRead) {
  SimulatedFileSystem files;
  Random random(4);
  auto storage = Storage::create(files, kDirectory).value();
  const NodeId id = NodeId::make(0, 1);
  const TableEntry entry = commit_node(*storage, id, random_image(id, 4096, random));
  flip(files, persistence::segment_path(kDirectory, 1), 99);
  EXPECT_EQ(storage->move(entry).value(), entry);
  flip(files, persistence::segment_path(kDirectory, 1), 99);
  const TableEntry moved = storage->move(entry).value();
  EXPECT_NE(moved.address, entry.address);
  EXPECT_EQ(moved.checksum, entry.checksum);
  storage->commit(some_checkpoint(3), std::span(&moved, 1)).value();
  storage->commit(some_checkpoint(3), {}).value();
  EXPECT_FALSE(files.exists(persistence::segment_path(kDirectory, 1)).value());
  storage->verify().value();
}

TEST(Storage, FreesWhatAnAbandonedCheckpointWrote) {
  SimulatedFileSystem files;
  Random random(8);
  auto storage = Storage::create(files, kDirectory).value();
  const NodeId id = NodeId::make(0, 1);
  const auto image = random_image(id, 4096, random);
  const TableEntry first = commit_node(*storage, id, image);
  for (int i = 0; i < 100; ++i) {
    storage->release(first);
    for (int j = 0; j < 5; ++j) ASSERT_NE(storage->write(id, image)->address, first.address);
    storage->abandon();
  }
  storage->commit(some_checkpoint(3), {}).value();
  EXPECT_EQ(storage->segment_bytes(), 4096u);
  EXPECT_EQ(storage->live_segment_bytes(), 4096u);
  EXPECT_FALSE(files.exists(persistence::segment_path(kDirectory, 2)).value());
  storage->verify().value();
}

TEST(Storage, GivesSegmentsBackThatAreEmpty) {
  SimulatedFileSystem files;
  Random random(9);
  auto storage = Storage::create(files, kDirectory).value();
  const NodeId id = NodeId::make(0, 1);
  const TableEntry entry = commit_node(*storage, id, random_image(id, 4096, random));
  const std::string path = persistence::segment_path(kDirectory, entry.address.segment);
  storage->release(entry);
  const TableEntry free{NodeId::make(0, 1), {}, 0, 0};
  storage->commit(some_checkpoint(3), std::span(&free, 1)).value();
  EXPECT_EQ(storage->live_segment_bytes(), 0u);
  EXPECT_EQ(storage->segment_bytes(), 0u);
  EXPECT_TRUE(files.exists(path).value());  // the checkpoint before needs it
  storage->commit(some_checkpoint(4), {}).value();
  EXPECT_FALSE(files.exists(path).value());
}

TEST(Storage, RemovesFilesThatNoCheckpointRefersTo) {
  SimulatedFileSystem files;
  Random random(6);
  auto storage = Storage::create(files, kDirectory).value();
  const NodeId id = NodeId::make(0, 1);
  commit_node(*storage, id, random_image(id, 4096, random));
  const std::size_t before = all_files(files).size();
  for (const char* name : {"db/segments/00000000000000ff", "db/table/0000000000000020",
                           "db/MANIFEST-0000000000000003"}) {
    files.open(name, OpenMode::create).value();
  }
  const char* foreign = "db/segments/notes";
  files.open(foreign, OpenMode::create).value();
  Storage::open(files, kDirectory, false).value();
  EXPECT_EQ(all_files(files).size(), before + 4);
  Storage::open(files, kDirectory, true).value();
  EXPECT_EQ(all_files(files).size(), before + 1);
  EXPECT_TRUE(files.exists(foreign).value());
}

TEST(Storage, IsReadByOthersWhileItCommits) {
  TemporaryDirectory directory;
  auto storage = Storage::create(posix_file_system(), directory / "db").value();
  Random random(7);
  const NodeId constant = NodeId::make(1000, 1);
  const auto image = random_image(constant, 128, random);
  const TableEntry entry = commit_node(*storage, constant, image);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> wrong{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      std::vector<std::byte> read(entry.bytes);
      while (!stop.load(std::memory_order_relaxed)) {
        if (!storage->read(entry, read) || without_checksum(read) != image) ++wrong;
        if (storage->live_segment_bytes() + storage->segment_bytes() == 0) ++wrong;
      }
    });
  }
  Contents contents;
  std::vector<TableEntry> changes;
  for (std::uint64_t n = 0; n < 30; ++n) {
    ASSERT_TRUE(write_random_changes(*storage, contents, changes, random));
    storage->commit(some_checkpoint(n + 3), changes).value();
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong.load(), 0u);
}

}  // namespace
}  // namespace xtree::test
