#include "testing/driver.h"

#include <algorithm>
#include <vector>

#include "platform/check.h"

namespace xtree::testing {
namespace {

constexpr std::uint64_t kLogFileBytes = std::uint64_t{32} << 10;
// The log is never synced by the clock: when it is, would not be the same in every run.
constexpr std::uint32_t kNeverMs = 24 * 3600 * 1000;

template <class Index>
auto everything() {
  using Point = xtree::Point<Index::kDimensions, typename Index::Scalar>;
  Point low;
  Point high;
  for (std::size_t axis = 0; axis < Index::kDimensions; ++axis) {
    low[axis] = -1e30F;
    high[axis] = 1e30F;
  }
  return intersects(Box<Index::kDimensions, typename Index::Scalar>(low, high));
}

template <class Index>
Result<void> add_entries(const Index& index, std::size_t number, const Snapshot* snapshot,
                         Fingerprint& sum) {
  const auto add = [&](const auto& hit) {
    const auto value = static_cast<std::uint64_t>(hit.value);
    if constexpr (Index::kShape == Shape::points) {
      sum.add(entry_hash(number, hit.box.data(), sizeof(typename Index::Geometry), value));
    } else {
      sum.add(entry_hash(number, hit.box.data(), sizeof hit.box, value));
    }
  };
  const auto query = everything<Index>();
  return snapshot != nullptr ? snapshot->for_each(index, query, add) : index.for_each(query, add);
}

// Adds all entries of one index; nothing when a snapshot is older than it.
Result<void> add_index(Database& database, std::size_t number, const Snapshot* snapshot,
                       Fingerprint& sum) {
  return with_index_type(number, [&]<class Index>(Index*) -> Result<void> {
    auto index = database.index<Index::kDimensions, typename Index::Value,
                                typename Index::Scalar, Index::kShape>(kIndexNames[number]);
    if (!index) return index.error();
    Fingerprint entries = sum;
    const auto added = add_entries(*index, number, snapshot, entries);
    if (!added && snapshot != nullptr && added.error().code() == ErrorCode::not_found) return {};
    XTREE_TRY(added);
    entries.add(index_hash(number));
    sum = entries;
    return {};
  });
}

template <class Index>
void add_change(Batch& batch, const Index& index, const Change& change) {
  const auto geometry = geometry_of<Index>(change.id, change.version);
  const auto value = value_of<Index>(change.id);
  switch (change.action) {
    case Action::insert: batch.insert(index, geometry, value); return;
    case Action::erase: batch.erase(index, geometry, value); return;
    case Action::update:
      batch.update(index, geometry, geometry_of<Index>(change.id, change.to_version), value);
      return;
    default: batch.clear(index); return;
  }
}

bool is_of_values(const Change& change) noexcept {
  return change.action == Action::put || change.action == Action::remove;
}

}  // namespace

Options driver_options(FileSystem& files) {
  Options options;
  options.file_system = &files;
  options.background_checkpoints = false;
  options.log_file_bytes = kLogFileBytes;
  options.sync_interval_ms = kNeverMs;
  options.group_window_us = 0;
  return options;
}

Result<Fingerprint> read_content(Database& database, const Snapshot* snapshot) {
  Fingerprint sum;
  auto indexes = database.indexes();
  if (!indexes) return indexes.error();
  for (const IndexDescription& found : *indexes) {
    const auto* known = std::find(std::begin(kIndexNames), std::end(kIndexNames), found.name);
    if (known == std::end(kIndexNames)) {
      return Error(ErrorCode::corruption, found.name.c_str(), "nobody made this index");
    }
    const auto number = static_cast<std::size_t>(known - std::begin(kIndexNames));
    XTREE_TRY(add_index(database, number, snapshot, sum));
  }
  for (std::uint32_t id = 0; id < kValues; ++id) {
    const std::string name = value_name(id);
    const auto value = snapshot != nullptr ? snapshot->get(name) : database.get(name);
    if (!value) return value.error();
    if (*value) sum.add(value_hash(name, **value));
  }
  return sum;
}

Driver::~Driver() {
  if (at_end_ == AtEnd::crash) files_.cut_power();
}

Result<void> Driver::open() {
  Options options = driver_options(files_);
  options.cache_bytes = cache_bytes_;
  auto opened = Database::open(kDatabaseDirectory, options);
  if (!opened) return opened.error();
  database_.emplace(std::move(opened).value());
  return {};
}

Result<void> Driver::run(const Step& step, const Content& content) {
  switch (step.kind) {
    case StepKind::write: return write(step);
    case StepKind::batch: return apply_batch(step);
    case StepKind::create_index: return create_index(step.index);
    case StepKind::drop_index: return database_->drop_index(kIndexNames[step.index]);
    case StepKind::bulk_load: return bulk_load(step);
    case StepKind::checkpoint: return database_->checkpoint();
    case StepKind::compact: return database_->compact();
    case StepKind::snapshot:
      snapshots_.emplace_back(database_->snapshot(), content.fingerprint());
      return {};
    case StepKind::release: return release();
    case StepKind::reopen: return reopen(0);
    case StepKind::reopen_small: return reopen(1);
  }
  return {};
}

// The index's own functions write with the database's level, which is `strict`.
Result<void> Driver::write(const Step& step) {
  const Change& change = step.changes.front();
  if (step.durability != Durability::strict || is_of_values(change)) return apply_batch(step);
  return with_index_type(change.index, [&]<class Index>(Index*) -> Result<void> {
    auto found = index<Index>(change.index);
    if (!found) return found.error();
    const auto geometry = geometry_of<Index>(change.id, change.version);
    const auto value = value_of<Index>(change.id);
    switch (change.action) {
      case Action::insert: return found->insert(geometry, value);
      case Action::clear: return found->clear();
      case Action::erase: {
        const auto met = found->erase(geometry, value);
        return met ? Result<void>() : met.error();
      }
      default: {
        const auto met =
            found->update(geometry, geometry_of<Index>(change.id, change.to_version), value);
        return met ? Result<void>() : met.error();
      }
    }
  });
}

Result<void> Driver::apply_batch(const Step& step) {
  Batch batch;
  for (const Change& change : step.changes) {
    if (change.action == Action::put) {
      batch.put(value_name(change.id), value_text(change.id, change.version));
    } else if (change.action == Action::remove) {
      batch.remove(value_name(change.id));
    } else {
      XTREE_TRY(with_index_type(change.index, [&]<class Index>(Index*) -> Result<void> {
        auto found = index<Index>(change.index);
        if (!found) return found.error();
        add_change(batch, *found, change);
        return {};
      }));
    }
  }
  return database_->apply(batch, step.durability);
}

Result<void> Driver::bulk_load(const Step& step) {
  return with_index_type(step.index, [&]<class Index>(Index*) -> Result<void> {
    auto found = index<Index>(step.index);
    if (!found) return found.error();
    std::vector<typename Index::Entry> entries;
    for (const Change& change : step.changes) {
      entries.push_back({geometry_of<Index>(change.id, change.version),
                         value_of<Index>(change.id)});
    }
    return found->bulk_load(entries);
  });
}

Result<void> Driver::create_index(std::size_t number) {
  return with_index_type(number, [&]<class Index>(Index*) -> Result<void> {
    const auto made = index<Index>(number);
    return made ? Result<void>() : made.error();
  });
}

Result<void> Driver::release() {
  if (snapshots_.empty()) return {};
  const auto [snapshot, expected] = std::move(snapshots_.front());
  snapshots_.pop_front();
  const auto found = read_content(*database_, &snapshot);
  if (!found) return found.error();
  if (*found == expected) return {};
  return Error(ErrorCode::corruption, "snapshot", "it is not what it was when it was taken");
}

Result<void> Driver::reopen(std::uint64_t cache_bytes) {
  cache_bytes_ = cache_bytes;
  while (!snapshots_.empty()) XTREE_TRY(release());
  const Result<void> closed = database_->close();
  database_.reset();
  XTREE_TRY(closed);
  return open();
}

}  // namespace xtree::testing
