#include "persistence/table_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "persistence/superblock.h"
#include "platform/crc32c.h"
#include "support/crashing_disk.h"
#include "support/random.h"

namespace xtree::persistence {
namespace {

using testing::SimulatedFileSystem;

constexpr const char* kPath = "table";

TableEntry live_entry(std::uint64_t handle, test::Random& random) {
  TableEntry entry;
  entry.id = NodeId::make(handle, static_cast<std::uint16_t>(1 + random.below(65535)));
  entry.address.segment = static_cast<std::uint32_t>(1 + random.below(1000));
  entry.address.place = static_cast<std::uint32_t>(random.below(1000));
  entry.checksum = static_cast<std::uint32_t>(random.next());
  entry.bytes = static_cast<std::uint32_t>(64 * random.between(1, 64));
  return entry;
}

std::vector<TableEntry> random_entries(std::size_t count, test::Random& random) {
  std::vector<TableEntry> entries;
  std::uint64_t handle = 0;
  for (std::size_t i = 0; i < count; ++i) {
    entries.push_back(live_entry(handle, random));
    if (random.one_in(4)) entries.back() = {entries.back().id, {}, 0, 0};
    handle += 1 + random.below(3);
  }
  return entries;
}

TableFileInfo write(SimulatedFileSystem& files, std::span<const TableEntry> entries) {
  auto file = files.open(kPath, OpenMode::create).value();
  file->truncate(0).value();
  Pacer pacer(files);
  return write_table_file(*file, 9, entries, pacer).value();
}

void expect_corrupt(SimulatedFileSystem& files, const TableFileInfo& info, const char* place) {
  std::vector<TableEntry> entries;
  const auto read = read_table_file(files, kPath, info, entries);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::corruption) << read.error().message();
  EXPECT_STREQ(read.error().place(), place);
}

TEST(TableFile, ComesBackAsItWas) {
  test::Random random(test::test_seed("TableFile"));
  for (const std::size_t count : {1u, 2u, 2729u, 2730u, 2731u, 5460u, 9000u}) {
    SimulatedFileSystem files;
    const auto entries = random_entries(count, random);
    const TableFileInfo info = write(files, entries);
    EXPECT_EQ(info.number, 9u);
    EXPECT_EQ(info.entries, count);
    EXPECT_EQ(info.bytes, test::read_file(files, kPath).size());
    std::vector<TableEntry> found(3);
    read_table_file(files, kPath, info, found).value();
    EXPECT_EQ(found, entries);
  }
}

TEST(TableFile, IsRefusedWhenAnyByteIsWrong) {
  test::Random random(1);
  SimulatedFileSystem files;
  const TableFileInfo info = write(files, random_entries(2800, random));
  for (std::size_t i = 0; i<info.bytes; i += i> 200 && i < 65400 ? 101 : 1) {
    test::flip(files, kPath, i);
    expect_corrupt(files, info,
                   i < 32           ? "table at byte 0"
                   : i < 32 + 65536 ? "table at byte 32"
                                    : "table at byte 65568");
    test::flip(files, kPath, i);
  }
}

TEST(TableFile, IsRefusedWhenItIsNotTheOneThatTheManifestNames) {
  test::Random random(2);
  SimulatedFileSystem files;
  const TableFileInfo info = write(files, random_entries(10, random));
  TableFileInfo other = info;
  ++other.number;
  expect_corrupt(files, other, "table at byte 0");
  other = info;
  ++other.checksum;
  expect_corrupt(files, other, "table at byte 0");
  other = info;
  ++other.entries;
  expect_corrupt(files, other, "table at byte 288");
  other = info;
  other.entries = ~std::uint64_t{0} / 24;
  other.bytes = table_file_bytes(other.entries);
  expect_corrupt(files, other, "table at byte 288");
  test::cut_file(files, kPath, 287);
  expect_corrupt(files, info, "table at byte 287");
  std::vector<TableEntry> entries;
  const auto read = read_table_file(files, "missing", info, entries);
  EXPECT_EQ(read.error().code(), ErrorCode::corruption);
}

// A file that is mostly a hole, as large as it likes to be.
class Hole final : public File {
 public:
  Hole(std::vector<std::byte> header, std::uint64_t bytes, std::uint64_t& most_read)
      : header_(std::move(header)), bytes_(bytes), most_read_(most_read) {}
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> bytes) override {
    std::memset(bytes.data(), 0, bytes.size());
    if (offset == 0) std::memcpy(bytes.data(), header_.data(), header_.size());
    most_read_ = std::max(most_read_, offset + bytes.size());
    return bytes.size();
  }
  Result<void> write_at(std::uint64_t, std::span<const std::byte>) override { return {}; }
  Result<void> sync() override { return {}; }
  Result<void> truncate(std::uint64_t) override { return {}; }
  Result<std::uint64_t> size() override { return bytes_; }
  Result<void> lock() override { return {}; }

 private:
  std::vector<std::byte> header_;
  std::uint64_t bytes_;
  std::uint64_t& most_read_;
};

class HoleFiles final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(std::string_view, OpenMode) override {
    return std::unique_ptr<File>(std::make_unique<Hole>(header, bytes, most_read));
  }
  Result<bool> exists(std::string_view) override { return true; }
  Result<std::vector<std::string>> list(std::string_view) override {
    return std::vector<std::string>();
  }
  Result<void> make_directory(std::string_view) override { return {}; }
  Result<void> remove(std::string_view) override { return {}; }
  Result<void> rename(std::string_view, std::string_view) override { return {}; }
  Result<void> sync_directory(std::string_view) override { return {}; }
  std::vector<std::byte> header;
  std::uint64_t bytes = 0;
  std::uint64_t most_read = 0;
};

void put_u32(std::span<std::byte> bytes, std::size_t offset, std::uint32_t value) {
  std::memcpy(&bytes[offset], &value, sizeof value);
}

void seal_header(std::span<std::byte> bytes) {
  put_u32(bytes, 12, 0);
  put_u32(bytes, 12, platform::crc32c(bytes.first(32)));
}

TEST(TableFile, IsRefusedAtItsFirstBadBlockHoweverLargeItSaysItIs) {
  test::Random random(3);
  SimulatedFileSystem files;
  write(files, random_entries(1, random));
  test::Bytes bytes = test::read_file(files, kPath);
  std::memcpy(&bytes[24], &kMaxTableEntries, 8);
  seal_header(bytes);
  HoleFiles holes;
  holes.header.assign(bytes.begin(), bytes.begin() + 32);
  holes.bytes = table_file_bytes(kMaxTableEntries);
  std::vector<TableEntry> entries;
  const auto read =
      read_table_file(holes, kPath, {9, kMaxTableEntries, holes.bytes, 1, 0}, entries);
  ASSERT_FALSE(read);
  EXPECT_STREQ(read.error().place(), "table at byte 32");
  EXPECT_EQ(holes.most_read, 32u + 65536u);
  EXPECT_EQ(entries.capacity(), 0u);
}

TEST(TableFile, RefusesEntriesThatCannotBeThoughTheChecksumsAreRight) {
  test::Random random(4);
  const auto good = random_entries(3, random);
  const auto refuse = [&](TableEntry entry) {
    SimulatedFileSystem files;
    auto entries = good;
    entry.id = entry.id.bits == 0 ? entry.id : good[1].id;
    entries[1] = entry;
    expect_corrupt(files, write(files, entries), "table at byte 56");
  };
  TableEntry entry = live_entry(1, random);
  ASSERT_TRUE(is_valid(entry));
  const auto with = [&](auto change) {
    TableEntry changed = entry;
    change(changed);
    EXPECT_FALSE(is_valid(changed));
    refuse(changed);
  };
  with([](TableEntry& e) { e.id = {}; });
  with([](TableEntry& e) { e.address.set_packed_bytes(e.bytes); });
  with([](TableEntry& e) { e.address.place = 0xFFFFFFFF; });
  with([](TableEntry& e) { e.bytes = 0; });
  with([](TableEntry& e) { e.bytes = 65; });
  with([](TableEntry& e) { e.bytes = kMaxFrameBytes + 64; });
  with([](TableEntry& e) { e.address.segment = 0; });
  with([](TableEntry& e) { e.address = {}, e.bytes = 0, e.checksum = 1; });
  SimulatedFileSystem files;
  auto entries = good;
  entries[1].id = NodeId::make(good[0].id.handle(), 1);  // the same handle twice
  expect_corrupt(files, write(files, entries), "table at byte 56");
}

TEST(TableFile, SaysWhenANewerLibraryWroteIt) {
  test::Random random(5);
  SimulatedFileSystem files;
  const TableFileInfo info = write(files, random_entries(3, random));
  test::Bytes bytes = test::read_file(files, kPath);
  put_u32(bytes, 8, kFormatVersion + 1);
  seal_header(bytes);
  test::write_file(files, kPath, bytes);
  std::vector<TableEntry> entries;
  EXPECT_EQ(read_table_file(files, kPath, info, entries).error().code(), ErrorCode::newer_format);
}

TEST(MergeTable, MatchesAMap) {
  test::Random random(test::test_seed("MergeTable"));
  for (int run = 0; run < 200; ++run) {
    std::map<std::uint64_t, TableEntry> model;
    std::vector<TableEntry> table;
    for (std::uint64_t step = 0; step < 5; ++step) {
      const auto changes = random_entries(random.below(50), random);
      for (const TableEntry& change : changes) model[change.id.handle()] = change;
      merge_table(table, changes);
      ASSERT_EQ(table.size(), model.size());
      std::size_t i = 0;
      for (const auto& [handle, entry] : model) ASSERT_EQ(table[i++], entry);
    }
  }
}

}  // namespace
}  // namespace xtree::persistence
