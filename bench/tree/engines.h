// Where the engines come from: one function for each, compiled on its own.
#pragma once

#include "tree/engine.h"

namespace bench {

template <class Geometry>
EnginePtr<Geometry> make_xtree();
// Boost.Geometry, named after the strategies of its parameters.
template <class Geometry>
EnginePtr<Geometry> make_boost_rstar();
template <class Geometry>
EnginePtr<Geometry> make_boost_quadratic();
template <class Geometry>
EnginePtr<Geometry> make_boost_linear();
// No tree: all entries in rows, compared with the widest registers that XTree uses. Points only.
template <class Geometry>
EnginePtr<Geometry> make_flat_scan();
template <class Geometry>
EnginePtr<Geometry> make_libspatialindex();
// Boxes and points in the plane.
template <class Geometry>
EnginePtr<Geometry> make_geos();
// Up to five dimensions.
template <class Geometry>
EnginePtr<Geometry> make_sqlite();
// Points only, both of them.
template <class Geometry>
EnginePtr<Geometry> make_nanoflann();
template <class Geometry>
EnginePtr<Geometry> make_cgal();

}  // namespace bench
