// What durability costs: XTree beside a bare log, RocksDB, LMDB and SQLite's R*Tree on one disk.
// Prints tables, writes durable.json; see bench/README.md.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <functional>

#include "durable/latency.h"
#include "durable/report.h"
#include "durable/timeline.h"

namespace bench {
namespace {

struct Settings {
  bool quick = false;
  std::string directory = "durable-bench.data";
  std::string results = "bench/results";

  [[nodiscard]] int rounds() const { return quick ? 3 : 11; }
  [[nodiscard]] double slice_seconds() const { return quick ? 0.15 : 0.35; }
  [[nodiscard]] Timeline timeline() const {
    return quick ? Timeline{500'000, 2, 1.5} : Timeline{20'000'000, 4, 6};
  }
};

// One kind of work, by all who can do it.
struct Work {
  std::string title;
  Promise promise = Promise::power_loss;
  Way way = Way::one_by_one;
  unsigned writers = 1;
  std::vector<Aim> aims;

  // What waits for no disk would fill a store the more the faster it is, and a tree of millions of
  // entries takes longer for each than one of some hundred thousand. So these begin empty.
  [[nodiscard]] bool begins_empty() const { return promise != Promise::power_loss; }
};

std::vector<Work> works() {
  const auto writers = [](unsigned count, std::vector<Aim> aims) {
    return Work{"strict, " + std::to_string(count) + (count == 1 ? " writer" : " writers"),
                Promise::power_loss, Way::one_by_one, count, std::move(aims)};
  };
  return {
      writers(1, {{"bare log", 0.9}}),
      writers(4, {{"bare log", 0.9}}),
      writers(16, {{"bare log", 0.8}, {"RocksDB", 2.5}}),
      writers(64, {{"bare log", 0.8}, {"RocksDB", 3}}),
      {"strict, asynchronous, 1024 in flight",
       Promise::power_loss,
       Way::asynchronous,
       1,
       {{"", 250'000}}},
      {"strict, batches of 1000", Promise::power_loss, Way::batches, 1, {{"", 1'000'000}}},
      {"eventual, 1 writer", Promise::end_of_process, Way::one_by_one, 1, {{"", 2'000'000}}},
      {"none, 1 writer", Promise::nothing, Way::one_by_one, 1, {}},
  };
}

std::vector<Contestant> contestants_for(const Work& work) {
  std::vector<Contestant> chosen;
  for (const Contestant& contestant : contestants()) {
    if (work.way == Way::asynchronous && !contestant.is_asynchronous) continue;
    if (work.promise == Promise::nothing && !contestant.can_forget) continue;
    chosen.push_back(contestant);
  }
  if (work.promise != Promise::power_loss) {
    chosen.push_back({"xtree in memory", false, true, open_xtree_in_memory});
  }
  return chosen;
}

void run_work(benchmark::State& state, const Settings& settings, const Work& work, Report& report) {
  std::vector<std::unique_ptr<Runner>> runners;
  std::vector<std::string> names;
  for (const Contestant& contestant : contestants_for(work)) {
    runners.push_back(std::make_unique<Runner>(
        contestant, settings.directory + "/" + std::to_string(runners.size()), work.promise));
    names.emplace_back(contestant.name);
    runners.back()->run(work.way, work.writers, settings.slice_seconds() / 4);
  }
  Rounds rounds(runners.size());
  std::size_t first = 0;
  for (auto _ : state) {
    for (std::size_t i = 0; i < runners.size(); ++i) {
      const std::size_t place = (first + i) % runners.size();
      if (work.begins_empty()) runners[place]->begin_empty();
      rounds.add(place, runners[place]->run(work.way, work.writers, settings.slice_seconds()));
    }
    ++first;
  }
  for (std::size_t i = 0; i < runners.size(); ++i) {
    state.counters[names[i]] = rounds.median(i);
    if (names[i] != "xtree in memory") runners[i]->check();
  }
  report.add(work.title, "inserts/s", names, rounds, work.aims);
}

// Without checkpoints, which would let go of the log that is being weighed.
void weigh_log(benchmark::State& state, const Settings& settings, const Work& work,
               Report& report) {
  Runner runner({"xtree", true, true, open_xtree_without_checkpoints}, settings.directory + "/0",
                work.promise);
  const std::uint64_t before = runner.store().log_bytes();
  for (auto _ : state) runner.run(work.way, work.writers, settings.slice_seconds());
  const auto bytes = static_cast<double>(runner.store().log_bytes() - before);
  const double each = bytes / static_cast<double>(runner.inserted());
  runner.check();
  state.counters["bytes"] = each;
  std::vector<Aim> aims;
  if (work.writers == 1 && work.promise != Promise::power_loss) aims.push_back({"", 80, true});
  if (work.way != Way::one_by_one) aims.push_back({"", 80, true});
  report.add("log of " + work.title, "bytes/insert", each, aims);
}

void register_once(const std::string& name, std::function<void()> run) {
  benchmark::RegisterBenchmark(name.c_str(), [run = std::move(run)](benchmark::State& state) {
    for (auto _ : state) run();
  })->Iterations(1);
}

void register_all(const Settings& settings, Report& report) {
  for (const Work& work : works()) {
    benchmark::RegisterBenchmark(work.title.c_str(), [&, work](benchmark::State& state) {
      run_work(state, settings, work, report);
    })->Iterations(settings.rounds());
  }
  for (const Work& work : works()) {
    if (work.promise == Promise::nothing) continue;
    benchmark::RegisterBenchmark(("log of " + work.title).c_str(), [&,
                                                                    work](benchmark::State& state) {
      weigh_log(state, settings, work, report);
    })->Iterations(settings.quick ? 1 : 3);
  }
  register_once("latency", [&] {
    compare_latencies(settings.directory, settings.quick ? 500 : 5000, report);
  });
  register_once("timeline", [&] {
    watch_latency(settings.directory, settings.timeline(), report);
  });
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
      settings.quick = true;
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
  const Settings settings = take_flags(count, arguments);
  benchmark::Initialize(&count, arguments);
  if (benchmark::ReportUnrecognizedArguments(count, arguments)) return 1;
  std::filesystem::create_directories(settings.directory);
  Report report({"bare log", "RocksDB"});
  register_all(settings, report);
  Silence silence;
  benchmark::RunSpecifiedBenchmarks(&silence);
  benchmark::Shutdown();
  report.print_aims();
  std::error_code ignored;
  std::filesystem::remove(settings.directory, ignored);  // when it is empty
  require(report.write(settings.results, "durable.json"),
          settings.results + ": cannot write the results");
  return 0;
}

}  // namespace
}  // namespace bench

int main(int count, char** arguments) { return bench::run(count, arguments); }
