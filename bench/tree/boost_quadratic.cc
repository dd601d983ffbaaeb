#include "tree/boost_engine.h"
#include "tree/engines.h"
#include "tree/instantiate.h"

namespace bench {

template <class Geometry>
EnginePtr<Geometry> make_boost_quadratic() {
  return std::make_unique<BoostEngine<Geometry, boost::geometry::index::quadratic<16>>>();
}
XTREE_BENCH_POINTS(make_boost_quadratic)
XTREE_BENCH_BOXES(make_boost_quadratic)

}  // namespace bench
