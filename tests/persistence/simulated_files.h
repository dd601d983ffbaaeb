// A file system in memory that can lose power, fail, lie, and be watched.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "support/random.h"
#include "xtree/platform.h"

namespace xtree::test {

// What has been synced survives `cut_power`. Of what has not, every 4 KiB sector of a file is left
// as it was, as it was written, or as rubbish, and of each directory's changes the first few hold.
// After a failed sync the sectors count as clean though they are not on the disk, as in Linux.
class SimulatedFiles : public FileSystem {
 public:
  enum class Kind : std::uint8_t { write, sync, other };
  using Contents = std::vector<std::byte>;

  Result<std::unique_ptr<File>> open(std::string_view path, OpenMode mode) override;
  Result<bool> exists(std::string_view path) override;
  Result<std::vector<std::string>> list(std::string_view directory) override;
  Result<void> make_directory(std::string_view path) override;
  Result<void> remove(std::string_view path) override;
  Result<void> rename(std::string_view from, std::string_view to) override;
  Result<void> sync_directory(std::string_view path) override;

  void cut_power(Random& random);

  // Calls that change something, so far.
  [[nodiscard]] std::uint64_t calls() const { return calls_; }
  // All such calls from the n-th from now on fail; 0 is the next one.
  void fail_from(std::uint64_t n) { fail_from_ = calls_ + n; }
  // The n-th call of a kind from now on fails, and no other.
  void fail_once(Kind kind, std::uint64_t n);
  void stop_failing();

  // The contents of a file as a reader sees them, to be looked at and damaged.
  Contents& contents(const std::string& path);
  [[nodiscard]] std::vector<std::string> paths() const;

  std::function<void(const std::string& path, std::uint64_t offset, std::size_t bytes)> on_write;
  std::function<void(const std::string& path)> on_remove;

 private:
  class Handle;
  struct Inode {
    bool directory = false;
    Contents seen;
    Contents durable;
    std::set<std::uint64_t> dirty;  // sectors
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;
  // A name that came to stand for an inode, or (null) for nothing.
  struct Change {
    std::string path;
    std::shared_ptr<Inode> inode;
  };

  // Counts the call; an error when it is to fail.
  Result<void> admit(Kind kind, const std::string& path);
  void change(const std::string& path, std::shared_ptr<Inode> inode);
  static std::string parent(const std::string& path);
  static void settle(Inode& inode, Random& random);

  Names names_;
  Names durable_names_;
  std::vector<Change> pending_;
  std::uint64_t calls_ = 0;
  std::uint64_t fail_from_ = ~std::uint64_t{0};
  std::map<Kind, std::uint64_t> calls_of_;
  std::map<Kind, std::uint64_t> fail_once_;
};

}  // namespace xtree::test
