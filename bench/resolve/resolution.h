// The walks from NodeIDs to nodes that are timed, by the benchmark and by the tool.
#pragma once

#include <cstddef>
#include <cstdint>

#include "contest.h"

namespace xtree::bench {

// Which handles of a table are asked for, and how.
struct Walk {
  const char* name;
  bool dependent;   // each step needs what the last one found; else the handles are known before
  bool hot;         // so few of them that they stay in the innermost cache; else all
  bool tree_order;  // the children of a node have handles one after the other; else any
};

inline constexpr Walk kWalks[] = {
    {"dependent, hot", true, true, false},
    {"dependent, all", true, false, false},
    {"independent, hot", false, true, false},
    {"independent, all", false, false, false},
    {"independent, children in tree order", false, false, true},
};

// The ways to the frames over a table of so many handles, `handles` at least 64; the first is a
// plain pointer. Contests that follow each other over tables of one size share the table.
[[nodiscard]] Contest walk_contest(std::uint64_t handles, const Walk& walk);

}  // namespace xtree::bench
