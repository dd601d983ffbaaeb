// SegmentFiles: the files that hold node images, opened when they are first needed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "persistence/node_source.h"
#include "persistence/pacer.h"
#include "persistence/segment_allocator.h"
#include "xtree/platform.h"

namespace xtree::persistence {

// A segment file is images and nothing else: design/file_format.md, "Segments". `read` and
// `read_many` may be called from any thread at any time, everything else from one thread at a time.
class SegmentFiles {
 public:
  // Handles kept open for readers. For the writes of a checkpoint files are opened anew, and who
  // writes has to sync before they are more than this.
  static constexpr std::size_t kMaxOpenFiles = 256;

  // What is written and removed goes through the pacer, which must live as long.
  SegmentFiles(FileSystem& files, std::string directory, Pacer& pacer) noexcept
      : files_(files), directory_(std::move(directory)), pacer_(pacer) {}

  Result<void> read(DiskAddress address, std::span<std::byte> image) const;
  // Reads many images at once: `done` are those of which all bytes have been read.
  void read_many(std::span<ImageRead> reads) const noexcept;
  // Makes the file when it is not there. `bytes` are whole sectors.
  Result<void> write(std::uint32_t number, std::uint64_t offset, std::span<const std::byte> bytes);
  // A file to write to, made when it is not there. It is good until the next `sync` or `remove`,
  // and any thread may write whole sectors to it.
  Result<File*> open_to_write(std::uint32_t number);
  // Syncs the files written since the last success. When this fails nothing is known about them.
  Result<void> sync();
  Result<void> remove(std::uint32_t number);
  // Files that `sync` would sync.
  [[nodiscard]] std::size_t unsynced() const noexcept { return unsynced_.size(); }

  [[nodiscard]] std::string path(std::uint32_t number) const;

 private:
  Result<std::shared_ptr<File>> open(std::uint32_t number) const;
  void read_turn(std::span<ImageRead> turn) const noexcept;

  FileSystem& files_;
  std::string directory_;
  Pacer& pacer_;
  // Guards the two members below it: readers open files too.
  mutable std::mutex mutex_;
  mutable std::map<std::uint32_t, std::shared_ptr<File>> open_;
  mutable std::uint32_t evicted_ = 0;  // eviction goes round by number
  std::map<std::uint32_t, std::unique_ptr<File>> unsynced_;
};

}  // namespace xtree::persistence
