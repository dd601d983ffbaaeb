#include "index/memory_store.h"
#include "index/tree_engine.h"

namespace xtree::index {

template <>
std::unique_ptr<Engine<MemoryStore>> make_engine(const detail::Schema& schema) {
  if (schema.scalar == detail::ScalarType::float32) {
    return std::make_unique<TreeEngine<float, MemoryStore>>(schema);
  }
  return std::make_unique<TreeEngine<double, MemoryStore>>(schema);
}

}  // namespace xtree::index
