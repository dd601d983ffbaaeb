// Aims: what XTree has to reach in each row, and the table that says where it does.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace bench {

// `ours` does the row's work at `ratio` times the speed of `peer` or more.
struct Aim {
  std::string row;
  std::string ours;
  std::string peer;
  double ratio;
};

// Seconds for one operation, by row and engine.
using Times = std::map<std::string, std::map<std::string, double>>;

// Prints each aim beside what was reached, and returns how many were missed. Rows and peers without
// times are left out.
int print_aims(const std::vector<Aim>& aims, const Times& times);

}  // namespace bench
