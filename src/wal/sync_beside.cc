#include "wal/sync_beside.h"

#include "platform/check.h"
#include "platform/without_throwing.h"

namespace xtree::wal {
namespace {

// Above this, the memory of an unusually large group is given back.
constexpr std::size_t kKeptBytes = std::size_t{1} << 20;

}  // namespace

Result<void> SyncBeside::run() noexcept {
  Result<void> result = platform::without_throwing("log", [&] {
    return bytes_ == 0 ? file_->sync()
                       : file_->write_durably(offset_, {memory_.get(), bytes_});
  });
  result_ = result;
  is_done_.store(true, std::memory_order_release);
  is_done_.notify_all();
  return result;
}

SyncBeside& SyncsBeside::begin(SyncBeside& sync, File& file, std::uint64_t lsn) noexcept {
  sync.file_ = &file;
  sync.lsn_ = lsn;
  sync.is_done_.store(false, std::memory_order_relaxed);  // the caller's exclusion orders it
  ++running_;
  return sync;
}

SyncBeside& SyncsBeside::begin_file(File& file, std::uint64_t lsn) noexcept {
  XTREE_CHECK(running_ == 0);
  SyncBeside& sync = syncs_[first_];
  sync.bytes_ = 0;
  return begin(sync, file, lsn);
}

SyncBeside& SyncsBeside::begin_group(File& file, std::uint64_t lsn, std::uint64_t offset,
                                     std::size_t bytes, std::span<std::byte>& memory) {
  XTREE_CHECK(has_room_for_group() && bytes != 0);
  SyncBeside& sync = syncs_[(first_ + running_) % kMost];
  if (sync.capacity_ < bytes || (sync.capacity_ > kKeptBytes && bytes <= kKeptBytes)) {
    sync.memory_.reset();
    sync.capacity_ = 0;
    sync.memory_.reset(static_cast<std::byte*>(
        ::operator new(bytes, std::align_val_t{kDurableWriteUnit})));
    sync.capacity_ = bytes;
  }
  sync.offset_ = offset;
  sync.bytes_ = bytes;
  memory = {sync.memory_.get(), bytes};
  return begin(sync, file, lsn);
}

// Acquire: the result, and the end of the file's use.
Result<void> SyncsBeside::end(std::uint64_t& lsn) noexcept {
  SyncBeside& sync = syncs_[first_];
  sync.is_done_.wait(false, std::memory_order_acquire);
  first_ = (first_ + 1) % kMost;
  --running_;
  lsn = sync.lsn_;
  return sync.result_;
}

}  // namespace xtree::wal
