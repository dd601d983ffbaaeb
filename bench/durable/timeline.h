// How long durable inserts take while checkpoints are written beside them.
#pragma once

#include <string>

#include "durable/report.h"

namespace bench {

// What is watched: an index of so many entries, checkpoints of it, and quiet time before each.
struct Timeline {
  int entries = 0;
  int checkpoints = 0;
  double quiet_seconds = 0;
};

// Four writers insert into the index without a pause. The first checkpoint writes all of it, the
// others what the writers have changed.
void watch_latency(const std::string& directory, const Timeline& timeline, Report& report);

}  // namespace bench
