#include "tree/xtree_engine.h"

#include "tree/engines.h"
#include "tree/instantiate.h"

namespace bench {

template <class Geometry>
EnginePtr<Geometry> make_xtree() {
  return std::make_unique<XTreeEngine<Geometry>>();
}
XTREE_BENCH_POINTS(make_xtree)
XTREE_BENCH_BOXES(make_xtree)

}  // namespace bench
