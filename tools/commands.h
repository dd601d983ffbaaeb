// What each subcommand does, behind a command line that was understood.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "scan.h"
#include "xtree/database.h"
#include "xtree/options.h"
#include "xtree/result.h"

namespace xtree::tool {

struct BuildOptions {
  std::string csv;
  std::string directory;  // empty in memory
  std::string index;
  std::vector<std::string> columns;
  std::string id_column;
  bool boxes = false;
  Mode mode = Mode::durable;
  detail::ScalarType scalar = detail::ScalarType::float64;
  Compression compression = Compression::none;
  bool skip_bad = false;
  std::uint64_t batch = 0;  // entries that go in at once; 0 means all
  std::string window;       // asked when all is in, when they are not empty
  std::string at;
  std::uint64_t nearest = 10;
};

struct QueryOptions {
  std::string directory;
  std::string index;
  std::string window;
  Relation relation = Relation::intersects;
  std::uint64_t limit = detail::kEndless;
  bool count = false;
};

struct NearestOptions {
  std::string directory;
  std::string index;
  std::string at;
  std::uint64_t limit = 10;
  Metric metric = Metric::euclidean;
  std::string weights;  // as typed, when there are any
  double max_distance = std::numeric_limits<double>::infinity();
};

struct DirectoryOptions {
  std::string directory;
};

struct VerifyOptions {
  std::string directory;
  bool deep = false;
};

struct RepairCommandOptions {
  std::string directory;
  std::string to;
};

struct CrashTestOptions {
  double seconds = 60;       // 0 means no limit
  double hours = 0;          // instead of seconds, when it is not 0
  std::uint64_t states = 0;  // 0 means no limit
  std::uint64_t seed = 1;
  std::string workload;          // empty means all
  std::string save = ".";        // directory for the cases that fail
  std::string replay;            // a file with such a case: run that and nothing else
};

struct BenchResolveOptions {
  std::uint64_t handles = 1'000'000;
  std::string plot;  // a file for an SVG; empty for none
};

struct PlotOptions {
  std::string directory;
  std::string index;
  std::string axes = "0,1";
  std::optional<std::uint32_t> level;  // of the nodes to draw; all levels without it
  std::string output;
};

// Each prints its result on standard output, as JSON when `json` says so.
Result<void> run_build(const BuildOptions& options, bool json);
Result<void> run_query(const QueryOptions& options, bool json);
Result<void> run_nearest(const NearestOptions& options, bool json);
Result<void> run_stats(const DirectoryOptions& options, bool json);
// With `deep` and faults it fails with `corruption`, after the report.
Result<void> run_verify(const VerifyOptions& options, bool json);
// Fails with `corruption` when something is lost, after the report.
Result<void> run_repair(const RepairCommandOptions& options, bool json);
Result<void> run_checkpoint(const DirectoryOptions& options, bool json);
Result<void> run_plot(const PlotOptions& options, bool json);
Result<void> run_compact(const DirectoryOptions& options, bool json);
Result<void> run_open_report(const DirectoryOptions& options, bool json);
Result<void> run_bench_resolve(const BenchResolveOptions& options, bool json);
// Fails with `corruption` when there are faults, after the report.
Result<void> run_crash_test(const CrashTestOptions& options, bool json);

// A database that is there; its log is left as it is found but for what recovery does.
Result<Database> open_existing(const std::string& directory);
// An index that is there; the error tells which ones are when it is not.
Result<std::shared_ptr<detail::IndexCore>> open_existing(Database& database,
                                                         const std::string& index);

}  // namespace xtree::tool
