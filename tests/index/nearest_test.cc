#include "index/near_queue.h"
#include "index/nearest.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <set>
#include <vector>

#include "index/search_fixture.h"
#include "index/spill_array.h"

namespace xtree::index {
namespace {

using test::Pattern;

using Request = detail::NearestRequest;

// In long double the squares of all doubles have room, weights included.
template <int D, class Entry, class T>
long double true_distance(const Entry& entry, const T* target, const Request& request) {
  long double sum = 0;
  long double squares = 0;
  long double greatest = 0;
  for (std::size_t axis = 0; axis < D; ++axis) {
    const long double above = static_cast<long double>(entry.low(axis)) - target[D + axis];
    const long double below = static_cast<long double>(target[axis]) - entry.high(axis);
    const long double gap = std::max({above, below, 0.0L});
    sum += gap;
    squares += gap * gap * (request.weights == nullptr ? 1 : request.weights[axis]);
    greatest = std::max(greatest, gap);
  }
  return request.metric == Metric::manhattan   ? sum
         : request.metric == Metric::chebyshev ? greatest
                                               : std::sqrt(squares);
}

// Roundings of one subtraction, two products and D additions.
template <int D>
bool close(double distance, long double expected) {
  if (expected > std::numeric_limits<double>::max()) return distance >= 0x1.fffffffffffp1023;
  const long double error = std::fabs(distance - expected);
  return error <= expected * (D + 6) * 0x1p-53L || error <= 0x1p-1074L;
}

struct Found {
  std::uint64_t value;
  double distance;
  friend bool operator==(const Found&, const Found&) = default;
};

template <class T, class Fixture>
std::vector<Found> search(const Fixture& fixture, Isa isa, const Request& request,
                          std::size_t most) {
  const auto kernels = make_search_kernels<T>(fixture.layout, isa);
  Nearest<T, MemoryView> nearest(fixture.store.view(), fixture.layout, kernels, fixture.root,
                                 request);
  std::vector<Found> found;
  detail::NearestHits hits;
  while (found.size() < most && nearest.next(hits)) {
    for (std::size_t i = 0; i < hits.count && found.size() < most; ++i) {
      const auto& [blocks, entry, distance] = hits.hits[i];
      const std::uint64_t value = value_in<T>(blocks, fixture.layout, entry);
      for (std::size_t row = 0; row < fixture.layout.rows; ++row) {
        const T coordinate = row_in<T>(blocks, hits.block_bytes, row, entry);
        EXPECT_EQ(coordinate, fixture.entries[value].rows[row]);
      }
      found.push_back({value, distance});
    }
  }
  EXPECT_FALSE(nearest.failed());
  EXPECT_FALSE(nearest.out_of_memory());
  return found;
}

// A request without a maximum distance.
template <int D, class T, Shape S>
std::vector<Found> check_order(const SearchFixture<D, T, S>& fixture, const Request& request,
                               std::size_t most) {
  const T* target = static_cast<const T*>(request.target);
  std::vector<long double> expected;
  for (const auto& entry : fixture.entries) {
    expected.push_back(true_distance<D>(entry, target, request));
  }
  std::sort(expected.begin(), expected.end());
  expected.resize(std::min({expected.size(), most, static_cast<std::size_t>(request.limit)}));
  std::vector<Found> first;
  const auto check_found = [&](Isa isa) {
    const auto found = search<T>(fixture, isa, request, most);
    if (isa == Isa::baseline) {
      first = found;
    } else {
      ASSERT_EQ(found, first) << "instruction sets differ";
    }
    ASSERT_EQ(found.size(), expected.size());
    std::set<std::uint64_t> values;
    for (std::size_t i = 0; i < found.size(); ++i) {
      ASSERT_TRUE(values.insert(found[i].value).second) << "an entry came twice";
      ASSERT_TRUE(i == 0 || found[i - 1].distance <= found[i].distance);
      ASSERT_TRUE(close<D>(found[i].distance, expected[i]))
          << found[i].distance << " instead of " << static_cast<double>(expected[i]);
      ASSERT_TRUE(close<D>(found[i].distance,
                           true_distance<D>(fixture.entries[found[i].value], target, request)));
    }
  };
  for (const Isa isa : supported_isas()) check_found(isa);
  return first;
}

template <int D, class T, Shape S>
void check_query(const SearchFixture<D, T, S>& fixture, const T* target, std::uint64_t limit,
                 std::size_t most) {
  check_order(fixture, {.target = target, .limit = limit}, most);
}

template <int D, class T, Shape S>
void check_pattern(Pattern pattern, std::uint64_t seed, std::size_t count, Build build) {
  SCOPED_TRACE(testing::Message() << D << " dimensions of " << sizeof(T) << " bytes, "
                                  << (S == Shape::points ? "points" : "boxes") << ", "
                                  << to_string(pattern) << ", " << count << " entries");
  SearchFixture<D, T, S> fixture(pattern, seed, count, build);
  auto& generator = fixture.generator;
  for (int i = 0; i < 6; ++i) {
    const auto box = i % 2 == 0 ? Box<D, T>(generator.point())
                                : generator.spanning(generator.point(), generator.point());
    T target[2 * D];
    std::memcpy(target, box.data(), sizeof(target));
    for (const std::uint64_t limit : {std::uint64_t{1}, std::uint64_t{10}, std::uint64_t{100}}) {
      check_query(fixture, target, limit, count);
    }
    if (i < 2) {
      check_query(fixture, target, count, count);
      check_query(fixture, target, detail::kEndless, count + 1);
      check_query(fixture, target, detail::kEndless, 20);
    }
  }
}

TEST(Nearest, OrdersAsBruteForceDoes) {
  const std::uint64_t seed = test::test_seed("Nearest");
  for_all_schemas([seed]<int D, class T, Shape S>() {
    for (const Pattern pattern : test::kPatterns) {
      check_pattern<D, T, S>(pattern, seed, 1000, Build::bulk);
    }
  });
}

TEST(Nearest, OrdersAsBruteForceDoesInInsertedTrees) {
  const std::uint64_t seed = test::test_seed("Nearest");
  for_all_schemas([seed]<int D, class T, Shape S>() {
    for (const Pattern pattern : test::kPatterns) {
      check_pattern<D, T, S>(pattern, seed, 700, Build::inserts);
    }
  });
}

// The distances of hits, and numbers beside them, as maximum distances: what the whole order has up
// to there is what comes.
template <int D, class T, Shape S>
void check_maxima(SearchFixture<D, T, S>& fixture, Request request,
                  const std::vector<Found>& order) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<double> maxima = {0, kInfinity};
  for (int i = 0; i < 2 && !order.empty(); ++i) {
    const double at = order[fixture.generator.random().below(order.size())].distance;
    maxima.insert(maxima.end(), {at, std::nextafter(at, 0), std::nextafter(at, kInfinity), at / 2});
  }
  for (const double maximum : maxima) {
    std::size_t near = 0;
    while (near < order.size() && order[near].distance <= maximum) ++near;
    for (const std::uint64_t limit : {std::uint64_t{1}, std::uint64_t{20}, detail::kEndless}) {
      request.limit = limit;
      request.max_distance = maximum;
      for (const Isa isa : supported_isas()) {
        const auto found = search<T>(fixture, isa, request, order.size() + 1);
        ASSERT_EQ(found.size(), std::min<std::uint64_t>(near, limit)) << "within " << maximum;
        for (std::size_t i = 0; i < found.size(); ++i) {
          ASSERT_EQ(found[i].distance, order[i].distance);
        }
      }
    }
  }
}

// Weights of every size, and none at all.
inline double some_weight(test::Random& random) {
  switch (random.below(6)) {
    case 0: return 0;
    case 1: return 1;
    case 2: return std::scalbn(1 + random.unit(), static_cast<int>(random.below(2046)) - 1022);
    default: return random.unit() * 8;
  }
}

template <int D, class T, Shape S>
void check_metrics(Pattern pattern, std::uint64_t seed, std::size_t count) {
  SCOPED_TRACE(testing::Message() << D << " dimensions of " << sizeof(T) << " bytes, "
                                  << (S == Shape::points ? "points" : "boxes") << ", "
                                  << to_string(pattern) << ", " << count << " entries");
  SearchFixture<D, T, S> fixture(pattern, seed, count, Build::bulk);
  auto& generator = fixture.generator;
  double weights[D];
  Request requests[4];
  requests[1].metric = Metric::manhattan;
  requests[2].metric = Metric::chebyshev;
  requests[3].weights = weights;
  for (int i = 0; i < 8; ++i) {
    const auto box = i < 4 ? Box<D, T>(generator.point())
                           : generator.spanning(generator.point(), generator.point());
    for (double& weight : weights) weight = some_weight(generator.random());
    Request request = requests[i % 4];
    request.target = &box;
    for (const std::uint64_t limit : {std::uint64_t{1}, std::uint64_t{30}}) {
      request.limit = limit;
      check_order(fixture, request, count);
    }
    request.limit = detail::kEndless;
    const auto order = check_order(fixture, request, count + 1);
    if (!testing::Test::HasFailure()) check_maxima(fixture, request, order);
    if (testing::Test::HasFailure()) return;
  }
}

TEST(Nearest, OrdersAsBruteForceDoesInEveryMetric) {
  const std::uint64_t seed = test::test_seed("Nearest");
  for_all_schemas([seed]<int D, class T, Shape S>() {
    for (const Pattern pattern : test::kPatterns) {
      check_metrics<D, T, S>(pattern, seed, test::kSanitized ? 200 : 500);
    }
  });
}

// More entries than are ranked at once, so that the endless search and its end are tried.
TEST(Nearest, EndsAtTheMaximumDistanceOfALargeIndexInEveryMetric) {
  const std::uint64_t seed = test::test_seed("Nearest");
  for (const Pattern pattern : {Pattern::uniform, Pattern::grid, Pattern::clustered}) {
    check_metrics<2, double, Shape::boxes>(pattern, seed, 5000);
    check_metrics<5, float, Shape::points>(pattern, seed, 5000);
  }
}

// Weights of 1 are no weights, bit for bit.
TEST(Nearest, WeightsOfOneChangeNothing) {
  SearchFixture<3, double, Shape::boxes> fixture(Pattern::huge, test::test_seed("Nearest"), 700,
                                                 Build::bulk);
  const double ones[] = {1, 1, 1};
  for (int i = 0; i < 20; ++i) {
    const Box<3> target(fixture.generator.point());
    Request request{.target = &target};
    const auto plain = search<double>(fixture, best_isa(), request, 700);
    request.weights = ones;
    const auto weighted = search<double>(fixture, best_isa(), request, 700);
    ASSERT_EQ(plain.size(), weighted.size());
    for (std::size_t j = 0; j < plain.size(); ++j) {
      ASSERT_EQ(plain[j].distance, weighted[j].distance);
    }
  }
}

// A gap that has overflowed, times a weight of 0, must not become a NaN.
TEST(Nearest, LeavesOutAnAxisOfNoWeightHoweverFarItReaches) {
  SearchFixture<2, double, Shape::points> fixture(Pattern::identical, 1, 0, Build::bulk);
  for (std::uint64_t i = 0; i < 300; ++i) {
    const double x = i % 2 == 0 ? 1.5e308 : -1.5e308;
    fixture.entries.push_back({{x, static_cast<double>(i * 37 % 300)}, i});
  }
  ASSERT_TRUE(fixture.load());
  const double target[4] = {1.5e308, 100, 1.5e308, 100};
  const double weights[2] = {0, 1};
  for (const std::uint64_t limit : {std::uint64_t{10}, detail::kEndless}) {
    const auto found =
        check_order(fixture, {.target = target, .limit = limit, .weights = weights}, 300);
    ASSERT_GE(found.size(), 10u);
    EXPECT_EQ(found[0].distance, 0);
    EXPECT_EQ(found[2].distance, 1);
  }
}

TEST(Nearest, WorksAtEverySmallSize) {
  const std::uint64_t seed = test::test_seed("Nearest");
  for (std::size_t count = 0; count < 200; count += count < 20 ? 1 : 19) {
    check_pattern<2, double, Shape::boxes>(Pattern::uniform, seed, count, Build::bulk);
    check_pattern<3, float, Shape::points>(Pattern::grid, seed, count, Build::bulk);
  }
}

TEST(DistanceKernels, BoundAndRankAsSortingDoes) {
  test::Random random(test::test_seed("DistanceKernels"));
  const double infinity = std::numeric_limits<double>::infinity();
  for (int round = 0; round < 3000; ++round) {
    const auto count = static_cast<std::uint32_t>(random.between(1, kMostRanked));
    const auto wanted = static_cast<std::uint32_t>(random.between(1, count));
    const std::uint64_t values = random.one_in(2) ? 5 : 1'000'000'000;
    std::vector<double> distances(count);
    for (double& distance : distances) {
      distance = static_cast<double>(random.below(values)) * (round % 3 == 0 ? 1e-300 : 1e3);
      if (round % 7 == 0 && random.one_in(20)) distance = infinity;
    }
    std::vector<std::uint32_t> order(count);
    std::iota(order.begin(), order.end(), 0u);
    std::ranges::stable_sort(order, {}, [&](std::uint32_t place) { return distances[place]; });
    std::optional<double> first;
    for (const Isa isa : supported_isas()) {
      const auto kernels =
          make_search_kernels<double>(Layout(schema_of<2, double, Shape::points>()), isa);
      std::vector<double> padded = distances;
      padded.resize(kMostRanked + kDistanceLanes, -1);  // to be overlooked
      ASSERT_EQ(kernels.least_distance(padded.data(), count), order[0]);
      const double limit = distances[order[wanted - 1]];
      std::uint64_t mask = 0;
      kernels.mask_distances(padded.data(), count, limit, &mask);
      for (std::uint32_t i = 0; i < 64; ++i) {
        ASSERT_EQ(mask >> i & 1, i < count && distances[i] <= limit ? 1 : 0);
      }
      const double bound = kernels.bound_distances(padded.data(), count, wanted);
      ASSERT_GE(bound, limit);
      ASSERT_LE(bound, distances[order.back()]);
      ASSERT_EQ(bound, first.value_or(bound)) << "instruction sets differ";
      first = bound;
      std::vector<std::uint32_t> ranked(count);
      kernels.rank_distances(padded.data(), count, ranked.data());
      ASSERT_EQ(ranked, order);
    }
  }
}

TEST(Candidates, RankAsSortingDoes) {
  test::Random random(test::test_seed("Candidates"));
  const auto kernels = make_search_kernels<double>(Layout(schema_of<2, double, Shape::points>()),
                                                   best_isa());
  constexpr std::size_t kLeaves = 4;
  const std::vector<Node> leaves(kLeaves);
  const auto place_of = [&](std::size_t i) {
    return EntryPlace(leaves[i % kLeaves], i / kLeaves);
  };
  for (int round = 0; round < 3000; ++round) {
    const std::size_t count = random.between(1, 400);
    const std::size_t wanted = random.between(1, count);
    const double power = round % 4;  // from evenly spread to crowded near nothing
    std::vector<double> distances(count);
    for (double& distance : distances) {
      distance = std::pow(random.unit(), power * power + 1) * (round % 3 == 0 ? 1e-300 : 1e300);
      if (round % 5 == 0) distance = static_cast<double>(random.below(round % 2 == 0 ? 2 : 300));
      if (round % 7 == 0 && random.one_in(20)) distance = std::numeric_limits<double>::infinity();
    }
    Candidates candidates;
    ASSERT_TRUE(candidates.reserve(count));
    for (std::size_t i = 0; i < count; ++i) {
      candidates.grow_to(candidates.add(i, distances[i], place_of(i)));
    }
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, {}, [&](std::size_t place) { return distances[place]; });
    candidates.rank(kernels);
    ASSERT_EQ(candidates.size(), count);
    for (std::size_t rank = 0; rank < count; ++rank) {
      ASSERT_EQ(candidates.place(rank), place_of(order[rank])) << "of " << count;
      ASSERT_EQ(candidates.distance(rank), distances[order[rank]]);
    }
    candidates.drop_beyond(distances[order[wanted - 1]]);
    ASSERT_GE(candidates.size(), wanted);
  }
}

// More hits than are ranked at once: the search goes on as the endless one does.
TEST(Nearest, HonoursALimitTooLargeToRank) {
  SearchFixture<2, double, Shape::points> fixture(Pattern::uniform, 5, 12000, Build::bulk);
  const double target[4] = {500, 500, 500, 500};
  const std::uint64_t limit = Nearest<double, MemoryView>::kRankedLimit + 1000;
  check_query(fixture, target, limit, fixture.entries.size());
}

TEST(Nearest, GivesNothingForALimitOfNone) {
  SearchFixture<2, double, Shape::points> fixture(Pattern::uniform, 5, 100, Build::bulk);
  const double target[4] = {1, 1, 1, 1};
  EXPECT_TRUE(search<double>(fixture, best_isa(), {.target = target, .limit = 0}, 100).empty());
}

// Squares of these distances overflow or underflow, also beside ones that do neither.
TEST(Nearest, OrdersDistancesWhoseSquaresLeaveTheRangeOfDouble) {
  SearchFixture<2, double, Shape::points> fixture(Pattern::identical, 1, 0, Build::bulk);
  const int exponents = 2000;
  for (int i = 0; i < exponents; ++i) {
    const double x = std::scalbn(1.5, i - 1040);
    const double y = i % 3 == 0 ? x : 0;
    fixture.entries.push_back({{i % 2 == 0 ? x : -x, y}, static_cast<std::uint64_t>(i)});
  }
  ASSERT_TRUE(fixture.load());
  for (const double at : {0.0, 1e-200, -1.0, 1e250}) {
    const double target[4] = {at, 0, at, 0};
    // Of 500 the nearest leaf has too few, and there are leaves whose squares are infinite.
    for (const std::uint64_t limit :
         {std::uint64_t{1}, std::uint64_t{50}, std::uint64_t{500}, detail::kEndless}) {
      SCOPED_TRACE(testing::Message() << "at " << at << ", limit " << limit);
      check_query(fixture, target, limit, fixture.entries.size());
    }
  }
}

// The nearest leaf has too few entries for the limit, and there would be others beside it.
TEST(Nearest, ReadsNoNodeBeyondTheMaximumDistance) {
  struct View {
    std::size_t* nodes;
    const Node* node(Ref ref) const noexcept {
      ++*nodes;
      return MemoryView().node(ref);
    }
    void prefetch(Ref) const noexcept {}
  };
  SearchFixture<2, double, Shape::points> fixture(Pattern::uniform, 1, 4000, Build::bulk);
  const auto kernels = make_search_kernels<double>(fixture.layout, best_isa());
  const auto& entry = fixture.entries[0];
  const double target[4] = {entry.low(0), entry.low(1), entry.low(0), entry.low(1)};
  std::size_t nodes = 0;
  Nearest<double, View> nearest({&nodes}, fixture.layout, kernels, fixture.root,
                                {.target = target, .limit = 500, .max_distance = 0});
  detail::NearestHits hits;
  ASSERT_TRUE(nearest.next(hits));
  EXPECT_EQ(hits.count, 1u);
  EXPECT_FALSE(nearest.next(hits));
  EXPECT_LE(nodes, fixture.store.view().node(fixture.root.node)->level + 4u);
}

TEST(Nearest, StopsAndSaysSoWhenANodeCannotBeRead) {
  struct View {
    Ref failing;
    const Node* node(Ref ref) const noexcept {
      return ref == failing ? nullptr : MemoryView().node(ref);
    }
    void prefetch(Ref) const noexcept {}
  };
  SearchFixture<2, double, Shape::boxes> fixture(Pattern::uniform, 1, 4000, Build::bulk);
  const auto kernels = make_search_kernels<double>(fixture.layout, best_isa());
  const Node& top = *fixture.store.view().node(fixture.root.node);
  const double target[4] = {500, 500, 500, 500};
  for (const Ref failing : {fixture.root.node, child_ref(top, fixture.layout, top.count - 1)}) {
    // Ranked and not: a root that claims more entries lets the limit be more than is ranked.
    for (const std::uint64_t claimed : {std::uint64_t{4000}, std::uint64_t{5000}}) {
      Root root = fixture.root;
      root.entries = claimed;
      Nearest<double, View> nearest({failing}, fixture.layout, kernels, root,
                                    {.target = target});
      detail::NearestHits hits;
      std::size_t found = 0;
      while (nearest.next(hits)) found += hits.count;
      EXPECT_TRUE(nearest.failed());
      EXPECT_LT(found, fixture.entries.size());
      EXPECT_FALSE(nearest.next(hits));
    }
  }
}

TEST(NearQueue, GivesWhatWasPutInByGrowingDistance) {
  test::Random random(test::test_seed("NearQueue"));
  for (int round = 0; round < 300; ++round) {
    NearQueue<std::uint64_t, 8> queue;
    std::multiset<double> model;
    std::vector<double> distances;
    for (std::uint64_t step = 0; step < 200; ++step) {
      if (!model.empty() && random.one_in(round % 2 == 0 ? 2 : 4)) {
        ASSERT_EQ(queue.distance(), *model.begin());
        ASSERT_EQ(distances[queue.nearest()], *model.begin());
        queue.pop();
        model.erase(model.begin());
      } else {
        const auto distance = static_cast<double>(random.below(round % 3 == 0 ? 5 : 1'000'000));
        ASSERT_TRUE(queue.push(distance, distances.size()));
        distances.push_back(distance);
        model.insert(distance);
      }
      ASSERT_EQ(queue.empty(), model.empty());
    }
  }
}

TEST(SpillArray, KeepsItsElementsWhenItGrowsAndWhenItCannot) {
  SpillArray<int, 4> array;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(array.push(i));
  EXPECT_FALSE(array.reserve(std::numeric_limits<std::size_t>::max() / 2));
  ASSERT_EQ(array.size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(array[static_cast<std::size_t>(i)], i);
}

}  // namespace
}  // namespace xtree::index
