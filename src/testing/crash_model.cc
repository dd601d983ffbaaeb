#include "xtree/testing/crash_model.h"

#include <algorithm>
#include <utility>

#include "testing/mix.h"

namespace xtree::testing {
namespace {

constexpr std::uint64_t kSectorsPerPage = kPageBytes / kSectorBytes;

enum class SectorFate : std::uint8_t { old, written, rubbish };

SectorFate fate_of(std::uint64_t sector, std::uint64_t first, const Fate& fate) noexcept {
  switch (fate.loss) {
    case Loss::kept: return SectorFate::written;
    case Loss::lost: return SectorFate::old;
    case Loss::head:
      return sector - first < fate.argument ? SectorFate::written : SectorFate::old;
    case Loss::tail:
      return sector - first >= fate.argument ? SectorFate::written : SectorFate::old;
    case Loss::mixed:
      return mix(sector, fate.argument) % 2 != 0 ? SectorFate::written : SectorFate::old;
    case Loss::blocks:
      return mix(sector / kSectorsPerPage, fate.argument) % 2 != 0 ? SectorFate::written
                                                                   : SectorFate::old;
    case Loss::rubbish: {
      const std::uint64_t roll = mix(sector, fate.argument) % 4;
      if (roll == 0) return SectorFate::rubbish;
      return roll < 3 ? SectorFate::written : SectorFate::old;
    }
  }
  return SectorFate::old;
}

}  // namespace

const char* to_string(Loss loss) noexcept {
  constexpr const char* kNames[] = {"kept", "lost", "head", "tail", "mixed", "blocks", "rubbish"};
  return kNames[static_cast<std::size_t>(loss)];
}

CrashModel::CrashModel(const DiskImage& image) : names_(image) {
  for (const DiskImage::Entry& entry : image.entries()) {
    FileState& state = file(entry.number);
    state.base = entry.node;
    state.size = entry.node->size;
  }
}

CrashModel::FileState& CrashModel::file(std::uint32_t number) {
  if (files_.size() <= number) files_.resize(number + 1);
  return files_[number];
}

void CrashModel::apply(const Event& event) {
  switch (event.kind) {
    case EventKind::write:
    case EventKind::truncate: return change_file(event);
    case EventKind::sync:
    case EventKind::failed_sync:
    case EventKind::sync_piece:
    case EventKind::failed_sync_piece: return sync_file(event);
    case EventKind::make_file:
    case EventKind::make_directory:
    case EventKind::remove:
    case EventKind::rename: return change_name(event);
    case EventKind::sync_directory: return sync_names(*event.path);
  }
}

void CrashModel::change_file(const Event& event) {
  FileState& state = file(event.node);
  Change change;
  change.truncates = event.kind == EventKind::truncate;
  change.bytes = event.bytes;
  change.size = change.truncates ? event.size : event.bytes.end();
  change.grows = !change.truncates && change.size > state.size;
  if (change.truncates || change.grows) state.size = change.size;
  state.changes.push_back(std::move(change));
}

void CrashModel::change_name(const Event& event) {
  if (event.kind == EventKind::make_file || event.kind == EventKind::make_directory) {
    auto node = std::make_shared<Node>();
    node->is_directory = event.kind == EventKind::make_directory;
    file(event.node).base = std::move(node);
  }
  name_changes_.push_back({event.kind, false, event.node, event.path, event.from});
}

void CrashModel::sync_file(const Event& event) {
  FileState& state = file(event.node);
  const bool is_whole = event.kind == EventKind::sync || event.kind == EventKind::failed_sync;
  const bool succeeded = event.kind == EventKind::sync || event.kind == EventKind::sync_piece;
  for (Change& change : state.changes) {
    const bool is_in_piece = !change.truncates && change.bytes.offset >= event.offset &&
                             change.bytes.end() <= event.offset + event.size;
    if (change.progress == Progress::pending && (is_whole || is_in_piece)) {
      change.progress = succeeded ? Progress::durable : Progress::doomed;
    }
  }
  const auto first = std::find_if(state.changes.begin(), state.changes.end(), [](const auto& c) {
    return c.progress != Progress::durable;
  });
  if (first == state.changes.begin()) return;
  auto node = std::make_shared<Node>(*state.base);
  std::uint64_t size = node->size;
  for (auto at = state.changes.begin(); at != first; ++at) apply_data(*node, size, *at, Fate());
  node->resize(size);
  state.base = std::move(node);
  state.changes.erase(state.changes.begin(), first);
}

void CrashModel::sync_names(const std::string& directory) {
  for (NameChange& change : name_changes_) {
    if (parent_of(*change.path) == directory) change.is_durable = true;
  }
  // What is durable goes into the names once nothing before it can undo it.
  const auto first = std::find_if(name_changes_.begin(), name_changes_.end(),
                                  [](const auto& change) { return !change.is_durable; });
  for (auto at = name_changes_.begin(); at != first; ++at) apply_name(names_, *at);
  name_changes_.erase(name_changes_.begin(), first);
}

void CrashModel::apply_name(DiskImage& names, const NameChange& change) const {
  switch (change.kind) {
    case EventKind::remove:
      names.remove(*change.path);
      return;
    case EventKind::rename:
      names.remove(*change.from);
      [[fallthrough]];
    default:
      names.put({change.path, files_[change.node].base, change.node});
  }
}

// Files that have a name, or had or will have one if the changes of names turn out so.
std::vector<std::uint32_t> CrashModel::named_files() const {
  std::vector<std::uint32_t> numbers;
  for (const DiskImage::Entry& entry : names_.entries()) {
    if (!files_[entry.number].changes.empty()) numbers.push_back(entry.number);
  }
  for (const NameChange& change : name_changes_) {
    if (change.kind != EventKind::remove && !files_[change.node].changes.empty()) {
      numbers.push_back(change.node);
    }
  }
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

std::vector<Unit> CrashModel::units() const {
  std::vector<Unit> units;
  for (const std::uint32_t number : named_files()) {
    const std::vector<Change>& changes = files_[number].changes;
    for (std::uint32_t i = 0; i < changes.size(); ++i) {
      if (changes[i].progress == Progress::durable) continue;
      units.push_back({changes[i].truncates ? Unit::Kind::truncation : Unit::Kind::data, number,
                       static_cast<std::uint32_t>(changes[i].bytes.sectors()), changes[i].grows,
                       i});
    }
  }
  for (std::uint32_t i = 0; i < name_changes_.size(); ++i) {
    if (name_changes_[i].is_durable) continue;
    units.push_back({Unit::Kind::name, name_changes_[i].node, 0, false, i});
  }
  return units;
}

void CrashModel::apply_data(Node& node, std::uint64_t& size, const Change& change,
                            const Fate& fate) {
  if (change.truncates) {
    if (fate.loss != Loss::kept) return;
    node.resize(change.size);
    size = change.size;
    return;
  }
  if (fate.size_kept) size = std::max(size, change.size);
  if (fate.loss == Loss::kept) {
    node.write(change.bytes);
    return;
  }
  if (fate.loss == Loss::lost) return;
  const std::uint64_t first = change.bytes.first_sector();
  for (std::uint64_t sector = first; sector < first + change.bytes.sectors(); ++sector) {
    switch (fate_of(sector, first, fate)) {
      case SectorFate::old: break;
      case SectorFate::written: node.write_sector(change.bytes, sector); break;
      case SectorFate::rubbish:
        node.write_sector(change.bytes, sector);
        node.spoil_sector(sector, mix(sector, fate.argument));
        break;
    }
  }
}

NodeRef CrashModel::build_file(std::uint32_t number, std::span<const Unit> units,
                               std::span<const Fate> fates) const {
  const FileState& state = files_[number];
  auto node = std::make_shared<Node>(*state.base);
  std::uint64_t size = node->size;
  std::size_t next = 0;
  for (std::uint32_t i = 0; i < state.changes.size(); ++i) {
    const bool open = next < units.size() && units[next].change == i;
    apply_data(*node, size, state.changes[i], open ? fates[next] : Fate());
    if (open) ++next;
  }
  node->resize(size);
  return node;
}

DiskImage CrashModel::build(std::span<const Unit> units, std::span<const Fate> fates) const {
  std::size_t names_from = units.size();
  while (names_from > 0 && units[names_from - 1].kind == Unit::Kind::name) --names_from;
  DiskImage image = names_;
  std::size_t next = names_from;
  bool directories_missing = false;
  for (std::uint32_t i = 0; i < name_changes_.size(); ++i) {
    const bool open = next < units.size() && units[next].change == i;
    const bool kept = !open || fates[next].loss == Loss::kept;
    if (open) ++next;
    if (kept) apply_name(image, name_changes_[i]);
    directories_missing |= !kept && name_changes_[i].kind == EventKind::make_directory;
  }
  std::vector<DiskImage::Entry> entries = image.take_entries();
  if (directories_missing) {
    // Parents come before what is in them.
    DiskImage reachable;
    for (DiskImage::Entry& entry : entries) {
      const std::string_view parent = parent_of(*entry.path);
      if (parent.empty() || reachable.find(parent) != nullptr) reachable.put(std::move(entry));
    }
    entries = reachable.take_entries();
  }
  for (DiskImage::Entry& entry : entries) entry.node = files_[entry.number].base;
  for (std::size_t begin = 0; begin < names_from;) {
    std::size_t end = begin;
    while (end < names_from && units[end].node == units[begin].node) ++end;
    for (DiskImage::Entry& entry : entries) {
      if (entry.number != units[begin].node) continue;
      entry.node = build_file(entry.number, units.subspan(begin, end - begin),
                              fates.subspan(begin, end - begin));
    }
    begin = end;
  }
  return DiskImage(std::move(entries));
}

}  // namespace xtree::testing
