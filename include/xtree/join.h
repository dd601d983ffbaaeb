// Spatial join: all pairs of entries of two indexes whose boxes intersect.
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "xtree/index.h"
#include "xtree/snapshot.h"

namespace xtree {

// An index of a database as it was in a snapshot, as one side of a join.
//
//   xtree::join(xtree::AsOf(roads, snapshot), xtree::AsOf(parcels, snapshot), visit);
//
// It refers to both and lives no longer than either.
template <class I>
struct AsOf {
  AsOf(const I& in, const Snapshot& at) noexcept : index(in), snapshot(at) {}

  const I& index;
  const Snapshot& snapshot;
};

namespace detail {

// What a join wants to know of one side.
template <class Side>
struct JoinSide;

template <int D, class V, class T, Shape S>
struct JoinSide<Index<D, V, T, S>> {
  using Decoder = LeafDecoder<D, V, T, S>;
  using HitType = Hit<D, V, T>;
  using Scalar = T;
  static constexpr int kDimensions = D;

  static const IndexCore& core(const Index<D, V, T, S>& side) noexcept { return side.core(); }
  static const SnapshotCore* snapshot(const Index<D, V, T, S>&) noexcept { return nullptr; }
};

template <class I>
struct JoinSide<AsOf<I>> : JoinSide<I> {
  static const IndexCore& core(const AsOf<I>& side) noexcept { return side.index.core(); }
  static const SnapshotCore* snapshot(const AsOf<I>& side) noexcept {
    return &side.snapshot.core();
  }
};

template <class A, class B>
Result<std::unique_ptr<JoinCore>> begin_join(const A& a, const B& b) {
  static_assert(JoinSide<A>::kDimensions == JoinSide<B>::kDimensions,
                "indexes of different dimensions cannot be joined");
  static_assert(std::is_same_v<typename JoinSide<A>::Scalar, typename JoinSide<B>::Scalar>,
                "indexes of different coordinate types cannot be joined");
  return JoinCore::begin(JoinSide<A>::core(a), JoinSide<A>::snapshot(a), JoinSide<B>::core(b),
                         JoinSide<B>::snapshot(b));
}

// Calls `visit(one, other)` for the pairs of one entry of `One`; false when a call of it was.
template <class One, class Many, class F>
bool visit_pairs(const PairHits& hits, F&& visit) {
  typename One::HitType one;
  One::Decoder::decode(hits.one_blocks, hits.one, one);
  for (std::size_t word = 0; word < std::size(hits.many.mask); ++word) {
    for (std::uint64_t bits = hits.many.mask[word]; bits != 0; bits &= bits - 1) {
      typename Many::HitType other;
      Many::Decoder::decode(hits.many.blocks, word * 64 + std::countr_zero(bits), other);
      if (!visit(std::as_const(one), std::as_const(other))) return false;
    }
  }
  return true;
}

}  // namespace detail

// Calls `visit(hit_of_a, hit_of_b)` for every pair of an entry of `a` and an entry of `b` whose
// boxes have at least one point in common. When `visit` returns bool, false stops.
//
//   xtree::join(roads, parcels, [&](const auto& road, const auto& parcel) {
//     crossings.emplace_back(road.value, parcel.value);
//   }).value();
//
// Each side is an index, of boxes or of points, in memory or in a database, or `AsOf` of an index
// and a snapshot. Both have the same dimensions and coordinate type; their values may differ. Pairs
// come in no order. For another relation than intersection, let `visit` look at both boxes.
//
// An index may be joined with itself: then every pair comes twice, once as (x, y) and once as
// (y, x), and each entry comes once with itself. `x.value < y.value` in `visit` keeps one of each
// where values are unique.
//
// Both trees are walked at once, so each node is read few times: for two sets of equal density that
// takes a small part of the time of a query for each entry. It takes less than 64 KiB of memory.
//
// Threads and states are as with queries: an index in memory must not be changed meanwhile, nor by
// `visit`. Two indexes of one database are seen in one state, and writes of other threads, or of
// `visit`, do not disturb it; indexes of two databases are seen in one state each.
//
// Errors are those of queries. Pairs may have been visited before an error.
template <class A, class B, class F>
Result<void> join(const A& a, const B& b, F&& visit) {
  using SideA = detail::JoinSide<A>;
  using SideB = detail::JoinSide<B>;
  auto walk = detail::begin_join(a, b);
  if (!walk) return walk.error();
  const auto visit_pair = [&](const auto& of_a, const auto& of_b) {
    if constexpr (std::is_same_v<std::invoke_result_t<F&, decltype(of_a), decltype(of_b)>, bool>) {
      return visit(of_a, of_b);
    } else {
      visit(of_a, of_b);
      return true;
    }
  };
  for (detail::PairHits hits; (*walk)->next(hits);) {
    const bool more =
        hits.one_is_first
            ? detail::visit_pairs<SideA, SideB>(hits, visit_pair)
            : detail::visit_pairs<SideB, SideA>(
                  hits, [&](const auto& of_b, const auto& of_a) { return visit_pair(of_a, of_b); });
    if (!more) break;
  }
  return (*walk)->status();
}

// The number of pairs that `join` would visit.
template <class A, class B>
[[nodiscard]] Result<std::uint64_t> count_pairs(const A& a, const B& b) {
  auto walk = detail::begin_join(a, b);
  if (!walk) return walk.error();
  const std::uint64_t pairs = (*walk)->count_rest();
  if (auto status = (*walk)->status(); !status) return status.error();
  return pairs;
}

}  // namespace xtree
