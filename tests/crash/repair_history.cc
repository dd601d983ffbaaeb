#include "crash/repair_history.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace xtree::test {
namespace {

constexpr const char* kNames[] = {"boxes-1", "boxes-2", "points", "spare"};
constexpr int kValues = 4;

bool is_points(const std::string& name) { return name == "points"; }

std::string value_name(std::uint64_t i) { return "value-" + std::to_string(i); }

// Calls `use` with the index of this name, which is made if it is not there.
template <class F>
void with_index(Database& db, const std::string& name, bool has_points, F&& use) {
  if (has_points) {
    use(db.index<2, std::uint32_t, float, Shape::points>(name).value());
  } else {
    use(db.index<2>(name).value());
  }
}

template <class Index>
typename Index::Entry entry_of(const PlainEntry& entry) {
  const auto value = static_cast<typename Index::Value>(entry.value);
  if constexpr (Index::kShape == Shape::points) {
    return {{static_cast<float>(entry.low[0]), static_cast<float>(entry.low[1])}, value};
  } else {
    return {{{entry.low[0], entry.low[1]}, {entry.high[0], entry.high[1]}}, value};
  }
}

template <class Index>
std::vector<PlainEntry> entries_of(const Index& index) {
  std::vector<PlainEntry> entries;
  const auto done = index.for_each(everything(), [&](const typename Index::Hit& hit) {
    entries.push_back(
        {{hit.box.min[0], hit.box.min[1]}, {hit.box.max[0], hit.box.max[1]}, hit.value});
  });
  EXPECT_TRUE(done) << done.error().message();
  std::ranges::sort(entries);
  return entries;
}

}  // namespace

Options options_on(testing::SimulatedFileSystem& files) {
  Options options;
  options.file_system = &files;
  options.background_checkpoints = false;
  options.log_file_bytes = 32 << 10;
  return options;
}

PlainState read_state(Database& db) {
  PlainState state;
  const auto indexes = db.indexes();
  EXPECT_TRUE(indexes) << indexes.error().message();
  if (!indexes) return state;
  for (const IndexDescription& index : *indexes) {
    with_index(db, index.name, index.schema.shape == Shape::points,
               [&](const auto& there) { state.indexes[index.name] = entries_of(there); });
  }
  for (int i = 0; i < kValues; ++i) {
    const auto value = db.get(value_name(static_cast<std::uint64_t>(i)));
    EXPECT_TRUE(value) << value.error().message();
    if (value && *value) state.values[value_name(static_cast<std::uint64_t>(i))] = **value;
  }
  return state;
}

History::History(Random& random) : random_(random) {
  open();
  const std::uint64_t steps = random_.between(5, 60);
  for (std::uint64_t i = 0; i < steps && !::testing::Test::HasFailure(); ++i) step();
  // Half of them end with a checkpoint, and with nothing in the log.
  if (random_.one_in(2)) checkpoint();
  image_ = directory_of(files_->image(), kHistoryDirectory);
}

const History::State* History::state_after(std::uint64_t operations) const {
  const auto found = by_operations_.find(operations);
  return found == by_operations_.end() ? nullptr : &found->second;
}

void History::open() {
  auto db = Database::open(kHistoryDirectory, options_on(*files_));
  ASSERT_TRUE(db) << db.error().message();
  db_.emplace(std::move(db).value());
}

void History::kill_and_reopen() {
  const testing::DiskImage disk = files_->image();
  db_.reset();
  files_ = std::make_unique<testing::SimulatedFileSystem>(disk);
  open();
}

void History::acknowledged(std::uint64_t operations) {
  by_operations_[this->operations() + operations] = now_;
}

void History::checkpointed() {
  by_operations_.clear();
  by_operations_[0] = now_;
}

void History::checkpoint() {
  const auto done = db_->checkpoint();
  ASSERT_TRUE(done) << done.error().message();
  checkpointed();
}

std::string History::any_index() {
  const std::string name = kNames[random_.below(std::size(kNames))];
  if (now_.indexes.contains(name)) return name;
  with_index(*db_, name, is_points(name), [](const auto&) {});
  now_.indexes[name];
  acknowledged(1);
  return name;
}

// Small whole numbers, so that entries touch, overlap, and are equal.
PlainEntry History::any_entry(const std::string& name) {
  PlainEntry entry{};
  entry.value = random_.below(500);
  for (int axis = 0; axis < 2; ++axis) {
    entry.low[axis] = static_cast<double>(random_.below(300));
    entry.high[axis] = entry.low[axis];
    if (!is_points(name)) entry.high[axis] += static_cast<double>(random_.below(9));
  }
  return entry;
}

void History::step() {
  switch (random_.below(16)) {
    case 0: return checkpoint();
    case 1: return kill_and_reopen();
    case 2: return load(any_index());
    case 3: return erase_many();
    case 4: return random_.one_in(3) ? remake_index() : write_batch();
    default: return write_batch();
  }
}

void History::write_batch() {
  Batch batch;
  std::uint64_t operations = random_.between(1, 80);
  const std::string name = any_index();
  auto& entries = now_.indexes[name];
  with_index(*db_, name, is_points(name), [&]<class Index>(const Index& index) {
    for (std::uint64_t i = 0; i < operations; ++i) {
      PlainEntry entry = any_entry(name);
      if (!entries.empty() && random_.one_in(5)) {
        PlainEntry& old = entries[random_.below(entries.size())];
        entry.value = old.value;
        batch.update(index, entry_of<Index>(old).geometry, entry_of<Index>(entry).geometry,
                     entry_of<Index>(old).value);
        old = entry;
      } else {
        batch.insert(index, entry_of<Index>(entry).geometry, entry_of<Index>(entry).value);
        entries.push_back(entry);
      }
    }
  });
  if (random_.one_in(2)) {
    const std::string value = value_name(random_.below(kValues));
    const std::string text(random_.below(50), 'x');
    batch.put(value, text);
    now_.values[value] = text;
    ++operations;
  }
  std::ranges::sort(entries);
  const auto done = db_->apply(batch);
  ASSERT_TRUE(done) << done.error().message();
  acknowledged(operations);
}

// So many that nodes are joined and given up.
void History::erase_many() {
  const std::string name = any_index();
  auto& entries = now_.indexes[name];
  Batch batch;
  const std::uint64_t count = entries.size() * random_.below(100) / 100;
  if (count == 0) return;
  with_index(*db_, name, is_points(name), [&]<class Index>(const Index& index) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto at = entries.begin() + static_cast<std::ptrdiff_t>(random_.below(entries.size()));
      batch.erase(index, entry_of<Index>(*at).geometry, entry_of<Index>(*at).value);
      entries.erase(at);
    }
  });
  const auto done = db_->apply(batch);
  ASSERT_TRUE(done) << done.error().message();
  acknowledged(count);
}

void History::load(const std::string& name) {
  auto& entries = now_.indexes[name];
  const bool was_empty = entries.empty();
  const std::uint64_t count = random_.between(1, 1500);
  with_index(*db_, name, is_points(name), [&]<class Index>(Index index) {
    std::vector<typename Index::Entry> added;
    for (std::uint64_t i = 0; i < count; ++i) {
      entries.push_back(any_entry(name));
      added.push_back(entry_of<Index>(entries.back()));
    }
    const auto done = index.bulk_load(added);
    ASSERT_TRUE(done) << done.error().message();
  });
  std::ranges::sort(entries);
  // Into an empty index it is a checkpoint of its own.
  if (was_empty) {
    checkpointed();
  } else {
    acknowledged(count);
  }
}

void History::remake_index() {
  if (!now_.indexes.contains("spare")) return;
  const auto done = db_->drop_index("spare");
  ASSERT_TRUE(done) << done.error().message();
  now_.indexes.erase("spare");
  acknowledged(1);
}

}  // namespace xtree::test
