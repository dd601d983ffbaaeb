// Writing the log: groups in order, files in a chain, each file ready before it is used.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "wal/format.h"
#include "wal/fresh_file.h"
#include "wal/log_file.h"
#include "wal/reader.h"
#include "wal/sync_beside.h"
#include "xtree/platform.h"

namespace xtree::wal {

// Appends groups to the log of one directory. It begins a new file and a new recovery generation;
// what earlier writers left is never written to again.
//
//   auto end = replay_log(files, "db/wal", from, generation, first_lsn, apply);
//   auto writer = LogWriter::create(files, "db/wal", *end, 16 << 20);
//   (*writer)->append({.first_lsn = (*writer)->next_lsn(), .operations = 1, ...}, payload);
//   (*writer)->sync();
//
// Calls exclude one another; the caller holds its commit lock. After the first `append`, `sync` or
// `roll` that fails the writer is poisoned: nobody knows then what the disk holds, and every later
// call fails with `poisoned` and the first failure's text. A new writer, after a new replay, is
// the way on.
class LogWriter {
 public:
  // Goes on where `after`, which a replay of this directory returned, says that the log ends; a
  // default LogEnd in an empty directory begins a log. Groups that nothing proves to have been
  // synced are copied into the new file. `file_bytes` is the size of a file, in whole blocks.
  // The directory is made if it is not there. `already_exists` when there are files that the
  // replay did not see. `worker` makes the files behind the first ready ahead of their use.
  static Result<std::unique_ptr<LogWriter>> create(
      FileSystem& file_system, std::string directory, const LogEnd& after,
      std::uint64_t file_bytes, NextFile::Worker worker = NextFile::Worker::caller);

  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Writes a group, whose first operation is number `next_lsn()` and which has at least one. It
  // is durable after the next `sync`. When the file has no room left, the next one is begun;
  // a group that is longer than a file gets a longer file.
  Result<void> append(const GroupInfo& info, std::span<const std::byte> payload);

  // As `append`, for a group that nobody waits for the sync of: many of them share a block, until
  // the next sync, and cost no call to the system each. It survives the end of the process at once.
  Result<void> add(const GroupInfo& info, std::span<const std::byte> payload);

  // Returns once everything that was appended would survive power loss.
  Result<void> sync();

  // As `append`, of a group that is to be durable at once: it is when the sync that is returned has
  // succeeded, and those that were begun before. Where the file takes durable writes, two groups
  // may be on their way to it.
  Result<SyncBeside*> append_for_sync(const GroupInfo& info, std::span<const std::byte> payload);

  // Begins a sync of all that was appended so far, which may run while other calls come, also those
  // that append; null when there is nothing to sync, or one runs. The next call that appends or
  // syncs behind the end of a sync learns of it, and fails as the sync did.
  [[nodiscard]] SyncBeside* begin_sync();
  // Waits for those that run.
  Result<void> end_syncs();

  // Syncs, and begins a new file unless this one is still empty; returns where the next group will
  // begin. All that stands before lies in files with lower numbers.
  Result<LogPosition> roll();

  // Nobody needs the files before `file` any more. Of those that this writer began as many are kept
  // as go at a time, to be written again, which spares the file system the search for blocks and
  // the disk their zeros; the others wait for `remove_unneeded`. Does not poison the writer when it
  // fails.
  Result<void> release_before(std::uint64_t file);
  // The log is about to end: the files that are kept or were made ready wait for `remove_unneeded`,
  // too, and so do those that are released from now on.
  void keep_no_spares();
  // Has those files removed by `remove`, which takes a path. A failure ends it, and what is left
  // waits for the next call. Removing files takes long, so this needs no commit lock, if it comes
  // from one thread at a time with `release_before` and `keep_no_spares`, which do.
  Result<void> remove_unneeded(const std::function<Result<void>(const std::string&)>& remove);

  // The end of the log. A replay may begin here, also when the next group goes to another file.
  [[nodiscard]] LogPosition position() const noexcept { return {number_, offset_}; }
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
  [[nodiscard]] std::uint64_t next_lsn() const noexcept { return next_lsn_; }
  // Whether something was appended that no sync is for, not even one that runs.
  [[nodiscard]] bool has_unsynced() const noexcept {
    return next_lsn_ != begun_lsn_;
  }
  // Whether that is much: the longer a full file is still to be synced, the longer the append that
  // leaves it takes.
  [[nodiscard]] bool has_much_unsynced() const noexcept {
    return appended_bytes_ - sync_bytes_ >= file_bytes_ / 8;
  }
  // All operations below it have been synced.
  [[nodiscard]] std::uint64_t durable_lsn() const noexcept { return durable_lsn_; }
  // Files before this one that were not released.
  [[nodiscard]] std::size_t older_files() const noexcept { return older_.size(); }
  // What this writer has appended so far, in bytes of its files.
  [[nodiscard]] std::uint64_t appended_bytes() const noexcept { return appended_bytes_; }

 private:
  struct Key {};

 public:
  LogWriter(Key, FileSystem& file_system, std::string directory, std::uint64_t file_bytes,
            NextFile::Worker worker) noexcept
      : file_system_(file_system),
        directory_(std::move(directory)),
        file_bytes_(file_bytes),
        worker_(worker),
        next_(file_system, directory_, file_bytes, worker) {}

 private:
  // Which blocks a group wants to lie in: such as were written before, which are made durable at
  // half the price, or whichever come next.
  enum class Blocks : bool { any, written };

  Result<void> make_directory();
  Result<void> begin(const LogEnd& after);
  Result<void> carry_over(const LogEnd& after);
  Result<void> carry(const StoredGroup& group);
  Result<void> sync_groups();
  Result<void> settle_sync();
  Result<void> settle_syncs();
  Result<void> note_syncs();
  Result<void> await_groups();
  SyncBeside& note_begun(SyncBeside& sync) noexcept;
  void close_block() noexcept;
  Result<void> next_file();
  Result<void> make_file();
  void adopt(std::uint64_t number, FreshFile fresh) noexcept;
  Result<void> commit_header(const FileHeader& header);
  Result<void> write_header(FileHeader header);
  Result<void> append(const GroupInfo& info, std::span<const std::byte> payload, Blocks blocks);
  Result<void> append_here(const GroupInfo& info, std::span<const std::byte> payload,
                           Blocks blocks);
  [[nodiscard]] static Blocks wanted_for(std::size_t payload_bytes) noexcept;
  Result<void> make_room_for(const GroupInfo& info, std::uint64_t bytes, Blocks blocks);
  [[nodiscard]] bool is_full_for(std::uint64_t bytes, Blocks blocks) const noexcept;
  void prepare_next_file(std::uint64_t bytes, Blocks blocks) noexcept;
  std::uint32_t put_together(GroupHeader& header, std::span<const std::byte> payload,
                             std::span<std::byte> group) const noexcept;
  void go_on_behind(const GroupHeader& header, std::uint64_t bytes) noexcept;
  Result<void> write_group(GroupHeader header, std::span<const std::byte> payload);
  [[nodiscard]] bool takes(const GroupInfo& info, std::size_t payload_bytes) const noexcept;
  Result<void> write_addition(const GroupInfo& info, std::span<const std::byte> payload);
  Result<void> extend_to(std::uint64_t end, std::uint64_t step_bytes);
  Result<void> remember(Result<void> result);
  [[nodiscard]] Error poisoned() const;

  FileSystem& file_system_;
  std::string directory_;
  std::uint64_t file_bytes_;
  NextFile::Worker worker_;
  std::uint64_t generation_ = 0;

  std::unique_ptr<File> file_;
  std::uint64_t first_own_ = 0;  // the first file that this writer began
  std::uint64_t highest_ = 0;    // the last number that was given to a file
  std::uint64_t number_ = 0;
  std::uint64_t offset_ = 0;         // where the next group goes
  std::uint64_t begun_bytes_ = 0;    // the size that the file had when it was begun
  std::uint64_t written_bytes_ = 0;  // so much of it was written: zeros lie behind `offset_`
  std::uint64_t small_bytes_ = 0;    // of the file's groups that wanted written blocks
  NextFile next_;
  SyncsBeside syncs_;  // of file_, which is not left before they are done

  // The last group, whose block takes additions until it is synced.
  struct LastGroup {
    std::uint64_t end = 0;  // where the next addition goes; 0 when the block takes none
    std::uint64_t epoch = 0;
    std::uint64_t time_us = 0;
    std::uint32_t sum = 0;  // of what stands before the next addition
  };
  LastGroup last_;

  std::uint64_t next_lsn_ = 1;
  std::uint64_t durable_lsn_ = 1;
  std::uint64_t begun_lsn_ = 1;  // operations below it are durable, or a sync for them was begun
  std::uint64_t appended_bytes_ = 0;
  std::uint64_t sync_bytes_ = 0;  // `appended_bytes_` when the last sync was begun

  bool keeps_spares_ = true;
  std::vector<UsedFile> older_;          // files before this one, sorted
  std::vector<UsedFile> spares_;         // released files that wait to be renamed
  std::vector<std::uint64_t> unneeded_;  // released files that wait to be removed
  std::vector<std::byte> buffer_;        // one group as it goes to disk
  std::optional<Error> failure_;
};

}  // namespace xtree::wal
