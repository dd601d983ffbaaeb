// Surveying a log that may be damaged: what is wrong with it, all of it, and what can be replayed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wal/format.h"
#include "wal/reader.h"
#include "xtree/platform.h"

namespace xtree::wal {

struct LogFault {
  std::string path;
  std::uint64_t offset = 0;
  std::string text;
  // Whether it is damage, and nothing that a crash may leave.
  bool is_certain = true;
};

struct LogSurvey {
  std::vector<LogFault> faults;
  std::uint64_t operations = 0;       // that were visited
  std::uint64_t lost_operations = 0;  // behind the first damage, as far as their numbers show
  // A file is missing, was cut off, or cannot be read: nobody knows what else was in it.
  bool lacks_bytes = false;
  std::uint64_t live_bytes = 0;  // headers of files that the log needs, and groups
};

// Visits the groups behind a checkpoint in the order of their numbers, up to the first that is
// missing or damaged, and reports everything else that is wrong behind it. The position, the
// generation and the number of the first operation are the checkpoint's, as for `replay_log`.
//
// Unlike a replay it needs no file's header: each group says where it was written, in which life of
// the database, and which operation it begins with. Of two groups that begin with the same one,
// that of the later life holds. Visits nothing of a group that a later life has cut off. An error
// is the visitor's, or `newer_format`.
Result<LogSurvey> survey_log(FileSystem& file_system, std::string_view directory, LogPosition from,
                             std::uint64_t generation, std::uint64_t first_lsn,
                             const GroupVisitor& visitor);

// Where a replay may begin when no checkpoint says so.
struct LogStart {
  LogPosition from = {};
  std::uint64_t generation = 0;
  std::uint64_t first_lsn = 1;
};

// At the first group with this operation or a later one; at the end of the log when there is none.
Result<LogStart> find_log_start(FileSystem& file_system, std::string_view directory,
                                std::uint64_t first_lsn);

}  // namespace xtree::wal
