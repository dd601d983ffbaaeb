#include "index/durable_store.h"
#include "index/tree_engine.h"

namespace xtree::index {

template <>
std::unique_ptr<Engine<DurableStore>> make_engine(const detail::Schema& schema) {
  if (schema.scalar == detail::ScalarType::float32) {
    return std::make_unique<TreeEngine<float, DurableStore>>(schema);
  }
  return std::make_unique<TreeEngine<double, DurableStore>>(schema);
}

}  // namespace xtree::index
