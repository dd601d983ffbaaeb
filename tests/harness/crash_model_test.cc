#include "xtree/testing/crash_model.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace xtree::test {
namespace {

using testing::CrashModel;
using testing::DiskImage;
using testing::Fate;
using testing::kSectorBytes;
using testing::Loss;
using testing::SimulatedFileSystem;
using testing::Unit;

constexpr Fate kLost{Loss::lost, false, 0};

// A file system whose calls go into a model as well.
class Disk {
 public:
  Disk() { files_.record(&trace_); }

  SimulatedFileSystem& files() { return files_; }
  CrashModel& model() {
    for (; followed_ < trace_.events.size(); ++followed_) model_.apply(trace_.events[followed_]);
    return model_;
  }
  DiskImage crash(std::vector<Fate> fates) {
    const std::vector<Unit> units = model().units();
    EXPECT_EQ(units.size(), fates.size());
    return model_.build(units, fates);
  }
  DiskImage crash_losing_all() {
    return crash(std::vector<Fate>(model().units().size(), kLost));
  }

 private:
  testing::Trace trace_;
  SimulatedFileSystem files_;
  CrashModel model_;
  std::size_t followed_ = 0;
};

std::optional<std::string> text_of(const DiskImage& image, std::string_view path) {
  const DiskImage::Entry* entry = image.find(path);
  if (entry == nullptr) return std::nullopt;
  std::string text(entry->node->size, '?');
  entry->node->read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

void write(File& file, std::uint64_t offset, std::string_view text) {
  file.write_at(offset, std::as_bytes(std::span(text))).value();
}

// A file "a" that is durable and holds this.
std::unique_ptr<File> make_file(Disk& disk, std::string_view text) {
  auto file = disk.files().open("a", OpenMode::create).value();
  write(*file, 0, text);
  file->sync().value();
  disk.files().sync_directory(".").value();
  return file;
}

TEST(CrashModel, LosesWhatWasNotSyncedAndNothingElse) {
  Disk disk;
  const auto file = make_file(disk, "durable");
  write(*file, 0, "written");
  EXPECT_EQ(text_of(disk.crash_losing_all(), "a"), "durable");
  EXPECT_EQ(text_of(disk.crash({Fate()}), "a"), "written");
  file->sync().value();
  EXPECT_EQ(text_of(disk.crash({}), "a"), "written");
}

TEST(CrashModel, LosesNamesOfDirectoriesThatWereNotSynced) {
  Disk disk;
  auto file = disk.files().open("a", OpenMode::create).value();
  write(*file, 0, "x");
  file->sync().value();
  EXPECT_EQ(text_of(disk.crash_losing_all(), "a"), std::nullopt);
  disk.files().sync_directory(".").value();
  EXPECT_EQ(text_of(disk.crash({}), "a"), "x");
  disk.files().remove("a").value();
  EXPECT_EQ(text_of(disk.crash_losing_all(), "a"), "x") << "a removal may be lost too";
}

TEST(CrashModel, LosesWhatIsInADirectoryThatIsLost) {
  Disk disk;
  disk.files().make_directory("d").value();
  static_cast<void>(disk.files().open("d/a", OpenMode::create).value());
  disk.files().sync_directory("d").value();
  EXPECT_TRUE(disk.crash_losing_all().entries().empty());
  EXPECT_EQ(text_of(disk.crash({Fate()}), "d/a"), "");
}

TEST(CrashModel, RenamesAtomically) {
  Disk disk;
  make_file(disk, "old");
  auto copy = disk.files().open("b", OpenMode::create).value();
  write(*copy, 0, "new");
  copy->sync().value();
  disk.files().sync_directory(".").value();
  disk.files().rename("b", "a").value();
  const DiskImage before = disk.crash({kLost});
  EXPECT_EQ(text_of(before, "a"), "old");
  EXPECT_EQ(text_of(before, "b"), "new");
  const DiskImage after = disk.crash({Fate()});
  EXPECT_EQ(text_of(after, "a"), "new");
  EXPECT_EQ(text_of(after, "b"), std::nullopt);
}

TEST(CrashModel, PartsDataFromSize) {
  Disk disk;
  const auto file = make_file(disk, "ab");
  write(*file, 2, "cd");
  EXPECT_EQ(text_of(disk.crash({{Loss::kept, false, 0}}), "a"), "ab");
  EXPECT_EQ(text_of(disk.crash({{Loss::lost, true, 0}}), "a"), std::string("ab\0\0", 4));
}

TEST(CrashModel, LosesTruncations) {
  Disk disk;
  const auto file = make_file(disk, "abcd");
  file->truncate(1).value();
  EXPECT_EQ(text_of(disk.crash({kLost}), "a"), "abcd");
  EXPECT_EQ(text_of(disk.crash({Fate()}), "a"), "a");
}

TEST(CrashModel, TearsWritesAtSectors) {
  Disk disk;
  const std::string old_text(4 * kSectorBytes, 'o');
  const std::string new_text(4 * kSectorBytes, 'n');
  const auto file = make_file(disk, old_text);
  write(*file, 0, new_text);
  EXPECT_EQ(text_of(disk.crash({{Loss::head, true, 1}}), "a"),
            new_text.substr(0, kSectorBytes) + old_text.substr(kSectorBytes));
  EXPECT_EQ(text_of(disk.crash({{Loss::tail, true, 1}}), "a"),
            old_text.substr(0, kSectorBytes) + new_text.substr(kSectorBytes));
  std::set<std::string> found;
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    found.insert(*text_of(disk.crash({{Loss::mixed, true, seed}}), "a"));
  }
  EXPECT_EQ(found.size(), 16u) << "every subset of four sectors";
}

TEST(CrashModel, BringsSectorsBackAsRubbish) {
  Disk disk;
  const auto file = make_file(disk, std::string(kSectorBytes, 'o'));
  write(*file, 0, "n");
  std::set<std::string> found;
  for (std::uint32_t seed = 0; seed < 64; ++seed) {
    found.insert(*text_of(disk.crash({{Loss::rubbish, true, seed}}), "a"));
  }
  EXPECT_GT(found.size(), 4u);
}

TEST(CrashModel, DoesNotBelieveASyncBehindOneThatFailed) {
  Disk disk;
  const auto file = make_file(disk, "durable");
  write(*file, 0, "l");
  disk.files().fail(testing::Call::sync, 1, Error(ErrorCode::io_error, 5, "disk", "planted"));
  EXPECT_FALSE(file->sync());
  write(*file, 1, "L");
  file->sync().value();
  EXPECT_EQ(text_of(disk.crash({kLost}), "a"), "dLrable");
  EXPECT_EQ(text_of(disk.crash({Fate()}), "a"), "lLrable");
}

TEST(CrashModel, ADurableWriteIsOnlyOfItsOwnBytes) {
  Disk disk;
  const auto file = make_file(disk, "12");
  write(*file, 0, "a");
  file->write_durably(1, std::as_bytes(std::span("bc", 2))).value();
  EXPECT_EQ(text_of(disk.crash({kLost}), "a"), "1bc");
  EXPECT_EQ(text_of(disk.crash({Fate()}), "a"), "abc");
  disk.files().fail(testing::Call::sync, 1, Error(ErrorCode::io_error, 5, "disk", "planted"));
  EXPECT_FALSE(file->write_durably(2, std::as_bytes(std::span("C", 1))));
  file->sync().value();
  EXPECT_EQ(text_of(disk.crash({kLost}), "a"), "abc");
  EXPECT_EQ(text_of(disk.crash({Fate()}), "a"), "abC");
}

TEST(CrashModel, KeepsTheOrderOfWritesToOneSector) {
  Disk disk;
  const auto file = make_file(disk, "0");
  write(*file, 0, "1");
  write(*file, 0, "2");
  std::set<std::string> found;
  for (const Fate first : {Fate(), kLost}) {
    for (const Fate second : {Fate(), kLost}) {
      found.insert(*text_of(disk.crash({first, second}), "a"));
    }
  }
  EXPECT_EQ(found, (std::set<std::string>{"0", "1", "2"}));
}

}  // namespace
}  // namespace xtree::test
