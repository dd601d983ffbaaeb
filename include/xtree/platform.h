// The seam between the engine and the operating system's files. Users who embed XTree on something
// else than a POSIX file system, or who test it on one that fails, implement File and FileSystem.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "xtree/config.h"
#include "xtree/result.h"

namespace xtree {

// What `File::write_durably` writes begins and ends at multiples of this many bytes.
inline constexpr std::size_t kDurableWriteUnit = 4096;

// An open file. Calls on one file may come from several threads, at disjoint ranges.
class XTREE_EXPORT File {
 public:
  File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  virtual ~File();

  // Fills `bytes` from `offset`; returns how many bytes there were before the end of the file.
  virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> bytes) = 0;
  // Says that this piece will be read soon. A file system may begin to bring it in, and does not
  // wait for it.
  virtual void will_read(std::uint64_t offset, std::size_t bytes) noexcept;
  // Writes all of `bytes` at `offset`, past the end if it comes to that, or fails.
  virtual Result<void> write_at(std::uint64_t offset, std::span<const std::byte> bytes) = 0;
  // The same for a few bytes at a place that was written since the file was opened and has not
  // been truncated since, from one thread at a time. A file system may have a quicker way for this:
  // memory that it shares with this process. Without one it is `write_at`.
  virtual Result<void> store_at(std::uint64_t offset, std::span<const std::byte> bytes);
  // Says that a sync will follow, which should find little left to do: a file system may bring what
  // was written in this piece to the disk, and then waits for it. Success promises nothing; a
  // failure is that of a sync, which may not be told of it again.
  virtual Result<void> write_back(std::uint64_t offset, std::size_t bytes);
  // The same, but it does not wait: what was written in this piece may be on its way.
  virtual Result<void> start_write_back(std::uint64_t offset, std::size_t bytes);
  // Returns once all that was written before the call, and the size, would survive power loss.
  // Other threads may write meanwhile. After a failure nothing may be assumed about what was
  // written since the last success.
  virtual Result<void> sync() = 0;
  // Whether `write_durably` keeps its promise. Who says so overrides both: here it is no, and then
  // writers of the log wait for `sync`, one group at a time.
  [[nodiscard]] virtual bool takes_durable_writes() noexcept;
  // Writes all of `bytes` at `offset`, which lie within the file, and returns once they would
  // survive power loss. It says nothing of what else was written. Several such calls may run at a
  // time beside any other calls, at disjoint ranges, and each fails if its own bytes did not reach
  // the disk, also when another call has failed for that already. The offset, the number of bytes,
  // and their address are multiples of kDurableWriteUnit.
  virtual Result<void> write_durably(std::uint64_t offset, std::span<const std::byte> bytes);
  virtual Result<void> truncate(std::uint64_t bytes) = 0;
  virtual Result<std::uint64_t> size() = 0;
  // Takes the whole file for this object until it is destroyed; fails with `locked` when another
  // object has it, in this process or elsewhere.
  virtual Result<void> lock() = 0;
};

enum class OpenMode : std::uint8_t {
  read,        // the file must exist
  read_write,  // the file must exist
  create,      // read and write; made empty when it does not exist, kept as it is when it does
};

// Several threads call one file system at a time, and its files too: writers and checkpoints each
// do their own. Names are paths with '/' between their parts. A name that was made, renamed or
// removed survives power loss once its directory has been synced.
class XTREE_EXPORT FileSystem {
 public:
  FileSystem() = default;
  FileSystem(const FileSystem&) = delete;
  FileSystem& operator=(const FileSystem&) = delete;
  virtual ~FileSystem();

  // `not_found` when the mode asks for a file that is not there.
  virtual Result<std::unique_ptr<File>> open(std::string_view path, OpenMode mode) = 0;
  virtual Result<bool> exists(std::string_view path) = 0;
  // The plain names in a directory, in no order, without "." and "..".
  virtual Result<std::vector<std::string>> list(std::string_view directory) = 0;
  // Succeeds when the directory is there already. Its parent must exist.
  virtual Result<void> make_directory(std::string_view path) = 0;
  virtual Result<void> remove(std::string_view path) = 0;
  // Replaces `to` if it exists.
  virtual Result<void> rename(std::string_view from, std::string_view to) = 0;
  virtual Result<void> sync_directory(std::string_view path) = 0;
};

// The operating system's file system; it lives as long as the process.
XTREE_EXPORT FileSystem& posix_file_system() noexcept;

}  // namespace xtree
