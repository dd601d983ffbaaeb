// The subcommands that look after a database: stats, verify, checkpoint and compact.
#include <chrono>

#include "commands.h"
#include "coordinates.h"
#include "report.h"

namespace xtree::tool {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Json json_of(const DatabaseStats& stats) {
  return {{"epoch", stats.epoch},
          {"indexes", stats.indexes},
          {"handles", stats.handles},
          {"versions_held", stats.versions_held},
          {"version_bytes", stats.version_bytes},
          {"resident_bytes", stats.resident_bytes},
          {"loaded_nodes", stats.loaded_nodes},
          {"evicted_nodes", stats.evicted_nodes},
          {"log_bytes", stats.log_bytes},
          {"checkpoint", stats.checkpoint},
          {"segment_bytes", stats.segment_bytes},
          {"live_segment_bytes", stats.live_segment_bytes},
          {"garbage_share", stats.garbage_share()}};
}

Json json_of(const IndexDescription& index, const IndexStats& stats) {
  return {{"name", index.name},
          {"dimensions", index.schema.dimensions},
          {"shape", to_string(index.schema.shape)},
          {"precision", to_string(index.schema.scalar)},
          {"value_bytes", index.schema.value_bytes},
          {"compression", to_string(index.schema.compression)},
          {"entries", stats.entries},
          {"height", stats.height},
          {"leaves", stats.leaves},
          {"directory_nodes", stats.directory_nodes},
          {"supernodes", stats.supernodes},
          {"node_bytes", stats.node_bytes},
          {"leaf_fill", stats.leaf_fill}};
}

// What the database says about each of its indexes.
Result<Json> stats_of_indexes(Database& database) {
  auto indexes = database.indexes();
  if (!indexes) return indexes.error();
  Json list = Json::array();
  for (const IndexDescription& index : *indexes) {
    auto core = database.open_index(index.name);
    if (!core) return core.error();
    auto stats = (*core)->stats(nullptr);
    if (!stats) return stats.error();
    list.push_back(json_of(index, *stats));
  }
  return list;
}

}  // namespace

Result<void> run_stats(const DirectoryOptions& options, bool json) {
  auto database = open_existing(options.directory);
  if (!database) return database.error();
  auto stats = database->stats();
  if (!stats) return stats.error();
  auto indexes = stats_of_indexes(*database);
  if (!indexes) return indexes.error();
  print_document(
      {{"directory", options.directory}, {"database", json_of(*stats)}, {"indexes", *indexes}},
      json);
  return {};
}

Result<void> run_checkpoint(const DirectoryOptions& options, bool json) {
  auto database = open_existing(options.directory);
  if (!database) return database.error();
  auto before = database->stats();
  if (!before) return before.error();
  const Clock::time_point start = Clock::now();
  if (auto done = database->checkpoint(); !done) return done;
  const double seconds = seconds_since(start);
  auto after = database->stats();
  if (!after) return after.error();
  if (auto closed = database->close(); !closed) return closed;
  print_document({{"directory", options.directory},
                  {"checkpoint", after->checkpoint},
                  {"log_before_bytes", before->log_bytes},
                  {"log_after_bytes", after->log_bytes},
                  {"segment_bytes", after->segment_bytes},
                  {"seconds", seconds}},
                 json);
  return {};
}

Result<void> run_compact(const DirectoryOptions& options, bool json) {
  auto database = open_existing(options.directory);
  if (!database) return database.error();
  auto before = database->stats();
  if (!before) return before.error();
  const Clock::time_point start = Clock::now();
  if (auto done = database->compact(); !done) return done;
  const double seconds = seconds_since(start);
  auto after = database->stats();
  if (!after) return after.error();
  if (auto closed = database->close(); !closed) return closed;
  print_document({{"directory", options.directory},
                  {"segments_before_bytes", before->segment_bytes},
                  {"segments_after_bytes", after->segment_bytes},
                  {"live_bytes", after->live_segment_bytes},
                  {"garbage_share_before", before->garbage_share()},
                  {"garbage_share_after", after->garbage_share()},
                  {"moved_bytes", after->compacted_bytes},
                  {"seconds", seconds}},
                 json);
  return {};
}

}  // namespace xtree::tool
