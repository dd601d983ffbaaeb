#include <gtest/gtest.h>

#include "persistence/committed_file.h"
#include "persistence/packed_image.h"
#include "persistence/salvage.h"
#include "persistence/storage_model.h"
#include "support/crashing_disk.h"

namespace xtree::test {
namespace {

using persistence::ImageRead;
using testing::SimulatedFileSystem;

constexpr const char* kDirectory = "db";
constexpr std::size_t kBytes = 4096;

// One node in a database, packed if the build has anything for it.
class PackedStorage : public ::testing::TestWithParam<Compression> {
 protected:
  void SetUp() override {
    if (!is_supported(GetParam())) GTEST_SKIP() << "the build has no library for it";
    storage_ = Storage::create(files_, kDirectory).value();
    image_ = random_image(id_, kBytes, random_, 12);
    entry_ = storage_->write(id_, image_, 0, GetParam()).value();
    storage_->commit(some_checkpoint(3), {&entry_, 1}).value();
  }

  [[nodiscard]] std::string segment() const {
    return persistence::segment_path(kDirectory, entry_.address.segment);
  }
  // Changes a byte of what is stored of the node.
  void flip(std::uint64_t offset) {
    Bytes bytes = read_file(files_, segment());
    bytes[entry_.address.offset() + offset] ^= std::byte{1};
    write_file(files_, segment(), bytes);
  }
  // Makes the checksums right again.
  void seal() {
    Bytes bytes = read_file(files_, segment());
    const auto stored =
        std::span(bytes).subspan(entry_.address.offset(), entry_.stored_bytes());
    entry_.checksum = persistence::image_checksum(stored);
    std::memcpy(stored.data() + offsetof(persistence::FrameHeader, checksum), &entry_.checksum,
                sizeof entry_.checksum);
    write_file(files_, segment(), bytes);
  }
  void expect_node(const Storage& storage, const TableEntry& entry) {
    std::vector<std::byte> one(entry.bytes);
    storage.read(entry, one).value();
    EXPECT_EQ(without_checksum(one), image_);
    std::vector<std::byte> many(entry.bytes);
    ImageRead read{entry, many.data()};
    storage.read_many({&read, 1});
    EXPECT_TRUE(read.done);
    EXPECT_EQ(many, one);
  }
  void expect_damaged(const char* text) {
    std::vector<std::byte> room(kBytes);
    const auto read = storage_->read(entry_, room);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code(), ErrorCode::corruption);
    const std::string message = read.error().message();
    EXPECT_NE(message.find(segment() + " at byte " + std::to_string(entry_.address.offset())),
              std::string::npos)
        << message;
    EXPECT_NE(message.find(text), std::string::npos) << message;
    ImageRead many{entry_, room.data(), true};
    storage_->read_many({&many, 1});
    EXPECT_FALSE(many.done);
  }

  SimulatedFileSystem files_;
  Random random_{11};
  const NodeId id_ = NodeId::make(3, 2);
  std::vector<std::byte> image_;
  std::unique_ptr<Storage> storage_;
  TableEntry entry_;
};

TEST_P(PackedStorage, TakesLessRoomAndComesBackAsItWas) {
  EXPECT_EQ(entry_.bytes, kBytes);
  EXPECT_LT(entry_.stored_bytes(), kBytes / 2);
  EXPECT_EQ(storage_->live_segment_bytes(), entry_.stored_bytes());
  expect_node(*storage_, entry_);
  storage_->verify().value();
  const auto again = Storage::open(files_, kDirectory, true).value();
  EXPECT_EQ(again->take_table(), std::vector{entry_});
  EXPECT_EQ(again->live_segment_bytes(), entry_.stored_bytes());
  expect_node(*again, entry_);
}

TEST_P(PackedStorage, IsMovedAsItIsStored) {
  const TableEntry moved = storage_->move(entry_).value();
  EXPECT_NE(moved.address, entry_.address);
  EXPECT_EQ(moved.stored_bytes(), entry_.stored_bytes());
  EXPECT_EQ(moved.checksum, entry_.checksum);
  storage_->commit(some_checkpoint(4), {&moved, 1}).value();
  EXPECT_EQ(storage_->live_segment_bytes(), moved.stored_bytes());
  expect_node(*storage_, moved);
}

TEST_P(PackedStorage, IsFoundByAScanOfTheSegments) {
  FaultReport report;
  persistence::FaultList faults(kDirectory, report);
  const auto found = persistence::scan_segments(files_, kDirectory, faults);
  ASSERT_EQ(found.whole.size(), 1u);
  EXPECT_EQ(found.whole[0].id, id_);
  EXPECT_EQ(found.whole[0].stored_bytes, entry_.stored_bytes());
  persistence::ImageReader reader(files_, kDirectory);
  const auto* frame = reader.read(found.whole[0]).value();
  const std::span bytes(reinterpret_cast<const std::byte*>(frame), frame->bytes);
  EXPECT_EQ(without_checksum({bytes.begin(), bytes.end()}), image_);
}

TEST_P(PackedStorage, EveryDamagedByteIsReportedWithItsFileAndOffset) {
  for (std::uint64_t at = 0; at < entry_.stored_bytes(); at += 1 + random_.below(20)) {
    flip(at);
    expect_damaged("a node is damaged: its checksum is not the one in the table");
    flip(at);
  }
  expect_node(*storage_, entry_);
}

// Not damage that a disk makes: the checksum is right, and what it sums up is not.
TEST_P(PackedStorage, BytesThatCannotBeUnpackedAreReportedTheSameWay) {
  const std::uint64_t behind_the_length = 64 + 8;
  flip(behind_the_length);
  flip(behind_the_length + 1);
  Bytes bytes = read_file(files_, segment());
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(entry_.address.offset() + 72), 40,
              std::byte{0xFF});
  write_file(files_, segment(), bytes);
  seal();
  expect_damaged(persistence::kUnpackable);
}

INSTANTIATE_TEST_SUITE_P(, PackedStorage, ::testing::Values(Compression::lz4, Compression::zstd),
                         [](const auto& one) {
                           return one.param == Compression::lz4 ? "Lz4" : "Zstd";
                         });

}  // namespace
}  // namespace xtree::test
