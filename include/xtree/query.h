// Predicates: what a query asks of an entry. They combine with && and !, and compile to one loop.
#pragma once

#include <cstdint>
#include <iterator>
#include <limits>
#include <type_traits>
#include <utility>

#include "xtree/detail/engine.h"
#include "xtree/geometry.h"

namespace xtree {

// An entry that answers a query. `distance` is 0 unless the query asked for the nearest; then it is
// the distance between the target and the entry's box in the query's metric, 0 where they touch.
template <int D, class V, Coordinate T>
struct Hit {
  Box<D, T> box;
  V value;
  double distance = 0;
};

namespace detail {

// Every predicate has three faces. `valid()`: its boxes hold no NaN and are not inverted.
// `narrow(window)`: cuts from the window what cannot answer, which steers the walk through the
// tree. `test(hit)`: the whole question, asked of one entry; needless inside the window when
// kExact says that the window alone decides.
struct PredicateTag {};

template <class P>
concept Predicate = std::is_base_of_v<PredicateTag, P>;

template <class A>
using ElementOf = std::remove_cvref_t<decltype(*std::data(std::declval<const A&>()))>;
template <class A>
concept PredicateArray =
    requires(const A& array) { std::size(array); } && Predicate<ElementOf<A>>;

template <int D, class T>
constexpr bool is_ordered(const Box<D, T>& box) noexcept {
  for (int i = 0; i < D; ++i) {
    if (!(box.min[i] <= box.max[i])) return false;  // NaN fails too
  }
  return true;
}

template <class T>
constexpr void raise(T& bound, T to) noexcept {
  if (to > bound) bound = to;
}
template <class T>
constexpr void lower(T& bound, T to) noexcept {
  if (to < bound) bound = to;
}

template <int D, class T>
struct Intersects : PredicateTag {
  static constexpr bool kExact = true;
  Box<D, T> box;
  constexpr explicit Intersects(const Box<D, T>& b) noexcept : box(b) {}
  [[nodiscard]] constexpr bool valid() const noexcept { return is_ordered(box); }
  constexpr void narrow(Window<T>& window) const noexcept {
    for (int i = 0; i < D; ++i) {
      lower(window.low_max[i], box.max[i]);
      raise(window.high_min[i], box.min[i]);
    }
  }
  template <class H>
  [[nodiscard]] constexpr bool test(const H& hit) const noexcept {
    for (int i = 0; i < D; ++i) {
      if (hit.box.min[i] > box.max[i] || hit.box.max[i] < box.min[i]) return false;
    }
    return true;
  }
};

template <int D, class T>
struct Within : PredicateTag {
  static constexpr bool kExact = true;
  Box<D, T> box;
  constexpr explicit Within(const Box<D, T>& b) noexcept : box(b) {}
  [[nodiscard]] constexpr bool valid() const noexcept { return is_ordered(box); }
  constexpr void narrow(Window<T>& window) const noexcept {
    for (int i = 0; i < D; ++i) {
      raise(window.low_min[i], box.min[i]);
      lower(window.high_max[i], box.max[i]);
    }
  }
  template <class H>
  [[nodiscard]] constexpr bool test(const H& hit) const noexcept {
    for (int i = 0; i < D; ++i) {
      if (hit.box.min[i] < box.min[i] || hit.box.max[i] > box.max[i]) return false;
    }
    return true;
  }
};

template <int D, class T>
struct Covers : PredicateTag {
  static constexpr bool kExact = true;
  Box<D, T> box;
  constexpr explicit Covers(const Box<D, T>& b) noexcept : box(b) {}
  [[nodiscard]] constexpr bool valid() const noexcept { return is_ordered(box); }
  constexpr void narrow(Window<T>& window) const noexcept {
    for (int i = 0; i < D; ++i) {
      lower(window.low_max[i], box.min[i]);
      raise(window.high_min[i], box.max[i]);
    }
  }
  template <class H>
  [[nodiscard]] constexpr bool test(const H& hit) const noexcept {
    for (int i = 0; i < D; ++i) {
      if (hit.box.min[i] > box.min[i] || hit.box.max[i] < box.max[i]) return false;
    }
    return true;
  }
};

template <int D, class T>
struct Overlaps : PredicateTag {
  static constexpr bool kExact = false;
  Box<D, T> box;
  constexpr explicit Overlaps(const Box<D, T>& b) noexcept : box(b) {}
  [[nodiscard]] constexpr bool valid() const noexcept { return is_ordered(box); }
  constexpr void narrow(Window<T>& window) const noexcept { Intersects<D, T>(box).narrow(window); }
  template <class H>
  [[nodiscard]] constexpr bool test(const H& hit) const noexcept {
    for (int i = 0; i < D; ++i) {
      if (hit.box.min[i] >= box.max[i] || hit.box.max[i] <= box.min[i]) return false;
    }
    return !Within<D, T>(box).test(hit) && !Covers<D, T>(box).test(hit);
  }
};

template <class F>
struct Satisfies : PredicateTag {
  static constexpr bool kExact = false;
  F function;
  constexpr explicit Satisfies(F f) : function(std::move(f)) {}
  [[nodiscard]] constexpr bool valid() const noexcept { return true; }
  template <class T>
  constexpr void narrow(Window<T>&) const noexcept {}
  template <class H>
  [[nodiscard]] constexpr bool test(const H& hit) const {
    return static_cast<bool>(function(hit));
  }
};

template <class P>
struct Not : PredicateTag {
  static constexpr bool kExact = false;
  P operand;
  constexpr explicit Not(P p) : operand(std::move(p)) {}
  [[nodiscard]] constexpr bool valid() const noexcept { return operand.valid(); }
  template <class T>
  constexpr void narrow(Window<T>&) const noexcept {}
  template <class H>
  [[nodiscard]] constexpr bool test(const H& hit) const {
    return !operand.test(hit);
  }
};

template <class P, class H>
[[nodiscard]] constexpr bool test_rest(const P& predicate, const H& hit);

template <class A, class B>
struct And : PredicateTag {
  static constexpr bool kExact = A::kExact && B::kExact;
  A left;
  B right;
  constexpr And(A a, B b) : left(std::move(a)), right(std::move(b)) {}
  [[nodiscard]] constexpr bool valid() const noexcept { return left.valid() && right.valid(); }
  template <class T>
  constexpr void narrow(Window<T>& window) const noexcept {
    left.narrow(window);
    right.narrow(window);
  }
  template <class H>
  [[nodiscard]] constexpr bool test(const H& hit) const {
    return left.test(hit) && right.test(hit);
  }
  template <class H>
  [[nodiscard]] constexpr bool rest(const H& hit) const {
    return test_rest(left, hit) && test_rest(right, hit);
  }
};

// What the window left open of a predicate.
template <class P, class H>
[[nodiscard]] constexpr bool test_rest(const P& predicate, const H& hit) {
  if constexpr (P::kExact) {
    return true;
  } else if constexpr (requires { predicate.rest(hit); }) {
    return predicate.rest(hit);
  } else {
    return predicate.test(hit);
  }
}

struct Everything : PredicateTag {
  static constexpr bool kExact = true;
  [[nodiscard]] constexpr bool valid() const noexcept { return true; }
  template <class T>
  constexpr void narrow(Window<T>&) const noexcept {}
  template <class H>
  [[nodiscard]] constexpr bool test(const H&) const noexcept {
    return true;
  }
};

// Nearest is not a predicate on one entry, but an order with a limit, and a filter beside it.
template <int D, class T, class Filter>
class NearestQuery {
 public:
  constexpr NearestQuery(const Box<D, T>& target, std::uint64_t limit, Filter filter)
      : target_(target), limit_(limit), filter_(std::move(filter)) {}

  // Only entries that are at most so far away, in the metric's own unit; those at exactly that
  // distance too. 0 leaves what touches the target. Refused when it is negative or NaN.
  [[nodiscard]] constexpr NearestQuery within(double max_distance) const {
    NearestQuery query = *this;
    query.max_distance_ = max_distance;
    return query;
  }
  // Measures otherwise than in Euclid's way.
  [[nodiscard]] constexpr NearestQuery metric(Metric metric) const {
    NearestQuery query = *this;
    query.metric_ = metric;
    return query;
  }
  // The square root of the sum of the gaps' squares, each times its axis's weight. An axis of
  // weight 0 does not count. Refused when a weight is negative, infinite or NaN, or the metric is
  // another than the Euclidean.
  [[nodiscard]] constexpr NearestQuery weighted(const Point<D, double>& weights) const {
    NearestQuery query = *this;
    query.weights_ = weights;
    query.is_weighted_ = true;
    return query;
  }

  // The nearest that satisfy `predicate` too.
  template <Predicate P>
  [[nodiscard]] friend constexpr auto operator&&(const NearestQuery& query, P predicate) {
    if constexpr (std::is_same_v<Filter, Everything>) {
      return query.filtered(std::move(predicate));
    } else {
      return query.filtered(And<Filter, P>(query.filter_, std::move(predicate)));
    }
  }

  [[nodiscard]] constexpr const Box<D, T>& target() const noexcept { return target_; }
  [[nodiscard]] constexpr std::uint64_t limit() const noexcept { return limit_; }
  [[nodiscard]] constexpr const Filter& filter() const noexcept { return filter_; }
  // What the engine is asked. A filter may refuse any number of entries, so then it must be ready
  // to go on. Refers to this query.
  [[nodiscard]] NearestRequest request() const noexcept {
    constexpr bool kFiltered = !std::is_same_v<Filter, Everything>;
    return {&target_, kFiltered ? kEndless : limit_, max_distance_, metric_,
            is_weighted_ ? weights_.data() : nullptr};
  }

 private:
  template <int, class, class>
  friend class NearestQuery;

  template <class P>
  [[nodiscard]] constexpr NearestQuery<D, T, P> filtered(P predicate) const {
    NearestQuery<D, T, P> query(target_, limit_, std::move(predicate));
    query.max_distance_ = max_distance_;
    query.metric_ = metric_;
    query.is_weighted_ = is_weighted_;
    query.weights_ = weights_;
    return query;
  }

  Box<D, T> target_;
  std::uint64_t limit_;
  Filter filter_;
  double max_distance_ = std::numeric_limits<double>::infinity();
  Metric metric_ = Metric::euclidean;
  bool is_weighted_ = false;
  Point<D, double> weights_;
};

// The operators stand beside their operands' types, where the language looks for them.
template <Predicate A, Predicate B>
[[nodiscard]] constexpr auto operator&&(A left, B right) {
  return And<A, B>(std::move(left), std::move(right));
}
template <Predicate P>
[[nodiscard]] constexpr auto operator!(P operand) {
  return Not<P>(std::move(operand));
}

template <Coordinate T>
constexpr void open_window(Window<T>& window, int dimensions) noexcept {
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  for (int i = 0; i < dimensions; ++i) {
    window.low_min[i] = window.high_min[i] = -kInfinity;
    window.low_max[i] = window.high_max[i] = kInfinity;
  }
}

}  // namespace detail

// The predicates. Boxes are closed: touching is intersecting. Queries accept infinite bounds; a NaN
// or an inverted box makes the query fail with `invalid_argument`.

// The entry and `box` share at least one point.
template <int D, class T>
[[nodiscard]] constexpr auto intersects(const Box<D, T>& box) noexcept {
  return detail::Intersects<D, T>(box);
}
template <int D, class T>
[[nodiscard]] constexpr auto intersects(const Point<D, T>& point) noexcept {
  return detail::Intersects<D, T>(Box<D, T>(point));
}

// The entry lies in `box`, borders included.
template <int D, class T>
[[nodiscard]] constexpr auto within(const Box<D, T>& box) noexcept {
  return detail::Within<D, T>(box);
}

// `box` lies in the entry, borders included.
template <int D, class T>
[[nodiscard]] constexpr auto covers(const Box<D, T>& box) noexcept {
  return detail::Covers<D, T>(box);
}
template <int D, class T>
[[nodiscard]] constexpr auto covers(const Point<D, T>& point) noexcept {
  return detail::Covers<D, T>(Box<D, T>(point));
}

// Their interiors share points, and neither lies in the other.
template <int D, class T>
[[nodiscard]] constexpr auto overlaps(const Box<D, T>& box) noexcept {
  return detail::Overlaps<D, T>(box);
}

// They share no point. This visits the whole index.
template <int D, class T>
[[nodiscard]] constexpr auto disjoint(const Box<D, T>& box) noexcept {
  return detail::Not(detail::Intersects<D, T>(box));
}

// `function(hit)` is true; the hit is complete but for its distance. It must not change the index.
template <class F>
[[nodiscard]] constexpr auto satisfies(F function) {
  return detail::Satisfies<F>(std::move(function));
}

// Every entry.
[[nodiscard]] constexpr auto everything() noexcept { return detail::Everything(); }

// The `limit` entries nearest to a point or box, by growing distance between boxes; ties come in
// any order. Without a limit the cursor goes on for as long as it is asked. All that can be added
// goes together, and with every target:
//
//   nearest(here, 10) && satisfies(is_open)      // the nearest that satisfy a predicate
//   nearest(here).within(2.5)                    // all that are at most so far away
//   nearest(here, 10).metric(Metric::manhattan)  // other distances; xtree/options.h has them
//   nearest(here, 10).weighted({1, 4})           // Euclidean, with a weight for each axis
//
// A distance is in the metric's own unit: that of the coordinates, but for the weighted one, which
// is scaled by the roots of the weights.
template <int D, class T>
[[nodiscard]] constexpr auto nearest(const Box<D, T>& target,
                                     std::uint64_t limit = detail::kEndless) noexcept {
  return detail::NearestQuery<D, T, detail::Everything>(target, limit, {});
}
template <int D, class T>
[[nodiscard]] constexpr auto nearest(const Point<D, T>& target,
                                     std::uint64_t limit = detail::kEndless) noexcept {
  return nearest(Box<D, T>(target), limit);
}
}  // namespace xtree
