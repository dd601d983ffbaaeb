#include "persistence/simulated_files.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace xtree::test {

namespace {

constexpr std::size_t kSector = 4096;

void copy_sector(const std::vector<std::byte>& from, std::vector<std::byte>& to,
                 std::uint64_t sector) {
  for (std::size_t i = sector * kSector; i < std::min(to.size(), (sector + 1) * kSector); ++i) {
    to[i] = i < from.size() ? from[i] : std::byte{0};
  }
}

}  // namespace

class SimulatedFiles::Handle final : public File {
 public:
  Handle(SimulatedFiles& files, std::string path, std::shared_ptr<Inode> inode)
      : files_(files), path_(std::move(path)), inode_(std::move(inode)) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> bytes) override {
    const Contents& seen = inode_->seen;
    if (offset >= seen.size()) return std::size_t{0};
    const std::size_t count = std::min<std::size_t>(bytes.size(), seen.size() - offset);
    std::memcpy(bytes.data(), seen.data() + offset, count);
    return count;
  }

  // A write that fails may have happened all the same.
  Result<void> write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    if (files_.on_write) files_.on_write(path_, offset, bytes.size());
    const auto admitted = files_.admit(Kind::write, path_);
    if (inode_->seen.size() < offset + bytes.size()) inode_->seen.resize(offset + bytes.size());
    std::memcpy(inode_->seen.data() + offset, bytes.data(), bytes.size());
    for (std::uint64_t s = offset / kSector; s * kSector < offset + bytes.size(); ++s) {
      inode_->dirty.insert(s);
    }
    return admitted;
  }

  Result<void> sync() override {
    const auto admitted = files_.admit(Kind::sync, path_);
    if (admitted) inode_->durable = inode_->seen;
    inode_->dirty.clear();
    return admitted;
  }

  Result<void> truncate(std::uint64_t bytes) override {
    const auto admitted = files_.admit(Kind::other, path_);
    if (!admitted) return admitted;
    for (std::uint64_t s = 0; s * kSector < std::max<std::uint64_t>(bytes, inode_->seen.size());
         ++s) {
      inode_->dirty.insert(s);
    }
    inode_->seen.resize(bytes);
    return {};
  }

  Result<std::uint64_t> size() override { return std::uint64_t{inode_->seen.size()}; }
  Result<void> lock() override { return {}; }

 private:
  SimulatedFiles& files_;
  std::string path_;
  std::shared_ptr<Inode> inode_;
};

Result<void> SimulatedFiles::admit(Kind kind, const std::string& path) {
  const std::uint64_t call = calls_++;
  const std::uint64_t call_of_kind = calls_of_[kind]++;
  const auto once = fail_once_.find(kind);
  if (call >= fail_from_ || (once != fail_once_.end() && once->second == call_of_kind)) {
    return Error(ErrorCode::io_error, path.c_str(), "simulated failure");
  }
  return {};
}

void SimulatedFiles::fail_once(Kind kind, std::uint64_t n) {
  fail_once_[kind] = calls_of_[kind] + n;
}

void SimulatedFiles::stop_failing() {
  fail_from_ = ~std::uint64_t{0};
  fail_once_.clear();
}

std::string SimulatedFiles::parent(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

void SimulatedFiles::change(const std::string& path, std::shared_ptr<Inode> inode) {
  pending_.push_back({path, inode});
  if (inode == nullptr) {
    names_.erase(path);
  } else {
    names_[path] = std::move(inode);
  }
}

Result<std::unique_ptr<File>> SimulatedFiles::open(std::string_view name, OpenMode mode) {
  const std::string path(name);
  if (!names_.contains(path)) {
    if (mode != OpenMode::create || (parent(path) != "." && !names_.contains(parent(path)))) {
      return Error(ErrorCode::not_found, path.c_str(), "no such file");
    }
    if (const auto admitted = admit(Kind::other, path); !admitted) return admitted.error();
    change(path, std::make_shared<Inode>());
  }
  return std::unique_ptr<File>(std::make_unique<Handle>(*this, path, names_[path]));
}

Result<bool> SimulatedFiles::exists(std::string_view path) {
  return names_.contains(std::string(path));
}

Result<std::vector<std::string>> SimulatedFiles::list(std::string_view directory) {
  std::vector<std::string> found;
  for (const auto& [path, inode] : names_) {
    if (parent(path) == directory) found.push_back(path.substr(directory.size() + 1));
  }
  return found;
}

Result<void> SimulatedFiles::make_directory(std::string_view name) {
  const std::string path(name);
  if (names_.contains(path)) return {};
  if (const auto admitted = admit(Kind::other, path); !admitted) return admitted;
  auto inode = std::make_shared<Inode>();
  inode->directory = true;
  change(path, std::move(inode));
  return {};
}

Result<void> SimulatedFiles::remove(std::string_view name) {
  const std::string path(name);
  if (!names_.contains(path)) return Error(ErrorCode::not_found, path.c_str(), "no such file");
  if (on_remove) on_remove(path);
  if (const auto admitted = admit(Kind::other, path); !admitted) return admitted;
  change(path, nullptr);
  return {};
}

Result<void> SimulatedFiles::rename(std::string_view from, std::string_view to) {
  const auto found = names_.find(std::string(from));
  if (found == names_.end()) {
    return Error(ErrorCode::not_found, std::string(from).c_str(), "no such file");
  }
  const auto admitted = admit(Kind::other, found->first);
  if (!admitted) return admitted;
  auto inode = found->second;
  change(std::string(to), std::move(inode));
  change(std::string(from), nullptr);
  return {};
}

Result<void> SimulatedFiles::sync_directory(std::string_view name) {
  const std::string path(name);
  const auto admitted = admit(Kind::sync, path);
  if (!admitted) return admitted;
  std::vector<Change> rest;
  for (Change& one : pending_) {
    if (parent(one.path) != path) {
      rest.push_back(std::move(one));
    } else if (one.inode == nullptr) {
      durable_names_.erase(one.path);
    } else {
      durable_names_[one.path] = one.inode;
    }
  }
  pending_ = std::move(rest);
  return {};
}

void SimulatedFiles::settle(Inode& inode, Random& random) {
  if (!inode.dirty.empty() && random.one_in(2)) inode.durable.resize(inode.seen.size());
  for (const std::uint64_t sector : inode.dirty) {
    const std::uint64_t fate = random.below(3);
    if (fate == 0) copy_sector(inode.seen, inode.durable, sector);
    if (fate != 1) continue;
    for (std::size_t i = sector * kSector;
         i < std::min(inode.durable.size(), (sector + 1) * kSector); ++i) {
      inode.durable[i] = static_cast<std::byte>(random.next());
    }
  }
  inode.dirty.clear();
  inode.seen = inode.durable;
}

void SimulatedFiles::cut_power(Random& random) {
  std::map<std::string, bool> lost;  // by directory: whether its changes are lost from here on
  for (const Change& one : pending_) {
    bool& is_lost = lost[parent(one.path)];
    is_lost = is_lost || random.one_in(3);
    if (is_lost) continue;
    if (one.inode == nullptr) {
      durable_names_.erase(one.path);
    } else {
      durable_names_[one.path] = one.inode;
    }
  }
  pending_.clear();
  std::erase_if(durable_names_, [this](const auto& one) {
    return parent(one.first) != "." && !durable_names_.contains(parent(one.first));
  });
  names_ = durable_names_;
  std::set<Inode*> settled;
  for (const auto& [path, inode] : names_) {
    if (settled.insert(inode.get()).second) settle(*inode, random);
  }
  stop_failing();
}

SimulatedFiles::Contents& SimulatedFiles::contents(const std::string& path) {
  return names_.at(path)->seen;
}

std::vector<std::string> SimulatedFiles::paths() const {
  std::vector<std::string> all;
  for (const auto& [path, inode] : names_) {
    if (!inode->directory) all.push_back(path);
  }
  return all;
}

}  // namespace xtree::test
