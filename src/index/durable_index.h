// DurableIndex: an index of a database behind the interface that the typed shell calls.
#pragma once

#include <cstdint>
#include <memory>

#include "index/catalog.h"
#include "index/database_core.h"
#include "xtree/detail/engine.h"

namespace xtree::index {

// Writes become operations for the database's committer. Reads enter at an epoch, find the index's
// root there, and let the engine walk; what a read needs lies in its ScanState.
class DurableIndex final : public detail::IndexCore {
 public:
  DurableIndex(std::shared_ptr<detail::DatabaseCore> database, std::shared_ptr<DurableTree> tree)
      : IndexCore(tree->definition.schema, true),
        database_(std::move(database)),
        tree_(std::move(tree)) {}

  Result<void> insert(const void* geometry, const void* value) override;
  Result<bool> erase(const void* geometry, const void* value) override;
  Result<bool> update(const void* from, const void* to, const void* value) override;
  Result<void> bulk_load(const detail::EntryBlock& entries,
                         const BulkLoadOptions& options) override;
  Result<void> clear() override;

  Result<void> begin_scan(detail::ScanState& state, const detail::SnapshotCore* snapshot,
                          const void* window, detail::LeafHits& hits) const override;
  bool next_leaf(detail::ScanState& state, detail::LeafHits& hits) const override;
  Result<void> end_scan(detail::ScanState& state) const override;
  Result<void> begin_group(detail::GroupState& group,
                           const detail::SnapshotCore* snapshot) const override;
  void join_group(detail::GroupState& group, detail::ScanState& state,
                  const void* window) const override;
  bool approach(detail::GroupState& group,
                std::span<detail::ScanState> states) const override;
  Result<void> end_group(detail::GroupState& group) const override;
  Result<std::uint64_t> count(const detail::SnapshotCore* snapshot,
                              const void* window) const override;

  Result<void> begin_nearest(detail::ScanState& state, const detail::SnapshotCore* snapshot,
                             const detail::NearestRequest& request) const override;
  bool next_nearest(detail::ScanState& state, detail::NearestHits& hits) const override;
  Result<void> end_nearest(detail::ScanState& state) const override;

  Result<std::uint64_t> size(const detail::SnapshotCore* snapshot) const override;
  Result<IndexStats> stats(const detail::SnapshotCore* snapshot) const override;
  Result<void> verify(const detail::SnapshotCore* snapshot) const override;
  Result<std::unique_ptr<detail::TreeReader>> read_tree(
      const detail::SnapshotCore* snapshot, const detail::TreeReader* beside) const override;
  Result<void> for_each_node(
      const detail::SnapshotCore* snapshot,
      const detail::NodeVisitor& visitor) const override;

  [[nodiscard]] Home home() const noexcept override { return {database_.get(), number()}; }

 private:
  [[nodiscard]] std::uint32_t number() const noexcept { return tree_->definition.number; }
  // Makes the operation and commits it; `value` may be null.
  Result<bool> commit(OperationKind kind, std::initializer_list<const void*> shapes,
                      const void* value);
  [[nodiscard]] bool is_readable(const detail::SnapshotCore* snapshot) const noexcept {
    const bool is_of_database = snapshot == nullptr || &snapshot->database() == database_.get();
    return is_of_database && database_->is_open();
  }
  [[gnu::cold]] Result<void> why_unreadable(const detail::SnapshotCore* snapshot) const;
  Result<void> check_readable(const detail::SnapshotCore* snapshot) const;
  // Call `use` with the tree's root, or its node, at the reader's epoch.
  template <class F>
  Result<void> with_root(const detail::Reader& reader, F&& use) const;
  template <class F>
  Result<void> with_root_node(const detail::Reader& reader, F&& use) const;
  [[gnu::cold]] Result<Root> read_root(const detail::Reader& reader) const;
  Result<void> insert_all(const detail::EntryBlock& entries);
  [[gnu::cold]] void renew(detail::ScanState& state) const;
  void renew_all(std::span<detail::ScanState> scans, detail::Reader& reader) const;
  [[nodiscard]] Result<std::uint64_t> count_leaf_by_leaf(const detail::SnapshotCore* snapshot,
                                                         const void* window) const;

  const std::shared_ptr<detail::DatabaseCore> database_;
  const std::shared_ptr<DurableTree> tree_;
};

// Bytes of `schema`'s geometry and value, as operations hold them.
[[nodiscard]] std::span<const std::byte> geometry_bytes(const detail::Schema& schema,
                                                        const void* geometry) noexcept;
[[nodiscard]] std::span<const std::byte> value_bytes(const detail::Schema& schema,
                                                     const void* value) noexcept;

}  // namespace xtree::index
