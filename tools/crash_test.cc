// The subcommand that shows what a crash does to the engine: crash-test.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "commands.h"
#include "report.h"
#include "xtree/testing/crash_test.h"

namespace xtree::tool {
namespace {

constexpr double kSecondsPerHour = 3600;

// One line on a terminal, wiped at the end.
class ProgressLine final : public testing::CrashTestProgress {
 public:
  ProgressLine() : on_terminal_(isatty(2) == 1) {}
  ~ProgressLine() override {
    if (drawn_) std::fputs("\r\033[K", stderr);
  }
  void show(const testing::CrashTestReport& so_far) override {
    if (!on_terminal_) return;
    drawn_ = true;
    std::fprintf(stderr, "\r\033[K%.0f s  %llu crash points  %llu states  %.0f/s  %zu faults",
                 so_far.seconds, static_cast<unsigned long long>(so_far.crash_points),
                 static_cast<unsigned long long>(so_far.states),
                 static_cast<double>(so_far.states) / so_far.seconds, so_far.faults.size());
    std::fflush(stderr);
  }

 private:
  bool on_terminal_;
  bool drawn_ = false;
};

Json json_of(const testing::CrashTestFault& fault) {
  return {{"workload", fault.workload},
          {"script", fault.script},
          {"message", fault.message},
          {"file", fault.file}};
}

Json json_of(const testing::CrashTestReport& report, std::uint64_t seed) {
  Json faults = Json::array();
  for (const testing::CrashTestFault& fault : report.faults) faults.push_back(json_of(fault));
  const auto rate = [&](std::uint64_t count) {
    return static_cast<std::uint64_t>(static_cast<double>(count) / report.seconds);
  };
  return {{"seed", seed},
          {"seconds", report.seconds},
          {"scripts", report.scripts},
          {"lives", report.lives},
          {"crashes_in_a_row", report.deepest + 1},
          {"crash_points", report.crash_points},
          {"states", report.states},
          {"states_per_second", rate(report.states)},
          {"distinct_states", report.distinct},
          {"distinct_states_per_second", rate(report.distinct)},
          {"fault_count", report.faults.size()},
          {"faults", faults}};
}

Error fault_error(const char* place, const std::string& message) {
  return Error(ErrorCode::corruption, place, message.c_str());
}

Result<void> replay(const std::string& path, bool json) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return Error(ErrorCode::not_found, errno, path.c_str(), "cannot read the case");
  const auto wrong = testing::replay_crash(text.str());
  if (!wrong) return wrong.error();
  if (*wrong) return fault_error(path.c_str(), **wrong);
  print_document({{"case", path}, {"result", "all is well"}}, json);
  return {};
}

}  // namespace

Result<void> run_crash_test(const CrashTestOptions& options, bool json) {
  testing::prepare_process_for_crash_tests();
  if (!options.replay.empty()) return replay(options.replay, json);
  testing::CrashTestOptions run;
  run.seed = options.seed;
  run.seconds = options.hours > 0 ? options.hours * kSecondsPerHour : options.seconds;
  run.states = options.states;
  run.workload = options.workload;
  run.save_directory = options.save;
  Result<testing::CrashTestReport> report = [&] {
    ProgressLine progress;
    return testing::run_crash_test(run, &progress);
  }();
  if (!report) return report.error();
  print_document(json_of(*report, options.seed), json);
  if (!json) {
    std::printf("\n%llu states, %zu faults\n", static_cast<unsigned long long>(report->states),
                report->faults.size());
  }
  if (report->faults.empty()) return {};
  return fault_error("crash-test", report->faults.front().message);
}

}  // namespace xtree::tool
