// Pacer: what a checkpoint does to files, in steps that leave the disk to those who commit.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "xtree/platform.h"
#include "xtree/result.h"

namespace xtree::persistence {

// A commit is one small write and one sync. Its sync waits for all that the disk was given before,
// so a checkpoint that hands over hundreds of megabytes at once, or lets go of as much, is what
// every commit meanwhile waits for. While somebody commits, each step here is small, on its way to
// the disk before the next one begins, and followed by a pause of the same length. While nobody
// does, and for writing that is late, there are no pauses, and the steps are as large as the
// caller's.
//
// One thread at a time. design/recovery.md, "Checkpoints beside commits".
class Pacer {
 public:
  explicit Pacer(FileSystem& files) noexcept : files_(files) {}

  // This figure grows whenever somebody commits. Writing is late once it has reached the limit. It
  // must outlive the last call.
  void give_way_to(const std::atomic<std::uint64_t>& commits, std::uint64_t limit) noexcept {
    commits_ = &commits;
    commits_seen_ = commits.load(std::memory_order_relaxed);  // a figure that orders nothing
    limit_ = limit;
  }

  // Writes, and brings most of it to the disk; a sync of the file is still due. When bringing it
  // there fails, `has_lost` from then on.
  Result<void> write(File& file, std::uint64_t offset, std::span<const std::byte> bytes);
  // Removes a file that nobody needs and nobody reads. That is never late: nobody waits for it, and
  // it takes no longer than the file's size asks for.
  Result<void> remove(std::string_view path);
  // Nobody knows what has become of bytes that were written.
  [[nodiscard]] bool has_lost() const noexcept { return has_lost_; }

 private:
  [[nodiscard]] bool is_busy() noexcept;
  [[nodiscard]] bool is_late() const noexcept { return commits_seen_ >= limit_; }
  void shrink(std::string_view path);

  FileSystem& files_;
  const std::atomic<std::uint64_t>* commits_ = nullptr;
  std::uint64_t limit_ = 0;
  std::uint64_t commits_seen_ = 0;
  std::uint64_t busy_until_ms_ = 0;
  bool has_lost_ = false;
};

}  // namespace xtree::persistence
