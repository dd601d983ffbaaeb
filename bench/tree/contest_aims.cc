#include "tree/contest_aims.h"

#include <string>

namespace bench {
namespace {

void add_low_dimensions(std::vector<Aim>& aims, const std::string& data, bool points) {
  for (const char* work : {"window 1e-6 ", "window 1e-4 ", "window 1e-2 "}) {
    aims.push_back({work + data, "xtree", "best inserted", 4});
    aims.push_back({work + data, "xtree", "best bulk", 1.5});
    aims.push_back({work + data, "xtree bulk", "best bulk", 1});
  }
  for (const char* work : {"nearest 1 ", "nearest 10 ", "nearest 100 "}) {
    aims.push_back({work + data, "xtree", "boost rstar", 3});
    if (!points) continue;
    aims.push_back({work + data, "xtree", "nanoflann", 1});
    aims.push_back({work + data, "xtree", "CGAL Kd_tree", 1});
  }
  aims.push_back({"bulk " + data, "xtree bulk", "best bulk", 1.3});
}

void add_high_dimensions(std::vector<Aim>& aims, const std::string& data, bool points) {
  aims.push_back({"insert " + data, "xtree", "boost rstar", 8});
  for (const char* work : {"window 1e-6 ", "window 1e-4 ", "window 1e-2 ", "nearest 1 ",
                           "nearest 10 ", "nearest 100 "}) {
    aims.push_back({work + data, "xtree", "boost rstar", 10});
    if (points) aims.push_back({work + data, "xtree", "flat scan", 1 / 1.1});
  }
}

}  // namespace

std::vector<Aim> contest_aims() {
  std::vector<Aim> aims;
  aims.push_back({"insert 2-D boxes uniform", "xtree", "boost rstar", 10});
  aims.push_back({"insert 2-D boxes hilbert", "xtree", "boost rstar", 15});
  aims.push_back({"insert batches 2-D boxes uniform", "xtree", "boost rstar", 15});
  aims.push_back({"point 2-D boxes uniform", "xtree", "best of all", 3});
  aims.push_back({"point 2-D boxes uniform", "xtree at once", "best of all", 3});
  for (const std::string shape : {"boxes", "points"}) {
    for (const std::string distribution : {"uniform", "clustered", "correlated", "cities"}) {
      for (const std::string dimensions : {"2-D ", "3-D "}) {
        add_low_dimensions(aims, dimensions + shape + " " + distribution, shape == "points");
      }
      for (const std::string dimensions : {"8-D ", "16-D "}) {
        add_high_dimensions(aims, dimensions + shape + " " + distribution, shape == "points");
      }
    }
  }
  aims.push_back({"erase 2-D boxes uniform", "xtree", "boost rstar", 2.5});
  aims.push_back({"erased 1e-4 2-D boxes uniform", "xtree", "xtree fresh", 0.95});
  aims.push_back({"update 2-D boxes uniform", "xtree", "boost rstar", 4});
  aims.push_back({"mixed 90/10 2-D boxes uniform", "xtree", "best inserted", 3});
  return aims;
}

}  // namespace bench
