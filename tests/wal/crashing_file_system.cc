#include "wal/crashing_file_system.h"

#include <algorithm>
#include <span>
#include <utility>

#include "platform/check.h"

namespace xtree::test {
namespace {

constexpr std::uint64_t kSectorBytes = 512;

}  // namespace

class CrashingFile final : public File {
 public:
  CrashingFile(CrashingFileSystem& owner, std::shared_ptr<CrashingFileSystem::Node> node)
      : owner_(owner), node_(std::move(node)) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> bytes) override {
    const auto& content = node_->content;
    if (offset >= content.size()) return std::size_t{0};
    const std::size_t count = std::min<std::size_t>(bytes.size(), content.size() - offset);
    std::copy_n(content.begin() + static_cast<std::ptrdiff_t>(offset), count, bytes.begin());
    return count;
  }

  Result<void> write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    XTREE_TRY(owner_.burn());
    auto& content = node_->content;
    if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size());
    std::copy(bytes.begin(), bytes.end(), content.begin() + static_cast<std::ptrdiff_t>(offset));
    for (std::uint64_t sector = offset / kSectorBytes;
         sector * kSectorBytes < offset + bytes.size(); ++sector) {
      node_->unsynced_sectors.insert(sector);
    }
    return {};
  }

  Result<void> sync() override {
    XTREE_TRY(owner_.burn());
    if (!std::exchange(owner_.fail_sync_, false)) {
      node_->on_disk = node_->content;
      node_->unsynced_sectors.clear();
      return {};
    }
    node_->unsynced_sectors.clear();
    return Error(ErrorCode::io_error, 5, "disk", "planted failure of a sync");
  }

  Result<void> truncate(std::uint64_t bytes) override {
    XTREE_TRY(owner_.burn());
    node_->content.resize(bytes);
    return {};
  }

  Result<std::uint64_t> size() override { return std::uint64_t{node_->content.size()}; }
  Result<void> lock() override { return {}; }

 private:
  CrashingFileSystem& owner_;
  std::shared_ptr<CrashingFileSystem::Node> node_;
};

void CrashingFileSystem::Node::lose_unsynced(std::mt19937_64& random) {
  for (const std::uint64_t sector : unsynced_sectors) {
    const std::uint64_t begin = sector * kSectorBytes;
    const std::uint64_t end = std::min<std::uint64_t>(begin + kSectorBytes, content.size());
    const auto fate = random() % 5;
    if (begin >= end || fate < 2) continue;
    if (on_disk.size() < end) on_disk.resize(end);
    for (std::uint64_t i = begin; i < end; ++i) {
      on_disk[i] = fate < 4 ? content[i] : static_cast<std::byte>(random());
    }
  }
  unsynced_sectors.clear();
  content = on_disk;
}

void CrashingFileSystem::apply(const NameChange& change, Names& names) {
  if (!change.removed.empty()) names.erase(change.removed);
  if (!change.made.empty()) names[change.made] = change.node;
}

void CrashingFileSystem::crash(std::mt19937_64& random) {
  std::set<std::shared_ptr<Node>> nodes;
  for (const auto& [name, node] : names_) nodes.insert(node);
  for (const auto& [name, node] : names_on_disk_) nodes.insert(node);
  for (const NameChange& change : unsynced_changes_) {
    if (change.node != nullptr) nodes.insert(change.node);
    if (random() % 2 == 0) apply(change, names_on_disk_);
  }
  // In the order of their names, so that a seed always gives the same crash.
  Names all = names_on_disk_;
  for (const auto& [name, node] : names_) all.try_emplace(name, node);
  for (const auto& [name, node] : all) {
    if (nodes.erase(node) > 0) node->lose_unsynced(random);
  }
  unsynced_changes_.clear();
  names_ = names_on_disk_;
  fuse_ = UINT64_MAX;
  fail_sync_ = false;
}

void CrashingFileSystem::change_names(NameChange change) {
  apply(change, names_);
  unsynced_changes_.push_back(std::move(change));
}

Result<void> CrashingFileSystem::burn() {
  if (fuse_ == 0) return Error(ErrorCode::io_error, 5, "disk", "the power is gone");
  --fuse_;
  return {};
}

Result<std::unique_ptr<File>> CrashingFileSystem::open(std::string_view path, OpenMode mode) {
  const std::string name(path);
  if (!names_.contains(name)) {
    if (mode != OpenMode::create) return Error(ErrorCode::not_found, name.c_str(), "no such file");
    XTREE_TRY(burn());
    change_names({.removed = "", .made = name, .node = std::make_shared<Node>()});
  }
  return std::unique_ptr<File>(std::make_unique<CrashingFile>(*this, names_.at(name)));
}

Result<bool> CrashingFileSystem::exists(std::string_view path) {
  const std::string name(path);
  return names_.contains(name) || directories_.contains(name);
}

Result<std::vector<std::string>> CrashingFileSystem::list(std::string_view directory) {
  const std::string prefix = std::string(directory) + "/";
  std::vector<std::string> found;
  for (const auto& [name, node] : names_) {
    if (name.starts_with(prefix)) found.push_back(name.substr(prefix.size()));
  }
  return found;
}

Result<void> CrashingFileSystem::make_directory(std::string_view path) {
  XTREE_TRY(burn());
  directories_.insert(std::string(path));
  return {};
}

Result<void> CrashingFileSystem::remove(std::string_view path) {
  XTREE_TRY(burn());
  const std::string name(path);
  if (!names_.contains(name)) return Error(ErrorCode::not_found, name.c_str(), "no such file");
  change_names({.removed = name, .made = "", .node = nullptr});
  return {};
}

Result<void> CrashingFileSystem::rename(std::string_view from, std::string_view to) {
  XTREE_TRY(burn());
  const std::string name(from);
  if (!names_.contains(name)) return Error(ErrorCode::not_found, name.c_str(), "no such file");
  change_names({.removed = name, .made = std::string(to), .node = names_.at(name)});
  return {};
}

Result<void> CrashingFileSystem::sync_directory(std::string_view) {
  XTREE_TRY(burn());
  names_on_disk_ = names_;
  unsynced_changes_.clear();
  return {};
}

}  // namespace xtree::test
