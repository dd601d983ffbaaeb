// How long one durable insert takes, beside others and beside a plain sync.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "durable/report.h"

namespace bench {

// The value that a share of the sorted values do not exceed.
[[nodiscard]] inline double quantile(const std::vector<double>& sorted, double share) {
  const auto place = static_cast<std::size_t>(share * static_cast<double>(sorted.size()));
  return sorted[std::min(place, sorted.size() - 1)];
}

// One writer, so many inserts of each contestant, beside a plain write of a block and its sync.
void compare_latencies(const std::string& directory, int inserts, Report& report);

}  // namespace bench
