// The index in memory: a tree over a MemoryStore, with nothing between it and the typed shell but
// the check of its input.

#include <cstring>
#include <memory>
#include <new>
#include <numeric>
#include <vector>

#include "index/engine.h"
#include "index/memory_store.h"
#include "index/operation.h"
#include "index/tree_reader.h"
#include "platform/check.h"
#include "platform/without_throwing.h"
#include "xtree/detail/engine.h"

namespace xtree {
namespace index {
namespace {

using detail::GroupState;
using detail::ScanState;
using detail::SnapshotCore;

static_assert(kEngineScanBytes <= sizeof(ScanState));

class MemoryIndex final : public detail::IndexCore {
 public:
  explicit MemoryIndex(const detail::Schema& schema)
      : IndexCore(schema, false), engine_(make_engine<MemoryStore>(schema)) {}

  Result<void> insert(const void* geometry, const void* value) override {
    XTREE_TRY(check_geometry(schema(), geometry));
    return engine_->insert(store_, root_, geometry, value);
  }
  Result<bool> erase(const void* geometry, const void* value) override {
    XTREE_TRY(check_geometry(schema(), geometry));
    return engine_->erase(store_, root_, geometry, value);
  }
  Result<bool> update(const void* from, const void* to, const void* value) override {
    XTREE_TRY(check_geometry(schema(), from));
    XTREE_TRY(check_geometry(schema(), to));
    return engine_->update(store_, root_, from, to, value);
  }
  Result<void> bulk_load(const detail::EntryBlock& entries,
                         const BulkLoadOptions& options) override {
    XTREE_TRY(check_options(options));
    if (root_.entries == 0) return engine_->bulk_load(store_, root_, entries, options);
    XTREE_TRY(check_all(schema(), entries));
    return platform::without_throwing("index", [&] { return insert_all(entries); });
  }
  Result<void> clear() override { return engine_->clear(store_, root_); }

  Result<void> begin_scan(ScanState& state, const SnapshotCore* snapshot, const void* window,
                          detail::LeafHits& hits) const override {
    XTREE_TRY(refuse(snapshot));
    engine_->begin_scan(state.storage, store_.view(), root_.node, window, hits);
    return {};
  }
  bool next_leaf(ScanState& state, detail::LeafHits& hits) const override {
    return engine_->next_leaf(state.storage, hits);
  }
  Result<void> end_scan(ScanState&) const override { return {}; }
  Result<void> begin_group(GroupState&, const SnapshotCore* snapshot) const override {
    return refuse(snapshot);
  }
  void join_group(GroupState&, ScanState& state, const void* window) const override {
    engine_->start_scan(state.storage, store_.view(), root_.node, window);
  }
  bool approach(GroupState&, std::span<ScanState> states) const override {
    engine_->approach(states);
    return true;
  }
  Result<void> end_group(GroupState&) const override { return {}; }
  Result<std::uint64_t> count(const SnapshotCore* snapshot, const void* window) const override {
    XTREE_TRY(refuse(snapshot));
    return engine_->count(store_.view(), root_.node, window);
  }

  Result<void> begin_nearest(ScanState& state, const SnapshotCore* snapshot,
                             const detail::NearestRequest& request) const override {
    XTREE_TRY(refuse(snapshot));
    XTREE_TRY(check_request(schema(), request));
    engine_->begin_nearest(state.storage, store_.view(), root_, request);
    return {};
  }
  bool next_nearest(ScanState& state, detail::NearestHits& hits) const override {
    return engine_->next_nearest(state.storage, hits);
  }
  Result<void> end_nearest(ScanState& state) const override {
    return engine_->end_nearest(state.storage);
  }

  Result<std::uint64_t> size(const SnapshotCore* snapshot) const override {
    XTREE_TRY(refuse(snapshot));
    return root_.entries;
  }
  Result<IndexStats> stats(const SnapshotCore* snapshot) const override {
    XTREE_TRY(refuse(snapshot));
    IndexStats stats;
    XTREE_TRY(verify_engine(stats, [](Ref) {}));
    return stats;
  }
  Result<std::unique_ptr<detail::TreeReader>> read_tree(
      const SnapshotCore* snapshot, const detail::TreeReader*) const override {
    XTREE_TRY(refuse(snapshot));
    return std::make_unique<detail::TreeReader>(EitherView(), root_);
  }
  Result<void> for_each_node(
      const SnapshotCore* snapshot,
      const detail::NodeVisitor& visitor) const override {
    XTREE_TRY(refuse(snapshot));
    XTREE_CHECK(engine_->for_each_node(store_.view(), root_, visitor));
    return {};
  }
  Result<void> verify(const SnapshotCore* snapshot) const override {
    XTREE_TRY(refuse(snapshot));
    IndexStats stats;
    std::uint64_t reached_bytes = 0;
    XTREE_TRY(verify_engine(stats, [&](Ref ref) {
      reached_bytes += store_.view().node(ref)->frame.bytes;
    }));
    if (reached_bytes != stats.node_bytes ||
        store_.nodes() != stats.leaves + stats.directory_nodes) {
      return Error(ErrorCode::corruption, "index", "a node is leaked: no other refers to it");
    }
    return {};
  }

 private:
  static Result<void> refuse(const SnapshotCore* snapshot) {
    if (snapshot == nullptr) return {};
    return Error(ErrorCode::invalid_argument, "snapshot", "an index in memory has no snapshots");
  }

  template <class Visit>
  Result<void> verify_engine(IndexStats& stats, Visit&& visit) const {
    return platform::without_throwing(
        "index", [&] { return engine_->verify(store_.view(), root_, {}, stats, visit); });
  }

  // One after the other, in the order that makes good use of the tree's nodes; on failure takes out
  // again what went in.
  Result<void> insert_all(const detail::EntryBlock& entries) {
    if (entries.count > UINT32_MAX) {
      return Error(ErrorCode::limit_exceeded, "entries", "too many for an index that is not empty");
    }
    std::vector<std::uint32_t> order(entries.count);
    std::iota(order.begin(), order.end(), 0u);
    XTREE_TRY(engine_->sort_for_insertion(entries.geometry, entries.stride, order));
    const std::uint64_t before = root_.entries;
    const Result<void> inserted = engine_->insert_all(store_, root_, entries, order);
    if (inserted) return {};
    return take_back(entries, std::span(order).first(root_.entries - before), inserted.error());
  }

  // Erases these entries, for the failure that made it necessary. To erase one may take memory that
  // there is once others have gone.
  Result<void> take_back(const detail::EntryBlock& entries, std::span<std::uint32_t> numbers,
                         const Error& failure) {
    while (!numbers.empty()) {
      std::size_t left = 0;
      for (const std::uint32_t number : numbers) {
        const std::size_t offset = number * entries.stride;
        const auto erased =
            engine_->erase(store_, root_, static_cast<const std::byte*>(entries.geometry) + offset,
                           static_cast<const std::byte*>(entries.value) + offset);
        if (!erased) numbers[left++] = number;
      }
      if (left == numbers.size()) {
        return Error(failure.code(), "entries",
                     "no memory for all of them, nor to take some out that had gone in");
      }
      numbers = numbers.first(left);
    }
    return failure;
  }

  const std::unique_ptr<Engine<MemoryStore>> engine_;
  MemoryStore store_;
  Root root_;
};

}  // namespace
}  // namespace index

namespace detail {

IndexCore::~IndexCore() = default;

Result<std::unique_ptr<IndexCore>> make_memory_index(const Schema& schema) {
  XTREE_TRY(index::check_schema(schema));
  return std::unique_ptr<IndexCore>(std::make_unique<index::MemoryIndex>(schema));
}

}  // namespace detail
}  // namespace xtree
