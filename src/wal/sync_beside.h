// Syncs of a log that run beside the calls of its writer.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>

#include "xtree/platform.h"

namespace xtree::wal {

// One sync: of all that was written to a file, or of one group, which goes to the disk by it. Who
// began it has to run it, once, which waits for the disk; it excludes no other call.
class SyncBeside {
 public:
  Result<void> run() noexcept;

 private:
  friend class SyncsBeside;
  struct Free {
    void operator()(std::byte* memory) const noexcept {
      ::operator delete(memory, std::align_val_t{kDurableWriteUnit});
    }
  };

  File* file_ = nullptr;
  std::uint64_t lsn_ = 0;
  std::uint64_t offset_ = 0;
  std::unique_ptr<std::byte, Free> memory_;
  std::size_t capacity_ = 0;
  std::size_t bytes_ = 0;  // of the group; 0 for a sync of the file
  std::atomic<bool> is_done_ = false;
  Result<void> result_;
};

// Those that were begun and not ended, in the order of the log. One of a file is alone: of two at a
// time the system might tell only one that something is lost. Calls exclude one another.
class SyncsBeside {
 public:
  static constexpr std::size_t kMost = 2;

  // The sync of the file makes the operations below `lsn` durable. None runs.
  SyncBeside& begin_file(File& file, std::uint64_t lsn) noexcept;
  // The same for the group that the caller puts into `memory`, if those that run succeed. There is
  // room for one.
  SyncBeside& begin_group(File& file, std::uint64_t lsn, std::uint64_t offset, std::size_t bytes,
                          std::span<std::byte>& memory);
  [[nodiscard]] bool empty() const noexcept { return running_ == 0; }
  // Whether those that run are of groups.
  [[nodiscard]] bool has_groups() const noexcept {
    return running_ != 0 && syncs_[first_].bytes_ != 0;
  }
  [[nodiscard]] bool has_room_for_group() const noexcept {
    return running_ == 0 || (running_ < kMost && has_groups());
  }

  // Of the first of them.
  [[nodiscard]] bool is_over() const noexcept {
    return syncs_[first_].is_done_.load(std::memory_order_acquire);
  }
  // Waits for it, and returns how it went. When it succeeded, operations below `lsn` are durable.
  Result<void> end(std::uint64_t& lsn) noexcept;

 private:
  SyncBeside& begin(SyncBeside& sync, File& file, std::uint64_t lsn) noexcept;

  std::array<SyncBeside, kMost> syncs_;  // a ring
  std::size_t first_ = 0;
  std::size_t running_ = 0;
};

}  // namespace xtree::wal
