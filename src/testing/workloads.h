// Workloads: scripts by name and seed.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "testing/content.h"
#include "testing/mix.h"
#include "testing/script.h"

namespace xtree::testing {

enum class Workload : std::uint8_t {
  inserts,      // single inserts
  batches,      // batches over several indexes and named values
  updates,      // erase and update
  bulk,         // bulk loads among other writes
  checkpoints,  // many checkpoints
  compaction,   // segments emptied and removed, with nodes in memory and without
  packed,       // the same in indexes that ask for compression
  eviction,     // nodes that leave memory as soon as a checkpoint has them, and are read again
  snapshots,    // snapshots held over writes and checkpoints
  supernodes,   // a wide index that grows supernodes and shrinks
  reopen,       // close, open and append
  levels,       // all durability levels, mixed
  schema,       // indexes made and dropped
};
inline constexpr std::size_t kWorkloads = 13;
inline constexpr std::array<const char*, kWorkloads> kWorkloadNames = {
    "inserts",  "batches",   "updates",    "bulk",   "checkpoints", "compaction", "packed",
    "eviction", "snapshots", "supernodes", "reopen", "levels",      "schema"};

// A script for an empty database.
[[nodiscard]] Script make_script(Workload workload, Random& random);
// A short script for a database that holds this; `life` counts from 1, so that entries differ.
[[nodiscard]] Script make_follow_up(const Content& content, std::uint64_t life, Random& random);

}  // namespace xtree::testing
