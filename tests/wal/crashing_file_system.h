// One directory in memory that can lose power: what was not synced then survives sector by sector,
// or does not, or comes back as rubbish.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "xtree/platform.h"

namespace xtree::test {

class CrashingFileSystem final : public FileSystem {
 public:
  using Bytes = std::vector<std::byte>;

  // Every call that changes something fails after `count` more of them, until power is back.
  void lose_power_after(std::uint64_t count) { fuse_ = count; }
  [[nodiscard]] bool has_power() const { return fuse_ > 0; }
  // The next sync fails, and what it was to write will never be written, although it can still be
  // read: so do operating systems treat pages that a device refused.
  void fail_next_sync() { fail_sync_ = true; }
  // Power goes and comes back. Files that are open now must not be used any more.
  void crash(std::mt19937_64& random);

  // What is in a file, to be looked at and to be damaged behind everybody's back.
  Bytes& content(const std::string& path) { return names_.at(path)->content; }
  [[nodiscard]] bool has(const std::string& path) const { return names_.contains(path); }

  Result<std::unique_ptr<File>> open(std::string_view path, OpenMode mode) override;
  Result<bool> exists(std::string_view path) override;
  Result<std::vector<std::string>> list(std::string_view directory) override;
  Result<void> make_directory(std::string_view path) override;
  Result<void> remove(std::string_view path) override;
  Result<void> rename(std::string_view from, std::string_view to) override;
  Result<void> sync_directory(std::string_view path) override;

 private:
  friend class CrashingFile;

  struct Node {
    Bytes content;
    Bytes on_disk;
    std::set<std::uint64_t> unsynced_sectors;
    void lose_unsynced(std::mt19937_64& random);
  };
  using Names = std::map<std::string, std::shared_ptr<Node>>;
  // A change of names: `removed` goes, and `made` comes to name `node`. Either may be empty.
  struct NameChange {
    std::string removed;
    std::string made;
    std::shared_ptr<Node> node;
  };

  static void apply(const NameChange& change, Names& names);
  void change_names(NameChange change);
  Result<void> burn();

  Names names_;
  Names names_on_disk_;
  std::vector<NameChange> unsynced_changes_;
  std::set<std::string> directories_;
  std::uint64_t fuse_ = UINT64_MAX;
  bool fail_sync_ = false;
};

}  // namespace xtree::test
