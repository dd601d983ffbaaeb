#include "contest_benchmark.h"

#include <benchmark/benchmark.h>

#include <cstdio>
#include <map>

#include "process_figures.h"

namespace xtree::bench {
namespace {

// Counters are sorted by name, so the places of contestants stand in front of theirs.
constexpr std::size_t kPlaceDigits = 2;

std::string counter_name(std::size_t place, const std::string& name, const char* unit) {
  char digits[8];
  std::snprintf(digits, sizeof digits, "%02zu", place);
  return digits + (" " + name) + unit;
}

void run_contest(benchmark::State& state, int warm_up, const std::function<Contest()>& set_up) {
  Contest contest = set_up();
  for (int i = 0; i < warm_up; ++i) {
    for (std::size_t c = 0; c < contest.size(); ++c) contest.turn(c);
  }
  for (auto _ : state) contest.round();
  const InstructionCounter counter;
  for (std::size_t i = 0; i < contest.size(); ++i) {
    state.counters[counter_name(i, contest.name(i), " ns")] = contest.ns(i);
    state.counters[counter_name(i, contest.name(i), " ratio")] = contest.ratio(i);
    if (!counter.is_there() || contest.operations(i) == 0) continue;
    const std::uint64_t before = counter.now();
    contest.turn(i);
    state.counters[counter_name(i, contest.name(i), " instructions")] =
        static_cast<double>(counter.now() - before) / contest.operations(i);
  }
}

class TableReporter : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& context) override {
    PrintBasicContext(&GetErrorStream(), context);
    return true;
  }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type == Run::RT_Aggregate) continue;
      std::printf("%s\n", run.run_name.function_name.c_str());
      if (run.error_occurred) std::printf("  failed: %s\n", run.error_message.c_str());
      print(run.counters);
      std::fflush(stdout);
    }
  }

 private:
  static void print(const benchmark::UserCounters& counters) {
    for (const auto& [name, counter] : counters) {
      const std::size_t end = name.rfind(" ns");
      if (end == std::string::npos || end + 3 != name.size()) continue;
      const std::string title = name.substr(kPlaceDigits + 1, end - kPlaceDigits - 1);
      const auto ratio = counters.find(name.substr(0, end) + " ratio");
      std::printf("  %-44s %12.2f ns %8.3f", title.c_str(), counter.value, ratio->second.value);
      const auto instructions = counters.find(name.substr(0, end) + " instructions");
      if (instructions != counters.end()) {
        std::printf(" %10.1f instructions", instructions->second.value);
      }
      std::printf("\n");
    }
  }
};

}  // namespace

void register_contest(const std::string& name, int rounds, std::function<Contest()> set_up) {
  benchmark::RegisterBenchmark(
      name.c_str(),
      [set_up = std::move(set_up)](benchmark::State& state) { run_contest(state, 2, set_up); })
      ->Iterations(rounds)
      ->Unit(benchmark::kMillisecond);
}

int run_contests(int count, char** arguments) {
  benchmark::Initialize(&count, arguments);
  if (benchmark::ReportUnrecognizedArguments(count, arguments)) return 1;
  TableReporter reporter;
  const bool ran = benchmark::RunSpecifiedBenchmarks(&reporter) != 0;
  benchmark::Shutdown();
  return ran ? 0 : 1;
}

}  // namespace xtree::bench
