#include "xtree/testing/recording_file_system.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <utility>

#include "platform/check.h"

namespace xtree::testing {

class RecordingFile final : public File {
 public:
  RecordingFile(RecordingFileSystem& owner, std::unique_ptr<File> file,
                std::uint32_t number) noexcept
      : owner_(owner),
        file_(std::move(file)),
        number_(number) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> bytes) override {
    const std::lock_guard lock(owner_.mutex_);
    XTREE_TRY(owner_.arrive_locked(false));
    return file_->read_at(offset, bytes);
  }
  Result<void> write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    const std::lock_guard lock(owner_.mutex_);
    XTREE_TRY(owner_.arrive_locked(true));
    XTREE_TRY(file_->write_at(offset, bytes));
    owner_.record_locked({.kind = EventKind::write,
                          .node = number_,
                          .bytes = cut_into_pages(offset, bytes)});
    return {};
  }
  Result<void> sync() override {
    const std::lock_guard lock(owner_.mutex_);
    XTREE_TRY(owner_.arrive_locked(true));
    owner_.record_locked({.kind = EventKind::sync, .node = number_});
    return {};
  }
  bool takes_durable_writes() noexcept override { return true; }
  Result<void> write_durably(std::uint64_t offset, std::span<const std::byte> bytes) override {
    XTREE_TRY(write_at(offset, bytes));
    const std::lock_guard lock(owner_.mutex_);
    XTREE_TRY(owner_.arrive_locked(true));
    owner_.record_locked({.kind = EventKind::sync_piece,
                          .node = number_,
                          .size = bytes.size(),
                          .offset = offset});
    return {};
  }
  Result<void> truncate(std::uint64_t bytes) override {
    const std::lock_guard lock(owner_.mutex_);
    XTREE_TRY(owner_.arrive_locked(true));
    XTREE_TRY(file_->truncate(bytes));
    owner_.record_locked({.kind = EventKind::truncate, .node = number_, .size = bytes});
    return {};
  }
  Result<std::uint64_t> size() override {
    const std::lock_guard lock(owner_.mutex_);
    XTREE_TRY(owner_.arrive_locked(false));
    return file_->size();
  }
  Result<void> lock() override {
    const std::lock_guard lock(owner_.mutex_);
    XTREE_TRY(owner_.arrive_locked(false));
    return file_->lock();
  }

 private:
  RecordingFileSystem& owner_;
  const std::unique_ptr<File> file_;
  const std::uint32_t number_;
};

namespace {

// "." is the root, and a '/' at the end means nothing.
std::string_view plain(std::string_view path) noexcept {
  while (path.ends_with('/')) path.remove_suffix(1);
  return path == "." ? std::string_view() : path;
}

std::shared_ptr<const std::string> shared(std::string_view path) {
  return std::make_shared<const std::string>(path);
}

}  // namespace

RecordingFileSystem::RecordingFileSystem(FileSystem& base, std::string root,
                                         const DiskImage& image)
    : base_(base),
      root_(std::move(root)) {
  for (const DiskImage::Entry& entry : image.entries()) {
    numbers_.emplace(*entry.path, entry.number);
    trace_.next_node = std::max(trace_.next_node, entry.number + 1);
  }
}

RecordingFileSystem::~RecordingFileSystem() = default;

void RecordingFileSystem::cut_after(std::uint64_t events) {
  const std::lock_guard lock(mutex_);
  events_left_ = events;
}

bool RecordingFileSystem::has_power() const {
  const std::lock_guard lock(mutex_);
  return has_power_;
}

Result<void> RecordingFileSystem::arrive_locked(bool changes) {
  if (changes && events_left_ == 0) has_power_ = false;
  if (!has_power_) return Error(ErrorCode::io_error, EIO, "disk", "the power is gone");
  if (changes) --events_left_;
  return {};
}

std::string RecordingFileSystem::below(std::string_view path) const {
  return path.empty() ? root_ : root_ + "/" + std::string(path);
}

Result<std::unique_ptr<File>> RecordingFileSystem::open(std::string_view path, OpenMode mode) {
  const std::lock_guard lock(mutex_);
  path = plain(path);
  auto known = numbers_.find(path);
  const bool makes = mode == OpenMode::create && known == numbers_.end();
  XTREE_TRY(arrive_locked(makes));
  auto file = base_.open(below(path), mode);
  if (!file) return file.error();
  if (makes) {
    known = numbers_.emplace(path, trace_.next_node++).first;
    record_locked({.kind = EventKind::make_file, .node = known->second, .path = shared(path)});
  }
  XTREE_CHECK(known != numbers_.end());  // or somebody else changes the directory
  return std::unique_ptr<File>(
      std::make_unique<RecordingFile>(*this, std::move(file).value(), known->second));
}

Result<bool> RecordingFileSystem::exists(std::string_view path) {
  const std::lock_guard lock(mutex_);
  XTREE_TRY(arrive_locked(false));
  return base_.exists(below(plain(path)));
}

Result<std::vector<std::string>> RecordingFileSystem::list(std::string_view directory) {
  const std::lock_guard lock(mutex_);
  XTREE_TRY(arrive_locked(false));
  return base_.list(below(plain(directory)));
}

Result<void> RecordingFileSystem::make_directory(std::string_view path) {
  const std::lock_guard lock(mutex_);
  path = plain(path);
  const bool makes = !path.empty() && numbers_.find(path) == numbers_.end();
  XTREE_TRY(arrive_locked(makes));
  XTREE_TRY(base_.make_directory(below(path)));
  if (!makes) return {};
  const std::uint32_t number = trace_.next_node++;
  numbers_.emplace(path, number);
  record_locked({.kind = EventKind::make_directory, .node = number, .path = shared(path)});
  return {};
}

Result<void> RecordingFileSystem::remove(std::string_view path) {
  const std::lock_guard lock(mutex_);
  path = plain(path);
  XTREE_TRY(arrive_locked(true));
  XTREE_TRY(base_.remove(below(path)));
  const auto known = numbers_.find(path);
  XTREE_CHECK(known != numbers_.end());
  record_locked({.kind = EventKind::remove, .node = known->second, .path = shared(path)});
  numbers_.erase(known);
  return {};
}

Result<void> RecordingFileSystem::rename(std::string_view from, std::string_view to) {
  const std::lock_guard lock(mutex_);
  from = plain(from);
  to = plain(to);
  XTREE_TRY(arrive_locked(true));
  XTREE_TRY(base_.rename(below(from), below(to)));
  const auto known = numbers_.find(from);
  XTREE_CHECK(known != numbers_.end());
  const std::uint32_t number = known->second;
  numbers_.erase(known);
  numbers_.insert_or_assign(std::string(to), number);
  record_locked(
      {.kind = EventKind::rename, .node = number, .path = shared(to), .from = shared(from)});
  return {};
}

Result<void> RecordingFileSystem::sync_directory(std::string_view path) {
  const std::lock_guard lock(mutex_);
  path = plain(path);
  XTREE_TRY(arrive_locked(true));
  record_locked({.kind = EventKind::sync_directory, .path = shared(path)});
  return {};
}

Result<void> materialise(const DiskImage& image, const std::string& directory) {
  namespace fs = std::filesystem;
  std::error_code failure;
  fs::remove_all(directory, failure);
  if (!failure) fs::create_directories(directory, failure);
  std::vector<std::byte> bytes;
  for (const DiskImage::Entry& entry : image.entries()) {
    const std::string path = directory + "/" + *entry.path;
    if (entry.node->is_directory) {
      if (!failure) fs::create_directory(path, failure);
      continue;
    }
    bytes.resize(entry.node->size);
    entry.node->read(0, bytes);
    std::ofstream out(path, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
    if (!out.flush()) return Error(ErrorCode::io_error, errno, path.c_str(), "cannot write");
  }
  if (!failure) return {};
  return Error(ErrorCode::io_error, failure.value(), directory.c_str(), "cannot make the files");
}

}  // namespace xtree::testing
