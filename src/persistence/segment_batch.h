// SegmentBatch: many images of one checkpoint, written to segments by several threads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "persistence/segment_allocator.h"
#include "persistence/segment_file.h"
#include "persistence/table_file.h"
#include "platform/workers.h"
#include "xtree/result.h"

namespace xtree::persistence {

// An image as it stands in memory, and the table entry that says where it is stored.
struct NewImage {
  std::span<const std::byte> image;
  TableEntry* entry;
};

// Images get places one after the other, as SegmentWriter gives them, and what lies in the segments
// then does not depend on the number of threads. Those copy, sum and write pieces of whole sectors;
// one of them, if there are several, does nothing but have the file system start to bring pieces to
// the disk, for which it may have to wait, as long as the others write. So the sync that follows
// finds less to do. Nobody may wait for the disk meanwhile. One thread at a time calls.
class SegmentBatch {
 public:
  SegmentBatch(SegmentFiles& files, SegmentAllocator& allocator, platform::Workers& workers,
               std::uint64_t next_lsn) noexcept
      : files_(files), allocator_(allocator), workers_(workers), next_lsn_(next_lsn) {}

  // Writes the first of these images, as many as need no more files than may be open unsynced, and
  // returns how many: at least one. After an error nobody knows which were written.
  Result<std::size_t> write(std::span<const NewImage> images);

  [[nodiscard]] std::uint64_t written_bytes() const noexcept { return written_bytes_; }
  // Bringing something to the disk has failed, and a sync would not tell of it.
  [[nodiscard]] bool has_lost() const noexcept { return has_lost_; }

 private:
  // Images that lie back to back in one segment, from a sector's beginning on.
  struct Stretch {
    File* file;
    std::uint32_t segment;
    std::uint64_t begin;
    std::uint64_t end;
    std::span<const NewImage> images;
  };
  // What is written at once, whole sectors.
  struct Piece {
    std::size_t stretch;
    std::uint64_t begin;
    std::uint64_t end;
  };

  Result<std::size_t> place(std::span<const NewImage> images);
  void end_stretch();
  void cut_pieces();
  void write_pieces() noexcept;
  Result<void> write_piece(const Piece& piece, std::byte* buffer) noexcept;
  void start_pieces() noexcept;
  void start_write_back(const Piece& piece) noexcept;
  void fail(const Error& error) noexcept;

  SegmentFiles& files_;
  SegmentAllocator& allocator_;
  platform::Workers& workers_;
  const std::uint64_t next_lsn_;
  std::vector<Stretch> stretches_;
  std::vector<Piece> pieces_;
  std::atomic<std::size_t> next_piece_ = 0;  // a ticket: the workers order what is done with pieces
  std::mutex mutex_;
  std::condition_variable written_;  // a piece is written, or the last writer has left
  // Guarded by mutex_.
  std::vector<const Piece*> to_start_;
  std::size_t writers_ = 0;
  bool has_lost_ = false;
  std::optional<Error> error_;  // the first one
  std::uint64_t written_bytes_ = 0;
};

}  // namespace xtree::persistence
