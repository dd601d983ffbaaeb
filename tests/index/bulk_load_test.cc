#include "index/bulk_load.h"

#include <cmath>
#include <functional>
#include <numeric>
#include <set>

#include "index/search_fixture.h"
#include "index/verify.h"

namespace xtree::index {
namespace {

using test::Pattern;

template <int D, class T, Shape S>
void check_structure(const SearchFixture<D, T, S>& fixture) {
  const Layout& layout = fixture.layout;
  IndexStats stats;
  std::set<Ref> nodes;
  const auto sound = verify_tree<T>(layout, fixture.store.view(), fixture.root, stats,
                                    [&nodes](Ref ref) { nodes.insert(ref); });
  ASSERT_TRUE(sound.has_value()) << sound.error().message();
  EXPECT_EQ(stats.entries, fixture.entries.size());
  EXPECT_EQ(nodes.size(), stats.leaves + stats.directory_nodes);
  // Leaves of the same fill: at most one block less than needed for all would be empty in each.
  const std::size_t least = (fixture.entries.size() + layout.leaf_capacity() - 1) /
                            layout.leaf_capacity();
  EXPECT_LE(stats.leaves, least + least / 20 + layout.leaf_capacity());
}

template <class T, class Fixture>
void collect(const Fixture& fixture, Ref ref, std::vector<std::uint64_t>& values) {
  const Node& node = *fixture.store.view().node(ref);
  for (std::size_t i = 0; i < node.count; ++i) {
    if (node.level > 0) {
      collect<T>(fixture, child_ref(node, fixture.layout, i), values);
      continue;
    }
    std::uint64_t value;
    std::memcpy(&value, entry_value<T>(node, fixture.layout, i), sizeof(value));
    T geometry[2 * kMaxDimensions];
    read_geometry(node, fixture.layout, i, geometry);
    ASSERT_EQ(std::memcmp(geometry, fixture.entries.at(value).rows,
                          sizeof(fixture.entries.at(value).rows)),
              0);
    values.push_back(value);
  }
}

template <int D, class T, Shape S>
void check_load(Pattern pattern, std::uint64_t seed, std::size_t count) {
  SCOPED_TRACE(testing::Message() << D << " dimensions of " << sizeof(T) << " bytes, "
                                  << (S == Shape::points ? "points" : "boxes") << ", "
                                  << to_string(pattern) << ", " << count << " entries");
  const SearchFixture<D, T, S> fixture(pattern, seed, count, Build::bulk);
  check_structure(fixture);
  std::vector<std::uint64_t> values;
  if (count > 0) collect<T>(fixture, fixture.root.node, values);
  const std::vector<std::uint64_t> order = values;
  std::sort(values.begin(), values.end());
  std::vector<std::uint64_t> all(count);
  std::iota(all.begin(), all.end(), 0);
  ASSERT_EQ(values, all);
  const SearchFixture<D, T, S> again(pattern, seed, count, Build::bulk);
  values.clear();
  if (count > 0) collect<T>(again, again.root.node, values);
  EXPECT_EQ(values, order) << "not the same tree for the same entries";
}

TEST(BulkLoad, HoldsEveryEntryOnceInASoundTree) {
  const std::uint64_t seed = test::test_seed("BulkLoad");
  for_all_schemas([seed]<int D, class T, Shape S>() {
    for (const Pattern pattern : test::kPatterns) check_load<D, T, S>(pattern, seed, 5000);
  });
}

TEST(BulkLoad, WorksAtEverySize) {
  const std::uint64_t seed = test::test_seed("BulkLoad");
  for (std::size_t count = 0; count < 700; count += count < 210 ? 1 : 23) {
    check_load<2, double, Shape::boxes>(Pattern::uniform, seed, count);
    check_load<32, double, Shape::boxes>(Pattern::uniform, seed, count);
  }
  // About where another level begins.
  const Layout layout(schema_of<2, double, Shape::boxes>());
  const std::size_t full = layout.leaf_capacity() * kDirectoryBlocks * kDirectoryLanes;
  for (const std::size_t count : {full - 1, full, full + 1, 3 * full + 5}) {
    check_load<2, double, Shape::boxes>(Pattern::uniform, seed, count);
  }
  // More than are sorted at once.
  check_load<1, float, Shape::points>(Pattern::clustered, seed, 300000);
}

TEST(BulkLoad, TakesUnalignedEntriesAndValuesOfAnySize) {
  for (const std::uint16_t value_bytes : {std::uint16_t{1}, std::uint16_t{3}, std::uint16_t{64}}) {
    const Layout layout(schema_of<2, double, Shape::points>(value_bytes));
    const std::size_t stride = 16 + value_bytes + 1u;
    const std::size_t count = 1000;
    std::vector<std::byte> memory(count * stride + 1);
    std::byte* entries = memory.data() + 1;
    for (std::size_t i = 0; i < count; ++i) {
      const double x[2] = {static_cast<double>(i), static_cast<double>(i % 31)};
      std::memcpy(entries + i * stride, x, sizeof(x));
      std::memset(entries + i * stride + 16, static_cast<int>(i % 251), value_bytes);
    }
    MemoryStore store;
    Root root;
    ASSERT_TRUE(bulk_load<double>(layout, store, root, entries, entries + 16, stride, count));
    std::size_t seen = 0;
    const std::function<void(Ref)> walk = [&](Ref ref) {
      const Node& node = *store.view().node(ref);
      for (std::size_t i = 0; i < node.count; ++i) {
        if (node.level > 0) {
          walk(child_ref(node, layout, i));
          continue;
        }
        const auto number = static_cast<std::size_t>(*entry_lane<double>(node, layout, i));
        const std::byte* value = entry_value<double>(node, layout, i);
        for (std::size_t byte = 0; byte < value_bytes; ++byte) {
          ASSERT_EQ(std::to_integer<std::size_t>(value[byte]), number % 251);
        }
        ++seen;
      }
    };
    walk(root.node);
    EXPECT_EQ(seen, count);
  }
}

TEST(BulkLoad, ChangesNothingWhenTheStoreHasNoMemory) {
  SearchFixture<2, double, Shape::boxes> fixture(Pattern::uniform, 3, 20000, Build::bulk);
  MemoryStore store(200 * 1024);
  Root root;
  const auto loaded = bulk_load<double>(fixture.layout, store, root, fixture.entries[0].rows,
                                        &fixture.entries[0].value, sizeof(fixture.entries[0]),
                                        fixture.entries.size());
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code(), ErrorCode::out_of_memory);
  EXPECT_EQ(root.node, 0u);
  EXPECT_EQ(root.entries, 0u);
  EXPECT_EQ(store.bytes_in_use(), 0u);
}

// The sum of the steps from each entry's centre to the next one's.
template <int D, class Fixture>
double walk_length(const Fixture& fixture, const std::vector<std::uint32_t>& order) {
  double length = 0;
  for (std::size_t i = 1; i < order.size(); ++i) {
    double square = 0;
    for (std::size_t axis = 0; axis < D; ++axis) {
      const double step = static_cast<double>(fixture.entries[order[i]].low(axis)) -
                          static_cast<double>(fixture.entries[order[i - 1]].low(axis));
      square += step * step;
    }
    length += std::sqrt(square);
  }
  return length;
}

template <int D, class T, Shape S>
void check_hilbert(Pattern pattern, std::uint64_t seed) {
  const SearchFixture<D, T, S> fixture(pattern, seed, 4000, Build::bulk);
  std::vector<std::uint32_t> order(fixture.entries.size());
  const EntryRange range{reinterpret_cast<const std::byte*>(fixture.entries.data()),
                         sizeof(fixture.entries[0])};
  ASSERT_TRUE(hilbert_order<T>(fixture.layout, range, order));
  std::vector<std::uint32_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::uint32_t> all(order.size());
  std::iota(all.begin(), all.end(), 0);
  ASSERT_EQ(sorted, all);
  if (pattern == Pattern::uniform && D <= 3) {
    EXPECT_LT(walk_length<D>(fixture, order), walk_length<D>(fixture, all) / 5);
  }
}

TEST(HilbertOrder, IsAPermutationThatTakesShortSteps) {
  const std::uint64_t seed = test::test_seed("HilbertOrder");
  for_all_schemas([seed]<int D, class T, Shape S>() {
    for (const Pattern pattern : test::kPatterns) check_hilbert<D, T, S>(pattern, seed);
  });
}

// On a grid the Hilbert curve goes from each cell to one beside it.
TEST(HilbertOrder, VisitsAGridInStepsOfOne) {
  SearchFixture<2, double, Shape::points> grid(Pattern::uniform, 1, 0, Build::bulk);
  SearchFixture<3, float, Shape::points> cube(Pattern::uniform, 1, 0, Build::bulk);
  for (std::uint64_t i = 0; i < 64 * 64; ++i) {
    grid.entries.push_back({{static_cast<double>(i % 64), static_cast<double>(i / 64)}, i});
    cube.entries.push_back({{static_cast<float>(i % 16), static_cast<float>(i / 16 % 16),
                             static_cast<float>(i / 256)}, i});
  }
  std::vector<std::uint32_t> order(64 * 64);
  ASSERT_TRUE(hilbert_order<double>(
      grid.layout, {reinterpret_cast<const std::byte*>(grid.entries.data()),
                    sizeof(grid.entries[0])}, order));
  EXPECT_EQ(walk_length<2>(grid, order), 64 * 64 - 1);
  ASSERT_TRUE(hilbert_order<float>(
      cube.layout, {reinterpret_cast<const std::byte*>(cube.entries.data()),
                    sizeof(cube.entries[0])}, order));
  EXPECT_EQ(walk_length<3>(cube, order), 64 * 64 - 1);
}

}  // namespace
}  // namespace xtree::index
