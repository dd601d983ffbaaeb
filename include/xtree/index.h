// Index: boxes or points with values, in memory or in a database, behind one interface.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "xtree/cursor.h"
#include "xtree/detail/engine.h"
#include "xtree/geometry.h"
#include "xtree/metrics.h"
#include "xtree/query.h"
#include "xtree/result.h"

namespace xtree {

class Database;
class Snapshot;

// True for types without padding, whose bytes are their value. The language cannot tell for
// structures that hold floating-point members: specialise it for yours.
template <class V>
inline constexpr bool kPaddingFree =
    std::has_unique_object_representations_v<V> || std::is_floating_point_v<V>;

template <class V>
concept IndexValue =
    std::is_trivially_copyable_v<V> && sizeof(V) <= kMaxValueBytes && kPaddingFree<V>;

// One entry, as `bulk_load` takes it.
template <int D, IndexValue V = std::uint64_t, Coordinate T = double, Shape S = Shape::boxes>
struct Entry {
  std::conditional_t<S == Shape::points, Point<D, T>, Box<D, T>> geometry;
  V value;
};

namespace detail {

template <int D, class V, Coordinate T, Shape S>
constexpr Schema schema_of() noexcept {
  return {D, sizeof(T) == 4 ? ScalarType::float32 : ScalarType::float64, S,
          static_cast<std::uint16_t>(sizeof(V))};
}

// The query forms that an index and a snapshot of it share.
template <int D, class V, class T, Shape S>
struct Queries {
  template <class Query>
  using Scan = typename ScanFor<D, V, T, S, Query>::type;

  template <class Query, class F>
  [[gnu::always_inline]] static Result<void> for_each(const IndexCore& core,
                                                      const SnapshotCore* snapshot,
                                                      const Query& query, F&& visit) {
    Scan<Query> scan(core, snapshot, query);
    scan.visit_all(
        [&](const Hit<D, V, T>& hit) { return goes_on([&] { return visit(hit); }); });
    return scan.status();
  }

  template <PredicateArray Predicates, class F>
  static Result<void> for_each_of(const IndexCore& core, const SnapshotCore* snapshot,
                                  const Predicates& predicates, F&& visit) {
    using P = ElementOf<Predicates>;
    const std::span<const P> all(std::data(predicates), std::size(predicates));
    for (const P& predicate : all) {
      if (!predicate.valid()) return refused_predicate();
    }
    return WindowScans<D, V, T, S, P>(core, snapshot).visit_all(all, std::forward<F>(visit));
  }

  template <class Query>
  static Result<std::uint64_t> count(const IndexCore& core, const SnapshotCore* snapshot,
                                     const Query& query) {
    if constexpr (Predicate<Query>) {
      if constexpr (Query::kExact) {
        if (!query.valid()) {
          return Error(ErrorCode::invalid_argument, "query", "a box is inverted or holds NaN");
        }
        Window<T> window;
        open_window(window, D);
        query.narrow(window);
        return core.count(snapshot, &window);
      }
    }
    std::uint64_t hits = 0;
    if (auto done = for_each(core, snapshot, query, [&](const auto&) { ++hits; }); !done) {
      return done.error();
    }
    return hits;
  }

  template <class Query>
  static Result<void> collect(const IndexCore& core, const SnapshotCore* snapshot,
                              const Query& query, std::vector<Hit<D, V, T>>& hits) {
    return for_each(core, snapshot, query, [&](const auto& hit) { hits.push_back(hit); });
  }
};

}  // namespace detail

// A spatial index over entries, each a box (or a point) in D dimensions and a value.
//
//   xtree::Index<2> cache;                                   // in memory, 64-bit ids
//   cache.insert({{0, 0}, {1, 1}}, 42).value();
//   for (const auto& hit : cache.query(xtree::intersects(window))) use(hit.box, hit.value);
//
//   auto roads = db.index<2>("roads").value();               // the same, durable
//
// The same entry may be there any number of times. Entries are equal when their coordinates and the
// bytes of their values are.
//
// Threads. In memory: any number of readers, or one writer. Durable: any thread, any time; a reader
// sees the newest published state and never waits for a writer.
//
// Errors. NaN, infinite and inverted boxes are refused with `invalid_argument` and nothing is
// changed. In memory the only other error is `out_of_memory`, which changes nothing either (but
// see `bulk_load`). A durable write that fails for the disk's sake poisons its database: see
// Database.
//
// Lifetime. An index in memory dies with this object. An object for a durable index is a handle
// that keeps its database's memory alive; after `Database::close` it answers `closed`.
template <int D, IndexValue V = std::uint64_t, Coordinate T = double, Shape S = Shape::boxes>
class Index {
 public:
  using Scalar = T;
  using Value = V;
  using Geometry = std::conditional_t<S == Shape::points, Point<D, T>, Box<D, T>>;
  using Entry = xtree::Entry<D, V, T, S>;
  using Hit = xtree::Hit<D, V, T>;
  static constexpr int kDimensions = D;
  static constexpr Shape kShape = S;

  // An empty index in memory.
  Index() : core_(detail::make_memory_index(detail::schema_of<D, V, T, S>()).value()) {}

  Result<void> insert(const Geometry& geometry, const V& value) {
    return core_->insert(&geometry, &value);
  }
  Result<void> insert(const Point<D, T>& point, const V& value)
    requires(S == Shape::boxes)
  {
    return insert(Geometry(point), value);
  }
  // Takes out one entry that equals this one; false when there is none.
  Result<bool> erase(const Geometry& geometry, const V& value) {
    return core_->erase(&geometry, &value);
  }
  Result<bool> erase(const Point<D, T>& point, const V& value)
    requires(S == Shape::boxes)
  {
    return erase(Geometry(point), value);
  }
  // Moves one entry that equals (from, value) to another place; false when there is none.
  Result<bool> update(const Geometry& from, const Geometry& to, const V& value) {
    return core_->update(&from, &to, &value);
  }
  // Adds all entries, much faster than one by one, and as a better tree when the index was empty.
  // All or nothing: a refused entry leaves the index as it was. (In memory, an index that was not
  // empty may keep some of them where there is no memory for all nor to take these out again; the
  // message of `out_of_memory` says so.) Into an empty index, any number of threads load together;
  // while it runs, it takes 8 (D + 1) bytes of memory for each entry beside the nodes.
  Result<void> bulk_load(std::span<const Entry> entries, const BulkLoadOptions& options = {}) {
    if (entries.empty()) return {};
    return core_->bulk_load(
        {&entries[0].geometry, &entries[0].value, sizeof(Entry), entries.size()}, options);
  }
  Result<void> clear() { return core_->clear(); }

  // The hits as a range. `query` is a predicate or `nearest(...)`.
  template <class Query>
  [[nodiscard]] auto query(const Query& query) const {
    return Cursor<typename Queries::template Scan<Query>>(*core_, nullptr, query);
  }
  // Calls `visit(hit)` for every hit: the fastest form. When `visit` returns bool, false stops.
  template <class Query, class F>
  [[gnu::always_inline]] Result<void> for_each(const Query& query, F&& visit) const {
    return Queries::for_each(*core_, nullptr, query, std::forward<F>(visit));
  }
  // Asks many predicates at once, which are in a vector, an array or a span:
  //
  //   index.for_each_of(windows, [&](std::size_t i, auto& hits) {
  //     hits.for_each([&](const auto& hit) { found[i].push_back(hit.value); });
  //   });
  //
  // `visit(i, hits)` is called for each in turn, also for one that has no hits; when it returns
  // bool, false stops all. Small windows in a large index take less time so than one by one, and
  // much less where nodes have to come from disk, as several wait for theirs at once. All see the
  // same state. Where one is refused nothing is visited; after an error of reading, hits that were
  // visited are right, but not all. Takes 36 KiB of the stack.
  template <detail::PredicateArray Predicates, class F>
  Result<void> for_each_of(const Predicates& predicates, F&& visit) const {
    return Queries::for_each_of(*core_, nullptr, predicates, std::forward<F>(visit));
  }
  template <class Query>
  [[nodiscard]] Result<std::uint64_t> count(const Query& query) const {
    return Queries::count(*core_, nullptr, query);
  }
  // Appends the hits to `hits`.
  template <class Query>
  Result<void> collect(const Query& query, std::vector<Hit>& hits) const {
    return Queries::collect(*core_, nullptr, query, hits);
  }

  // Entries in the index.
  [[nodiscard]] Result<std::uint64_t> size() const { return core_->size(nullptr); }
  [[nodiscard]] Result<IndexStats> stats() const { return core_->stats(nullptr); }
  // Walks the whole tree and checks every invariant of its structure; `corruption` names the first
  // that does not hold.
  Result<void> verify() const { return core_->verify(nullptr); }

  // Calls `visit(const NodeInfo<D>&)` for every node of the tree, parents before their children:
  // for those who want to see how boxes overlap.
  template <class F>
  Result<void> for_each_node(F&& visit) const {
    auto show = [&visit](const detail::NodeOutline& node) {
      NodeInfo<D> info{node.level, node.count, node.supernode, {}};
      for (std::size_t axis = 0; axis < D; ++axis) {
        info.box.min[axis] = node.box[axis];
        info.box.max[axis] = node.box[D + axis];
      }
      visit(static_cast<const NodeInfo<D>&>(info));
    };
    return core_->for_each_node(nullptr, detail::NodeVisitor::of(show));
  }

  [[nodiscard]] const detail::IndexCore& core() const noexcept { return *core_; }

 private:
  friend class Database;
  friend class Snapshot;
  using Queries = detail::Queries<D, V, T, S>;

  explicit Index(std::shared_ptr<detail::IndexCore> core) noexcept : core_(std::move(core)) {}

  std::shared_ptr<detail::IndexCore> core_;
};

// An index of points, in half the space.
template <int D, IndexValue V = std::uint64_t, Coordinate T = double>
using PointIndex = Index<D, V, T, Shape::points>;

}  // namespace xtree
