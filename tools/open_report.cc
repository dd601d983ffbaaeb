// The subcommand open-report: what an open had to do, and where its time went.
#include <chrono>

#include "commands.h"
#include "report.h"
#include "scan.h"

namespace xtree::tool {
namespace {

double seconds(std::uint64_t microseconds) { return static_cast<double>(microseconds) * 1e-6; }

Json times_of(const OpenReport& report) {
  return {{"lock_seconds", seconds(report.lock_us)},
          {"superblock_seconds", seconds(report.superblock_us)},
          {"manifest_seconds", seconds(report.manifest_us)},
          {"table_read_seconds", seconds(report.table_us)},
          {"segments_seconds", seconds(report.segments_us)},
          {"confirm_seconds", seconds(report.confirm_us)},
          {"clean_up_seconds", seconds(report.clean_up_us)},
          {"table_restore_seconds", seconds(report.restore_us)},
          {"catalog_seconds", seconds(report.catalog_us)},
          {"log_scan_seconds", seconds(report.log_scan_us)},
          {"replay_seconds", seconds(report.replay_us)},
          {"log_start_seconds", seconds(report.log_start_us)},
          {"threads_seconds", seconds(report.threads_us)}};
}

// Asks every index for the entry nearest to the origin.
Result<void> ask_all(Database& database) {
  auto indexes = database.indexes();
  if (!indexes) return indexes.error();
  const QueryBox origin;
  for (const IndexDescription& index : *indexes) {
    auto core = database.open_index(index.name);
    if (!core) return core.error();
    const auto answer = find_nearest(**core, {.target = origin.bytes, .limit = 1});
    if (!answer) return answer.error();
  }
  return {};
}

}  // namespace

Result<void> run_open_report(const DirectoryOptions& options, bool json) {
  auto database = open_existing(options.directory);
  if (!database) return database.error();
  const auto start = std::chrono::steady_clock::now();
  if (auto answered = ask_all(*database); !answered) return answered;
  const std::chrono::duration<double> answer = std::chrono::steady_clock::now() - start;
  const OpenReport report = database->open_report();
  const double open_seconds = seconds(report.total_us);
  print_document({{"directory", options.directory},
                  {"open_seconds", open_seconds},
                  {"first_answer_seconds", open_seconds + answer.count()},
                  {"table_entries", report.table_entries},
                  {"segments", report.segments},
                  {"replayed_operations", report.replayed_operations},
                  {"replayed_bytes", report.replayed_bytes},
                  {"parts", times_of(report)}},
                 json);
  return {};
}

}  // namespace xtree::tool
