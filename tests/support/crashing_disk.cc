#include "support/crashing_disk.h"

#include <utility>

namespace xtree::test {

using testing::CrashModel;
using testing::DiskImage;
using testing::Fate;
using testing::Loss;
using testing::SimulatedFileSystem;
using testing::Trace;
using testing::Unit;

std::vector<Fate> random_fates(std::span<const Unit> units, Random& random) {
  std::vector<Fate> fates(units.size());
  const std::uint64_t shape = random.below(4);
  for (std::size_t i = 0; i < units.size(); ++i) {
    const bool any = shape >= 2;
    fates[i].loss = any ? static_cast<Loss>(random.below(7)) : shape == 0 ? Loss::lost : Loss::kept;
    fates[i].size_kept = any ? random.one_in(2) : shape == 1;
    fates[i].argument = static_cast<std::uint32_t>(random.below(units[i].sectors + 1));
  }
  return fates;
}

DiskImage lose_power(const DiskImage& before, const Trace& trace, Random& random) {
  CrashModel model(before);
  for (const testing::Event& event : trace.events) model.apply(event);
  const std::vector<Unit> units = model.units();
  std::vector<DiskImage::Entry> entries =
      model.build(units, random_fates(units, random)).take_entries();
  std::uint32_t number = 0;
  for (DiskImage::Entry& entry : entries) entry.number = number++;
  return DiskImage(std::move(entries));
}

void CrashingDisk::crash(Random& random) {
  image_ = lose_power(image_, trace_, random);
  start();
}

void CrashingDisk::start() {
  files_ = std::make_unique<SimulatedFileSystem>(image_);
  trace_ = {};
  files_->record(&trace_);
}

Bytes read_file(FileSystem& files, const std::string& path) {
  const auto file = files.open(path, OpenMode::read).value();
  Bytes bytes(file->size().value());
  file->read_at(0, bytes).value();
  return bytes;
}

void write_file(FileSystem& files, const std::string& path, std::span<const std::byte> bytes) {
  const auto file = files.open(path, OpenMode::create).value();
  file->truncate(bytes.size()).value();
  file->write_at(0, bytes).value();
}

void cut_file(FileSystem& files, const std::string& path, std::uint64_t bytes) {
  files.open(path, OpenMode::read_write).value()->truncate(bytes).value();
}

void flip(FileSystem& files, const std::string& path, std::uint64_t offset, std::byte bits) {
  const auto file = files.open(path, OpenMode::read_write).value();
  std::byte byte{};
  file->read_at(offset, std::span(&byte, 1)).value();
  byte ^= bits;
  file->write_at(offset, std::span(&byte, 1)).value();
}

std::vector<std::string> all_files(const SimulatedFileSystem& files) {
  std::vector<std::string> paths;
  const DiskImage image = files.image();
  for (const DiskImage::Entry& entry : image.entries()) {
    if (!entry.node->is_directory) paths.push_back(*entry.path);
  }
  return paths;
}

}  // namespace xtree::test
