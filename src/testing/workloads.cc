#include "testing/workloads.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

namespace xtree::testing {
namespace {

// Ids and versions of one life; no pair of them comes twice.
constexpr std::uint32_t kIdsPerLife = 100000;
// The index of the workload with supernodes, and how many entries it is loaded with.
constexpr std::uint8_t kWide = 2;
constexpr std::size_t kWideEntries = 7300;

class Writer {
 public:
  Writer(const Content& content, std::uint32_t first_id, Random& random)
      : content_(content), next_id_(first_id), random_(random) {}

  Script take() { return std::move(script_); }
  [[nodiscard]] Random& random() { return random_; }
  [[nodiscard]] const Content& content() const { return content_; }

  void add(Step step) {
    step.apply_to(content_);
    script_.push_back(std::move(step));
  }
  void add(StepKind kind) { add(Step{.kind = kind, .changes = {}}); }
  void create(std::size_t index) {
    if (content_.has_index(index)) return;
    add(Step{.kind = StepKind::create_index, .index = number(index), .changes = {}});
  }
  void drop(std::size_t index) {
    if (!content_.has_index(index)) return;
    add(Step{.kind = StepKind::drop_index, .index = number(index), .changes = {}});
  }
  void write(Change change, Durability durability = Durability::strict) {
    add(Step{.kind = StepKind::write, .durability = durability, .changes = {change}});
  }
  void batch(std::vector<Change> changes, Durability durability = Durability::strict) {
    add(Step{.kind = StepKind::batch, .durability = durability, .changes = std::move(changes)});
  }

  Change insert(std::size_t index) { return {Action::insert, number(index), next_id_++, 0, 0}; }
  // Of any entry that is there; an insert when there is none.
  Change erase(std::size_t index) {
    const auto entry = any_entry(index);
    if (!entry) return insert(index);
    return {Action::erase, number(index), entry->first, entry->second, 0};
  }
  Change update(std::size_t index) {
    const auto entry = any_entry(index);
    if (!entry) return insert(index);
    return {Action::update, number(index), entry->first, entry->second, next_id_++};
  }
  Change put() {
    return {Action::put, 0, static_cast<std::uint32_t>(random_.below(kValues)), next_id_++, 0};
  }
  Change remove() {
    return {Action::remove, 0, static_cast<std::uint32_t>(random_.below(kValues)), 0, 0};
  }
  std::vector<Change> inserts(std::size_t index, std::size_t count) {
    std::vector<Change> changes;
    for (std::size_t i = 0; i < count; ++i) changes.push_back(insert(index));
    return changes;
  }
  // An index that exists.
  std::size_t any_index() {
    std::vector<std::size_t> there;
    for (std::size_t i = 0; i < kIndexes; ++i) {
      if (content_.has_index(i) && i != kWide) there.push_back(i);
    }
    if (!there.empty()) return there[random_.below(there.size())];
    create(0);
    return 0;
  }
  // A change of any kind to an index that exists or to a value.
  Change any_change() {
    const std::size_t index = any_index();
    switch (random_.below(8)) {
      case 0: return erase(index);
      case 1: return update(index);
      case 2: return put();
      case 3: return remove();
      default: return insert(index);
    }
  }
  std::vector<Change> mixture(std::size_t most) {
    std::vector<Change> changes;
    const std::size_t count = 1 + random_.below(most);
    for (std::size_t i = 0; i < count; ++i) {
      const Change change = any_change();
      // An entry is chosen once: the choice knows only what there was before the batch.
      const bool again = std::any_of(changes.begin(), changes.end(), [&](const Change& other) {
        return other.index == change.index && other.id == change.id &&
               change.action != Action::insert;
      });
      if (!again) changes.push_back(change);
    }
    if (changes.empty()) changes.push_back(insert(any_index()));
    return changes;
  }

 private:
  static std::uint8_t number(std::size_t index) { return static_cast<std::uint8_t>(index); }

  std::optional<Content::Entry> any_entry(std::size_t index) {
    const auto& entries = content_.entries(index);
    if (entries.empty()) return std::nullopt;
    const auto skipped = static_cast<std::ptrdiff_t>(random_.below(entries.size()));
    return *std::next(entries.begin(), skipped);
  }

  Content content_;
  std::uint32_t next_id_;
  Random& random_;
  Script script_;
};

void write_inserts(Writer& writer) {
  writer.create(writer.random().below(2));
  const std::size_t count = 4 + writer.random().below(12);
  for (std::size_t i = 0; i < count; ++i) writer.write(writer.insert(writer.any_index()));
  if (writer.random().one_in(2)) writer.add(StepKind::checkpoint);
  for (std::size_t i = 0; i < 3; ++i) writer.write(writer.insert(writer.any_index()));
}

void write_batches(Writer& writer) {
  writer.create(0);
  writer.create(1);
  const std::size_t count = 3 + writer.random().below(6);
  for (std::size_t i = 0; i < count; ++i) {
    writer.batch(writer.mixture(12));
    // More than a block of the log.
    if (writer.random().one_in(3)) writer.batch(writer.inserts(0, 80 + writer.random().below(120)));
    if (writer.random().one_in(4)) writer.add(StepKind::checkpoint);
  }
}

void write_updates(Writer& writer) {
  writer.create(0);
  writer.batch(writer.inserts(0, 10 + writer.random().below(60)));
  const std::size_t count = 4 + writer.random().below(10);
  for (std::size_t i = 0; i < count; ++i) {
    switch (writer.random().below(6)) {
      case 0: writer.write(writer.insert(0)); break;
      case 1: writer.add(StepKind::checkpoint); break;
      case 2:
      case 3: writer.write(writer.erase(0)); break;
      default: writer.write(writer.update(0));
    }
  }
  if (writer.random().one_in(3)) writer.write({Action::clear, 0, 0, 0, 0});
  writer.write(writer.insert(0));
}

void write_bulk(Writer& writer) {
  writer.create(0);
  if (writer.random().one_in(2)) writer.write(writer.put());
  for (const std::size_t index : {std::size_t{1}, std::size_t{3}}) {
    writer.create(index);
    const std::size_t count = 20 + writer.random().below(writer.random().one_in(4) ? 400 : 60);
    writer.add(Step{.kind = StepKind::bulk_load,
                    .index = static_cast<std::uint8_t>(index),
                    .changes = writer.inserts(index, count)});
    writer.write(writer.insert(writer.any_index()));
    if (writer.random().one_in(2)) writer.batch(writer.mixture(6));
  }
}

void write_checkpoints(Writer& writer) {
  writer.create(0);
  const std::size_t count = 5 + writer.random().below(8);
  for (std::size_t i = 0; i < count; ++i) {
    writer.batch(writer.mixture(writer.random().one_in(3) ? 60 : 3));
    writer.add(StepKind::checkpoint);
  }
}

// Few nodes of many change between checkpoints, so that segments are left with some that do not.
// Behind a reopening these are on disk only, and a snapshot reads them where they have come to lie.
void write_compaction(Writer& writer, std::array<std::size_t, 2> indexes) {
  for (const std::size_t index : indexes) {
    writer.create(index);
    writer.batch(writer.inserts(index, 60 + writer.random().below(120)));
    writer.add(StepKind::checkpoint);
  }
  const std::size_t count = 3 + writer.random().below(5);
  for (std::size_t i = 0; i < count; ++i) {
    writer.batch(writer.mixture(4));
    if (writer.random().one_in(3)) writer.add(StepKind::checkpoint);
    if (writer.random().one_in(4)) writer.add(StepKind::reopen);
    const bool is_watched = writer.random().one_in(2);
    if (is_watched) writer.add(StepKind::snapshot);
    if (writer.random().one_in(2)) writer.write(writer.any_change());
    writer.add(StepKind::compact);
    if (is_watched) writer.add(StepKind::release);
  }
}

// Every write reads nodes that went with the one before, and snapshots those of all ages.
void write_eviction(Writer& writer) {
  for (const std::size_t index : {0, 1}) {
    writer.create(index);
    writer.batch(writer.inserts(index, 40 + writer.random().below(160)));
  }
  writer.add(StepKind::reopen_small);
  const std::size_t count = 4 + writer.random().below(8);
  std::size_t open = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (writer.random().one_in(3)) {
      writer.add(StepKind::snapshot);
      ++open;
    }
    writer.batch(writer.mixture(writer.random().one_in(3) ? 40 : 3));
    if (writer.random().one_in(2)) writer.add(StepKind::checkpoint);
    if (writer.random().one_in(4)) writer.add(StepKind::compact);
    if (open != 0 && writer.random().one_in(3)) {
      writer.add(StepKind::release);
      --open;
    }
  }
  while (open-- > 0) writer.add(StepKind::release);
}

void write_snapshots(Writer& writer) {
  writer.create(0);
  writer.batch(writer.inserts(0, 30));
  std::size_t open = 0;
  const std::size_t count = 6 + writer.random().below(10);
  for (std::size_t i = 0; i < count; ++i) {
    switch (writer.random().below(5)) {
      case 0: writer.add(StepKind::checkpoint); break;
      case 1:
        writer.add(StepKind::snapshot);
        ++open;
        break;
      case 2:
        if (open == 0) break;
        writer.add(StepKind::release);
        --open;
        break;
      default: writer.batch(writer.mixture(20));
    }
  }
  while (open-- > 0) writer.add(StepKind::release);
  writer.write(writer.insert(0));
}

// The topmost node of the loaded tree becomes a supernode within the next batches.
void write_supernodes(Writer& writer) {
  writer.create(kWide);
  writer.add(Step{.kind = StepKind::bulk_load,
                  .index = kWide,
                  .changes = writer.inserts(kWide, kWideEntries)});
  for (std::size_t i = 0; i < 4; ++i) {
    writer.batch(writer.inserts(kWide, 150));
    writer.add(StepKind::checkpoint);
  }
  // Of the entries one in two is left, and of these so few that they need no directory.
  for (const std::uint64_t one_left_in : {2, 200}) {
    std::vector<Change> erased;
    for (const Content::Entry& entry : writer.content().entries(kWide)) {
      if (writer.random().one_in(one_left_in)) continue;
      erased.push_back({Action::erase, kWide, entry.first, entry.second, 0});
    }
    writer.batch(std::move(erased));
    writer.add(StepKind::checkpoint);
  }
  writer.write(writer.insert(kWide));
}

void write_reopen(Writer& writer) {
  writer.create(0);
  const std::size_t count = 3 + writer.random().below(4);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t writes = writer.random().below(4);
    for (std::size_t w = 0; w < writes; ++w) writer.batch(writer.mixture(8));
    writer.add(StepKind::reopen);
    if (writer.random().one_in(3)) writer.add(StepKind::checkpoint);
  }
  writer.write(writer.insert(0));
}

void write_levels(Writer& writer) {
  writer.create(0);
  const std::size_t count = 6 + writer.random().below(12);
  for (std::size_t i = 0; i < count; ++i) {
    const auto level = static_cast<Durability>(writer.random().below(4));
    if (writer.random().one_in(6)) {
      writer.add(writer.random().one_in(4) ? StepKind::reopen : StepKind::checkpoint);
    } else if (writer.random().one_in(2)) {
      // Several in a row share blocks of the log, and cross its sectors.
      const std::size_t writes =
          level == Durability::eventual ? 1 + writer.random().below(12) : 1;
      for (std::size_t w = 0; w < writes; ++w) writer.write(writer.insert(0), level);
    } else {
      writer.batch(writer.mixture(6), level);
    }
  }
}

void write_schema(Writer& writer) {
  const std::size_t count = 6 + writer.random().below(8);
  for (std::size_t i = 0; i < count; ++i) {
    constexpr std::size_t kChoices[] = {0, 1, 3};
    const std::size_t index = kChoices[writer.random().below(3)];
    switch (writer.random().below(4)) {
      case 0: writer.drop(index); break;
      case 1: writer.add(StepKind::checkpoint); break;
      default:
        writer.create(index);
        writer.batch(writer.inserts(index, 1 + writer.random().below(40)));
    }
  }
}

}  // namespace

Script make_script(Workload workload, Random& random) {
  Writer writer(Content(), 1, random);
  switch (workload) {
    case Workload::inserts: write_inserts(writer); break;
    case Workload::batches: write_batches(writer); break;
    case Workload::updates: write_updates(writer); break;
    case Workload::bulk: write_bulk(writer); break;
    case Workload::checkpoints: write_checkpoints(writer); break;
    case Workload::compaction: write_compaction(writer, {0, 1}); break;
    case Workload::packed: write_compaction(writer, {1, 3}); break;
    case Workload::eviction: write_eviction(writer); break;
    case Workload::snapshots: write_snapshots(writer); break;
    case Workload::supernodes: write_supernodes(writer); break;
    case Workload::reopen: write_reopen(writer); break;
    case Workload::levels: write_levels(writer); break;
    case Workload::schema: write_schema(writer); break;
  }
  return writer.take();
}

Script make_follow_up(const Content& content, std::uint64_t life, Random& random) {
  Writer writer(content, static_cast<std::uint32_t>(life) * kIdsPerLife, random);
  const std::size_t count = random.below(5);
  for (std::size_t i = 0; i < count; ++i) {
    switch (random.below(7)) {
      case 0: writer.add(StepKind::compact); break;
      case 1: writer.add(StepKind::checkpoint); break;
      case 2: writer.add(StepKind::reopen); break;
      case 3: writer.add(StepKind::reopen_small); break;
      default: writer.batch(writer.mixture(4));
    }
  }
  return writer.take();
}

}  // namespace xtree::testing
