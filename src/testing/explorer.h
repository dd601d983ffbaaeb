// Explorer: crashes a life at every point, and looks at what each crash leaves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "testing/content.h"
#include "testing/crash_plans.h"
#include "testing/life.h"
#include "testing/mix.h"
#include "testing/script.h"
#include "testing/workloads.h"
#include "xtree/testing/crash_model.h"

namespace xtree::testing {

// A life and the crash that ended it.
struct CaseLife {
  Script script;
  Death death = Death::power;
  std::size_t events = 0;   // at the crash
  std::vector<Fate> fates;  // after a loss of power, of each change that was not durable
};

// Lives one after the other, each on what the crash before it left. After the last crash something
// is wrong, or already in the last life when that says so.
struct Case {
  std::vector<CaseLife> lives;
  bool fails_alive = false;
  std::string message;
};

struct ExplorerCounts {
  std::uint64_t crash_points = 0;
  std::uint64_t states = 0;    // that were built and compared with the oracle
  std::uint64_t distinct = 0;  // of them that were opened, as no equal one had been
  std::uint64_t lives = 0;
  std::uint64_t deepest = 0;   // crashes in a row
};

// Bounds of an exploration.
struct ExplorerLimits {
  std::size_t exhaustive_units = 6;
  std::size_t samples = 24;
  std::uint64_t max_depth = 3;       // crashes behind the first
  std::size_t power_lives = 4;       // that go on behind the first life; fewer deeper down
  std::size_t process_lives = 2;
  std::size_t points_one_in = 1;     // of the crash points; the others are passed over
};

// Databases of the wide index are large, and opening one takes long: fewer of their states.
[[nodiscard]] ExplorerLimits limits_for(Workload workload) noexcept;

// Whether somebody wants an exploration to end.
class StopSignal {
 public:
  virtual ~StopSignal() = default;
  // Called for every state.
  virtual bool should_stop(const ExplorerCounts& counts) = 0;
};

class Explorer {
 public:
  Explorer(std::uint64_t seed, const ExplorerLimits& limits, StopSignal& stop)
      : random_(seed), limits_(limits), stop_(stop) {}

  // Explores the script from an empty disk, and lives behind its crashes; the first case that is
  // wrong, if any.
  std::optional<Case> explore(const Script& script);

  [[nodiscard]] const ExplorerCounts& counts() const noexcept { return counts_; }

 private:
  struct Start {
    CrashModel model;
    DiskImage image;
    Content base;
    BeforeOpen before_open;
    std::vector<CaseLife> earlier;
  };
  // What opening a state came to.
  struct Outcome {
    std::optional<Fingerprint> content;
    std::string error;
  };
  // A crash behind which the next life may begin.
  struct Candidate {
    Death death = Death::power;
    std::size_t events = 0;
    std::vector<Fate> fates;
    Fingerprint content;
    BeforeOpen before_open;
  };
  // Keeps some of a stream, each with the same chance.
  struct Reservoir {
    std::size_t room = 0;
    std::size_t seen = 0;
    std::vector<Candidate> kept;
  };
  // One life as it is being explored.
  struct Scene {
    const Start& start;
    const Script& script;
    const Life& life;
    Oracle oracle;
    CrashModel model;
    CrashPlans plans;
    std::size_t events = 0;
    Reservoir power;
    Reservoir process;
  };

  std::optional<Case> explore_life(const Start& start, const Script& script);
  std::optional<Case> explore_points(Scene& scene);
  std::optional<Case> explore_point(Scene& scene, std::span<const Unit> units, std::size_t newest);
  std::optional<Case> look_at(Scene& scene, Death death, const DiskImage& image,
                              std::span<const Fate> fates);
  std::optional<Case> go_on(const Scene& scene, const Candidate& candidate);
  const Outcome& outcome_of(const DiskImage& image);
  void consider(Scene& scene, Death death, std::span<const Fate> fates,
                const Fingerprint& content);
  [[nodiscard]] Case make_case(const Scene& scene, Death death, std::span<const Fate> fates,
                               const Outcome& outcome, const std::vector<Fingerprint>& allowed);

  Random random_;
  const ExplorerLimits limits_;
  StopSignal& stop_;
  ExplorerCounts counts_;
  bool stopped_ = false;
  std::unordered_map<std::uint64_t, Outcome> seen_;  // by the hash of the state
};

// Runs a case again: what is wrong, or nothing when all is well. An error when the case does not
// fit the engine, which then makes other calls than when it was saved.
[[nodiscard]] Result<std::optional<std::string>> replay_case(const Case& failed);

}  // namespace xtree::testing
