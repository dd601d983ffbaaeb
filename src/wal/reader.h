// Replaying the log: which groups are in it, where it ends, and whether it is whole.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "wal/format.h"
#include "xtree/platform.h"

namespace xtree::wal {

// Where a log ends, and all that a writer needs to go on from there. The default is a log that has
// no file yet; its first operation has number 1.
struct LogEnd {
  LogPosition end = {};            // behind the last group; what lies there is cut off for ever
  std::uint64_t next_lsn = 1;
  std::uint64_t generation = 0;    // of the file in which the log ends
  std::uint64_t groups = 0;        // that were visited
  std::uint64_t highest_file = 0;  // of any log file in the directory, in use or not

  // The log is proven to be on disk as far as this; what was found behind it may so far exist
  // only in the system's cache.
  LogPosition proven = {};
  std::uint64_t proven_lsn = 1;
  std::uint64_t proven_generation = 0;
  // The unproven groups are those of file `end.file` from here to the end.
  std::uint64_t unproven_offset = 0;
};

using GroupVisitor =
    std::function<Result<void>(const GroupInfo& info, std::span<const std::byte> payload)>;

// Visits every group from `from` to the end of the log in order, and stops at the visitor's first
// error. `from` is a position that a writer of recovery generation `generation` returned, and
// `first_lsn` the number of the operation that was to come there; file 0, offset 0, generation 0
// is the beginning of a log.
//
// A group that was never synced may be missing or torn at the end: there the log ends. Everything
// else that is not as it was written is `corruption` with the file and the offset: a missing
// file, a bad group before others that prove it had been synced, a gap in the sequence numbers.
// The groups before the bad one have then been visited. Nothing is written. Section "Reading" of
// design/wal_format.md has the rules.
Result<LogEnd> replay_log(FileSystem& file_system, std::string_view directory, LogPosition from,
                          std::uint64_t generation, std::uint64_t first_lsn,
                          const GroupVisitor& visitor);

}  // namespace xtree::wal
