// Trees to search, and what brute force says about them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "index/bulk_load.h"
#include "index/isas.h"
#include "index/memory_store.h"
#include "index/nearest.h"
#include "index/scan.h"
#include "index/tree.h"
#include "index/write_kernels.h"
#include "support/generators.h"

namespace xtree::index {

template <int D, class T, Shape S>
detail::Schema schema_of(std::uint16_t value_bytes = 8) {
  detail::Schema schema;
  schema.dimensions = D;
  schema.scalar = sizeof(T) == 4 ? detail::ScalarType::float32 : detail::ScalarType::float64;
  schema.shape = S;
  schema.value_bytes = value_bytes;
  return schema;
}

// Calls `f.template operator()<D, T, S>()` for dimensions with kernels of their own and without.
template <class F>
void for_all_schemas(F f) {
  const auto dimension = [&f]<int D>() {
    f.template operator()<D, float, Shape::boxes>();
    f.template operator()<D, float, Shape::points>();
    f.template operator()<D, double, Shape::boxes>();
    f.template operator()<D, double, Shape::points>();
  };
  dimension.template operator()<1>();
  dimension.template operator()<2>();
  dimension.template operator()<3>();
  dimension.template operator()<5>();
  dimension.template operator()<8>();
  dimension.template operator()<16>();
  dimension.template operator()<32>();
}

enum class Build { bulk, inserts };

// Entries of one pattern whose values are their numbers, and a tree of them.
template <int D, class T, Shape S>
class SearchFixture {
 public:
  static constexpr std::size_t kRows = S == Shape::points ? D : 2 * D;
  struct Entry {
    T rows[kRows];
    std::uint64_t value;
    T low(std::size_t axis) const { return rows[axis]; }
    T high(std::size_t axis) const { return rows[S == Shape::points ? axis : D + axis]; }
  };

  SearchFixture(test::Pattern pattern, std::uint64_t seed, std::size_t count, Build build)
      : layout(schema_of<D, T, S>()), generator(pattern, seed) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto geometry = generator.template geometry<S>();
      Entry entry;
      std::memcpy(entry.rows, geometry.data(), sizeof(entry.rows));
      entry.value = i;
      entries.push_back(entry);
    }
    if (build == Build::bulk) {
      EXPECT_TRUE(load().has_value());
    } else {
      const auto& kernels = write_kernels<T>(layout, best_isa());
      for (const Entry& entry : entries) {
        Tree<T, MemoryStore> tree(layout, kernels, store, root);
        const auto* value = reinterpret_cast<const std::byte*>(&entry.value);
        EXPECT_TRUE(tree.insert(entry.rows, value).has_value());
      }
    }
  }

  // Builds the tree of the entries, where there is none yet.
  Result<void> load(const BulkLoadOptions& options = {}) {
    const Entry* first = entries.empty() ? nullptr : entries.data();
    const detail::EntryBlock block{first, first == nullptr ? nullptr : &first->value, sizeof(Entry),
                                   entries.size()};
    return bulk_load<T>(layout, write_kernels<T>(layout, best_isa()), store, root, block, options);
  }

  Layout layout;
  test::Generator<D, T> generator;
  std::vector<Entry> entries;
  MemoryStore store;
  Root root;
};

// A coordinate of an entry, from the blocks of its leaf.
template <class T>
T row_in(const std::byte* blocks, std::size_t block_bytes, std::size_t row, std::size_t entry) {
  constexpr std::size_t kLanes = kLeafLanes<T>;
  const std::byte* block = blocks + entry / kLanes * block_bytes;
  return reinterpret_cast<const T*>(block + row * kRowBytes)[entry % kLanes];
}

// Its value.
template <class T>
std::uint64_t value_in(const std::byte* blocks, const Layout& layout, std::size_t entry) {
  const auto& leaf = *reinterpret_cast<const Node*>(blocks - layout.leaf_bytes(0));
  std::uint64_t value;
  std::memcpy(&value, entry_value<T>(leaf, layout, entry), sizeof(value));
  return value;
}

// The values of a leaf's hits.
template <class T>
void append_values(const detail::LeafHits& hits, const Layout& layout,
                   std::vector<std::uint64_t>& values) {
  for (std::size_t i = 0; i < detail::kMaxLeafEntries; ++i) {
    if ((hits.mask[i / 64] >> (i % 64) & 1) == 0) continue;
    values.push_back(value_in<T>(hits.blocks, layout, i));
  }
}

}  // namespace xtree::index
