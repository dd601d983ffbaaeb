#include "persistence/segment_batch.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "persistence/stored_image.h"
#include "platform/check.h"

namespace xtree::persistence {
namespace {

// Small enough that a piece stays in a core's caches between copying, summing and writing.
constexpr std::size_t kPieceBytes = std::size_t{512} << 10;
// The images that begin before a piece and end behind it are in the buffer as a whole.
constexpr std::size_t kBufferBytes = kPieceBytes + 2 * kMaxFrameBytes;

struct Free {
  void operator()(std::byte* memory) const noexcept { std::free(memory); }
};

}  // namespace

Result<std::size_t> SegmentBatch::write(std::span<const NewImage> images) {
  stretches_.clear();
  pieces_.clear();
  auto placed = place(images);
  if (!placed) return placed;
  cut_pieces();
  next_piece_.store(0, std::memory_order_relaxed);
  to_start_.clear();
  to_start_.reserve(pieces_.size());
  const bool alone = workers_.count() == 1;
  writers_ = alone ? 1 : std::min(workers_.count() - 1, pieces_.size());
  // The last part ends when the others have, whoever takes it and when.
  const std::size_t writers = writers_;
  workers_.for_each(writers + 1, [&](std::size_t part) {
    return part < writers ? write_pieces() : start_pieces();
  });
  if (error_) return *error_;
  if (next_piece_.load(std::memory_order_relaxed) < pieces_.size()) {
    return Error(ErrorCode::out_of_memory, "checkpoint", "no memory for a buffer to write from");
  }
  return placed;
}

// Finds places and files for as many images as it can.
Result<std::size_t> SegmentBatch::place(std::span<const NewImage> images) {
  std::size_t placed = 0;
  for (; placed < images.size(); ++placed) {
    if (placed != 0 && files_.unsynced() == SegmentFiles::kMaxOpenFiles) break;
    const auto& [image, entry] = images[placed];
    const FrameHeader header = stored_header(image, next_lsn_);
    XTREE_CHECK(header.bytes == image.size() && image.size() <= kMaxFrameBytes);
    const auto address = allocator_.allocate(image.size(), Heat::fresh);
    if (!address) {
      return Error(ErrorCode::limit_exceeded, "segments", "there are too many segments");
    }
    if (stretches_.empty() || stretches_.back().segment != address->segment) {
      end_stretch();
      const auto file = files_.open_to_write(address->segment);
      if (!file) return file.error();
      stretches_.push_back({*file, address->segment, address->offset(), address->offset(),
                            images.subspan(placed, 0)});
    }
    Stretch& stretch = stretches_.back();
    XTREE_CHECK(address->offset() == stretch.end);
    stretch.end += image.size();
    stretch.images = {stretch.images.data(), stretch.images.size() + 1};
    *entry = {NodeId{header.node_id}, *address, 0, header.bytes};
  }
  end_stretch();
  return placed;
}

void SegmentBatch::end_stretch() {
  if (!stretches_.empty()) allocator_.pad(stretches_.back().segment);
}

// The first pieces of all segments, then the second ones, and so on: one file takes one write at a
// time.
void SegmentBatch::cut_pieces() {
  bool more = true;
  for (std::uint64_t turn = 0; more; ++turn) {
    more = false;
    for (std::size_t i = 0; i < stretches_.size(); ++i) {
      const std::uint64_t begin = stretches_[i].begin + turn * kPieceBytes;
      const std::uint64_t end = round_up_to_sector(stretches_[i].end);
      if (begin >= end) continue;
      pieces_.push_back({i, begin, std::min(begin + kPieceBytes, end)});
      written_bytes_ += pieces_.back().end - begin;
      more = true;
    }
  }
}

// What one thread does: it takes pieces until there are none left, or one could not be written.
void SegmentBatch::write_pieces() noexcept {
  const std::unique_ptr<std::byte, Free> buffer(static_cast<std::byte*>(std::malloc(kBufferBytes)));
  while (buffer != nullptr) {  // without one, others may have got theirs
    const std::size_t i = next_piece_.fetch_add(1, std::memory_order_relaxed);
    if (i >= pieces_.size()) break;
    const Result<void> written = write_piece(pieces_[i], buffer.get());
    if (!written) {
      fail(written.error());
      break;
    }
    if (workers_.count() == 1) {
      start_write_back(pieces_[i]);
      continue;
    }
    const std::lock_guard lock(mutex_);
    to_start_.push_back(&pieces_[i]);
    written_.notify_one();
  }
  const std::lock_guard lock(mutex_);
  --writers_;
  written_.notify_one();
}

void SegmentBatch::start_pieces() noexcept {
  std::unique_lock lock(mutex_);
  for (std::size_t next = 0;; ++next) {
    written_.wait(lock, [&] { return writers_ == 0 || next < to_start_.size(); });
    if (writers_ == 0) return;  // the sync does the rest
    const Piece& piece = *to_start_[next];
    lock.unlock();
    start_write_back(piece);
    lock.lock();
  }
}

void SegmentBatch::start_write_back(const Piece& piece) noexcept {
  File& file = *stretches_[piece.stretch].file;
  const Result<void> started = file.start_write_back(piece.begin, piece.end - piece.begin);
  if (started) return;
  fail(started.error());
  const std::lock_guard lock(mutex_);
  has_lost_ = true;
}

// Nobody takes another piece.
void SegmentBatch::fail(const Error& error) noexcept {
  next_piece_.store(pieces_.size(), std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  if (!error_) error_ = error;
}

// An image on the border of two pieces is made ready for both, and its entry is written by the one
// in which it begins.
Result<void> SegmentBatch::write_piece(const Piece& piece, std::byte* buffer) noexcept {
  const Stretch& stretch = stretches_[piece.stretch];
  const auto behind = std::ranges::upper_bound(
      stretch.images, piece.begin, {},
      [](const NewImage& image) { return image.entry->address.offset(); });
  auto next = behind - 1;
  const std::uint64_t first = next->entry->address.offset();
  std::uint64_t at = first;
  for (; next != stretch.images.end() && at < piece.end; ++next) {
    const std::uint32_t checksum = store_image(next->image, next_lsn_, buffer + (at - first));
    if (at >= piece.begin) next->entry->checksum = checksum;
    at += next->image.size();
  }
  if (at < piece.end) std::memset(buffer + (at - first), 0, piece.end - at);
  return stretch.file->write_at(piece.begin,
                                {buffer + (piece.begin - first), piece.end - piece.begin});
}

}  // namespace xtree::persistence
