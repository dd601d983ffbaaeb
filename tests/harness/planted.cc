// Proves that the harness catches planted faults: runs itself once for each, with the variable
// XTREE_PLANT set, and says what caught it. Built with XTREE_PLANTS only.
//
//   planted [NAME...]      exit code 0 when every fault is caught, and without one nothing is
//
// Without names it leaves out the faults that no crash shows: planted_test.sh has other tests for
// those.

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/fault_run.h"
#include "platform/plant.h"
#include "xtree/testing/crash_test.h"

namespace xtree::test {
namespace {

// Limits of each search. Without a fault, as many states as any fault needs are found to be right.
constexpr std::uint64_t kMostStates = 1000000;
constexpr double kMostSeconds = 300;

enum Caught : int { kNothing = 0, kByCrashes = 10, kByErrors = 11 };

bool crashes_find_it(const char* workload) {
  testing::prepare_process_for_crash_tests();
  testing::CrashTestOptions options;
  options.workload = workload;
  options.states = kMostStates;
  options.seconds = kMostSeconds;
  options.max_faults = 1;
  options.minimise = false;
  const auto report = testing::run_crash_test(options);
  if (!report || report->faults.empty()) return false;
  std::printf("after %8llu states: %.110s\n", static_cast<unsigned long long>(report->states),
              report->faults.front().message.c_str());
  return true;
}

bool errors_find_it() {
  const testing::Script script = script_for_faults();
  for (const testing::Call kind : {testing::Call::sync, testing::Call::write}) {
    for (FaultPlan plan{kind, 1}; ; ++plan.nth) {
      const FaultRun run = run_with_fault(script, plan);
      if (!run.met) break;
      if (!run.wrong) continue;
      std::printf("%s: %.110s\n", to_string(plan).c_str(), run.wrong->c_str());
      return true;
    }
  }
  return false;
}

Caught search() {
  // All kinds of work in turns, in which few scripts share blocks of the log; then those alone.
  if (crashes_find_it("") || crashes_find_it("levels")) return kByCrashes;
  return errors_find_it() ? kByErrors : kNothing;
}

// Runs `search` with this plant in a process of its own; true when something was caught.
bool run(const std::string& plant) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    if (!plant.empty()) setenv("XTREE_PLANT", plant.c_str(), 1);
    std::printf("%-30s ", plant.empty() ? "(none)" : plant.c_str());
    const Caught caught = search();
    if (caught == kNothing) std::printf("nothing was caught\n");
    std::fflush(stdout);
    _exit(caught);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) std::abort();
  if (WIFSIGNALED(status)) {
    std::printf("%-30s a check of the engine stopped it\n", plant.c_str());
    return true;
  }
  return WEXITSTATUS(status) != kNothing;
}

bool shows_in_crashes(std::string_view plant) {
  return !plant.starts_with("link_") && plant != "evicted_while_growing";
}

}  // namespace
}  // namespace xtree::test

int main(int count, char** arguments) {
  std::vector<std::string> plants(arguments + 1, arguments + count);
  if (plants.empty()) {
    for (const std::string_view name : xtree::platform::plant_names()) {
      if (xtree::test::shows_in_crashes(name)) plants.emplace_back(name);
    }
  }
  int caught = 0;
  int missed = 0;
  for (const std::string& plant : plants) {
    const bool found = xtree::test::run(plant);
    if (plant.empty() ? found : !found) {
      ++missed;
    } else if (!plant.empty()) {
      ++caught;
    }
  }
  std::printf("%d planted faults caught, %d wrong answers\n", caught, missed);
  return missed == 0 ? 0 : 1;
}
