#include "xtree/testing/simulated_file_system.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace xtree::test {
namespace {

using testing::Call;
using testing::EventKind;
using testing::Failure;
using testing::SimulatedFileSystem;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::string read(File& file, std::uint64_t offset, std::size_t count) {
  std::string text(count, '?');
  text.resize(file.read_at(offset, std::as_writable_bytes(std::span(text))).value());
  return text;
}

TEST(SimulatedFileSystem, ReadsWhatWasWrittenAcrossPages) {
  SimulatedFileSystem files;
  auto file = files.open("a", OpenMode::create).value();
  const std::string text(10000, 'x');
  file->write_at(3000, bytes_of(text)).value();
  file->write_at(4095, bytes_of("abc")).value();
  EXPECT_EQ(file->size().value(), 13000u);
  EXPECT_EQ(read(*file, 4093, 6), "xxabcx");
  EXPECT_EQ(read(*file, 2998, 4), std::string("\0\0xx", 4));
  EXPECT_EQ(read(*file, 12999, 10), "x");
}

TEST(SimulatedFileSystem, ForgetsWhatATruncationCutOff) {
  SimulatedFileSystem files;
  auto file = files.open("a", OpenMode::create).value();
  file->write_at(0, bytes_of("abcdef")).value();
  file->truncate(2).value();
  file->truncate(4).value();
  EXPECT_EQ(read(*file, 0, 10), std::string("ab\0\0", 4));
}

TEST(SimulatedFileSystem, KeepsTheContractOfNames) {
  SimulatedFileSystem files;
  EXPECT_EQ(files.open("a", OpenMode::read).error().code(), ErrorCode::not_found);
  EXPECT_EQ(files.open("d/a", OpenMode::create).error().code(), ErrorCode::not_found);
  files.make_directory("d").value();
  files.make_directory("d").value();
  auto file = files.open("d/a", OpenMode::create).value();
  file->write_at(0, bytes_of("one")).value();
  static_cast<void>(files.open("d/b", OpenMode::create).value());
  files.rename("d/a", "d/b").value();
  EXPECT_FALSE(files.exists("d/a").value());
  EXPECT_EQ(files.list("d").value(), std::vector<std::string>{"b"});
  auto renamed = files.open("d/b", OpenMode::read).value();
  EXPECT_EQ(read(*renamed, 0, 9), "one");
  EXPECT_FALSE(renamed->write_at(0, bytes_of("two")));
  files.remove("d/b").value();
  EXPECT_EQ(read(*renamed, 0, 9), "one") << "an open file outlives its name";
  EXPECT_EQ(files.remove("d/b").error().code(), ErrorCode::not_found);
}

TEST(SimulatedFileSystem, LocksAFileForOneObject) {
  SimulatedFileSystem files;
  auto first = files.open("a", OpenMode::create).value();
  auto second = files.open("a", OpenMode::create).value();
  first->lock().value();
  EXPECT_EQ(second->lock().error().code(), ErrorCode::locked);
  EXPECT_EQ(files.open_files(), 2u);
  EXPECT_EQ(files.held_locks(), 1u);
  first.reset();
  EXPECT_EQ(files.held_locks(), 0u);
  EXPECT_TRUE(second->lock());
}

TEST(SimulatedFileSystem, FailsTheNthCallOnceOrFromThenOn) {
  const Error error(ErrorCode::no_space, 28, "disk", "full");
  SimulatedFileSystem files;
  auto file = files.open("a", OpenMode::create).value();
  files.fail(Call::write, 2, error);
  EXPECT_TRUE(file->write_at(0, bytes_of("1234")));
  EXPECT_EQ(file->write_at(0, bytes_of("abcd")).error().code(), ErrorCode::no_space);
  EXPECT_EQ(read(*file, 0, 9), "ab34") << "half of it was written";
  EXPECT_TRUE(file->write_at(0, bytes_of("x")));
  files.fail(Call::sync, 1, error, Failure::from_then_on);
  EXPECT_FALSE(file->sync());
  EXPECT_FALSE(file->sync());
  files.heal();
  EXPECT_TRUE(file->sync());
}

TEST(SimulatedFileSystem, RecordsWhatChangesSomething) {
  SimulatedFileSystem files;
  testing::Trace trace;
  files.record(&trace);
  files.make_directory("d").value();
  auto file = files.open("d/a", OpenMode::create).value();
  file->write_at(0, bytes_of("x")).value();
  file->truncate(0).value();
  file->sync().value();
  static_cast<void>(read(*file, 0, 1));
  files.rename("d/a", "d/b").value();
  files.sync_directory("d").value();
  files.remove("d/b").value();
  EXPECT_EQ(files.recorded(), trace.events.size());
  std::vector<EventKind> kinds;
  for (const testing::Event& event : trace.events) kinds.push_back(event.kind);
  EXPECT_EQ(kinds, (std::vector<EventKind>{EventKind::make_directory, EventKind::make_file,
                                           EventKind::write, EventKind::truncate, EventKind::sync,
                                           EventKind::rename, EventKind::sync_directory,
                                           EventKind::remove}));
}

TEST(SimulatedFileSystem, ContinuesWithAnImageWithoutTouchingIt) {
  SimulatedFileSystem files;
  files.open("a", OpenMode::create).value()->write_at(0, bytes_of("old")).value();
  const testing::DiskImage image = files.image();
  const std::uint64_t hash = image.hash();
  SimulatedFileSystem copy(image);
  copy.open("a", OpenMode::read_write).value()->write_at(0, bytes_of("new")).value();
  EXPECT_EQ(image.hash(), hash);
  EXPECT_EQ(files.image().hash(), hash);
  EXPECT_NE(copy.image().hash(), hash);
}

TEST(SimulatedFileSystem, LosesItsPowerBehindAsManyChangesAsWereAllowed) {
  SimulatedFileSystem files;
  files.make_directory("d").value();
  files.cut_after(3);
  auto file = files.open("d/a", OpenMode::create).value();
  static_cast<void>(files.open("d/a", OpenMode::create).value());  // changes nothing
  EXPECT_EQ(read(*file, 0, 1), "");
  file->write_at(0, bytes_of("one")).value();
  EXPECT_EQ(read(*file, 0, 3), "one");
  file->sync().value();
  EXPECT_TRUE(files.has_power());
  EXPECT_FALSE(file->write_at(0, bytes_of("two")));
  EXPECT_FALSE(files.has_power());
  EXPECT_FALSE(files.exists("d/a"));
  const testing::DiskImage left = files.image();
  SimulatedFileSystem again(left);
  EXPECT_EQ(read(*again.open("d/a", OpenMode::read).value(), 0, 3), "one");
}

TEST(SimulatedFileSystem, RefusesWritingAsAFileSystemThatIsMountedForReading) {
  SimulatedFileSystem files;
  files.make_directory("d").value();
  files.open("d/a", OpenMode::create).value()->write_at(0, bytes_of("one")).value();
  files.refuse_writing(true);
  for (const OpenMode mode : {OpenMode::read_write, OpenMode::create}) {
    EXPECT_EQ(files.open("d/a", mode).error().code(), ErrorCode::read_only);
  }
  EXPECT_EQ(files.make_directory("e").error().code(), ErrorCode::read_only);
  EXPECT_TRUE(files.make_directory("d"));
  EXPECT_EQ(files.remove("d/a").error().code(), ErrorCode::read_only);
  EXPECT_EQ(files.rename("d/a", "d/b").error().code(), ErrorCode::read_only);
  EXPECT_EQ(read(*files.open("d/a", OpenMode::read).value(), 0, 3), "one");
  files.refuse_writing(false);
  EXPECT_TRUE(files.remove("d/a"));
}

}  // namespace
}  // namespace xtree::test
