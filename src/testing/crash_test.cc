#include "xtree/testing/crash_test.h"

#include <malloc.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <utility>

#include "platform/check.h"
#include "testing/case_file.h"
#include "testing/explorer.h"
#include "testing/minimise.h"
#include "testing/workloads.h"

namespace xtree::testing {
namespace {

using Clock = std::chrono::steady_clock;

// The clock is asked once in so many states.
constexpr std::uint64_t kStatesBetweenLooks = 64;
constexpr int kHeapKeptBytes = 256 << 20;
constexpr auto kBetweenShows = std::chrono::milliseconds(100);

class Run final : public StopSignal {
 public:
  Run(const CrashTestOptions& options, CrashTestProgress* progress)
      : options_(options), progress_(progress) {}

  Result<CrashTestReport> run(const std::vector<Workload>& workloads);
  bool should_stop(const ExplorerCounts& counts) override;

 private:
  Result<void> add_fault(Workload workload, Case failed);
  Result<void> save(CrashTestFault& fault);
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(Clock::now() - start_).count();
  }
  static void add(CrashTestReport& report, const ExplorerCounts& counts);

  const CrashTestOptions& options_;
  CrashTestProgress* progress_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point shown_ = start_;
  bool over_ = false;
  CrashTestReport report_;  // without the script that is being explored
};

void Run::add(CrashTestReport& report, const ExplorerCounts& counts) {
  report.lives += counts.lives;
  report.crash_points += counts.crash_points;
  report.states += counts.states;
  report.distinct += counts.distinct;
  report.deepest = std::max(report.deepest, counts.deepest);
}

bool Run::should_stop(const ExplorerCounts& counts) {
  if (options_.states != 0 && report_.states + counts.states >= options_.states) over_ = true;
  if (over_ || counts.states % kStatesBetweenLooks != 0) return over_;
  const Clock::time_point now = Clock::now();
  over_ = options_.seconds > 0 && seconds() >= options_.seconds;
  if (progress_ != nullptr && now - shown_ >= kBetweenShows) {
    shown_ = now;
    CrashTestReport so_far = report_;
    add(so_far, counts);
    so_far.seconds = seconds();
    progress_->show(so_far);
  }
  return over_;
}

Result<CrashTestReport> Run::run(const std::vector<Workload>& workloads) {
  while (!over_ && report_.faults.size() < options_.max_faults) {
    const Workload workload = workloads[report_.scripts % workloads.size()];
    const std::uint64_t seed = mix(options_.seed, report_.scripts);
    Random random(seed);
    const Script script = make_script(workload, random);
    Explorer explorer(seed, limits_for(workload), *this);
    auto failed = explorer.explore(script);
    add(report_, explorer.counts());
    if (failed) XTREE_TRY(add_fault(workload, std::move(*failed)));
    ++report_.scripts;
  }
  report_.seconds = seconds();
  return std::move(report_);
}

Result<void> Run::add_fault(Workload workload, Case failed) {
  if (options_.minimise) {
    failed = minimise(std::move(failed), mix(options_.seed, report_.scripts));
  }
  CrashTestFault fault;
  fault.workload = kWorkloadNames[static_cast<std::size_t>(workload)];
  fault.script = report_.scripts;
  fault.message = failed.message;
  fault.text = to_text(failed);
  if (!options_.save_directory.empty()) XTREE_TRY(save(fault));
  report_.faults.push_back(std::move(fault));
  return {};
}

Result<void> Run::save(CrashTestFault& fault) {
  fault.file = options_.save_directory + "/crash-" + fault.workload + "-" +
               std::to_string(options_.seed) + "-" + std::to_string(fault.script) + ".txt";
  std::ofstream file(fault.file);
  file << fault.text;
  file.close();
  if (file) return {};
  return Error(ErrorCode::io_error, errno, fault.file.c_str(), "cannot save the case");
}

}  // namespace

CrashTestProgress::~CrashTestProgress() = default;

void prepare_process_for_crash_tests() noexcept {
#ifdef PR_SET_THP_DISABLE
  static_cast<void>(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
#endif
#ifdef M_TRIM_THRESHOLD
  mallopt(M_TRIM_THRESHOLD, kHeapKeptBytes);
  mallopt(M_MMAP_THRESHOLD, kHeapKeptBytes);
#endif
}

std::vector<std::string> crash_workloads() {
  return {kWorkloadNames.begin(), kWorkloadNames.end()};
}

Result<CrashTestReport> run_crash_test(const CrashTestOptions& options,
                                       CrashTestProgress* progress) {
  std::vector<Workload> workloads;
  for (std::size_t i = 0; i < kWorkloads; ++i) {
    if (options.workload.empty() || options.workload == kWorkloadNames[i]) {
      workloads.push_back(static_cast<Workload>(i));
    }
  }
  if (workloads.empty()) {
    return Error(ErrorCode::invalid_argument, options.workload.c_str(),
                 "no workload has this name");
  }
  return Run(options, progress).run(workloads);
}

Result<std::optional<std::string>> replay_crash(std::string_view text) {
  auto parsed = parse_case(text);
  if (!parsed) return parsed.error();
  return replay_case(*parsed);
}

}  // namespace xtree::testing
