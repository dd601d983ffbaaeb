#include "index/bulk_load.h"

#include <array>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>

#include "index/search_fixture.h"
#include "index/spatial_order.h"
#include "index/verify.h"

namespace xtree::index {
namespace {

using test::Pattern;

template <int D, class T, Shape S>
void check_structure(const SearchFixture<D, T, S>& fixture, double fill = 1) {
  const Layout& layout = fixture.layout;
  IndexStats stats;
  std::set<Ref> nodes;
  const auto sound = verify_tree<T>(layout, fixture.store.view(), fixture.root, stats,
                                    [&nodes](Ref ref) { nodes.insert(ref); });
  ASSERT_TRUE(sound.has_value()) << sound.error().message();
  EXPECT_EQ(stats.entries, fixture.entries.size());
  EXPECT_EQ(nodes.size(), stats.leaves + stats.directory_nodes);
  const auto leaf_entries =
      static_cast<std::size_t>(static_cast<double>(layout.leaf_capacity()) * fill);
  EXPECT_EQ(stats.leaves, (fixture.entries.size() + leaf_entries - 1) / leaf_entries);
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
    ASSERT_TRUE(bulk_load<double>(layout, write_kernels<double>(layout, best_isa()), store, root,
                                  {entries, entries + 16, stride, count}, {}));
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
  const auto loaded = bulk_load<double>(
      fixture.layout, write_kernels<double>(fixture.layout, best_isa()), store, root,
      {fixture.entries[0].rows, &fixture.entries[0].value, sizeof(fixture.entries[0]),
       fixture.entries.size()},
      {});
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code(), ErrorCode::out_of_memory);
  EXPECT_EQ(root.node, 0u);
  EXPECT_EQ(root.entries, 0u);
  EXPECT_EQ(store.bytes_in_use(), 0u);
}

template <int D, class T, Shape S>
void check_threads(Pattern pattern, std::uint64_t seed, std::size_t count,
                   std::initializer_list<std::uint32_t> thread_counts = {2, 3, 7}) {
  SCOPED_TRACE(testing::Message() << D << " dimensions of " << sizeof(T) << " bytes, "
                                  << to_string(pattern));
  const SearchFixture<D, T, S> alone(pattern, seed, count, Build::bulk);
  std::vector<std::uint64_t> order;
  collect<T>(alone, alone.root.node, order);
  for (const std::uint32_t threads : thread_counts) {
    SearchFixture<D, T, S> together(pattern, seed, 0, Build::bulk);
    together.entries = alone.entries;
    ASSERT_TRUE(together.load({.threads = threads}));
    check_structure(together);
    std::vector<std::uint64_t> values;
    collect<T>(together, together.root.node, values);
    ASSERT_EQ(values, order) << threads << " threads";
  }
}

TEST(BulkLoad, MakesTheSameTreeWithAnyNumberOfThreads) {
  const std::uint64_t seed = test::test_seed("BulkLoad");
  const std::size_t count = test::kSanitized ? 70000 : 200000;
  for (const Pattern pattern : test::kPatterns) {
    check_threads<2, double, Shape::boxes>(pattern, seed, count);
    check_threads<3, float, Shape::points>(pattern, seed, count);
  }
  check_threads<1, double, Shape::points>(Pattern::uniform, seed, count);
  check_threads<8, float, Shape::boxes>(Pattern::clustered, seed, count / 2);
  // More than there is work for.
  check_threads<2, float, Shape::points>(Pattern::clustered, seed, count * 4, {100});
}

TEST(BulkLoad, LeavesAsMuchRoomInLeavesAsItIsTold) {
  const std::uint64_t seed = test::test_seed("BulkLoad");
  for_all_schemas([seed]<int D, class T, Shape S>() {
    for (const double fill : {0.5, 0.77, 0.999}) {
      SCOPED_TRACE(testing::Message() << D << " dimensions, filled to " << fill);
      SearchFixture<D, T, S> fixture(Pattern::clustered, seed, 0, Build::bulk);
      fixture.entries = SearchFixture<D, T, S>(Pattern::clustered, seed, 8000, Build::bulk).entries;
      ASSERT_TRUE(fixture.load({.threads = 3, .fill = fill}));
      check_structure(fixture, fill);
      std::vector<std::uint64_t> values;
      collect<T>(fixture, fixture.root.node, values);
      std::sort(values.begin(), values.end());
      std::vector<std::uint64_t> all(fixture.entries.size());
      std::iota(all.begin(), all.end(), 0);
      EXPECT_EQ(values, all);
    }
  });
}

TEST(BulkLoad, RefusesAGeometryThatIsNoBoxAndChangesNothing) {
  const std::uint64_t seed = test::test_seed("BulkLoad");
  test::Random random(seed);
  SearchFixture<2, double, Shape::boxes> fixture(Pattern::uniform, seed, 0, Build::bulk);
  const SearchFixture<2, double, Shape::boxes> good(Pattern::uniform, seed, 60000, Build::bulk);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const double bad : {std::nan(""), kInfinity, -kInfinity, -1e300, 1e300}) {
    for (const std::size_t count : {std::size_t{1}, std::size_t{100}, good.entries.size()}) {
      fixture.entries.assign(good.entries.begin(),
                             good.entries.begin() + static_cast<std::ptrdiff_t>(count));
      // A minimum of 1e300 and a maximum of -1e300 are inverted.
      fixture.entries[random.below(count)].rows[random.below(2) + (bad == -1e300 ? 2 : 0)] = bad;
      const auto threads = 1 + static_cast<std::uint32_t>(random.below(4));
      const auto loaded = fixture.load({.threads = threads});
      ASSERT_FALSE(loaded.has_value()) << bad << " among " << count;
      EXPECT_EQ(loaded.error().code(), ErrorCode::invalid_argument);
      EXPECT_EQ(fixture.root.node, 0u);
      EXPECT_EQ(fixture.store.bytes_in_use(), 0u);
    }
  }
}

// The exact bounds of every leaf, which the floats of directory nodes may not tell apart.
template <class Fixture>
void collect_bounds(const Fixture& fixture, Ref ref, std::vector<std::array<double, 4>>& bounds) {
  const Node& node = *fixture.store.view().node(ref);
  if (node.level > 0) {
    for (std::size_t i = 0; i < node.count; ++i) {
      collect_bounds(fixture, child_ref(node, fixture.layout, i), bounds);
    }
    return;
  }
  constexpr double kMost = std::numeric_limits<double>::max();
  bounds.push_back({kMost, kMost, -kMost, -kMost});
  write_kernels<double>(fixture.layout, best_isa())
      .leaf_bounds(node, fixture.layout, bounds.back().data());
}

// How many leaves have an entry's place in their bounds, on average over some entries.
template <class Fixture>
double leaves_around_an_entry(const Fixture& fixture) {
  std::vector<std::array<double, 4>> bounds;
  collect_bounds(fixture, fixture.root.node, bounds);
  std::size_t leaves = 0;
  std::size_t looked = 0;
  for (std::size_t i = 0; i < fixture.entries.size(); i += 101, ++looked) {
    const double* at = fixture.entries[i].rows;
    for (const auto& leaf : bounds) {
      leaves += leaf[0] <= at[0] && at[0] <= leaf[2] && leaf[1] <= at[1] && at[1] <= leaf[3];
    }
  }
  return static_cast<double>(leaves) / static_cast<double>(looked);
}

// Points that floats, or cells of equal width over the range of all, would not tell apart. The
// bounds of a good tree's leaves hardly overlap, whatever the scale.
TEST(BulkLoad, SeparatesPointsOfAnyScale) {
  const std::uint64_t seed = test::test_seed("BulkLoad");
  test::Random random(seed);
  const auto unit = [&random] { return random.unit(); };
  const auto scaled = [&](int low, int high) {
    const auto exponent = static_cast<int>(random.below(static_cast<std::uint64_t>(high - low)));
    return std::scalbn(1 + random.unit(), low + exponent) * (random.one_in(2) ? 1 : -1);
  };
  const std::pair<const char*, std::function<double(std::size_t)>> kinds[] = {
      {"all doubles", [&](std::size_t) { return (2 * unit() - 1) * 1.7e308; }},
      {"tiny", [&](std::size_t) { return unit() * 1e-300; }},
      {"far from the origin", [&](std::size_t) { return 1e6 + unit() * 1e-3; }},
      {"one in thousand far out", [&](std::size_t i) { return i % 1000 == 0 ? 1e300 : unit(); }},
      {"growing by powers", [&](std::size_t) { return scaled(-90, 90); }},
      {"a spike", [&](std::size_t i) { return i % 10 == 0 ? unit() : unit() * 1e-6; }},
  };
  for (const auto& [name, coordinate] : kinds) {
    SearchFixture<2, double, Shape::points> fixture(Pattern::uniform, seed, 0, Build::bulk);
    for (std::uint64_t i = 0; i < 50000; ++i) {
      fixture.entries.push_back({{coordinate(i), coordinate(i)}, i});
    }
    ASSERT_TRUE(fixture.load());
    check_structure(fixture);
    EXPECT_LT(leaves_around_an_entry(fixture), 1.1) << name;
  }
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
