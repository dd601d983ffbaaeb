#include "harness/fault_run.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "platform/check.h"
#include "testing/content.h"
#include "testing/crash_plans.h"
#include "testing/driver.h"
#include "testing/mix.h"
#include "testing/state_check.h"
#include "xtree/testing/crash_model.h"

namespace xtree::test {
namespace {

using namespace xtree::testing;

// Steps that may fail before the script is given up: each doubles what may be true.
constexpr int kMostFailures = 4;
constexpr std::size_t kPowerCuts = 24;

class FaultedRun {
 public:
  FaultedRun(const Script& script, const FaultPlan& plan) : script_(script), plan_(plan) {}

  FaultRun run() {
    files_.record(&trace_);
    const Error error = plan_.full_disk ? Error(ErrorCode::no_space, 28, "disk", "planted: full")
                                        : Error(ErrorCode::io_error, 5, "disk", "planted: EIO");
    files_.fail(plan_.kind, plan_.nth, error, plan_.failure);
    if (const auto done = live(); !done) wrong(done.error().message());
    const bool met = files_.count(plan_.kind) >= plan_.nth;
    if (met) {
      if (const auto left = check_what_is_left(); !left) wrong(left.error().message());
    }
    return {met, wrong_};
  }

 private:
  void wrong(const std::string& text) {
    if (!wrong_) wrong_ = text;
  }
  [[nodiscard]] bool is_allowed(const Fingerprint& found) const {
    return std::any_of(candidates_.begin(), candidates_.end(), [&](const Content& content) {
      return content.fingerprint() == found;
    });
  }
  Result<void> expect_allowed(const Result<Fingerprint>& found, const char* where) {
    if (!found) return found.error();
    if (is_allowed(*found)) return {};
    return Error(ErrorCode::corruption, where, "the content is none of those that may be");
  }

  // What a step that failed was to do may have been done or not.
  void note(const Step& step, bool done) {
    std::vector<Content> changed = candidates_;
    for (Content& content : changed) step.apply_to(content);
    if (done) candidates_.clear();
    candidates_.insert(candidates_.end(), changed.begin(), changed.end());
  }

  Result<void> live() {
    auto driver = std::make_unique<Driver>(files_, Driver::AtEnd::close);
    if (!driver->open()) return {};
    int failures = 0;
    for (const Step& step : script_) {
      const Content newest = candidates_.back();
      const Result<void> done = driver->run(step, newest);
      note(step, done.has_value());
      if (done) continue;
      if (!driver->is_open()) return {};
      drop_failed_ = drop_failed_ || step.kind == StepKind::drop_index;
      XTREE_TRY(check_reading(*driver));
      if (++failures == kMostFailures) break;
    }
    return {};
  }

  // Reading goes on in a poisoned database, unless it is reading that fails.
  Result<void> check_reading(Driver& driver) {
    // An index whose drop has failed can be read through its handles, but not be opened any more.
    const bool may_fail = plan_.kind == Call::read || plan_.kind == Call::open || drop_failed_;
    const auto found = read_content(driver.database(), nullptr);
    if (!found && may_fail) return {};
    return expect_allowed(found, "after the failure");
  }

  Result<void> check_what_is_left() {
    if (files_.open_files() != 0 || files_.held_locks() != 0) {
      return Error(ErrorCode::io_error, "files", "a file or a lock was leaked");
    }
    XTREE_TRY(check_power_cuts());
    files_.heal();
    XTREE_TRY(check_reopened());
    return check_power_cuts();
  }

  // Whatever becomes of what was not synced, all that was acknowledged is there.
  Result<void> check_power_cuts() {
    CrashModel model;
    for (const Event& event : trace_.events) model.apply(event);
    const std::vector<Unit> units = model.units();
    if (units.empty()) return expect_allowed(recover_content(model.build({}, {})), "power cut");
    Random random(plan_.nth);
    CrashPlans plans(3, kPowerCuts);
    Result<void> result;
    plans.for_each(units, CrashPlans::kNone, random, [&](std::span<const Fate> fates) {
      if (!result) return;
      result = expect_allowed(recover_content(model.build(units, fates)), "power cut");
    });
    return result;
  }

  Result<void> check_reopened() {
    auto driver = std::make_unique<Driver>(files_, Driver::AtEnd::close);
    XTREE_TRY(driver->open());
    const auto found = read_content(driver->database(), nullptr);
    XTREE_TRY(expect_allowed(found, "reopened"));
    XTREE_TRY(driver->database().verify());
    std::erase_if(candidates_,
                  [&](const Content& content) { return content.fingerprint() != *found; });
    candidates_.resize(1);
    const Step more{.kind = StepKind::write, .changes = {{Action::put, 0, 1, 99, 0}}};
    XTREE_TRY(driver->run(more, candidates_.front()));
    note(more, true);
    return driver->database().close();
  }

  const Script& script_;
  const FaultPlan plan_;
  Trace trace_;
  SimulatedFileSystem files_;
  std::vector<Content> candidates_{Content()};
  bool drop_failed_ = false;
  std::optional<std::string> wrong_;
};

std::vector<Change> inserts(std::uint8_t index, std::uint32_t first, std::uint32_t count) {
  std::vector<Change> changes;
  for (std::uint32_t i = 0; i < count; ++i) {
    changes.push_back({Action::insert, index, first + i, 0, 0});
  }
  return changes;
}

}  // namespace

FaultRun run_with_fault(const Script& script, const FaultPlan& plan) {
  return FaultedRun(script, plan).run();
}

Script script_for_faults() {
  const auto step = [](StepKind kind, std::uint8_t index, std::vector<Change> changes) {
    return Step{.kind = kind, .index = index, .changes = std::move(changes)};
  };
  return {step(StepKind::create_index, 0, {}),
          step(StepKind::batch, 0, inserts(0, 1, 70)),
          step(StepKind::checkpoint, 0, {}),
          step(StepKind::write, 0, {{Action::erase, 0, 3, 0, 0}}),
          step(StepKind::batch, 0, {{Action::update, 0, 5, 0, 1}, {Action::put, 0, 2, 3, 0}}),
          step(StepKind::create_index, 1, {}),
          step(StepKind::bulk_load, 1, inserts(1, 1000, 60)),
          step(StepKind::batch, 0, inserts(0, 200, 150)),
          step(StepKind::batch, 0, inserts(0, 400, 350)),
          step(StepKind::reopen, 0, {}),
          step(StepKind::write, 0, inserts(0, 800, 1)),
          step(StepKind::compact, 0, {}),
          step(StepKind::drop_index, 1, {}),
          step(StepKind::write, 0, inserts(0, 900, 1))};
}

std::string to_string(const FaultPlan& plan) {
  return std::string(testing::to_string(plan.kind)) + " " + std::to_string(plan.nth) +
         (plan.failure == Failure::once ? " once" : " and from then on") +
         (plan.full_disk ? ", full disk" : ", I/O error");
}

}  // namespace xtree::test
