// The subcommand that checks a database: verify.
#include <chrono>

#include "commands.h"
#include "faults.h"
#include "report.h"
#include "scan.h"
#include "xtree/repair.h"

namespace xtree::tool {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Result<void> verify_to_the_last_byte(const std::string& directory, bool json) {
  const Clock::time_point start = Clock::now();
  const auto report = verify_deep(directory);
  if (!report) return report.error();
  print_document({{"directory", directory},
                  {"verified", report->faults.empty()},
                  {"seconds", seconds_since(start)},
                  {"live_bytes", report->live_bytes},
                  {"images", report->images},
                  {"log_operations", report->log_operations},
                  {"entries", report->entries},
                  {"fault_count", report->faults.size()},
                  {"doubt_count", report->doubts.size()},
                  {"faults", json_of(report->faults)},
                  {"doubts", json_of(report->doubts)}},
                 json);
  return report->faults.empty() ? Result<void>() : Result<void>(error_of(report->faults));
}

}  // namespace

Result<void> run_verify(const VerifyOptions& options, bool json) {
  if (options.deep) return verify_to_the_last_byte(options.directory, json);
  const Clock::time_point start = Clock::now();
  auto database = open_existing(options.directory);
  if (!database) return database.error();
  if (auto holds = database->verify(); !holds) return holds;
  auto indexes = database->indexes();
  if (!indexes) return indexes.error();
  Json list = Json::array();
  for (const IndexDescription& index : *indexes) {
    auto core = database->open_index(index.name);
    if (!core) return core.error();
    auto entries = (*core)->size(nullptr);
    if (!entries) return entries.error();
    list.push_back(
        {{"name", index.name}, {"entries", *entries}, {"holds", describe(index.schema)}});
  }
  print_document({{"directory", options.directory},
                  {"verified", true},
                  {"seconds", seconds_since(start)},
                  {"indexes", list}},
                 json);
  return {};
}

}  // namespace xtree::tool
