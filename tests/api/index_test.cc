#include "xtree/index.h"

#include <gtest/gtest.h>

#include <cmath>
#include <iterator>
#include <ranges>
#include <set>
#include <vector>

namespace xtree {
namespace {

struct Place {
  char name[52];
  std::int32_t population;
  std::uint64_t id;
};
static_assert(sizeof(Place) == 64);

TEST(Index, IsEmptyAtFirst) {
  Index<2> index;
  EXPECT_EQ(index.size().value(), 0u);
  EXPECT_EQ(index.count(everything()).value(), 0u);
  EXPECT_EQ(index.stats().value().height, 0u);
  EXPECT_TRUE(index.verify());
  EXPECT_EQ(index.count(nearest(Point<2>{0, 0}, 5)).value(), 0u);
  EXPECT_FALSE(index.erase({{0, 0}, {1, 1}}, 1).value());
  EXPECT_FALSE(index.update({{0, 0}, {1, 1}}, {{2, 2}, {3, 3}}, 1).value());
  EXPECT_TRUE(index.clear());
}

TEST(Index, FindsWhatWasPutIn) {
  Index<2> index;
  ASSERT_TRUE(index.insert({{0, 0}, {1, 1}}, 42));
  ASSERT_TRUE(index.insert(Point<2>{5, 5}, 43));
  const Box<2> window{{1, 1}, {2, 2}};
  std::vector<Index<2>::Hit> hits;
  ASSERT_TRUE(index.collect(intersects(window), hits));
  ASSERT_EQ(hits.size(), 1u);
  EXPECT_EQ(hits[0].value, 42u);
  EXPECT_EQ(hits[0].box, (Box<2>{{0, 0}, {1, 1}}));
  EXPECT_TRUE(index.erase(Point<2>{5, 5}, 43).value());
  EXPECT_EQ(index.size().value(), 1u);
}

TEST(Index, CursorIsAnInputRange) {
  Index<2> index;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(index.insert(Point<2>{i, i}, i));
  auto hits = index.query(nearest(Point<2>{0, 0}));
  static_assert(std::ranges::input_range<decltype(hits)>);
  std::vector<std::uint64_t> first;
  for (const auto& hit : hits | std::views::take(5)) first.push_back(hit.value);
  EXPECT_EQ(first, (std::vector<std::uint64_t>{0, 1, 2, 3, 4}));
}

TEST(Index, NearestGoesOnWhereItWasLeft) {
  Index<1> index;
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(index.insert(Point<1>{i}, i));
  auto hits = index.query(nearest(Point<1>{-1}));
  auto at = hits.begin();
  for (std::uint64_t i = 0; i < 500; ++i, ++at) {
    ASSERT_NE(at, hits.end());
    ASSERT_EQ(at->value, i);
    ASSERT_EQ(at->distance, static_cast<double>(i) + 1);
  }
  EXPECT_EQ(at, hits.end());
  EXPECT_TRUE(hits.status());
}

// Seven points around the origin whose distances are whole numbers in every metric.
Index<2> index_of_seven() {
  Index<2> index;
  const Point<2> points[] = {{0, 0}, {3, 4}, {-4, 3}, {0, 5}, {6, 0}, {-8, -6}, {0, 12}};
  for (std::uint64_t i = 0; i < std::size(points); ++i) {
    EXPECT_TRUE(index.insert(points[i], i));
  }
  return index;
}

template <class Query>
std::vector<std::pair<double, std::uint64_t>> answers(const Index<2>& index, const Query& query) {
  std::vector<std::pair<double, std::uint64_t>> found;
  auto hits = index.query(query);
  for (const auto& hit : hits) found.emplace_back(hit.distance, hit.value);
  EXPECT_TRUE(hits.status());
  std::sort(found.begin(), found.end());  // so that ties have an order
  return found;
}
using Answers = std::vector<std::pair<double, std::uint64_t>>;

TEST(Nearest, MeasuresInTheMetricThatIsAsked) {
  const Index<2> index = index_of_seven();
  const auto here = nearest(Point<2>{0, 0}, 5);
  EXPECT_EQ(answers(index, here), (Answers{{0, 0}, {5, 1}, {5, 2}, {5, 3}, {6, 4}}));
  EXPECT_EQ(answers(index, here.metric(Metric::manhattan)),
            (Answers{{0, 0}, {5, 3}, {6, 4}, {7, 1}, {7, 2}}));
  EXPECT_EQ(answers(index, here.metric(Metric::chebyshev)),
            (Answers{{0, 0}, {4, 1}, {4, 2}, {5, 3}, {6, 4}}));
  EXPECT_EQ(answers(index, here.metric(Metric::chebyshev).metric(Metric::euclidean)),
            answers(index, here));
  // Only the second axis counts, and fourfold in its square.
  EXPECT_EQ(answers(index, here.weighted({0, 4})),
            (Answers{{0, 0}, {0, 4}, {6, 2}, {8, 1}, {10, 3}}));
}

TEST(Nearest, MeasuresFromABoxToABox) {
  Index<2> index;
  ASSERT_TRUE(index.insert({{10, 0}, {12, 9}}, 1));
  ASSERT_TRUE(index.insert({{4, 7}, {5, 8}}, 2));
  const Box<2> target{{0, 1}, {1, 3}};
  EXPECT_EQ(answers(index, nearest(target)), (Answers{{5, 2}, {9, 1}}));
  EXPECT_EQ(answers(index, nearest(target).metric(Metric::manhattan)),
            (Answers{{7, 2}, {9, 1}}));
  EXPECT_EQ(answers(index, nearest(target).metric(Metric::chebyshev)),
            (Answers{{4, 2}, {9, 1}}));
  EXPECT_EQ(answers(index, nearest(target).weighted({1, 0})), (Answers{{3, 2}, {9, 1}}));
}

TEST(Nearest, TakesWhatLiesAtTheMaximumDistanceAndNothingBeyond) {
  const Index<2> index = index_of_seven();
  const auto here = nearest(Point<2>{0, 0});
  EXPECT_EQ(answers(index, here.within(5)), (Answers{{0, 0}, {5, 1}, {5, 2}, {5, 3}}));
  EXPECT_EQ(index.count(here.within(std::nextafter(5.0, 0))).value(), 1u);
  EXPECT_EQ(answers(index, here.within(0)), (Answers{{0, 0}}));
  EXPECT_EQ(index.count(nearest(Point<2>{0, 0}, 2).within(5)).value(), 2u);
  EXPECT_EQ(index.count(here.within(7).metric(Metric::manhattan)).value(), 5u);
  EXPECT_EQ(index.count(here.metric(Metric::chebyshev).within(5)).value(), 4u);
  EXPECT_EQ(index.count(here.weighted({0, 4}).within(8)).value(), 4u);
  EXPECT_EQ(index.count(nearest(Point<2>{100, 100}).within(1)).value(), 0u);
}

TEST(Nearest, AllThatCanBeAskedGoesTogether) {
  const Index<2> index = index_of_seven();
  const auto odd = satisfies([](const auto& hit) { return hit.value % 2 == 1; });
  const auto above = intersects(Box<2>{{-100, 1}, {100, 100}});
  const auto query = nearest(Point<2>{0, 0}, 1).metric(Metric::manhattan) && odd;
  EXPECT_EQ(answers(index, query), (Answers{{5, 3}}));
  EXPECT_EQ(answers(index, nearest(Box<2>{{0, 0}, {1, 1}}).within(6) && odd && above),
            (Answers{{std::sqrt(13.0), 1}, {4, 3}}));
  EXPECT_EQ(answers(index, query.within(4.5)), Answers{});
  EXPECT_EQ(index.count((query && above).weighted({1, 1}).metric(Metric::euclidean)).value(), 1u);
}

TEST(Index, HoldsValuesOfAnySizeUpToTheLimit) {
  Index<2, std::uint8_t> bytes;
  Index<3, float, float> floats;
  PointIndex<2, Place> places;
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(bytes.insert(Point<2>{i, 0}, static_cast<std::uint8_t>(i)));
    ASSERT_TRUE(floats.insert(Point<3, float>{i, 0, 0}, static_cast<float>(i) / 4));
    Place place{};
    place.name[0] = static_cast<char>('a' + i % 26);
    place.population = -i;
    place.id = static_cast<std::uint64_t>(i) << 40;
    ASSERT_TRUE(places.insert({i, i}, place));
  }
  EXPECT_TRUE(bytes.verify());
  EXPECT_TRUE(floats.verify());
  EXPECT_TRUE(places.verify());
  for (const auto& hit : bytes.query(intersects(Point<2>{299, 0}))) {
    EXPECT_EQ(hit.value, static_cast<std::uint8_t>(299));
  }
  for (const auto& hit : floats.query(nearest(Point<3, float>{7, 0, 0}, 1))) {
    EXPECT_EQ(hit.value, 1.75f);
  }
  std::size_t seen = 0;
  for (const auto& hit : places.query(intersects(Point<2>{27, 27}))) {
    EXPECT_EQ(hit.value.name[0], 'b');
    EXPECT_EQ(hit.value.population, -27);
    EXPECT_EQ(hit.value.id, std::uint64_t{27} << 40);
    ++seen;
  }
  EXPECT_EQ(seen, 1u);
}

TEST(Index, HoldsThirtyTwoDimensions) {
  Index<32> index;
  std::multiset<std::uint64_t> expected;
  for (int i = 0; i < 2000; ++i) {
    Box<32> box;
    for (std::size_t d = 0; d < 32; ++d) {
      box.min[d] = (i * 31 + static_cast<int>(d) * 17) % 100;
      box.max[d] = box.min[d] + 40;
    }
    ASSERT_TRUE(index.insert(box, i));
    if (box.min[31] <= 10) expected.insert(i);
  }
  Box<32> window;
  for (std::size_t d = 0; d < 32; ++d) window.max[d] = d == 31 ? 10 : 1000;
  std::multiset<std::uint64_t> found;
  for (const auto& hit : index.query(intersects(window))) found.insert(hit.value);
  EXPECT_EQ(found, expected);
  EXPECT_TRUE(index.verify());
}

TEST(Index, KeepsEqualEntriesApart) {
  Index<2> index;
  const Box<2> box{{1, 1}, {2, 2}};
  for (int i = 0; i < 700; ++i) ASSERT_TRUE(index.insert(box, 9));
  EXPECT_EQ(index.count(covers(Point<2>{1.5, 1.5})).value(), 700u);
  for (std::uint64_t left = 700; left > 0; --left) {
    ASSERT_EQ(index.size().value(), left);
    ASSERT_TRUE(index.erase(box, 9).value());
  }
  EXPECT_FALSE(index.erase(box, 9).value());
  EXPECT_EQ(index.size().value(), 0u);
  EXPECT_TRUE(index.verify());
}

TEST(Index, TakesNegativeZeroForZero) {
  Index<2> index;
  ASSERT_TRUE(index.insert({{-0.0, 0}, {0.0, 1}}, 1));
  EXPECT_EQ(index.count(intersects(Point<2>{0.0, 0.5})).value(), 1u);
  EXPECT_TRUE(index.erase({{0.0, -0.0}, {-0.0, 1}}, 1).value());
}

TEST(Index, TellsNeighbouringDoublesApart) {
  PointIndex<1> index;
  const double near = 16777216.0;
  ASSERT_TRUE(index.insert({near}, 1));
  ASSERT_TRUE(index.insert({near + 1}, 2));
  ASSERT_TRUE(index.insert({std::nextafter(near, 0.0)}, 3));
  for (const auto& hit : index.query(intersects(Point<1>{near}))) EXPECT_EQ(hit.value, 1u);
  EXPECT_EQ(index.count(intersects(Point<1>{near})).value(), 1u);
}

TEST(Index, AsksSatisfiesOnlyAboutEntriesInTheWindow) {
  Index<2> index;
  for (int i = 0; i < 400; ++i) ASSERT_TRUE(index.insert(Point<2>{i, 0}, i));
  std::uint64_t asked = 0;
  const auto even = [&asked](const auto& hit) {
    ++asked;
    return hit.value % 2 == 0;
  };
  const Box<2> window{{100, 0}, {109, 0}};
  EXPECT_EQ(index.count(within(window) && satisfies(even)).value(), 5u);
  EXPECT_EQ(asked, 10u);
}

TEST(Index, AnswersManyPredicatesOneAfterTheOther) {
  Index<2> index;
  std::vector<decltype(intersects(Box<2>()))> windows;
  const auto count = [&] {
    std::vector<std::uint64_t> counts;
    EXPECT_TRUE(index.for_each_of(windows, [&](std::size_t i, auto& hits) {
      EXPECT_EQ(i, counts.size());
      counts.push_back(0);
      hits.for_each([&](const auto& hit) {
        EXPECT_EQ(hit.value % 100, i);
        ++counts[i];
      });
    }));
    return counts;
  };
  EXPECT_TRUE(count().empty());
  for (int i = 0; i < 100; ++i) windows.push_back(intersects(Box<2>({i, 0}, {i + 0.5, 0})));
  EXPECT_EQ(count(), std::vector<std::uint64_t>(100));
  // From one leaf to some levels.
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_TRUE(index.insert(Point<2>{i % 100, i / 100 * (i % 3)}, i));
    if (i != 10 && i != 500 && i != 19'999) continue;
    std::vector<std::uint64_t> wanted;
    for (const auto& window : windows) wanted.push_back(index.count(window).value());
    EXPECT_EQ(count(), wanted);
  }
}

TEST(Index, BulkLoadAddsToWhatIsThere) {
  using Points = PointIndex<2>;
  Points index;
  ASSERT_TRUE(index.insert({-1, -1}, 1));
  std::vector<Points::Entry> entries;
  for (int i = 0; i < 5000; ++i) entries.push_back({{i % 71, i / 71}, std::uint64_t(i) + 2});
  ASSERT_TRUE(index.bulk_load(entries));
  ASSERT_TRUE(index.bulk_load({}));
  EXPECT_EQ(index.size().value(), 5001u);
  EXPECT_EQ(index.count(intersects(Point<2>{-1, -1})).value(), 1u);
  EXPECT_TRUE(index.verify());
}

// Parents come first, and hold what comes below them.
TEST(Index, ShowsEveryNodeOfItsTree) {
  Index<2> index;
  std::uint64_t nodes = 0;
  ASSERT_TRUE(index.for_each_node([&](const NodeInfo<2>&) { ++nodes; }));
  EXPECT_EQ(nodes, 0u);
  for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(index.insert(Point<2>{i * 7919 % 20'011, i}, i));
  const IndexStats stats = index.stats().value();
  ASSERT_GE(stats.height, 3u);
  std::vector<std::uint64_t> at_level(stats.height);
  std::vector<NodeInfo<2>> path(stats.height);
  std::uint64_t entries = 0;
  std::uint64_t children = 0;
  ASSERT_TRUE(index.for_each_node([&](const NodeInfo<2>& node) {
    ASSERT_LT(node.level, stats.height);
    ++at_level[node.level];
    (node.level == 0 ? entries : children) += node.count;
    EXPECT_FALSE(node.supernode);
    path[node.level] = node;
    if (node.level + 1 == stats.height) return;
    const Box<2, float>& parent = path[node.level + 1].box;
    for (std::size_t axis = 0; axis < 2; ++axis) {
      EXPECT_LE(parent.min[axis], node.box.min[axis]);
      EXPECT_LE(node.box.min[axis], node.box.max[axis]);
      EXPECT_GE(parent.max[axis], node.box.max[axis]);
    }
  }));
  EXPECT_EQ(at_level[0], stats.leaves);
  EXPECT_EQ(at_level.back(), 1u);
  EXPECT_EQ(entries, 20'000u);
  EXPECT_EQ(children + 1, stats.leaves + stats.directory_nodes);
}

TEST(Index, MovesAlongWithItsObject) {
  Index<2> index;
  ASSERT_TRUE(index.insert({{0, 0}, {1, 1}}, 42));
  Index<2> other = std::move(index);
  EXPECT_EQ(other.size().value(), 1u);
}

}  // namespace
}  // namespace xtree
