// Indexes larger than their caches: windows at random places of an index that has just been opened,
// beside SQLite's R*Tree and libspatialindex on disk. Prints tables, writes cold.json; see
// bench/README.md.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "durable/cold_visit.h"
#include "durable/report.h"
#include "durable/require.h"
#include "support/child.h"
#include "support/page_cache.h"
#include "support/questions.h"

namespace bench {
namespace {

constexpr std::size_t kSamples = 20;  // windows of each kind that brute force answers too

struct Settings {
  std::size_t entries = 2'000'000;
  int rounds = 5;
  std::uint64_t cache_share = 10;  // the cache is this part of the index
  bool keep = false;  // leave the indexes, and take those that a run before has left
  std::string directory = "cold-bench.data";
  std::string results = "bench/results";
};

// Windows that hold a share of the entries: so few that most nodes are visited for the first time.
struct Questions {
  const char* share_text;
  double share;
  std::size_t count;
  std::vector<xtree::Box<2>> windows;
  std::vector<Answer> samples;
};

// A way to build, and where each contestant's index of that way lies.
struct Built {
  const char* way;
  std::vector<std::string> directories;
  std::uint64_t cache_bytes = 0;
};

std::vector<ColdContestant> all_contestants() {
  using xtree::Compression;
  std::vector<ColdContestant> all;
  for (const Compression one : {Compression::none, Compression::lz4, Compression::zstd}) {
    if (xtree::is_supported(one)) all.push_back(cold_xtree(one));
  }
  all.push_back(cold_xtree_at_once());
  all.push_back(cold_sqlite());
  all.push_back(cold_libspatialindex());
  return all;
}

struct Stage {
  Settings settings;
  std::vector<ColdContestant> contestants = all_contestants();
  std::vector<Questions> questions = {{"1e-6", 1e-6, 1000, {}, {}},
                                      {"1e-4", 1e-4, 300, {}, {}},
                                      {"1e-3", 1e-3, 50, {}, {}}};
  std::vector<Built> built;
  std::vector<xtree::Box<2>> many;  // enough to see every node more than once
};

// Floats in all coordinates: SQLite keeps nothing finer, and all are to find the same.
void round_to_floats(xtree::Box<2>& box) {
  for (int i = 0; i < 2; ++i) {
    box.min[i] = static_cast<float>(box.min[i]);
    box.max[i] = static_cast<float>(box.max[i]);
  }
}

std::vector<xtree::Box<2>> windows_of(const ColdEntries& entries, double share, std::size_t count,
                                      std::uint64_t seed) {
  auto windows = make_windows<xtree::Box<2>>(entries, std::sqrt(share), count, seed);
  for (auto& window : windows) round_to_floats(window);
  return windows;
}

std::string build(const Settings& settings, const std::string& name,
                  void (*fill)(const std::string&, const ColdEntries&),
                  const ColdEntries& entries) {
  const std::string directory =
      settings.directory + "/" + name + " of " + std::to_string(entries.size());
  if (settings.keep && std::filesystem::exists(directory)) return directory;
  // A run that ended on the way leaves nothing that looks whole.
  const std::string part = directory + ".part";
  std::filesystem::remove_all(directory);
  std::filesystem::remove_all(part);
  std::filesystem::create_directories(part);
  const auto begin = std::chrono::steady_clock::now();
  require(run_in_child([&] { fill(part, entries); }), directory + ": the build failed");
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  std::filesystem::rename(part, directory);
  std::printf("built %-40s %8.1f s %10.1f MiB\n", name.c_str(), taken.count(),
              static_cast<double>(file_bytes(directory)) / (1 << 20));
  std::fflush(stdout);
  return directory;
}

void build_all(Stage& stage, const ColdEntries& entries) {
  Built inserted{"inserted", {}};
  Built loaded{"bulk loaded", {}};
  for (const ColdContestant& contestant : stage.contestants) {
    const std::string name = contestant.name;
    inserted.directories.push_back(build(stage.settings, name, contestant.insert, entries));
    // Who cannot load in bulk takes part as it is.
    loaded.directories.push_back(
        contestant.load == nullptr
            ? inserted.directories.back()
            : build(stage.settings, name + ", bulk", contestant.load, entries));
  }
  stage.built = {std::move(inserted), std::move(loaded)};
  for (Built& built : stage.built) {
    built.cache_bytes =
        file_bytes(built.directories[0] + "/segments") / stage.settings.cache_share;
  }
}

// Builds everything and answers the samples; the entries are needed no longer then.
void prepare(Stage& stage) {
  auto entries = make_entries<xtree::Box<2>>(Distribution::uniform, stage.settings.entries, 1);
  for (auto& entry : entries) round_to_floats(entry.geometry);
  build_all(stage, entries);
  for (Questions& questions : stage.questions) {
    questions.windows = windows_of(entries, questions.share, questions.count, 2);
    for (std::size_t i = 0; i < kSamples; ++i) {
      questions.samples.push_back(brute_window<xtree::Box<2>>(entries, questions.windows[i]));
    }
  }
  stage.many = windows_of(entries, 1e-3, kMostWindows, 3);
}

void check(const char* name, const Questions& questions, const Visit& visit, const Visit& other) {
  for (std::size_t i = 0; i < questions.windows.size(); ++i) {
    const Answer& expected = i < kSamples ? questions.samples[i] : other.answers[i];
    require(visit.answers[i] == expected,
            std::string(name) + ": a wrong answer to a window of " + questions.share_text);
  }
}

void compare(benchmark::State& state, const Stage& stage, const Built& built,
             const Questions& questions, Report& report) {
  const std::size_t count = stage.contestants.size();
  std::vector<std::string> names;
  for (const ColdContestant& contestant : stage.contestants) names.emplace_back(contestant.name);
  Rounds speed(count);
  Rounds reads(count);
  Rounds opens(count);
  auto visits = std::make_unique<std::vector<Visit>>(count);
  std::size_t first = 0;
  const auto asked = static_cast<double>(questions.windows.size());
  for (auto _ : state) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t turn = (first + i) % count;
      Visit& found = (*visits)[turn];
      visit(stage.contestants[turn], built.directories[turn], built.cache_bytes,
            questions.windows, found);
      speed.add(turn, asked / found.seconds);
      reads.add(turn, static_cast<double>(found.bytes_read) / asked / 1024);
      opens.add(turn, 1e3 * found.open_seconds);
    }
    ++first;
    for (std::size_t i = 0; i < count; ++i) {
      check(names[i].c_str(), questions, (*visits)[i], (*visits)[0]);
    }
  }
  const std::string title = std::string(built.way) + ", windows of " + questions.share_text;
  report.add(title, "queries/s", names, speed, {{"SQLite R*Tree", 5}, {"libspatialindex", 5}});
  report.add(title + ", read from the disk", "KiB/query", names, reads, {});
  report.add(title + ", opening", "ms", names, opens, {});
}

// XTree's memory after it has seen all its nodes more than once.
void weigh(benchmark::State& state, const Stage& stage, const Built& built, Report& report) {
  const auto found = std::make_unique<Visit>();
  for (auto _ : state) {
    visit(stage.contestants[0], built.directories[0], built.cache_bytes, stage.many, *found);
  }
  const auto stated = static_cast<double>(built.cache_bytes + found->bytes_beside_cache);
  const std::string title = std::string(built.way) + ", memory";
  report.add(title, "MiB", static_cast<double>(found->resident_growth) / (1 << 20), {});
  report.add(title + " by what is stated", "times",
             static_cast<double>(found->resident_growth) / stated, {{"", 1.2, true}});
  report.add(std::string(built.way) + ", windows of 1e-3 for long", "queries/s",
             static_cast<double>(stage.many.size()) / found->seconds, {});
}

void register_all(const Stage& stage, Report& report) {
  for (const Built& built : stage.built) {
    for (const Questions& questions : stage.questions) {
      const std::string name = std::string(built.way) + "/" + questions.share_text;
      benchmark::RegisterBenchmark(name.c_str(), [&](benchmark::State& state) {
        compare(state, stage, built, questions, report);
      })->Iterations(stage.settings.rounds);
    }
    benchmark::RegisterBenchmark((std::string(built.way) + "/memory").c_str(),
                                 [&](benchmark::State& state) {
                                   weigh(state, stage, built, report);
                                 })->Iterations(1);
  }
}

void remove_all(const Stage& stage) {
  if (stage.settings.keep) return;
  for (const Built& built : stage.built) {
    for (const std::string& directory : built.directories) std::filesystem::remove_all(directory);
  }
  std::error_code ignored;
  std::filesystem::remove(stage.settings.directory, ignored);  // when it is empty
}

// Takes its own flags out of the arguments; Google's library looks at the others.
Settings take_flags(int& count, char** arguments) {
  Settings settings;
  const auto value = [](const char* argument, const char* flag) -> const char* {
    const std::size_t length = std::strlen(flag);
    return std::strncmp(argument, flag, length) == 0 ? argument + length : nullptr;
  };
  int kept = 1;
  for (int i = 1; i < count; ++i) {
    if (std::strcmp(arguments[i], "--quick") == 0) {
      settings.entries = 200'000;
      settings.rounds = 3;
    } else if (std::strcmp(arguments[i], "--keep") == 0) {
      settings.keep = true;
    } else if (const char* entries = value(arguments[i], "--entries=")) {
      settings.entries = std::strtoull(entries, nullptr, 10);
    } else if (const char* rounds = value(arguments[i], "--rounds=")) {
      settings.rounds = std::max(1, std::atoi(rounds));
    } else if (const char* share = value(arguments[i], "--cache-share=")) {
      settings.cache_share = std::max(1, std::atoi(share));
    } else if (const char* directory = value(arguments[i], "--directory=")) {
      settings.directory = directory;
    } else if (const char* results = value(arguments[i], "--results=")) {
      settings.results = results;
    } else {
      arguments[kept++] = arguments[i];
    }
  }
  count = kept;
  return settings;
}

// The tables are printed as they come; Google's own would only repeat them.
class Silence : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>&) override {}
};

int run(int count, char** arguments) {
  Stage stage;
  stage.settings = take_flags(count, arguments);
  benchmark::Initialize(&count, arguments);
  if (benchmark::ReportUnrecognizedArguments(count, arguments)) return 1;
  require(stage.settings.entries >= 10'000, "--entries wants 10000 at least");
  Report report({"SQLite R*Tree", "libspatialindex"});
  prepare(stage);
  register_all(stage, report);
  Silence silence;
  benchmark::RunSpecifiedBenchmarks(&silence);
  benchmark::Shutdown();
  report.print_aims();
  remove_all(stage);
  require(report.write(stage.settings.results, "cold.json"),
          stage.settings.results + ": cannot write the results");
  return 0;
}

}  // namespace
}  // namespace bench

int main(int count, char** arguments) { return bench::run(count, arguments); }
