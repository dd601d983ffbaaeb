// Compares every form of every query with the model's answer.
#pragma once

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "support/generators.h"
#include "support/model.h"
#include "xtree/snapshot.h"

namespace xtree::test {

// An index, or a snapshot of one, with the same query forms.
template <class Index>
struct Newest {
  using IndexType = Index;
  const Index& index;
  template <class Q> auto query(const Q& q) const { return index.query(q); }
  template <class Q> auto count(const Q& q) const { return index.count(q); }
  template <class Q, class F>
  auto for_each(const Q& q, F&& f) const {
    return index.for_each(q, f);
  }
  template <class Q, class F> auto for_each_of(const Q& queries, F&& f) const {
    return index.for_each_of(queries, f);
  }
  template <class Q> auto collect(const Q& q, std::vector<typename Index::Hit>& hits) const {
    return index.collect(q, hits);
  }
  auto size() const { return index.size(); }
  auto stats() const { return index.stats(); }
  auto verify() const { return index.verify(); }
};

template <class Index>
struct Pinned {
  using IndexType = Index;
  const Snapshot& snapshot;
  const Index& index;
  template <class Q> auto query(const Q& q) const { return snapshot.query(index, q); }
  template <class Q> auto count(const Q& q) const { return snapshot.count(index, q); }
  template <class Q, class F> auto for_each(const Q& q, F&& f) const {
    return snapshot.for_each(index, q, f);
  }
  template <class Q, class F> auto for_each_of(const Q& queries, F&& f) const {
    return snapshot.for_each_of(index, queries, f);
  }
  template <class Q> auto collect(const Q& q, std::vector<typename Index::Hit>& hits) const {
    return snapshot.collect(index, q, hits);
  }
  auto size() const { return snapshot.size(index); }
  auto stats() const { return snapshot.stats(index); }
  auto verify() const { return snapshot.verify(index); }
};

template <class View>
class QueryCheck {
 public:
  using Index = typename View::IndexType;
  using Hit = typename Index::Hit;
  using T = typename Index::Scalar;
  static constexpr int D = Index::kDimensions;
  using ModelType = Model<Index>;
  using Item = typename ModelType::Item;
  using Box = xtree::Box<D, T>;

  QueryCheck(const View& view, const ModelType& model, Generator<D, T>& generator)
      : view_(view), model_(model), generator_(generator) {}

  // One query of every kind.
  void all() {
    const Box w = generator_.window();
    const Box v = generator_.window();
    const auto odd = [](const auto& item) { return item.value % 2 == 1; };
    window(intersects(w), [&](const Item& i) { return boxes_intersect(i.box, w); }, "intersects");
    window(within(w), [&](const Item& i) { return box_contains(w, i.box); }, "within");
    const Box inner = small_window();
    window(covers(inner), [&](const Item& i) { return box_contains(i.box, inner); }, "covers");
    window(overlaps(w), [&](const Item& i) { return boxes_overlap(i.box, w); }, "overlaps");
    window(disjoint(w), [&](const Item& i) { return !boxes_intersect(i.box, w); }, "disjoint");
    window(!within(w), [&](const Item& i) { return !box_contains(w, i.box); }, "not within");
    window(satisfies(odd), odd, "satisfies");
    window(intersects(w) && !intersects(v) && satisfies(odd),
           [&](const Item& i) {
             return boxes_intersect(i.box, w) && !boxes_intersect(i.box, v) && odd(i);
           },
           "intersects and not intersects and satisfies");
    window(within(w) && intersects(v),
           [&](const Item& i) { return box_contains(w, i.box) && boxes_intersect(i.box, v); },
           "within and intersects");
    const auto point = generator_.point();
    window(intersects(point), [&](const Item& i) { return boxes_intersect(i.box, Box(point)); },
           "intersects point");
    many([](const Box& box) { return intersects(box); });
    many([](const Box& box) { return overlaps(box); });
    nearest_kinds(odd);
  }

  // Everything that the index holds, and what it says about itself.
  void whole() {
    window(everything(), [](const Item&) { return true; }, "everything");
    const auto size = view_.size();
    ASSERT_TRUE(size) << size.error().message();
    EXPECT_EQ(*size, model_.size());
    const auto verified = view_.verify();
    ASSERT_TRUE(verified) << verified.error().message();
    const auto stats = view_.stats();
    ASSERT_TRUE(stats) << stats.error().message();
    check_stats(*stats);
  }

 private:
  template <class Query, class Reference>
  void window(const Query& query, const Reference& reference, const char* name) {
    SCOPED_TRACE(name);
    const std::vector<Item> expected = model_.matching(reference);
    std::vector<Hit> hits;
    const auto collected = view_.collect(query, hits);
    ASSERT_TRUE(collected) << collected.error().message();
    ASSERT_EQ(hits.size(), expected.size());
    ASSERT_TRUE(sorted_items(hits) == expected) << "other entries than brute force finds";

    const auto count = view_.count(query);
    ASSERT_TRUE(count) << count.error().message();
    ASSERT_EQ(*count, expected.size());

    auto cursor = view_.query(query);
    std::vector<Hit> from_cursor;
    for (const Hit& hit : cursor) from_cursor.push_back(hit);
    ASSERT_TRUE(cursor.status()) << cursor.status().error().message();
    ASSERT_TRUE(sorted_items(from_cursor) == expected) << "the cursor answers otherwise";
    stops_early(query, expected);
  }

  template <class Query>
  void stops_early(const Query& query, const std::vector<Item>& expected) {
    const std::size_t wanted = generator_.random().below(expected.size() + 2);
    std::vector<Hit> seen;
    const auto done = view_.for_each(query, [&](const Hit& hit) {
      seen.push_back(hit);
      return seen.size() < wanted;
    });
    ASSERT_TRUE(done) << done.error().message();
    ASSERT_EQ(seen.size(), std::min(std::max<std::size_t>(wanted, 1), expected.size()));
    const std::vector<Item> items = sorted_items(seen);
    EXPECT_TRUE(std::includes(expected.begin(), expected.end(), items.begin(), items.end()));
  }

  // Several predicates at once, whose hits are those of each by itself.
  template <class MakeQuery>
  void many(const MakeQuery& make_query) {
    SCOPED_TRACE("many at once");
    std::vector<decltype(make_query(Box()))> queries;
    std::vector<std::vector<Item>> expected;
    for (std::uint64_t i = generator_.random().below(20); i > 0; --i) {
      const bool small = generator_.random().one_in(2);
      queries.push_back(make_query(small ? small_window() : generator_.window()));
      std::vector<Hit> hits;
      ASSERT_TRUE(view_.collect(queries.back(), hits));
      expected.push_back(sorted_items(hits));
    }
    std::vector<std::vector<Hit>> found;
    const auto done = view_.for_each_of(queries, [&](std::size_t i, auto& hits) {
      ASSERT_EQ(i, found.size());  // each in its turn
      auto& own = found.emplace_back();
      hits.for_each([&](const Hit& hit) { own.push_back(hit); });
    });
    ASSERT_TRUE(done) << done.error().message();
    ASSERT_EQ(found.size(), queries.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      ASSERT_TRUE(sorted_items(found[i]) == expected[i]) << "of the one numbered " << i;
    }
    many_but_few_hits(queries, expected);
  }

  // Some hits of each, and not of all.
  template <class Query>
  void many_but_few_hits(const std::vector<Query>& queries,
                         const std::vector<std::vector<Item>>& expected) {
    const std::size_t wanted_hits = generator_.random().below(4);
    const std::size_t wanted = generator_.random().below(queries.size() + 2);
    std::size_t asked = 0;
    const auto done = view_.for_each_of(queries, [&](std::size_t i, auto& hits) {
      std::size_t seen = 0;
      if (wanted_hits != 0) hits.for_each([&](const Hit&) { return ++seen < wanted_hits; });
      EXPECT_EQ(seen, std::min(wanted_hits, expected[i].size()));
      return ++asked < wanted;
    });
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(asked, std::min(std::max<std::size_t>(wanted, 1), queries.size()));
  }

  template <class Filter>
  void nearest_kinds(const Filter& odd) {
    const auto any = [](const Item&) { return true; };
    const Box box = small_window();
    const auto point = generator_.point();
    const std::uint64_t n = model_.size();
    const std::uint64_t limits[] = {1, 10, n / 2, n + 5};
    const std::uint64_t k = limits[generator_.random().below(4)];
    near(nearest(point, k), Box(point), k, any, "nearest to a point");
    near(nearest(box, 7), box, 7, any, "nearest to a box");
    near(nearest(point), Box(point), n, any, "nearest without end");
    near(nearest(point, k) && satisfies(odd), Box(point), k, odd, "nearest that satisfy");
    near(nearest(box).metric(Metric::manhattan), box, n, any, "Manhattan", {Metric::manhattan, {}});
    near(nearest(point, k).metric(Metric::chebyshev) && satisfies(odd), Box(point), k, odd,
         "Chebyshev, that satisfy", {Metric::chebyshev, {}});
    Point<D> weights;
    for (int i = 0; i < D; ++i) weights[i] = static_cast<double>(generator_.random().below(4));
    near(nearest(box, k).weighted(weights), box, k, any, "weighted",
         {Metric::euclidean, weights});
    near_enough(nearest(point), any);
    near_enough(nearest(box).metric(Metric::manhattan), any);
    near_enough(nearest(box).metric(Metric::chebyshev) && satisfies(odd), odd);
    near_enough(nearest(point).weighted(weights) && satisfies(odd) && intersects(everywhere()),
                odd);
  }

  static Box everywhere() { return Generator<D, T>::everything(); }

  // A query without a limit, ended at the distance of one of its hits: as many of them come as
  // are at most that far. `near` compares the whole with brute force.
  template <class Query, class Reference>
  void near_enough(const Query& query, const Reference& reference) {
    std::vector<Hit> hits;
    const auto collected = view_.collect(query, hits);
    ASSERT_TRUE(collected) << collected.error().message();
    if (hits.empty()) return;
    const double most = hits[generator_.random().below(hits.size())].distance;
    std::size_t wanted = 0;
    for (const Hit& hit : hits) wanted += hit.distance <= most;
    std::size_t at = 0;
    auto cursor = view_.query(query.within(most));
    for (const Hit& hit : cursor) {
      ASSERT_LT(at, wanted) << "a hit at " << hit.distance << " beyond " << most;
      ASSERT_EQ(hit.distance, hits[at].distance);
      ASSERT_TRUE(reference(Item{hit.box, hit.value}));
      ++at;
    }
    ASSERT_TRUE(cursor.status()) << cursor.status().error().message();
    ASSERT_EQ(at, wanted);
  }

  template <class Query, class Reference>
  void near(const Query& query, const Box& target, std::uint64_t limit,
            const Reference& reference, const char* name, const Ruler<D>& ruler = {}) {
    SCOPED_TRACE(name);
    const std::vector<long double> expected = model_.distances(target, limit, reference, ruler);
    std::vector<Hit> hits;
    auto cursor = view_.query(query);
    for (const Hit& hit : cursor) hits.push_back(hit);
    ASSERT_TRUE(cursor.status()) << cursor.status().error().message();
    ASSERT_EQ(hits.size(), expected.size());
    for (std::size_t i = 0; i < hits.size(); ++i) {
      const long double distance = ruler(target, hits[i].box);
      ASSERT_TRUE(same_distance(hits[i].distance, distance))
          << hits[i].distance << " is said of an entry at " << distance;
      ASSERT_TRUE(same_distance(hits[i].distance, expected[i]))
          << "hit " << i << " at " << hits[i].distance << ", brute force " << expected[i];
      if (i != 0) {
        ASSERT_GE(hits[i].distance, hits[i - 1].distance) << "hit " << i;
      }
      ASSERT_TRUE(reference(Item{hits[i].box, hits[i].value})) << "hit " << i;
    }
    const std::vector<Item> items = sorted_items(hits);
    const std::vector<Item> all = model_.sorted();
    EXPECT_TRUE(std::includes(all.begin(), all.end(), items.begin(), items.end()));
    const auto count = view_.count(query);
    ASSERT_TRUE(count) << count.error().message();
    EXPECT_EQ(*count, expected.size());
  }

  // Distances are computed in double. Their squares lose what lies below the smallest double.
  static bool same_distance(double said, long double exact) {
    const long double slack = exact * 1e-12L + 1e-160L;
    return said >= exact - slack && said <= exact + slack;
  }

  static std::vector<Item> sorted_items(const std::vector<Hit>& hits) {
    std::vector<Item> items;
    for (const Hit& hit : hits) items.push_back({hit.box, hit.value});
    std::sort(items.begin(), items.end());
    return items;
  }

  Box small_window() {
    if (model_.size() != 0 && generator_.random().one_in(2)) {
      return model_.items()[generator_.random().below(model_.size())].box;
    }
    return generator_.random().one_in(2) ? generator_.box() : Box(generator_.point());
  }

  void check_stats(const IndexStats& stats) {
    EXPECT_EQ(stats.entries, model_.size());
    EXPECT_EQ(stats.height == 0, model_.size() == 0);
    EXPECT_EQ(stats.leaves == 0, model_.size() == 0);
    EXPECT_EQ(stats.directory_nodes == 0, stats.height <= 1);
    EXPECT_LE(stats.supernodes, stats.directory_nodes);
    EXPECT_LE(stats.leaves, stats.entries);
    EXPECT_GE(stats.leaf_fill, 0.0);
    EXPECT_LE(stats.leaf_fill, 1.0);
    EXPECT_GE(stats.node_bytes,
              stats.entries * sizeof(Item) / (Index::kShape == Shape::points ? 2 : 1));
  }

  const View& view_;
  const ModelType& model_;
  Generator<D, T>& generator_;
};

}  // namespace xtree::test
