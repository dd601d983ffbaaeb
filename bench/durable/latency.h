// How long one durable insert takes: beside others, and while checkpoints are taken.
#pragma once

#include <string>

#include "durable/report.h"

namespace bench {

// One writer, so many inserts of each contestant, beside a plain write of a block and its sync.
void compare_latencies(const std::string& directory, int inserts, Report& report);

// Some seconds of inserts by four writers into an index of so many entries, and checkpoints.
void watch_latency(const std::string& directory, double seconds, int entries, Report& report);

}  // namespace bench
