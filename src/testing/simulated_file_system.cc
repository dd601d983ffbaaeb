#include "xtree/testing/simulated_file_system.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "platform/check.h"

namespace xtree::testing {

struct SimulatedFileSystem::OpenNode {
  NodeRef shared;             // until it is written to
  std::shared_ptr<Node> own;  // from then on
  std::uint32_t number = 0;
  bool locked = false;

  [[nodiscard]] const Node& read() const noexcept { return own ? *own : *shared; }
  Node& write() {
    if (!own) own = std::make_shared<Node>(*std::exchange(shared, nullptr));
    return *own;
  }
  [[nodiscard]] NodeRef share() const {
    return own ? std::make_shared<const Node>(*own) : shared;
  }
};

class SimulatedFile final : public File {
 public:
  using Owner = SimulatedFileSystem;

  SimulatedFile(Owner& owner, std::shared_ptr<Owner::OpenNode> node, std::string path,
                bool writable) noexcept
      : owner_(owner), node_(std::move(node)), path_(std::move(path)), writable_(writable) {}
  ~SimulatedFile() override {
    const std::lock_guard lock(owner_.mutex_);
    --owner_.open_files_;
    if (!holds_lock_) return;
    node_->locked = false;
    --owner_.held_locks_;
  }

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> bytes) override {
    const std::lock_guard lock(owner_.mutex_);
    XTREE_TRY(owner_.arrive_locked(Call::read));
    return node_->read().read(offset, bytes);
  }

  Result<void> write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    const std::lock_guard lock(owner_.mutex_);
    XTREE_TRY(require_writable());
    const Result<void> arrived = owner_.arrive_locked(Call::write, true);
    if (!arrived && !owner_.has_power_) return arrived;
    if (!arrived) bytes = bytes.first(bytes.size() / 2);
    if (bytes.empty()) return arrived;
    Node& node = node_->write();
    WrittenBytes written = cut_into_pages(offset, bytes);
    node.write(written);
    node.size = std::max(node.size, written.end());
    if (Event* event = owner_.record_locked(EventKind::write, node_->number)) {
      event->bytes = std::move(written);
    }
    return arrived;
  }

  Result<void> sync() override {
    const std::lock_guard lock(owner_.mutex_);
    const Result<void> arrived = owner_.arrive_locked(Call::sync, true);
    if (owner_.has_power_) {
      owner_.record_locked(arrived ? EventKind::sync : EventKind::failed_sync, node_->number);
    }
    return arrived;
  }

  bool takes_durable_writes() noexcept override { return true; }
  // A write and a sync of this piece, between which others may come.
  Result<void> write_durably(std::uint64_t offset, std::span<const std::byte> bytes) override {
    XTREE_TRY(write_at(offset, bytes));
    const std::lock_guard lock(owner_.mutex_);
    const Result<void> arrived = owner_.arrive_locked(Call::sync, true);
    if (!owner_.has_power_) return arrived;
    const EventKind kind = arrived ? EventKind::sync_piece : EventKind::failed_sync_piece;
    if (Event* event = owner_.record_locked(kind, node_->number)) {
      event->offset = offset;
      event->size = bytes.size();
    }
    return arrived;
  }

  Result<void> truncate(std::uint64_t bytes) override {
    const std::lock_guard lock(owner_.mutex_);
    XTREE_TRY(require_writable());
    XTREE_TRY(owner_.arrive_locked(Call::truncate, true));
    if (node_->read().size == bytes) return {};
    node_->write().resize(bytes);
    if (Event* event = owner_.record_locked(EventKind::truncate, node_->number)) {
      event->size = bytes;
    }
    return {};
  }

  Result<std::uint64_t> size() override {
    const std::lock_guard lock(owner_.mutex_);
    XTREE_TRY(owner_.arrive_locked(Call::size));
    return node_->read().size;
  }

  Result<void> lock() override {
    const std::lock_guard lock(owner_.mutex_);
    XTREE_TRY(owner_.arrive_locked(Call::lock));
    if (node_->locked) {
      return Error(ErrorCode::locked, path_.c_str(), "another object has the file locked");
    }
    node_->locked = holds_lock_ = true;
    ++owner_.held_locks_;
    return {};
  }

 private:
  [[nodiscard]] Result<void> require_writable() const {
    if (writable_) return {};
    return Error(ErrorCode::io_error, EBADF, path_.c_str(), "it was opened for reading");
  }

  Owner& owner_;
  std::shared_ptr<Owner::OpenNode> node_;
  const std::string path_;
  const bool writable_;
  bool holds_lock_ = false;
};

namespace {

// "." is the root, and a '/' at the end means nothing.
std::string_view plain(std::string_view path) noexcept {
  while (path.ends_with('/')) path.remove_suffix(1);
  return path == "." ? std::string_view() : path;
}

Error absent(std::string_view path) {
  return Error(ErrorCode::not_found, ENOENT, std::string(path).c_str(), "no such file");
}

}  // namespace

const char* to_string(Call kind) noexcept {
  constexpr const char* kNames[kCallKinds] = {
      "open", "read", "write",          "sync",   "truncate", "size",          "lock",
      "exists", "list", "make_directory", "remove", "rename",   "sync_directory"};
  return kNames[static_cast<std::size_t>(kind)];
}

SimulatedFileSystem::SimulatedFileSystem(const DiskImage& image, std::uint32_t next_node)
    : next_node_(next_node) {
  entries_.reserve(image.entries().size() + 4);
  for (const DiskImage::Entry& entry : image.entries()) {
    entries_.push_back({entry.path, entry.node, entry.number, nullptr});
    next_node_ = std::max(next_node_, entry.number + 1);
  }
}

SimulatedFileSystem::~SimulatedFileSystem() = default;

void SimulatedFileSystem::record(Trace* trace) {
  const std::lock_guard lock(mutex_);
  trace_ = trace;
  if (trace_ != nullptr) trace_->next_node = next_node_ = std::max(next_node_, trace_->next_node);
}

std::size_t SimulatedFileSystem::recorded() const {
  const std::lock_guard lock(mutex_);
  return trace_ == nullptr ? 0 : trace_->events.size();
}

DiskImage SimulatedFileSystem::image() const {
  const std::lock_guard lock(mutex_);
  DiskImage image;
  for (const Entry& entry : entries_) {
    image.put({entry.path, entry.opened ? entry.opened->share() : entry.node, entry.number});
  }
  return image;
}

void SimulatedFileSystem::fail(Call kind, std::uint64_t nth, const Error& error, Failure failure) {
  const std::lock_guard lock(mutex_);
  Plan& plan = plans_[static_cast<std::size_t>(kind)];
  plan.failing_call = plan.calls + nth;
  plan.failure = failure;
  plan.error = error;
}

void SimulatedFileSystem::heal() {
  const std::lock_guard lock(mutex_);
  for (Plan& plan : plans_) plan.failing_call = 0;
}

void SimulatedFileSystem::cut_power() {
  const std::lock_guard lock(mutex_);
  has_power_ = false;
}

void SimulatedFileSystem::cut_after(std::uint64_t events) {
  const std::lock_guard lock(mutex_);
  events_left_ = events;
}

bool SimulatedFileSystem::has_power() const {
  const std::lock_guard lock(mutex_);
  return has_power_;
}

void SimulatedFileSystem::refuse_writing(bool refuse) {
  const std::lock_guard lock(mutex_);
  refuses_writing_ = refuse;
}

std::uint64_t SimulatedFileSystem::count(Call kind) const {
  const std::lock_guard lock(mutex_);
  return plans_[static_cast<std::size_t>(kind)].calls;
}

std::size_t SimulatedFileSystem::open_files() const {
  const std::lock_guard lock(mutex_);
  return open_files_;
}

std::size_t SimulatedFileSystem::held_locks() const {
  const std::lock_guard lock(mutex_);
  return held_locks_;
}

Result<void> SimulatedFileSystem::arrive_locked(Call kind, bool changes) {
  if (changes && events_left_ == 0) has_power_ = false;
  if (!has_power_) return Error(ErrorCode::io_error, EIO, "disk", "the power is gone");
  if (changes) --events_left_;
  Plan& plan = plans_[static_cast<std::size_t>(kind)];
  ++plan.calls;
  if (plan.failing_call == 0 || plan.calls < plan.failing_call) return {};
  if (plan.failure == Failure::once) plan.failing_call = 0;
  return *plan.error;
}

SimulatedFileSystem::Entry* SimulatedFileSystem::find_locked(std::string_view path) noexcept {
  const auto at = std::lower_bound(
      entries_.begin(), entries_.end(), path,
      [](const Entry& entry, std::string_view wanted) { return *entry.path < wanted; });
  return at != entries_.end() && *at->path == path ? &*at : nullptr;
}

bool SimulatedFileSystem::is_directory_locked(std::string_view path) noexcept {
  if (path.empty()) return true;
  const Entry* entry = find_locked(path);
  return entry != nullptr && entry->opened == nullptr && entry->node->is_directory;
}

SimulatedFileSystem::Entry& SimulatedFileSystem::put_locked(Entry entry) {
  const auto at = std::lower_bound(
      entries_.begin(), entries_.end(), *entry.path,
      [](const Entry& a, const std::string& wanted) { return *a.path < wanted; });
  if (at != entries_.end() && *at->path == *entry.path) return *at = std::move(entry);
  return *entries_.insert(at, std::move(entry));
}

Result<void> SimulatedFileSystem::require_parent_locked(std::string_view path) {
  return is_directory_locked(parent_of(path)) ? Result<void>() : absent(parent_of(path));
}

Result<void> SimulatedFileSystem::require_writable_locked(std::string_view path) const {
  if (!refuses_writing_) return {};
  return Error(ErrorCode::read_only, EROFS, std::string(path).c_str(),
               "the file system is read-only");
}

Event* SimulatedFileSystem::record_locked(EventKind kind, std::uint32_t node) {
  if (trace_ == nullptr) return nullptr;
  trace_->next_node = next_node_;
  trace_->events.push_back({.kind = kind, .node = node});
  return &trace_->events.back();
}

Result<std::unique_ptr<File>> SimulatedFileSystem::open(std::string_view path, OpenMode mode) {
  const std::lock_guard lock(mutex_);
  path = plain(path);
  Entry* entry = find_locked(path);
  XTREE_TRY(arrive_locked(Call::open, entry == nullptr && mode == OpenMode::create));
  if (mode != OpenMode::read) XTREE_TRY(require_writable_locked(path));
  if (entry == nullptr) {
    if (mode != OpenMode::create) return absent(path);
    XTREE_TRY(require_parent_locked(path));
    entry = &put_locked({std::make_shared<const std::string>(path),
                         std::make_shared<const Node>(), next_node_++, nullptr});
    if (Event* event = record_locked(EventKind::make_file, entry->number)) {
      event->path = entry->path;
    }
  }
  if (entry->opened == nullptr) {
    if (entry->node->is_directory) {
      return Error(ErrorCode::io_error, EISDIR, entry->path->c_str(), "it is a directory");
    }
    entry->opened = std::make_shared<OpenNode>();
    entry->opened->shared = std::exchange(entry->node, nullptr);
    entry->opened->number = entry->number;
  }
  auto file = std::make_unique<SimulatedFile>(*this, entry->opened, *entry->path,
                                              mode != OpenMode::read);
  ++open_files_;
  return std::unique_ptr<File>(std::move(file));
}

Result<bool> SimulatedFileSystem::exists(std::string_view path) {
  const std::lock_guard lock(mutex_);
  path = plain(path);
  XTREE_TRY(arrive_locked(Call::exists));
  return path.empty() || find_locked(path) != nullptr;
}

Result<std::vector<std::string>> SimulatedFileSystem::list(std::string_view directory) {
  const std::lock_guard lock(mutex_);
  directory = plain(directory);
  XTREE_TRY(arrive_locked(Call::list));
  if (!is_directory_locked(directory)) return absent(directory);
  std::vector<std::string> names;
  for (const Entry& entry : entries_) {
    const std::string_view path = *entry.path;
    if (parent_of(path) != directory) continue;
    names.emplace_back(directory.empty() ? path : path.substr(directory.size() + 1));
  }
  return names;
}

Result<void> SimulatedFileSystem::make_directory(std::string_view path) {
  const std::lock_guard lock(mutex_);
  path = plain(path);
  XTREE_TRY(arrive_locked(Call::make_directory, true));
  if (is_directory_locked(path)) return {};
  XTREE_TRY(require_writable_locked(path));
  XTREE_TRY(require_parent_locked(path));
  if (find_locked(path) != nullptr) {
    return Error(ErrorCode::io_error, EEXIST, std::string(path).c_str(), "a file has this name");
  }
  auto node = std::make_shared<Node>();
  node->is_directory = true;
  const Entry& entry = put_locked(
      {std::make_shared<const std::string>(path), std::move(node), next_node_++, nullptr});
  if (Event* event = record_locked(EventKind::make_directory, entry.number)) {
    event->path = entry.path;
  }
  return {};
}

Result<void> SimulatedFileSystem::remove(std::string_view path) {
  const std::lock_guard lock(mutex_);
  path = plain(path);
  XTREE_TRY(arrive_locked(Call::remove, true));
  XTREE_TRY(require_writable_locked(path));
  Entry* entry = find_locked(path);
  if (entry == nullptr) return absent(path);
  if (is_directory_locked(path)) {
    return Error(ErrorCode::io_error, EISDIR, std::string(path).c_str(), "it is a directory");
  }
  if (Event* event = record_locked(EventKind::remove, entry->number)) event->path = entry->path;
  entries_.erase(entries_.begin() + (entry - entries_.data()));
  return {};
}

Result<void> SimulatedFileSystem::rename(std::string_view from, std::string_view to) {
  const std::lock_guard lock(mutex_);
  from = plain(from);
  to = plain(to);
  XTREE_TRY(arrive_locked(Call::rename, true));
  XTREE_TRY(require_writable_locked(from));
  Entry* entry = find_locked(from);
  if (entry == nullptr) return absent(from);
  if (parent_of(from) != parent_of(to) || is_directory_locked(from) || is_directory_locked(to)) {
    return Error(ErrorCode::io_error, EXDEV, std::string(to).c_str(),
                 "only files are renamed, and only within their directory");
  }
  if (from == to) return {};
  Entry moved = std::move(*entry);
  entries_.erase(entries_.begin() + (entry - entries_.data()));
  const auto old_path = std::exchange(moved.path, std::make_shared<const std::string>(to));
  const Entry& placed = put_locked(std::move(moved));
  if (Event* event = record_locked(EventKind::rename, placed.number)) {
    event->path = placed.path;
    event->from = old_path;
  }
  return {};
}

Result<void> SimulatedFileSystem::sync_directory(std::string_view path) {
  const std::lock_guard lock(mutex_);
  path = plain(path);
  XTREE_TRY(arrive_locked(Call::sync_directory, true));
  if (!is_directory_locked(path)) return absent(path);
  if (Event* event = record_locked(EventKind::sync_directory, 0)) {
    event->path = std::make_shared<const std::string>(path);
  }
  return {};
}

}  // namespace xtree::testing
