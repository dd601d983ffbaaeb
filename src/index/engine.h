// Engine: every operation on a tree, for one schema over one kind of store. It is chosen once per
// index; the code behind it is compiled for the schema's scalar and uses the kernels of its
// dimensions and of the machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "index/node.h"
#include "index/store.h"
#include "xtree/detail/engine.h"
#include "xtree/metrics.h"
#include "xtree/options.h"
#include "xtree/result.h"

namespace xtree::index {

// `invalid_argument` unless the geometry's scalars are finite and no minimum exceeds its maximum.
[[nodiscard]] Result<void> check_geometry(const detail::Schema& schema,
                                          const void* geometry) noexcept;
[[nodiscard]] Result<void> check_all(const detail::Schema& schema,
                                     const detail::EntryBlock& entries) noexcept;
[[nodiscard]] Error refused_geometry() noexcept;
// `invalid_argument` unless the request's distance and weights are in range; its target is not
// looked at.
[[nodiscard]] Result<void> check_request(const detail::Schema& schema,
                                         const detail::NearestRequest& request) noexcept;
// `invalid_argument` unless `fill` is in range.
[[nodiscard]] Result<void> check_options(const BulkLoadOptions& options) noexcept;

// Bytes of ScanState that an engine may use; what is left belongs to the index that calls it.
inline constexpr std::size_t kEngineScanBytes = 3776;

template <NodeStore Store>
class Engine {
 public:
  using View = typename Store::View;

  virtual ~Engine() = default;

  // Writes. Geometry has been checked. `out_of_memory` changes nothing; any other error, which only
  // a store that reads from disk can cause, leaves the tree unfit for further writes.
  virtual Result<void> insert(Store& store, Root& root, const void* geometry,
                              const void* value) const = 0;
  // One after the other, in less time than one by one, in this order of their numbers or, if that
  // is empty, as they lie; an error leaves those before it in the tree.
  virtual Result<void> insert_all(Store& store, Root& root, const detail::EntryBlock& entries,
                                  std::span<const std::uint32_t> order) const = 0;
  virtual Result<bool> erase(Store& store, Root& root, const void* geometry,
                             const void* value) const = 0;
  virtual Result<bool> update(Store& store, Root& root, const void* from, const void* to,
                              const void* value) const = 0;
  virtual Result<void> clear(Store& store, Root& root) const = 0;
  // Builds the tree of an empty root from entries that lie `stride` bytes apart, and checks their
  // geometry on the way: `invalid_argument` and `limit_exceeded` change nothing either.
  virtual Result<void> bulk_load(Store& store, Root& root, const detail::EntryBlock& entries,
                                 const BulkLoadOptions& options) const = 0;
  // The order in which inserting the entries one by one is fastest.
  virtual Result<void> sort_for_insertion(const void* geometry, std::size_t stride,
                                          std::span<std::uint32_t> order) const = 0;

  // Reads. A scan lives in kEngineScanBytes at `place`, aligned to 64; false from `next_*` is the
  // end or a failed view, which the view's owner tells apart. Nearest scans must be ended; their
  // `end_nearest` reports exhausted memory.
  // `begin_scan` finds the first leaf's hits, or says that those of none are the last.
  virtual void begin_scan(std::byte* place, View view, Ref root, const void* window,
                          detail::LeafHits& hits) const = 0;
  virtual bool next_leaf(std::byte* place, detail::LeafHits& hits) const = 0;
  // Begins a scan whose first hits `next_leaf` finds, and takes some of these to their first leaves
  // side by side.
  virtual void start_scan(std::byte* place, View view, Ref root, const void* window) const = 0;
  virtual void approach(std::span<detail::ScanState> states) const = 0;
  // Between two leaves: keeps nothing but references, calls `let_go`, and follows them again.
  virtual void renew_scan(std::byte* place, const std::function<void()>& let_go) const = 0;
  virtual std::uint64_t count(View view, Ref root, const void* window) const = 0;
  virtual void begin_nearest(std::byte* place, View view, const Root& root,
                             const detail::NearestRequest& request) const = 0;
  virtual bool next_nearest(std::byte* place, detail::NearestHits& hits) const = 0;
  virtual Result<void> end_nearest(std::byte* place) const = 0;

  // Calls `visit` for every node, parents before children; false when the view has failed.
  [[nodiscard]] virtual bool for_each_node(View view, const Root& root,
                                           const detail::NodeVisitor& visitor) const = 0;
  // Checks the whole structure of a tree whose nodes are `owner`'s, fills `stats`, and calls
  // `visit` once with each node's reference.
  virtual Result<void> verify(View view, const Root& root, const NodeOwner& owner,
                              IndexStats& stats, const std::function<void(Ref)>& visit) const = 0;
};

// The engine for a schema that check_schema accepts.
template <NodeStore Store>
[[nodiscard]] std::unique_ptr<Engine<Store>> make_engine(const detail::Schema& schema);

}  // namespace xtree::index
