// Everybody who can hold a kind of geometry.
#pragma once

#include <vector>

#include "tree/engines.h"
#include "tree/stage.h"

namespace bench {

// SQLite rounds coordinates to floats, outward.
inline constexpr unsigned kSqliteSpare = 50;

template <class Geometry>
std::vector<Subject<Geometry>> contestants() {
  constexpr int kDimensions = Geometry::kDimensions;
  std::vector<Subject<Geometry>> all = {
      {"xtree", make_xtree<Geometry>},
      {"xtree bulk", make_xtree<Geometry>, Build::bulk},
      {"boost rstar", make_boost_rstar<Geometry>},
      {"boost quadratic", make_boost_quadratic<Geometry>},
      {"boost linear", make_boost_linear<Geometry>},
      {"boost packed", make_boost_rstar<Geometry>, Build::bulk},
      {"libspatialindex", make_libspatialindex<Geometry>},
      {"libspatialindex STR", make_libspatialindex<Geometry>, Build::bulk},
  };
  if constexpr (kDimensions == 2) all.push_back({"GEOS STRtree", make_geos<Geometry>, Build::bulk});
  if constexpr (kDimensions <= 3) {
    all.push_back({"SQLite R*Tree", make_sqlite<Geometry>, Build::one_by_one, kSqliteSpare});
  }
  if constexpr (kIsPoint<Geometry>) {
    all.push_back({"nanoflann", make_nanoflann<Geometry>, Build::bulk});
    // Its build recurses once for each equal point, until the stack is full.
    all.push_back({"CGAL Kd_tree", make_cgal<Geometry>, Build::bulk, 0, false});
    if constexpr (kDimensions > 3) all.push_back({"flat scan", make_flat_scan<Geometry>});
  }
  return all;
}

}  // namespace bench
