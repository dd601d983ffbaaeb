// Contests as benchmarks of Google's library: its flags choose them, its files take the results.
#pragma once

#include <functional>
#include <string>

#include "contest.h"

namespace xtree::bench {

// Registers a contest that is set up when its turn comes, and forgotten after it.
void register_contest(const std::string& name, int rounds, std::function<Contest()> set_up);

// Runs what the command line asks for. One table for each contest: nanoseconds for an operation,
// the ratio to the contest's first line, and instructions where the system counts them.
int run_contests(int count, char** arguments);

}  // namespace xtree::bench
