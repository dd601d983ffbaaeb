// What it costs to get from a NodeID to its node, measured on this machine.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <vector>

#include "commands.h"
#include "plot.h"
#include "report.h"
#include "resolve/process_figures.h"
#include "resolve/resolution.h"

namespace xtree::tool {
namespace {

using bench::Contest;
using bench::Walk;

constexpr int kRounds = 21;
constexpr std::uint64_t kFewestHandles = 1000;

// Powers of ten from a thousand on, and what was asked for.
std::vector<std::uint64_t> sizes_up_to(std::uint64_t handles) {
  std::vector<std::uint64_t> sizes;
  for (std::uint64_t size = kFewestHandles; size < handles; size *= 10) sizes.push_back(size);
  sizes.push_back(handles);
  return sizes;
}

// One line of the table.
Json line(std::uint64_t handles, const Walk& walk, Contest& contest, std::size_t i,
          const bench::InstructionCounter& counter) {
  Json row{{"handles", handles},
           {"walk", walk.name},
           {"way", contest.name(i)},
           {"ns", contest.ns(i)},
           {"to pointer", contest.ratio(i)}};
  if (counter.is_there()) {
    const std::uint64_t before = counter.now();
    contest.turn(i);
    row["instructions"] = static_cast<double>(counter.now() - before) / contest.operations(i);
  }
  return row;
}

// Time over the number of handles, for each way; the walks that stay in the cache are left out.
Plot plot_of(const Json& rows) {
  Plot plot;
  plot.title = "From a NodeID to its node";
  plot.x_label = "handles in the table";
  plot.y_label = "nanoseconds";
  for (const Json& row : rows) {
    const auto walk = row["walk"].get<std::string>();
    if (!walk.ends_with(", all")) continue;
    const std::string name = walk.substr(0, walk.find(',')) + ": " + row["way"].get<std::string>();
    const auto known = std::find_if(plot.lines.begin(), plot.lines.end(),
                                    [&](const auto& line) { return line.name == name; });
    PlotLine& drawn =
        known != plot.lines.end() ? *known : plot.lines.emplace_back(PlotLine{name, {}});
    drawn.points.emplace_back(row["handles"].get<double>(), row["ns"].get<double>());
  }
  return plot;
}

}  // namespace

Result<void> run_bench_resolve(const BenchResolveOptions& options, bool json) {
  const bench::InstructionCounter counter;
  Json rows = Json::array();
  for (const std::uint64_t handles : sizes_up_to(std::max(options.handles, kFewestHandles))) {
    for (const Walk& walk : bench::kWalks) {
      Contest contest = bench::walk_contest(handles, walk);
      for (int round = 0; round < kRounds; ++round) contest.round();
      for (std::size_t i = 0; i < contest.size(); ++i) {
        rows.push_back(line(handles, walk, contest, i, counter));
      }
    }
  }
  if (!options.plot.empty()) {
    std::ofstream file(options.plot);
    file << svg_of(plot_of(rows));
    file.close();
    if (!file) return Error(ErrorCode::io_error, options.plot.c_str(), "cannot write the plot");
  }
  print_document({{"rounds", kRounds},
                  {"instructions counted", counter.is_there()},
                  {"resolution", std::move(rows)}},
                 json);
  return {};
}

}  // namespace xtree::tool
