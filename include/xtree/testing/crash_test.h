// The crash-recovery harness: workloads on the real engine, crashed at every call, each time opened
// again and compared with what had been promised.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "xtree/config.h"
#include "xtree/result.h"

namespace xtree::testing {

struct CrashTestOptions {
  // The same seed with the same limits, but for the time, makes the same run.
  std::uint64_t seed = 1;
  // The run ends with the first limit that it reaches; 0 is no limit.
  double seconds = 60;
  std::uint64_t states = 0;
  // A name from `crash_workloads`, or all of them in turn.
  std::string workload = {};
  // Where failing cases are saved; nowhere when it is empty.
  std::string save_directory = {};
  // The run ends with so many faults.
  std::uint64_t max_faults = 10;
  // Look for the smallest case that shows a fault: some seconds for each.
  bool minimise = true;
};

// A state that was wrong, made as small as it could be made.
struct CrashTestFault {
  std::string workload;
  std::uint64_t script = 0;  // number of the script in the run
  std::string message;       // what was found, and what was expected
  std::string text;          // the case, as `replay_crash` takes it
  std::string file;          // where it was saved
};

struct CrashTestReport {
  std::uint64_t scripts = 0;       // runs of a workload from an empty disk
  std::uint64_t lives = 0;         // of a database, from open to crash, those of scripts included
  std::uint64_t crash_points = 0;  // calls behind which the power failed or the process died
  std::uint64_t states = 0;        // what crashes left, each compared with the oracle
  std::uint64_t distinct = 0;      // of them opened: no equal state had been in the same script
  std::uint64_t deepest = 0;       // most crashes in a row, each in what the one before had left
  double seconds = 0;
  std::vector<CrashTestFault> faults;
};

// Told now and then how far a run is.
class XTREE_EXPORT CrashTestProgress {
 public:
  virtual ~CrashTestProgress();
  virtual void show(const CrashTestReport& so_far) = 0;
};

[[nodiscard]] XTREE_EXPORT std::vector<std::string> crash_workloads();

// For a process that does nothing but crash tests: databases are opened thousands of times a
// second, each in fresh memory, so huge pages would be cleared and given back for nothing, and the
// heap would shrink and grow. Turns both off; runs are faster, and otherwise the same.
XTREE_EXPORT void prepare_process_for_crash_tests() noexcept;

// Runs for as long as the options say. An error only when the options make no sense, or a case
// cannot be saved; faults of the engine are in the report.
//
//   auto report = xtree::testing::run_crash_test({.seconds = 10});
//   if (!report->faults.empty()) puts(report->faults[0].message.c_str());
//
// One thread, in memory: nothing is written but the cases that failed.
[[nodiscard]] XTREE_EXPORT Result<CrashTestReport> run_crash_test(
    const CrashTestOptions& options, CrashTestProgress* progress = nullptr);

// Runs a saved case again, from its text: what is wrong, or nothing when all is well now.
[[nodiscard]] XTREE_EXPORT Result<std::optional<std::string>> replay_crash(std::string_view text);

}  // namespace xtree::testing
