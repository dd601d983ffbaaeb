// Storage: the files of a database but for its log: superblock, manifests, object table files and
// segments. It knows nodes as images behind NodeIDs, and commits a checkpoint as one step.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "persistence/frame.h"
#include "persistence/manifest.h"
#include "persistence/node_id.h"
#include "persistence/node_source.h"
#include "persistence/pacer.h"
#include "persistence/packed_image.h"
#include "persistence/segment_allocator.h"
#include "persistence/segment_batch.h"
#include "persistence/segment_file.h"
#include "persistence/segment_writer.h"
#include "persistence/stored_image.h"
#include "persistence/superblock.h"
#include "persistence/table_file.h"
#include "platform/clock.h"
#include "platform/workers.h"
#include "xtree/metrics.h"
#include "xtree/platform.h"

namespace xtree::persistence {

// The newest checkpoint of a database, and the next one in the making.
//
//   auto storage = Storage::open(files, "data", true);
//   for (const TableEntry& entry : (*storage)->take_table()) restore(entry);
//   ...
//   auto entry = (*storage)->write(id, image);     // for each node that changed
//   (*storage)->release(old_entry);                // and what was there before
//   if (!(*storage)->commit(next, changes)) (*storage)->abandon();
//
// Nothing that the two newest checkpoints refer to is ever overwritten or removed: the superblock
// has a slot for each, and a crash can cost at most the slot that is being written. So a segment
// that checkpoint c does without is there until checkpoint c + 1 is committed.
//
// `read` and `read_many` may be called from any thread at any time, and so may the figures at the
// end. Everything else is for one thread at a time, the one that takes checkpoints.
class Storage final : public NodeSource {
  struct Private {};

 public:
  // Makes an empty database, generation 1, in a directory that holds none; the directory is made
  // when it is not there, its parent must exist. A crash on the way leaves no database or all of
  // it. `already_exists` when there is one.
  static Result<std::unique_ptr<Storage>> create(FileSystem& files, std::string directory);
  // `not_found` when there is no database. When the newest slot of the superblock is damaged, as
  // after a crash during `commit`, the checkpoint before it is opened. When `writable`, files that
  // no checkpoint refers to are removed.
  static Result<std::unique_ptr<Storage>> open(FileSystem& files, std::string directory,
                                               bool writable);

  Storage(Private, FileSystem& files, std::string directory, bool writable);

  // What a checkpoint writes and removes goes through it.
  [[nodiscard]] Pacer& pacer() noexcept { return pacer_; }
  // Where the time of `open` went.
  [[nodiscard]] const OpenReport& open_report() const noexcept { return open_report_; }
  [[nodiscard]] const Checkpoint& checkpoint() const noexcept { return manifest_.checkpoint; }
  // Log files below this number are needed by no checkpoint that `open` could still find.
  [[nodiscard]] std::uint64_t oldest_needed_log_file() const noexcept;
  // All entries as they were at open, live and free, ascending by handle. Empty when taken before.
  [[nodiscard]] std::vector<TableEntry> take_table() noexcept { return std::move(table_); }

  // Fills `image`, `entry.bytes` of it, and believes nothing that is not as `entry` says. An entry
  // may be read until the next commit after the one that released it.
  Result<void> read(const TableEntry& entry, std::span<std::byte> image) const override;
  void read_many(std::span<ImageRead> reads) const override;

  // Writes an image as a part of the next checkpoint: `image` as it stands in memory, `checksum`
  // and what replaces `previous` are filled in here: the checkpoint's `next_lsn`. It is packed if
  // that makes it smaller. Its entry belongs into the commit. After an error `abandon` is due.
  Result<TableEntry> write(NodeId id, std::span<const std::byte> image, std::uint64_t next_lsn = 0,
                           Compression compression = Compression::none);
  // Writes images that are not to be packed, with all these workers, and fills in their entries.
  // Nobody waits for commits meanwhile. After an error `abandon` is due.
  Result<void> write_all(std::span<const NewImage> images, std::uint64_t next_lsn,
                         platform::Workers& workers);
  // As `write` for an image of the newest checkpoint that is to lie somewhere else in the next one;
  // its place is released. An image that cannot be read stays where it is, and `entry` comes back.
  Result<TableEntry> move(const TableEntry& entry);
  // Nothing more is written to this segment until the next commit.
  void close_segment(std::uint32_t number) noexcept { allocator_.close(number); }
  // What the next checkpoint needs of each segment, by number, as it stands now.
  [[nodiscard]] std::vector<SegmentUse> segment_uses() const { return allocator_.uses(); }
  // Says that the next checkpoint does without what this entry of the newest one refers to.
  void release(const TableEntry& old);
  // Makes a checkpoint of all that was written, durably and at once. `next.generation` does not
  // matter. `changes` ascend by handle: every entry that was written, and one without an address
  // for every handle that became free. After an error the newest checkpoint is what it was, and
  // `abandon` is due; when a sync failed, nothing can be written any more (`poisoned`), and reading
  // goes on.
  Result<void> commit(const Checkpoint& next, std::span<const TableEntry> changes);
  // Forgets what was written and released since the last commit.
  void abandon();
  // Whether a sync has failed, after which nothing can be written any more.
  [[nodiscard]] bool poisoned() const noexcept { return poisoned_ || pacer_.has_lost(); }
  // For whoever saw a step end in the middle.
  void poison() noexcept { poisoned_ = true; }

  // Reads all that the newest checkpoint consists of, and returns the first thing that is wrong.
  Result<void> verify() const;

  // Bytes of the segments, of the images of the newest checkpoint in them, and of all that this
  // object has written to segments.
  [[nodiscard]] std::uint64_t segment_bytes() const noexcept {
    return segment_bytes_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t live_segment_bytes() const noexcept {
    return live_bytes_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t segment_bytes_written() const noexcept {
    return written_bytes_.load(std::memory_order_relaxed);
  }

 private:
  Result<void> load(const Superblocks& superblocks, platform::Stopwatch& watch);
  Result<void> load_allocator();
  Result<void> load_older(const Superblock& older);
  Result<std::vector<TableEntry>> read_table(const Manifest& manifest) const;
  void remove_orphans();
  void remove_orphans_in(const std::string& directory, std::string_view prefix,
                         bool (*is_named)(const Manifest&, std::uint64_t));

  Result<void> require_writable() const;
  Result<void> poison_on_failure(Result<void> result);
  Result<void> read_stored(const TableEntry& entry, std::span<std::byte> stored) const;
  Result<TableEntry> write_packed(NodeId id, std::uint32_t bytes, std::span<std::byte> packed);
  Result<SegmentWriter::Place> place(std::size_t bytes, Heat heat);
  void check_changes(std::span<const TableEntry> changes) const;
  Result<void> sync_segments();
  Result<void> write_table(Manifest& next, std::span<const TableEntry> changes);
  Result<Superblock> write_manifest(Manifest& next);
  Result<void> confirm_superblock(const std::optional<Superblock>& older);
  void finish(Manifest next, const Superblock& superblock);
  void remove_files_of(const Manifest& old);
  void count_bytes() noexcept;

  FileSystem& files_;
  const std::string directory_;
  const bool writable_;
  bool poisoned_ = false;

  Superblock superblock_;
  Manifest manifest_;
  // The checkpoint before it, when the other slot of the superblock vouches for it.
  std::optional<Manifest> older_manifest_;

  Pacer pacer_;
  SegmentAllocator allocator_;
  SegmentFiles segments_;
  SegmentWriter writer_;
  std::size_t images_written_ = 0;  // by the running checkpoint
  std::uint64_t batch_bytes_ = 0;   // written by `write_all`

  OpenReport open_report_;
  std::vector<TableEntry> table_;   // until it is taken
  std::vector<std::byte> scratch_;  // the image that is being moved, or packed
  ImagePacker packer_;
  // Written by the checkpointing thread and read by anyone: they order nothing.
  std::atomic<std::uint64_t> segment_bytes_{0};
  std::atomic<std::uint64_t> live_bytes_{0};
  std::atomic<std::uint64_t> written_bytes_{0};
};

}  // namespace xtree::persistence
