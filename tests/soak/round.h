// One round of the soak: a database from its opening to its closing, with everything at once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "crash/lane.h"
#include "soak/flatness.h"
#include "support/random.h"

namespace xtree::test {

inline constexpr std::uint32_t kSoakWriters = 2;

// What has been done, in all rounds together.
struct SoakCounts {
  std::uint64_t steps = 0;  // of writers: batches, single writes, bulk loads, indexes that came or
                            // went, checkpoints
  std::uint64_t queries = 0;
  std::uint64_t snapshots = 0;
  std::uint64_t checkpoint = 0;  // generation of the newest
};

struct SoakPlan {
  std::uint64_t seed = 0;
  std::uint64_t steps = 0;  // of each writer
  Options options;
};

// Opens the database at `path`, which holds `lanes`, has writers, readers and a holder of snapshots
// at work beside checkpoints until each writer has made its steps, compares the database with the
// lanes, and closes it. Faults are test failures. The sample is taken with everything still open.
Sample run_round(const std::string& path, const SoakPlan& plan, std::vector<LaneState>& lanes,
                 SoakCounts& counts);

}  // namespace xtree::test
