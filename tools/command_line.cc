#include "command_line.h"

#include <CLI/CLI.hpp>

#include <cstring>
#include <map>
#include <string>
#include <utility>

#include "commands.h"
#include "coordinates.h"
#include "report.h"
#include "xtree/config.h"
#include "xtree/testing/crash_test.h"

namespace xtree::tool {
namespace {

constexpr const char* kExitCodes =
    "Exit codes: 0 done; 1 corruption, or verify found a fault; 2 the command line is wrong;\n"
    "3 not found, or the input is refused; 4 the operating system refused, or memory or disk\n"
    "space ran out; 5 another process has the database open. Errors go to standard error; with\n"
    "--json as {\"error\": {\"code\", \"place\", \"message\"}}.\n";

constexpr const char* kExamples =
    "Examples:\n"
    "  xtree build cities.csv -o world --index cities --columns lon,lat --id id\n"
    "  xtree query world --index cities --window -9.5,36,3.3,43.8 --count\n"
    "  xtree nearest world --index cities --at 2.3522,48.8566 -k 3\n"
    "  xtree verify world\n\n";

const std::map<std::string, Relation> kRelations{{"intersects", Relation::intersects},
                                                 {"within", Relation::within},
                                                 {"covers", Relation::covers},
                                                 {"overlaps", Relation::overlaps},
                                                 {"disjoint", Relation::disjoint}};
const std::map<std::string, Metric> kMetrics{{"euclidean", Metric::euclidean},
                                             {"manhattan", Metric::manhattan},
                                             {"chebyshev", Metric::chebyshev}};
const std::map<std::string, Mode> kModes{{"memory", Mode::in_memory}, {"durable", Mode::durable}};
const std::map<std::string, Compression> kCompressions{
    {"none", Compression::none}, {"lz4", Compression::lz4}, {"zstd", Compression::zstd}};
const std::map<std::string, detail::ScalarType> kPrecisions{{"double", detail::ScalarType::float64},
                                                            {"float", detail::ScalarType::float32}};

// A validator: empty when the text is fine, or what is wrong with it.
std::string is_positive(const std::string& text) {
  std::uint64_t number = 0;
  if (parse_whole(text, number) && number != 0) return {};
  return "'" + text + "' is not a whole number above 0";
}

// An option that is one of a few words.
template <class Choice>
void add_choice(CLI::App& command, const char* name, Choice& choice,
                const std::map<std::string, Choice>& words, const char* what) {
  const auto choose = [name, &choice, &words](const std::string& word) {
    const auto known = words.find(word);
    if (known != words.end()) {
      choice = known->second;
      return;
    }
    std::string list;
    for (const auto& [name_of_word, ignored] : words) list += " " + name_of_word;
    throw CLI::ValidationError(name, "'" + word + "' is none of" + list);
  };
  command.add_option_function<std::string>(name, choose, what);
}

// All subcommands with the options that they fill, and the one that was chosen.
class CommandLine {
 public:
  CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  int run(int count, const char* const* arguments);

 private:
  CLI::App& add(const char* name, const char* what, std::function<Result<void>()> work);
  void add_build();
  void add_build_choices(CLI::App& command);
  void add_build_questions(CLI::App& command);
  void add_query();
  void add_nearest();
  void add_upkeep(const char* name, const char* what,
                  Result<void> (*work)(const DirectoryOptions&, bool));
  void add_plot();
  void add_verify();
  void add_repair();
  void add_crash_test();
  void add_bench();
  int parse(int count, const char* const* arguments);

  CLI::App app_{
      "Spatial indexes of points and boxes in 1 to 32 dimensions: builds them from CSV\n"
      "files, asks them, and looks after their databases."};
  bool json_ = false;
  BuildOptions build_;
  QueryOptions query_;
  NearestOptions nearest_;
  DirectoryOptions directory_;
  PlotOptions plot_;
  VerifyOptions verify_;
  RepairCommandOptions repair_;
  CrashTestOptions crash_test_;
  BenchResolveOptions bench_resolve_;
  std::function<Result<void>()> chosen_;
};

CommandLine::CommandLine() {
  app_.name("xtree");
  app_.require_subcommand(1);
  app_.fallthrough();
  app_.add_flag("--json", json_, "Print one JSON document instead of text");
  app_.set_version_flag("--version", std::to_string(XTREE_VERSION_MAJOR) + "." +
                                         std::to_string(XTREE_VERSION_MINOR) + "." +
                                         std::to_string(XTREE_VERSION_PATCH));
  app_.footer(std::string(kExamples) + kExitCodes);
  add_build();
  add_query();
  add_nearest();
  add_upkeep("stats", "Say what a database and its indexes hold", run_stats);
  add_verify();
  add_repair();
  add_upkeep("checkpoint", "Write what changed, so that the next open need not replay the log",
             run_checkpoint);
  add_plot();
  add_upkeep("compact", "Move nodes together, and give back the space of those that are gone",
             run_compact);
  add_upkeep("open-report", "Open a database, and say where the time went", run_open_report);
  add_crash_test();
  add_bench();
}

CLI::App& CommandLine::add(const char* name, const char* what, std::function<Result<void>()> work) {
  CLI::App& command = *app_.add_subcommand(name, what);
  command.fallthrough();
  command.footer(kExitCodes);
  command.callback([this, work = std::move(work)] { chosen_ = work; });
  return command;
}

void CommandLine::add_build() {
  CLI::App& command = add("build", "Make an index from a CSV file, or add to one",
                          [this] { return run_build(build_, json_); });
  command
      .add_option("csv", build_.csv,
                  "The file; its first line names the columns.\n"
                  "- is standard input")
      ->required();
  command.add_option("-o,--output", build_.directory,
                     "Directory of the database, made when it is not there");
  command.add_option("--index", build_.index, "Name of the index")->required();
  command
      .add_option_function<std::string>(
          "--columns",
          [this](const std::string& list) {
            for (const auto name : split_list(list)) build_.columns.emplace_back(name);
          },
          "Columns of the coordinates, as in lon,lat; with --boxes\n"
          "all minima and then all maxima, as in minx,miny,maxx,maxy")
      ->required();
  command.add_flag("--boxes", build_.boxes, "The columns are boxes, not points");
  command.add_option("--id", build_.id_column,
                     "Column of the id, a whole number below 2^64;\n"
                     "without it, the line's number in the file, from 2 on");
  add_build_choices(command);
  add_build_questions(command);
}

void CommandLine::add_build_choices(CLI::App& command) {
  add_choice(command, "--mode", build_.mode, kModes,
             "memory (nothing is written) or durable (default)");
  add_choice(command, "--precision", build_.scalar, kPrecisions, "double (default) or float");
  add_choice(command, "--compression", build_.compression, kCompressions,
             "How a new index is packed in its files: none (default),\n"
             "lz4 or zstd, as far as this build has them");
  command.add_flag("--skip-bad", build_.skip_bad,
                   "Count lines that make no entry, and go on;\n"
                   "without it, the first one stops the build");
  command
      .add_option("--batch", build_.batch,
                  "Add so many entries at once, all or nothing; without it,\n"
                  "the whole file, which needs memory and makes the best tree")
      ->check(is_positive);
  command.parse_complete_callback([this] {
    if (build_.mode == Mode::durable && build_.directory.empty()) {
      throw CLI::ValidationError("--output", "name a directory, or use --mode memory");
    }
    if (build_.mode == Mode::in_memory && !build_.directory.empty()) {
      throw CLI::ValidationError("--output", "--mode memory writes nothing; leave it out");
    }
  });
}

void CommandLine::add_build_questions(CLI::App& command) {
  command.add_option("--window", build_.window, "When all is in, count the hits of this window");
  command.add_option("--at", build_.at, "When all is in, find the entries nearest to this point");
  command.add_option("-k", build_.nearest, "How many of the nearest (default 10)")
      ->check(is_positive);
}

void CommandLine::add_query() {
  CLI::App& command = add("query", "Find the entries that a window asks for",
                          [this] { return run_query(query_, json_); });
  command.add_option("directory", query_.directory, "Directory of the database")->required();
  command.add_option("--index", query_.index, "Name of the index")->required();
  command
      .add_option("--window", query_.window,
                  "All minima and then all maxima, as in minx,miny,maxx,maxy;\n"
                  "inf and -inf are numbers")
      ->required();
  add_choice(command, "--predicate", query_.relation, kRelations,
             "What the entry has to do with the window: intersects\n"
             "(default), within, covers, overlaps or disjoint");
  CLI::Option* limit =
      command.add_option("--limit", query_.limit, "Print so many hits at most")->check(is_positive);
  command.add_flag("--count", query_.count, "Print only how many hits there are")->excludes(limit);
}

void CommandLine::add_nearest() {
  CLI::App& command = add("nearest", "Find the entries nearest to a point, the nearest first",
                          [this] { return run_nearest(nearest_, json_); });
  command.add_option("directory", nearest_.directory, "Directory of the database")->required();
  command.add_option("--index", nearest_.index, "Name of the index")->required();
  command.add_option("--at", nearest_.at, "The point, as in x,y")->required();
  command.add_option("-k", nearest_.limit, "How many at most (default 10)")->check(is_positive);
  add_choice(command, "--metric", nearest_.metric, kMetrics,
             "How to measure: euclidean (default), manhattan or\n"
             "chebyshev");
  command.add_option("--weights", nearest_.weights,
                     "A weight for each axis, as in 1,4: the distance is the root\n"
                     "of the sum of weight times squared difference");
  command.add_option("--max-distance", nearest_.max_distance,
                     "Only entries that are at most so far away");
}

void CommandLine::add_upkeep(const char* name, const char* what,
                             Result<void> (*work)(const DirectoryOptions&, bool)) {
  CLI::App& command = add(name, what, [this, work] { return work(directory_, json_); });
  command.add_option("directory", directory_.directory, "Directory of the database")->required();
}

void CommandLine::add_plot() {
  CLI::App& command = add("plot", "Draw the boxes of an index's tree, by level, as SVG",
                          [this] { return run_plot(plot_, json_); });
  command.add_option("directory", plot_.directory, "Directory of the database")->required();
  command.add_option("--index", plot_.index, "Name of the index")->required();
  command.add_option("--level", plot_.level, "Draw the nodes of this level only; 0 is the leaves");
  command.add_option("--axes", plot_.axes, "The axes to the right and up (default 0,1)");
  command.add_option("-o,--output", plot_.output, "File for the drawing")->required();
}

void CommandLine::add_verify() {
  CLI::App& command = add("verify", "Check every checksum on disk and every rule of every tree",
                          [this] { return run_verify(verify_, json_); });
  command.add_option("directory", verify_.directory, "Directory of the database")->required();
  command.add_flag("--deep", verify_.deep,
                   "Write nothing, read all live data, the log's too, and report\n"
                   "everything that is wrong, not only the first");
}

void CommandLine::add_repair() {
  CLI::App& command = add("repair", "Save what is whole of a damaged database into a new one",
                          [this] { return run_repair(repair_, json_); });
  command.add_option("directory", repair_.directory, "Directory of the damaged database")
      ->required();
  command.add_option("--to", repair_.to, "Directory of the new one, which must not be there yet")
      ->required();
}

void CommandLine::add_crash_test() {
  CLI::App& command =
      add("crash-test", "Crash the engine on a simulated disk, everywhere, and look",
          [this] { return run_crash_test(crash_test_, json_); });
  std::string workloads = "One of all workloads, which take turns:\n";
  for (const std::string& name : testing::crash_workloads()) workloads += name + " ";
  command.add_option("--seconds", crash_test_.seconds, "How long (default 60); 0 is no limit")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--hours", crash_test_.hours, "How long, for a campaign")
      ->check(CLI::PositiveNumber);
  command.add_option("--states", crash_test_.states, "Stop after so many states")
      ->check(is_positive);
  command.add_option("--seed", crash_test_.seed, "Another seed makes another run (default 1)");
  command.add_option("--workload", crash_test_.workload, workloads);
  command.add_option("--save", crash_test_.save,
                     "Directory for the cases that fail (default: this one)");
  command.add_option("--replay", crash_test_.replay, "Run the case in this file again");
}

void CommandLine::add_bench() {
  CLI::App& bench = *app_.add_subcommand("bench", "Measure this machine");
  bench.fallthrough();
  bench.require_subcommand(1);
  CLI::App& command = *bench.add_subcommand(
      "resolve", "What it costs to get from a NodeID to its node, beside a plain pointer");
  command.fallthrough();
  command.footer(kExitCodes);
  command.callback([this] {
    chosen_ = [this] { return run_bench_resolve(bench_resolve_, json_); };
  });
  command
      .add_option("--handles", bench_resolve_.handles,
                  "Handles of the largest table (default 1000000); each takes 100 bytes")
      ->check(CLI::Range(std::uint64_t{1000}, std::uint64_t{100'000'000}));
  command.add_option("-o,--output", bench_resolve_.plot,
                     "A file for a plot over the number of handles, as SVG");
}

// Returns the exit code, or -1 when there is something to do.
int CommandLine::parse(int count, const char* const* arguments) {
  try {
    app_.parse(count, arguments);
    return -1;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app_.exit(error);  // --help and --version
    // The flag may stand behind the mistake.
    for (int i = 1; i < count; ++i) json_ |= std::strcmp(arguments[i], "--json") == 0;
    std::string command = "xtree";
    for (const CLI::App* sub : app_.get_subcommands()) command += " " + sub->get_name();
    print_usage_error(error.what(), "Try '" + command + " --help'.", json_);
    return static_cast<int>(ExitCode::usage);
  }
}

int CommandLine::run(int count, const char* const* arguments) {
  if (const int code = parse(count, arguments); code >= 0) return code;
  Result<void> done = chosen_();
  if (done) done = finish_output();
  if (done) return static_cast<int>(ExitCode::ok);
  print_error(done.error(), json_);
  return static_cast<int>(exit_code_of(done.error().code()));
}

}  // namespace

int run_command_line(int count, const char* const* arguments) {
  return CommandLine().run(count, arguments);
}

}  // namespace xtree::tool
