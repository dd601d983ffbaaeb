// TreeEngine: the one implementation of Engine, over the tree's parts.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

#include "index/bulk_load.h"
#include "index/engine.h"
#include "index/isa.h"
#include "index/nearest.h"
#include "index/scan.h"
#include "index/search_kernels.h"
#include "index/spatial_order.h"
#include "index/tree.h"
#include "index/verify.h"
#include "index/walk_nodes.h"
#include "index/write_kernels.h"

namespace xtree::index {

template <class Scalar, NodeStore Store>
class TreeEngine final : public Engine<Store> {
 public:
  using View = typename Store::View;

  explicit TreeEngine(const detail::Schema& schema, Isa isa = best_isa())
      : layout_(schema),
        search_(make_search_kernels<Scalar>(layout_, isa)),
        write_(write_kernels<Scalar>(layout_, isa)) {}

  Result<void> insert(Store& store, Root& root, const void* geometry,
                      const void* value) const override {
    return tree(store, root).insert(scalars(geometry), bytes(value));
  }
  Result<void> insert_all(Store& store, Root& root, const detail::EntryBlock& entries,
                          std::span<const std::uint32_t> order) const override {
    return tree(store, root).insert_all(entries, order);
  }
  Result<bool> erase(Store& store, Root& root, const void* geometry,
                     const void* value) const override {
    return tree(store, root).erase(scalars(geometry), bytes(value));
  }
  Result<bool> update(Store& store, Root& root, const void* from, const void* to,
                      const void* value) const override {
    return tree(store, root).update(scalars(from), scalars(to), bytes(value));
  }
  Result<void> clear(Store& store, Root& root) const override {
    return tree(store, root).clear();
  }
  Result<void> bulk_load(Store& store, Root& root, const detail::EntryBlock& entries,
                         const BulkLoadOptions& options) const override {
    return index::bulk_load<Scalar>(layout_, write_, store, root, entries, options);
  }
  Result<void> sort_for_insertion(const void* geometry, std::size_t stride,
                                  std::span<std::uint32_t> order) const override {
    if (hilbert_order<Scalar>(layout_, {bytes(geometry), stride}, order)) return {};
    return Error(ErrorCode::out_of_memory, "entries", "no memory to sort them");
  }

  void begin_scan(std::byte* place, View view, Ref root, const void* window,
                  detail::LeafHits& hits) const override {
    static_assert(sizeof(ScanType) <= kEngineScanBytes);
    static_assert(std::is_trivially_destructible_v<ScanType>);
    auto* scan = ::new (place) ScanType(view, layout_, search_, root, window_in(window));
    if (!scan->next(hits)) hits.last = true;
  }
  bool next_leaf(std::byte* place, detail::LeafHits& hits) const override {
    return in<ScanType>(place).next(hits);
  }
  void start_scan(std::byte* place, View view, Ref root, const void* window) const override {
    ::new (place) ScanType(view, layout_, search_, root, window_in(window));
  }
  void approach(std::span<detail::ScanState> states) const override {
    std::array<ScanType*, detail::IndexCore::kMostScans> scans;
    for (std::size_t i = 0; i < states.size(); ++i) scans[i] = &in<ScanType>(states[i].storage);
    approach_all<Scalar, View>({scans.data(), states.size()});
  }
  void renew_scan(std::byte* place, const std::function<void()>& let_go) const override {
    in<ScanType>(place).renew(let_go);
  }
  std::uint64_t count(View view, Ref root, const void* window) const override {
    return count_hits<Scalar>(view, layout_, search_, root, window_in(window)).hits;
  }

  void begin_nearest(std::byte* place, View view, const Root& root,
                     const detail::NearestRequest& request) const override {
    static_assert(sizeof(NearestType) <= kEngineScanBytes);
    ::new (place) NearestType(view, layout_, search_, root, request);
  }
  bool next_nearest(std::byte* place, detail::NearestHits& hits) const override {
    return in<NearestType>(place).next(hits);
  }
  Result<void> end_nearest(std::byte* place) const override {
    NearestType& nearest = in<NearestType>(place);
    const bool exhausted = nearest.out_of_memory();
    nearest.~NearestType();
    if (!exhausted) return {};
    return Error(ErrorCode::out_of_memory, "query", "no memory for the queue of a nearest query");
  }

  Result<void> verify(View view, const Root& root, const NodeOwner& owner, IndexStats& stats,
                      const std::function<void(Ref)>& visit) const override {
    return verify_tree<Scalar>(layout_, view, root, stats, visit, owner);
  }

  bool for_each_node(View view, const Root& root,
                     const detail::NodeVisitor& visitor) const override {
    return walk_nodes<Scalar>(layout_, view, root, visitor);
  }

 private:
  using ScanType = Scan<Scalar, View>;
  using NearestType = Nearest<Scalar, View>;

  Tree<Scalar, Store> tree(Store& store, Root& root) const noexcept {
    return Tree<Scalar, Store>(layout_, write_, store, root);
  }
  static const Scalar* scalars(const void* geometry) noexcept {
    return static_cast<const Scalar*>(geometry);
  }
  static const std::byte* bytes(const void* memory) noexcept {
    return static_cast<const std::byte*>(memory);
  }
  static const detail::Window<Scalar>& window_in(const void* window) noexcept {
    return *static_cast<const detail::Window<Scalar>*>(window);
  }
  template <class T>
  static T& in(std::byte* place) noexcept {
    return *std::launder(reinterpret_cast<T*>(place));
  }

  const Layout layout_;
  const SearchKernels<Scalar> search_;
  const WriteKernels<Scalar>& write_;
};

}  // namespace xtree::index
