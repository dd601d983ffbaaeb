#include "support/memory_file_system.h"

#include <algorithm>
#include <cstring>

namespace xtree::test {

struct MemoryFileSystem::Content {
  std::mutex latch;
  Bytes bytes;
  bool locked = false;
};

class MemoryFileSystem::OpenFile : public File {
 public:
  OpenFile(std::string path, std::shared_ptr<Content> content, bool writable)
      : path_(std::move(path)), content_(std::move(content)), writable_(writable) {}
  ~OpenFile() override {
    if (holds_lock_) content_->locked = false;
  }

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> bytes) override {
    const std::lock_guard guard(content_->latch);
    const Bytes& all = content_->bytes;
    if (offset >= all.size()) return std::size_t{0};
    const std::size_t count = std::min<std::size_t>(bytes.size(), all.size() - offset);
    std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(offset), count, bytes.begin());
    return count;
  }
  Result<void> write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    const std::lock_guard guard(content_->latch);
    if (!writable_) return Error(ErrorCode::io_error, path_.c_str(), "opened for reading");
    Bytes& all = content_->bytes;
    if (all.size() < offset + bytes.size()) all.resize(offset + bytes.size());
    std::copy(bytes.begin(), bytes.end(), all.begin() + static_cast<std::ptrdiff_t>(offset));
    return {};
  }
  Result<void> sync() override { return {}; }
  Result<void> truncate(std::uint64_t bytes) override {
    const std::lock_guard guard(content_->latch);
    if (!writable_) return Error(ErrorCode::io_error, path_.c_str(), "opened for reading");
    content_->bytes.resize(bytes);
    return {};
  }
  Result<std::uint64_t> size() override {
    const std::lock_guard guard(content_->latch);
    return std::uint64_t{content_->bytes.size()};
  }
  Result<void> lock() override {
    const std::lock_guard guard(content_->latch);
    if (content_->locked) return Error(ErrorCode::locked, path_.c_str(), "is open elsewhere");
    content_->locked = holds_lock_ = true;
    return {};
  }

 private:
  std::string path_;
  std::shared_ptr<Content> content_;
  bool writable_;
  bool holds_lock_ = false;
};

namespace {

Error absent(std::string_view path) {
  return Error(ErrorCode::not_found, std::string(path).c_str(), "is not there");
}

Error refused(std::string_view path) {
  return Error(ErrorCode::read_only, std::string(path).c_str(), "the file system is read-only");
}

std::string parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? "." : std::string(path.substr(0, slash));
}

}  // namespace

MemoryFileSystem::MemoryFileSystem() { directories_.insert("."); }

MemoryFileSystem::~MemoryFileSystem() = default;

DirectoryImage MemoryFileSystem::image(const std::string& directory) const {
  const std::lock_guard guard(latch_);
  const std::string prefix = directory + "/";
  DirectoryImage image;
  for (const std::string& path : directories_) {
    if (path.starts_with(prefix)) image[path.substr(prefix.size()) + "/"] = {};
  }
  for (const auto& [path, content] : files_) {
    if (!path.starts_with(prefix)) continue;
    const std::lock_guard content_guard(content->latch);
    image[path.substr(prefix.size())] = content->bytes;
  }
  return image;
}

void MemoryFileSystem::restore(const std::string& directory, const DirectoryImage& image) {
  const std::lock_guard guard(latch_);
  files_.clear();
  directories_ = {".", directory};
  for (const auto& [name, bytes] : image) {
    if (name.back() == '/') {
      directories_.insert(directory + "/" + name.substr(0, name.size() - 1));
      continue;
    }
    auto content = std::make_shared<Content>();
    content->bytes = bytes;
    files_[directory + "/" + name] = std::move(content);
  }
}

Result<std::unique_ptr<File>> MemoryFileSystem::open(std::string_view path, OpenMode mode) {
  const std::lock_guard guard(latch_);
  const std::string name(path);
  if (mode != OpenMode::read && refuse_writing_) return refused(path);
  auto found = files_.find(name);
  if (found == files_.end()) {
    if (mode != OpenMode::create || !directories_.contains(parent_of(path))) return absent(path);
    found = files_.emplace(name, std::make_shared<Content>()).first;
  }
  return std::unique_ptr<File>(
      std::make_unique<OpenFile>(name, found->second, mode != OpenMode::read));
}

Result<bool> MemoryFileSystem::exists(std::string_view path) {
  const std::lock_guard guard(latch_);
  return files_.contains(path) || directories_.contains(path);
}

Result<std::vector<std::string>> MemoryFileSystem::list(std::string_view directory) {
  const std::lock_guard guard(latch_);
  if (!directories_.contains(directory)) return absent(directory);
  std::vector<std::string> names;
  const auto add = [&](const std::string& path) {
    if (!path.empty() && path != directory && parent_of(path) == directory) {
      names.push_back(path.substr(path.rfind('/') + 1));
    }
  };
  for (const auto& [path, content] : files_) add(path);
  for (const std::string& path : directories_) add(path);
  return names;
}

Result<void> MemoryFileSystem::make_directory(std::string_view path) {
  const std::lock_guard guard(latch_);
  if (directories_.contains(path)) return {};
  if (refuse_writing_) return refused(path);
  if (!directories_.contains(parent_of(path))) return absent(path);
  directories_.emplace(path);
  return {};
}

Result<void> MemoryFileSystem::remove(std::string_view path) {
  const std::lock_guard guard(latch_);
  if (refuse_writing_) return refused(path);
  const auto found = files_.find(path);
  if (found == files_.end()) return absent(path);
  files_.erase(found);
  return {};
}

Result<void> MemoryFileSystem::rename(std::string_view from, std::string_view to) {
  const std::lock_guard guard(latch_);
  if (refuse_writing_) return refused(from);
  const auto found = files_.find(from);
  if (found == files_.end()) return absent(from);
  auto content = std::move(found->second);
  files_.erase(found);
  files_[std::string(to)] = std::move(content);
  return {};
}

Result<void> MemoryFileSystem::sync_directory(std::string_view path) {
  const std::lock_guard guard(latch_);
  return directories_.contains(path) ? Result<void>() : Result<void>(absent(path));
}

}  // namespace xtree::test
