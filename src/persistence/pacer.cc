#include "persistence/pacer.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "platform/check.h"
#include "platform/clock.h"

namespace xtree::persistence {
namespace {

// Who commits waits for one step at most: a tenth of a millisecond of a disk's time, or less.
constexpr std::size_t kWriteBytes = std::size_t{64} << 10;
// What a file system does for the blocks of a removed file it does at one of the next syncs.
constexpr std::uint64_t kShrinkBytes = std::uint64_t{1} << 20;
constexpr std::uint64_t kShrinkPauseUs = 1000;
// A disk that was stuck for a while has not been working for us.
constexpr std::uint64_t kLongestPauseUs = 20'000;
// Who has committed is expected to do so again within this time.
constexpr std::uint64_t kBusyMs = 100;

void pause(std::uint64_t us) {
  std::this_thread::sleep_for(std::chrono::microseconds(std::min(us, kLongestPauseUs)));
}

}  // namespace

// Whether somebody commits. The figure orders nothing.
bool Pacer::is_busy() noexcept {
  if (commits_ == nullptr) return false;
  const std::uint64_t now_ms = platform::coarse_time_ms();
  const std::uint64_t commits = commits_->load(std::memory_order_relaxed);
  if (commits != commits_seen_) busy_until_ms_ = now_ms + kBusyMs;
  commits_seen_ = commits;
  return now_ms < busy_until_ms_;
}

Result<void> Pacer::write(File& file, std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const bool busy = is_busy() && !is_late();
    const auto piece = bytes.first(busy ? std::min(bytes.size(), kWriteBytes) : bytes.size());
    platform::Stopwatch watch;
    XTREE_TRY(file.write_at(offset, piece));
    const Result<void> written = file.write_back(offset, piece.size());
    if (!written) {
      has_lost_ = true;
      return written;
    }
    std::uint64_t us = 0;
    watch.lap(us);
    if (busy) pause(us);
    offset += piece.size();
    bytes = bytes.subspan(piece.size());
  }
  return {};
}

Result<void> Pacer::remove(std::string_view path) {
  if (is_busy()) {
    shrink(path);
    pause(kShrinkPauseUs);
  }
  return files_.remove(path);
}

// Whatever fails here, the removal is what counts.
void Pacer::shrink(std::string_view path) {
  const auto file = files_.open(path, OpenMode::read_write);
  if (!file) return;
  const auto size = (*file)->size();
  if (!size) return;
  for (std::uint64_t bytes = *size; bytes > kShrinkBytes && is_busy();) {
    bytes -= kShrinkBytes;
    if (!(*file)->truncate(bytes)) return;
    pause(kShrinkPauseUs);
  }
}

}  // namespace xtree::persistence
