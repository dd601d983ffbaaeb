// The subcommands that ask: query and nearest.
#include <fmt/format.h>

#include <chrono>
#include <utility>
#include <vector>

#include "commands.h"
#include "coordinates.h"
#include "report.h"
#include "scan.h"

namespace xtree::tool {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

void print_answer(const std::string& index, const Hits& hits, double milliseconds, bool json) {
  const std::size_t count = hits.entries.size();
  if (json) {
    fmt::print("{{\n  \"index\": {},\n  \"count\": {},\n  \"more\": {},\n  \"hits\": ",
               Json(index).dump(), count, hits.more);
    print_hits_json(hits);
    fmt::print("\n}}\n");
    return;
  }
  if (count != 0) print_hits(hits);
  fmt::print("{}{} hit{}{} in {:.3f} ms\n", count != 0 ? "\n" : "", count, count == 1 ? "" : "s",
             hits.more ? ", and more behind the limit," : "", milliseconds);
}

}  // namespace

Result<void> run_query(const QueryOptions& options, bool json) {
  auto database = open_existing(options.directory);
  if (!database) return database.error();
  auto index = open_existing(*database, options.index);
  if (!index) return index.error();
  auto window = parse_window("--window", options.window, (*index)->schema());
  if (!window) return window.error();
  const WindowQuery query{options.relation, *window};

  const Clock::time_point start = Clock::now();
  if (options.count) {
    auto count = count_hits(**index, query);
    if (!count) return count.error();
    print_document({{"index", options.index}, {"count", *count}}, json);
    return {};
  }
  auto hits = find_hits(**index, query, options.limit);
  if (!hits) return hits.error();
  print_answer(options.index, *hits, milliseconds_since(start), json);
  return {};
}

Result<void> run_nearest(const NearestOptions& options, bool json) {
  auto database = open_existing(options.directory);
  if (!database) return database.error();
  auto index = open_existing(*database, options.index);
  if (!index) return index.error();
  const detail::Schema& schema = (*index)->schema();
  auto target = parse_point("--at", options.at, schema);
  if (!target) return target.error();
  detail::NearestRequest request{target->bytes, options.limit, options.max_distance,
                                 options.metric};
  std::vector<double> weights;
  if (!options.weights.empty()) {
    auto parsed = parse_weights("--weights", options.weights, schema);
    if (!parsed) return parsed.error();
    weights = std::move(*parsed);
    request.weights = weights.data();
  }

  const Clock::time_point start = Clock::now();
  auto hits = find_nearest(**index, request);
  if (!hits) return hits.error();
  print_answer(options.index, *hits, milliseconds_since(start), json);
  return {};
}

}  // namespace xtree::tool
