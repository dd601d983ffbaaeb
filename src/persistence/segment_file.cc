#include "persistence/segment_file.h"

#include <algorithm>
#include <array>
#include <utility>

#include "persistence/committed_file.h"
#include "platform/batch_read.h"
#include "platform/check.h"
#include "platform/plant.h"
#include "platform/without_throwing.h"

namespace xtree::persistence {
namespace {

constexpr std::size_t kReadsAtOnce = platform::kDepth;

}  // namespace

std::string SegmentFiles::path(std::uint32_t number) const {
  return segment_path(directory_, number);
}

Result<std::shared_ptr<File>> SegmentFiles::open(std::uint32_t number) const {
  const std::lock_guard lock(mutex_);
  if (const auto place = open_.find(number); place != open_.end()) return place->second;
  auto file = open_committed(files_, path(number), OpenMode::read);
  if (!file) return file.error();
  if (open_.size() >= kMaxOpenFiles) {
    // Whoever is using the handle keeps it alive until it is done.
    auto victim = open_.upper_bound(evicted_);
    if (victim == open_.end()) victim = open_.begin();
    evicted_ = victim->first;
    open_.erase(victim);
  }
  std::shared_ptr<File> handle(std::move(*file));
  open_.emplace(number, handle);
  return handle;
}

Result<void> SegmentFiles::read(DiskAddress address, std::span<std::byte> image) const {
  auto file = open(address.segment);
  if (!file) return file.error();
  return read_committed(**file, path(address.segment), address.offset(), image);
}

void SegmentFiles::read_many(std::span<ImageRead> reads) const noexcept {
  while (!reads.empty()) {
    const auto turn = reads.first(std::min(reads.size(), kReadsAtOnce));
    read_turn(turn);
    reads = reads.subspan(turn.size());
  }
}

void SegmentFiles::read_turn(std::span<ImageRead> turn) const noexcept {
  std::array<std::shared_ptr<File>, kReadsAtOnce> files;
  std::array<platform::ReadRequest, kReadsAtOnce> requests;
  std::array<ImageRead*, kReadsAtOnce> reads;
  std::size_t count = 0;
  for (ImageRead& read : turn) {
    read.done = false;
    const auto file = platform::without_throwing(
        "segment", [&] { return open(read.entry.address.segment); });
    if (!file) continue;
    files[count] = *file;
    requests[count] = {files[count].get(), read.entry.address.offset(), read.stored()};
    reads[count++] = &read;
  }
  platform::read_batch(std::span(requests).first(count));
  for (std::size_t i = 0; i < count; ++i) reads[i]->done = requests[i].done;
}

Result<File*> SegmentFiles::open_to_write(std::uint32_t number) {
  auto place = unsynced_.find(number);
  if (place == unsynced_.end()) {
    auto file = files_.open(path(number), OpenMode::create);
    if (!file) return file.error();
    place = unsynced_.emplace(number, std::move(*file)).first;
  }
  return place->second.get();
}

Result<void> SegmentFiles::write(std::uint32_t number, std::uint64_t offset,
                                 std::span<const std::byte> bytes) {
  XTREE_CHECK(bytes.size() % kSectorBytes == 0);
  const auto file = open_to_write(number);
  if (!file) return file.error();
  return pacer_.write(**file, offset, bytes);
}

Result<void> SegmentFiles::sync() {
  for (const auto& [number, file] : unsynced_) {
    if (!platform::planted(platform::Plant::segments_not_synced)) XTREE_TRY(file->sync());
  }
  unsynced_.clear();
  return {};
}

Result<void> SegmentFiles::remove(std::uint32_t number) {
  unsynced_.erase(number);
  {
    const std::lock_guard lock(mutex_);
    open_.erase(number);
  }
  return pacer_.remove(path(number));
}

}  // namespace xtree::persistence
