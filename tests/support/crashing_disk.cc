#include "support/crashing_disk.h"

#include <cstring>
#include <string_view>
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

DiskImage disk_of(const std::string& directory, const DirectoryImage& files) {
  DiskImage disk;
  std::uint32_t number = 0;
  const auto put = [&](const std::string& path, bool is_directory, const Bytes& bytes) {
    auto node = std::make_shared<testing::Node>();
    node->is_directory = is_directory;
    node->size = bytes.size();
    node->write(testing::cut_into_pages(0, bytes));
    disk.put({std::make_shared<const std::string>(path), std::move(node), number++});
  };
  put(directory, true, {});
  for (const auto& [name, bytes] : files) {
    const bool is_directory = name.ends_with('/');
    put(directory + "/" + name.substr(0, name.size() - (is_directory ? 1 : 0)), is_directory,
        bytes);
  }
  return disk;
}

DirectoryImage directory_of(const DiskImage& disk, const std::string& directory) {
  const std::string prefix = directory + "/";
  DirectoryImage files;
  for (const DiskImage::Entry& entry : disk.entries()) {
    if (!entry.path->starts_with(prefix)) continue;
    const std::string name = entry.path->substr(prefix.size());
    if (entry.node->is_directory) {
      files[name + "/"] = {};
      continue;
    }
    Bytes& bytes = files[name];
    bytes.resize(entry.node->size);
    entry.node->read(0, bytes);
  }
  return files;
}

std::set<std::string> begun_log_files(const DirectoryImage& image) {
  constexpr std::string_view kMagic = "XTREELOG";  // design/wal_format.md, "File header"
  constexpr std::size_t kNumberOffset = 16;
  std::set<std::string> names;
  for (const auto& [name, bytes] : image) {
    if (!name.starts_with("wal/") || bytes.size() < kNumberOffset + sizeof(std::uint64_t)) continue;
    std::uint64_t number = 0;
    std::memcpy(&number, bytes.data() + kNumberOffset, sizeof number);
    const bool has_magic = std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) == 0;
    if (has_magic && std::stoull(name.substr(4), nullptr, 16) == number) names.insert(name);
  }
  return names;
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
