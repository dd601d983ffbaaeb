// The subcommand that saves what is left of a damaged database: repair.
#include "xtree/repair.h"

#include <chrono>

#include "commands.h"
#include "faults.h"
#include "report.h"
#include "scan.h"

namespace xtree::tool {
namespace {

template <class T>
Json json_of(const std::optional<T>& number) {
  return number ? Json(*number) : Json();
}

Json json_of(const std::vector<RepairedIndex>& indexes) {
  Json list = Json::array();
  for (const RepairedIndex& index : indexes) {
    list.push_back({{"name", index.name},
                    {"number", index.number},
                    {"holds", index.is_there ? Json(describe(index.schema)) : Json()},
                    {"checkpoint_entries", json_of(index.checkpoint_entries)},
                    {"salvaged_entries", index.salvaged_entries},
                    {"lost_entries", json_of(index.lost_entries)},
                    {"doubtful_entries", index.doubtful_entries},
                    {"lost_nodes", index.lost_nodes},
                    {"is_there", index.is_there},
                    {"entries", index.entries}});
  }
  return list;
}

}  // namespace

Result<void> run_repair(const RepairCommandOptions& options, bool json) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  const auto report = repair(options.directory, options.to);
  if (!report) return report.error();
  const std::chrono::duration<double> seconds = Clock::now() - start;
  print_document({{"directory", options.directory},
                  {"to", options.to},
                  {"complete", report->complete},
                  {"seconds", seconds.count()},
                  {"checkpoint", report->checkpoint},
                  {"table_was_whole", report->table_was_whole},
                  {"named_values", report->named_values},
                  {"named_values_were_whole", report->named_values_were_whole},
                  {"replayed_operations", report->replayed_operations},
                  {"lost_operations", report->lost_operations},
                  {"fault_count", report->faults.size()},
                  {"doubt_count", report->doubts.size()},
                  {"indexes", json_of(report->indexes)},
                  {"faults", json_of(report->faults)},
                  {"doubts", json_of(report->doubts)}},
                 json);
  if (report->complete) return {};
  return Error(ErrorCode::corruption, options.directory.c_str(),
               "not all of it could be saved; the report says what is missing");
}

}  // namespace xtree::tool
