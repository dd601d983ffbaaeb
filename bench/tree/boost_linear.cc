#include "tree/boost_engine.h"
#include "tree/engines.h"
#include "tree/instantiate.h"

namespace bench {

template <class Geometry>
EnginePtr<Geometry> make_boost_linear() {
  return std::make_unique<BoostEngine<Geometry, boost::geometry::index::linear<16>>>();
}
XTREE_BENCH_POINTS(make_boost_linear)
XTREE_BENCH_BOXES(make_boost_linear)

}  // namespace bench
