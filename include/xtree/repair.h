// Looking at every byte of a database, and saving what is whole of one that is damaged.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "xtree/config.h"
#include "xtree/detail/engine.h"
#include "xtree/result.h"

namespace xtree {

class FileSystem;

// One thing that is wrong with a database.
struct Fault {
  std::string file;                     // below the database's directory
  std::optional<std::uint64_t> offset;  // where in the file the damaged part begins
  std::uint64_t node = 0;               // NodeID of the node that is damaged, if it is one
  std::string index;                    // whose node it is, if that is known
  std::string text;                     // what is wrong
};

// What is wrong with the files of a database, all of it.
struct FaultReport {
  std::vector<Fault> faults;
  // What damage leaves, and a crash too: the files cannot tell. The next open cuts it off.
  std::vector<Fault> doubts;
};

struct DeepReport : FaultReport {
  // Bytes of live data, each of which was read and checked: design/file_format.md, "Live data".
  std::uint64_t live_bytes = 0;
  std::uint64_t images = 0;          // node images among them
  std::uint64_t log_operations = 0;  // behind the newest checkpoint
  std::uint64_t entries = 0;         // of all indexes; counted when nothing is wrong
};

struct RepairOptions {
  // Where the files live; null means the operating system's.
  FileSystem* file_system = nullptr;
};

// Reads all live data of a database, reports everything that is wrong with it, and writes nothing.
// When the files are whole it also replays the log in memory and checks every rule of every tree.
//
//   auto report = xtree::verify_deep("./data");
//   if (!report) return fail(report.error());
//   for (const xtree::Fault& fault : report->faults) show(fault.file, fault.offset, fault.text);
//
// Errors say why there is no report: `not_found`, `not_a_database`, `newer_format`, or `locked`
// when the database is open. A file that cannot be read is a fault like any other.
[[nodiscard]] XTREE_EXPORT Result<DeepReport> verify_deep(std::string_view directory,
                                                          const RepairOptions& options = {});

// What became of one index. The entries of its nodes are those of the checkpoint; the log comes on
// top of them.
struct RepairedIndex {
  std::string name;          // "index-N" when only the number is left of it
  std::uint32_t number = 0;  // in the damaged database
  detail::Schema schema;
  std::optional<std::uint64_t> checkpoint_entries;  // as its root counted them, if that is whole
  std::uint64_t salvaged_entries = 0;               // of whole leaves
  // Of leaves that are not whole: what the root counted and no leaf held.
  std::optional<std::uint64_t> lost_entries;
  // Of leaves of this index of which nothing tells whether they were still a part of it. They are
  // in the new database only if the root's count says that they were.
  std::uint64_t doubtful_entries = 0;
  std::uint64_t lost_nodes = 0;  // each is a fault
  // In the new database: false when the log dropped the index, or when nothing tells its schema.
  bool is_there = false;
  std::uint64_t entries = 0;  // after the log
};

struct RepairReport : FaultReport {
  // Whether the new database holds all that the damaged one did.
  bool complete = false;
  // Generation of the checkpoint that was salvaged, 0 when no manifest was left; and whether its
  // object table was whole, or the nodes had to be found by scanning the segments.
  std::uint64_t checkpoint = 0;
  bool table_was_whole = false;
  std::vector<RepairedIndex> indexes;
  std::uint64_t named_values = 0;  // in the new database
  bool named_values_were_whole = true;
  std::uint64_t replayed_operations = 0;  // of the log behind the checkpoint
  std::uint64_t lost_operations = 0;      // behind the first damaged group, as far as that shows
};

// Salvages what is whole of the database in `damaged` into a new one in `fresh`, whose parent
// exists and which does not (`already_exists`). The damaged one is only read.
//
//   auto report = xtree::repair("./data", "./salvaged");
//   if (report && report->complete) ...
//
// It takes the newest checkpoint whose files are whole, or finds the nodes of one by scanning the
// segments; every entry of a leaf that is whole; and the log behind it up to the first group that
// is damaged. What is lost stands in the report. How it decides: design/recovery.md, "Repair".
//
// It needs memory for all entries of the largest index. When it fails, what it has written so far
// may be left in `fresh`, and is of no use.
[[nodiscard]] XTREE_EXPORT Result<RepairReport> repair(std::string_view damaged,
                                                       std::string_view fresh,
                                                       const RepairOptions& options = {});

}  // namespace xtree
