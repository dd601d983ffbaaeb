#include "index/durable_index.h"

#include <array>
#include <bit>
#include <new>
#include <numeric>

#include "index/tree_reader.h"
#include "platform/check.h"
#include "platform/without_throwing.h"

namespace xtree::index {
namespace {

using detail::GroupState;
using detail::Reader;
using detail::ScanState;
using detail::SnapshotCore;

// What a group of scans keeps in its GroupState: their reader, and which scans may be under way.
struct ScanGroup {
  Reader reader;
  Ref root = 0;
  std::span<ScanState> scans;

  ScanGroup(const detail::DatabaseCore& database, const SnapshotCore* snapshot)
      : reader(database, snapshot) {}
};
static_assert(sizeof(ScanGroup) <= sizeof(GroupState));

ScanGroup& group_in(GroupState& state) noexcept {
  return *std::launder(reinterpret_cast<ScanGroup*>(state.storage));
}

// What a query of a durable index keeps in its ScanState: the engine's scan, and the group that it
// belongs to or, behind that, its own reader.
struct DurableScan {
  alignas(64) std::byte engine[kEngineScanBytes];
  ScanGroup* group = nullptr;
};
struct LoneScan {
  DurableScan scan;
  Reader reader;

  LoneScan(const detail::DatabaseCore& database, const SnapshotCore* snapshot)
      : reader(database, snapshot) {}
};
static_assert(sizeof(LoneScan) <= sizeof(ScanState));

DurableScan& scan_in(ScanState& state) noexcept {
  return *std::launder(reinterpret_cast<DurableScan*>(state.storage));
}
LoneScan& lone_scan_in(ScanState& state) noexcept {
  return *std::launder(reinterpret_cast<LoneScan*>(state.storage));
}

// A tree at the epoch of its own reader, or of another tree's that it shares.
class DurableTreeReader final : public detail::TreeReader {
 public:
  DurableTreeReader(std::shared_ptr<const Reader> reader, const Root& root) noexcept
      : TreeReader(EitherView(DurableView(reader->view())), root), reader_(std::move(reader)) {}

  [[nodiscard]] Result<void> status() const override { return reader_->status(); }
  [[nodiscard]] const std::shared_ptr<const Reader>& reader() const noexcept { return reader_; }

 private:
  std::shared_ptr<const Reader> reader_;
};

constexpr std::size_t kBytesPerOperation = 64;  // a first guess for a buffer's size

}  // namespace

std::span<const std::byte> geometry_bytes(const detail::Schema& schema,
                                          const void* geometry) noexcept {
  return {static_cast<const std::byte*>(geometry), schema.rows() * schema.scalar_bytes()};
}

std::span<const std::byte> value_bytes(const detail::Schema& schema, const void* value) noexcept {
  return {static_cast<const std::byte*>(value), schema.value_bytes};
}

Result<bool> DurableIndex::commit(OperationKind kind, std::initializer_list<const void*> shapes,
                                  const void* value) {
  return platform::without_throwing("index", [&]() -> Result<bool> {
    std::span<const std::byte> geometry[2];
    std::size_t count = 0;
    for (const void* shape : shapes) {
      XTREE_TRY(check_geometry(schema(), shape));
      geometry[count++] = geometry_bytes(schema(), shape);
    }
    alignas(8) std::array<std::byte, kMostEntryOperationBytes> room;
    std::span<const std::byte> bytes;
    if (value != nullptr) bytes = value_bytes(schema(), value);
    const std::size_t size =
        write_operation(room, kind, number(), {}, geometry[0], geometry[1], bytes);
    bool met = false;
    XTREE_TRY(database_->commit(std::span(room).first(size), 1, &met));
    return met;
  });
}

Result<void> DurableIndex::insert(const void* geometry, const void* value) {
  const auto done = commit(OperationKind::insert, {geometry}, value);
  return done ? Result<void>() : done.error();
}

Result<bool> DurableIndex::erase(const void* geometry, const void* value) {
  return commit(OperationKind::erase, {geometry}, value);
}

Result<bool> DurableIndex::update(const void* from, const void* to, const void* value) {
  return commit(OperationKind::update, {from, to}, value);
}

Result<void> DurableIndex::clear() {
  const auto done = commit(OperationKind::clear, {}, nullptr);
  return done ? Result<void>() : done.error();
}

Result<void> DurableIndex::bulk_load(const detail::EntryBlock& entries,
                                     const BulkLoadOptions& options) {
  XTREE_TRY(check_options(options));
  auto loaded = database_->bulk_load(number(), entries, options);
  if (!loaded) return loaded.error();
  if (*loaded) return {};
  XTREE_TRY(check_all(schema(), entries));
  return platform::without_throwing("index", [&] { return insert_all(entries); });
}

// One batch, in the order that makes good use of the tree's nodes.
Result<void> DurableIndex::insert_all(const detail::EntryBlock& entries) {
  const auto* geometry = static_cast<const std::byte*>(entries.geometry);
  const auto* value = static_cast<const std::byte*>(entries.value);
  const auto [stride, count] = std::pair(entries.stride, entries.count);
  if (count > UINT32_MAX) {
    return Error(ErrorCode::limit_exceeded, "entries", "too many for an index that is not empty");
  }
  std::vector<std::uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  XTREE_TRY(tree_->engine->sort_for_insertion(geometry, stride, order));
  std::vector<std::byte> operations;
  operations.reserve(count * kBytesPerOperation);
  for (const std::uint32_t i : order) {
    const std::size_t offset = i * stride;
    append_operation(
        operations, OperationKind::insert, number(), {},
        geometry_bytes(schema(), geometry + offset), value_bytes(schema(), value + offset));
  }
  return database_->commit(operations, static_cast<std::uint32_t>(count), nullptr);
}

Result<void> DurableIndex::check_readable(const SnapshotCore* snapshot) const {
  if (is_readable(snapshot)) [[likely]] return {};
  return why_unreadable(snapshot);
}

Result<void> DurableIndex::why_unreadable(const SnapshotCore* snapshot) const {
  if (snapshot != nullptr && &snapshot->database() != database_.get()) {
    return Error(ErrorCode::invalid_argument, "snapshot", "it is of another database");
  }
  return database_->check_open();
}

Result<Root> DurableIndex::read_root(const Reader& reader) const {
  if (!reader.has_entered()) return reader.status().error();
  return Catalog::read_root(reader.view(), tree_->definition.root);
}

template <class F>
Result<void> DurableIndex::with_root(const Reader& reader, F&& use) const {
  Root root;
  if (!reader.has_entered() ||
      !Catalog::resident_root(reader.view(), tree_->definition.root, root)) [[unlikely]] {
    const auto read = read_root(reader);
    if (!read) return read.error();
    root = *read;
  }
  use(root);
  return {};
}

template <class F>
Result<void> DurableIndex::with_root_node(const Reader& reader, F&& use) const {
  Ref node = 0;
  if (reader.has_entered()) [[likely]] {
    node = Catalog::resident_root_node(reader.view(), tree_->definition.root);
  }
  if (node == 0) [[unlikely]] {
    const auto read = read_root(reader);
    if (!read) return read.error();
    node = read->node;
  }
  use(node);
  return {};
}

Result<void> DurableIndex::begin_scan(ScanState& state, const SnapshotCore* snapshot,
                                      const void* window, detail::LeafHits& hits) const {
  if (!is_readable(snapshot)) [[unlikely]] return why_unreadable(snapshot);
  auto* lone = ::new (static_cast<void*>(state.storage)) LoneScan(*database_, snapshot);
  Result<void> begun = with_root_node(lone->reader, [&](Ref root) {
    const DurableView view(lone->reader.view());
    tree_->engine->begin_scan(lone->scan.engine, view, root, window, hits);
  });
  if (!begun) lone->~LoneScan();
  return begun;
}

bool DurableIndex::next_leaf(ScanState& state, detail::LeafHits& hits) const {
  if (database_->store().is_crowded()) [[unlikely]] renew(state);
  return tree_->engine->next_leaf(scan_in(state).engine, hits);
}

// Lets go of all nodes that the scan has found, or its group.
void DurableIndex::renew(ScanState& state) const {
  ScanGroup* group = scan_in(state).group;
  Reader& reader = group != nullptr ? group->reader : lone_scan_in(state).reader;
  renew_all(group != nullptr ? group->scans : std::span(&state, 1), reader);
}

void DurableIndex::renew_all(std::span<ScanState> scans, Reader& reader) const {
  if (scans.empty()) return reader.renew(*database_);
  tree_->engine->renew_scan(scan_in(scans[0]).engine,
                            [&] { renew_all(scans.subspan(1), reader); });
}

Result<void> DurableIndex::end_scan(ScanState& state) const {
  LoneScan& scan = lone_scan_in(state);
  Result<void> status = scan.reader.status();
  scan.~LoneScan();
  return status;
}

Result<void> DurableIndex::begin_group(GroupState& state, const SnapshotCore* snapshot) const {
  XTREE_TRY(check_readable(snapshot));
  auto* group = ::new (static_cast<void*>(state.storage)) ScanGroup(*database_, snapshot);
  Result<void> begun = with_root_node(group->reader, [&](Ref root) { group->root = root; });
  if (!begun) group->~ScanGroup();
  return begun;
}

void DurableIndex::join_group(GroupState& state, ScanState& scan_state, const void* window) const {
  ScanGroup& group = group_in(state);
  auto* scan = ::new (static_cast<void*>(scan_state.storage)) DurableScan;
  scan->group = &group;
  tree_->engine->start_scan(scan->engine, DurableView(group.reader.view()), group.root, window);
}

bool DurableIndex::approach(GroupState& state, std::span<ScanState> states) const {
  ScanGroup& group = group_in(state);
  group.scans = states;
  if (database_->store().is_crowded()) [[unlikely]] renew_all(states, group.reader);
  tree_->engine->approach(states);
  return !group.reader.has_failed();
}

Result<void> DurableIndex::end_group(GroupState& state) const {
  ScanGroup& group = group_in(state);
  Result<void> status = group.reader.status();
  group.~ScanGroup();
  return status;
}

// Lets go of what it has read on the way, which may be more than fits into memory.
Result<std::uint64_t> DurableIndex::count_leaf_by_leaf(const SnapshotCore* snapshot,
                                                       const void* window) const {
  ScanState state;
  detail::LeafHits leaf;
  XTREE_TRY(begin_scan(state, snapshot, window, leaf));
  std::uint64_t hits = 0;
  do {
    for (const std::uint64_t word : leaf.mask) {
      hits += static_cast<std::uint64_t>(std::popcount(word));
    }
  } while (!leaf.last && next_leaf(state, leaf));
  XTREE_TRY(end_scan(state));
  return hits;
}

Result<std::uint64_t> DurableIndex::count(const SnapshotCore* snapshot, const void* window) const {
  if (database_->store().cache_bytes() != 0) return count_leaf_by_leaf(snapshot, window);
  XTREE_TRY(check_readable(snapshot));
  const Reader reader(*database_, snapshot);
  std::uint64_t hits = 0;
  XTREE_TRY(with_root_node(reader, [&](Ref root) {
    hits = tree_->engine->count(DurableView(reader.view()), root, window);
  }));
  XTREE_TRY(reader.status());
  return hits;
}

Result<void> DurableIndex::begin_nearest(ScanState& state, const SnapshotCore* snapshot,
                                         const detail::NearestRequest& request) const {
  XTREE_TRY(check_readable(snapshot));
  XTREE_TRY(check_request(schema(), request));
  auto* lone = ::new (static_cast<void*>(state.storage)) LoneScan(*database_, snapshot);
  Result<void> begun = with_root(lone->reader, [&](const Root& root) {
    const DurableView view(lone->reader.view());
    tree_->engine->begin_nearest(lone->scan.engine, view, root, request);
  });
  if (!begun) lone->~LoneScan();
  return begun;
}

bool DurableIndex::next_nearest(ScanState& state, detail::NearestHits& hits) const {
  return tree_->engine->next_nearest(scan_in(state).engine, hits);
}

Result<void> DurableIndex::end_nearest(ScanState& state) const {
  LoneScan& lone = lone_scan_in(state);
  Result<void> ended = tree_->engine->end_nearest(lone.scan.engine);
  Result<void> status = lone.reader.status();
  lone.~LoneScan();
  return status ? ended : status;
}

Result<std::uint64_t> DurableIndex::size(const SnapshotCore* snapshot) const {
  XTREE_TRY(check_readable(snapshot));
  const Reader reader(*database_, snapshot);
  std::uint64_t entries = 0;
  XTREE_TRY(with_root(reader, [&](const Root& root) { entries = root.entries; }));
  return entries;
}

Result<IndexStats> DurableIndex::stats(const SnapshotCore* snapshot) const {
  XTREE_TRY(check_readable(snapshot));
  const Reader reader(*database_, snapshot);
  if (!reader.has_entered()) return reader.status().error();
  auto root = Catalog::read_root(reader.view(), tree_->definition.root);
  if (!root) return root.error();
  IndexStats stats;
  const auto verified = platform::without_throwing("index", [&] {
    return tree_->engine->verify(DurableView(reader.view()), *root, tree_->definition.owner(),
                                 stats, [](Ref) {});
  });
  XTREE_TRY(reader.status());
  XTREE_TRY(verified);
  return stats;
}

Result<std::unique_ptr<detail::TreeReader>> DurableIndex::read_tree(
    const SnapshotCore* snapshot, const detail::TreeReader* beside) const {
  XTREE_TRY(check_readable(snapshot));
  const auto reader = beside != nullptr
                          ? static_cast<const DurableTreeReader*>(beside)->reader()
                          : std::make_shared<const Reader>(*database_, snapshot);
  std::unique_ptr<detail::TreeReader> tree;
  XTREE_TRY(with_root(*reader, [&](const Root& root) {
    tree = std::make_unique<DurableTreeReader>(reader, root);
  }));
  return tree;
}

Result<void> DurableIndex::for_each_node(
    const SnapshotCore* snapshot,
    const detail::NodeVisitor& visitor) const {
  XTREE_TRY(check_readable(snapshot));
  const Reader reader(*database_, snapshot);
  bool whole = true;
  XTREE_TRY(with_root(reader, [&](const Root& root) {
    whole = tree_->engine->for_each_node(DurableView(reader.view()), root, visitor);
  }));
  XTREE_TRY(reader.status());
  if (whole) return {};
  return Error(ErrorCode::corruption, "index", "a node is not of the level below its parent");
}

Result<void> DurableIndex::verify(const SnapshotCore* snapshot) const {
  auto stats = this->stats(snapshot);
  return stats ? Result<void>() : Result<void>(stats.error());
}

}  // namespace xtree::index
