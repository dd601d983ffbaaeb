// Repair: design/recovery.md, "Repair".
#include "xtree/repair.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "index/damaged_directory.h"
#include "index/image_search.h"
#include "index/remains.h"
#include "index/salvaged_database.h"
#include "persistence/committed_file.h"
#include "persistence/recovery.h"
#include "persistence/salvage.h"
#include "platform/check.h"
#include "platform/without_throwing.h"
#include "wal/survey.h"

namespace xtree {
namespace {

using persistence::Checkpoint;
using persistence::FaultList;
using persistence::ImagePlace;
using persistence::SalvagedCheckpoint;
using persistence::SalvagedCheckpoints;
using persistence::ScannedImages;

// Whether an operation was refused for what it says, and not for want of memory or disk space.
bool is_about_content(const Error& error) noexcept {
  switch (error.code()) {
    case ErrorCode::corruption:
    case ErrorCode::invalid_argument:
    case ErrorCode::not_found:
    case ErrorCode::already_exists:
    case ErrorCode::limit_exceeded: return true;
    default: return false;
  }
}

class Repair {
 public:
  Repair(FileSystem& files, std::string damaged, std::string fresh)
      : files_(files),
        damaged_(std::move(damaged)),
        fresh_(std::move(fresh)),
        faults_(damaged_, report_),
        reader_(files, damaged_) {}

  Result<RepairReport> run();

 private:
  Result<void> choose_state();
  void take_table(const SalvagedCheckpoint& checkpoint);
  Result<void> search_images();
  void search_without_manifest();
  void report_lost_nodes();
  void look_for_newer(const SalvagedCheckpoints& found);
  void look_at_remains();
  Result<void> replay_log(index::SalvagedDatabase& database);
  const ScannedImages& scan();

  FileSystem& files_;
  const std::string damaged_;
  const std::string fresh_;
  RepairReport report_;
  FaultList faults_;
  persistence::ImageReader reader_;

  std::optional<SalvagedCheckpoint> checkpoint_;  // whose state it is, if that is known
  std::vector<ImagePlace> live_;
  persistence::NodeId catalog_;
  index::FoundState found_;     // when the table was lost
  std::uint64_t next_lsn_ = 1;  // where the log goes on from there, when no manifest says it
  std::optional<ScannedImages> images_;
  index::Remains remains_;
};

Result<RepairReport> Repair::run() {
  const auto lock = index::lock_to_look(files_, damaged_);
  if (!lock) return lock.error();
  const auto taken = files_.exists(fresh_);
  if (!taken) return taken.error();
  if (*taken) {
    return Error(ErrorCode::already_exists, fresh_.c_str(),
                 "a repair makes a new directory; name one that is not there");
  }
  report_.complete = true;
  XTREE_TRY(choose_state());
  remains_ = index::survey_images(reader_, std::move(live_), catalog_, faults_);
  report_lost_nodes();
  look_at_remains();
  auto database = index::SalvagedDatabase::create(files_, fresh_, reader_, remains_);
  if (!database) return database.error();
  XTREE_TRY((*database)->load(report_));
  XTREE_TRY(replay_log(**database));
  XTREE_TRY((*database)->finish(report_));
  return std::move(report_);
}

const ScannedImages& Repair::scan() {
  if (!images_) images_ = persistence::scan_segments(files_, damaged_, faults_);
  return *images_;
}

Result<void> Repair::choose_state() {
  auto found = persistence::salvage_checkpoints(files_, damaged_, faults_);
  if (!found) return found.error();
  if (!found->checkpoints.empty()) {
    look_for_newer(*found);
    checkpoint_ = std::move(found->checkpoints.front());
    report_.checkpoint = checkpoint_->manifest.checkpoint.generation;
    catalog_ = checkpoint_->manifest.checkpoint.catalog;
    if (checkpoint_->table_is_whole) {
      take_table(*checkpoint_);
      return {};
    }
  }
  return search_images();
}

void Repair::take_table(const SalvagedCheckpoint& checkpoint) {
  report_.table_was_whole = true;
  live_ = persistence::places_of(checkpoint.table);
}

// A checkpoint is committed twice, so a lost one mostly takes nothing with it. What it alone held,
// shows by images that are newer than the other one.
void Repair::look_for_newer(const SalvagedCheckpoints& found) {
  const SalvagedCheckpoint& taken = found.checkpoints.front();
  if (taken.is_named && !found.newest_is_lost) return;
  const Checkpoint& checkpoint = taken.manifest.checkpoint;
  const bool has_newer = std::ranges::any_of(scan().whole, [&](const ImagePlace& place) {
    return place.next_lsn > checkpoint.next_lsn || place.birth > checkpoint.epoch;
  });
  if (!has_newer) return;
  report_.complete = false;
  faults_.doubt("superblock", std::nullopt,
                "there are newer images than the newest checkpoint that is whole: a checkpoint "
                "may be lost, with bulk loads and unlogged writes that it alone held");
}

// The object table is lost, or everything that leads to it.
Result<void> Repair::search_images() {
  if (checkpoint_) {
    const persistence::Manifest& manifest = checkpoint_->manifest;
    const ScannedImages images = images_within(scan(), manifest);
    found_ = index::find_state(reader_, images, checkpoint_->table, manifest.checkpoint.next_lsn,
                               catalog_);
  } else {
    search_without_manifest();
  }
  live_ = found_.live;
  catalog_ = found_.catalog;
  return {};
}

// Each image says where the log went on from its checkpoint. The newest checkpoint of which all is
// there is taken: what one left that came to nothing does not make a whole.
void Repair::search_without_manifest() {
  const ScannedImages& images = scan();
  std::set<std::uint64_t, std::greater<>> checkpoints;
  for (const ImagePlace& place : images.whole) checkpoints.insert(place.next_lsn);
  for (const std::uint64_t next_lsn : checkpoints) {
    auto state = index::find_state(reader_, images, {}, next_lsn, {});
    const bool is_whole = state.is_whole;
    if (next_lsn == *checkpoints.begin() || is_whole) {
      next_lsn_ = next_lsn;
      found_ = std::move(state);
    }
    if (is_whole) break;
  }
  report_.complete = false;
  faults_.doubt("MANIFEST", std::nullopt,
                "no manifest is left: the state was put together from the newest images that make "
                "a whole, and nothing says that it is the newest checkpoint's");
}

void Repair::report_lost_nodes() {
  for (const index::LostNode& lost : found_.lost) {
    const auto& torn = scan().torn;
    const auto [first, last] = std::ranges::equal_range(torn, lost.id, {}, &ImagePlace::id);
    Fault& fault =
        first == last
            ? faults_.fault("segments", std::nullopt,
                            "the node is lost: no whole image of it fits the rest of its index")
            : faults_.fault(reader_.path(*(last - 1)), (last - 1)->offset, "a node is damaged");
    fault.node = lost.id.bits;
    fault.index = lost.name;
    if (lost.index != 0) ++remains_.indexes[lost.index].lost_nodes;
    ++remains_.lost_nodes;
  }
  for (const auto& [number, entries] : found_.doubtful) {
    remains_.indexes[number].doubtful_entries = entries;
  }
}

void Repair::look_at_remains() {
  report_.named_values_were_whole = !remains_.values_are_lost;
  if (!catalog_ && checkpoint_) return;  // a database in which nothing had been made
  if (!remains_.has_catalog) {
    report_.complete = false;
    name_from_older_catalogs(reader_, scan().whole, remains_);
  }
  if (remains_.values_are_lost) report_.complete = false;
}

Result<void> Repair::replay_log(index::SalvagedDatabase& database) {
  wal::LogStart start;
  const std::string directory = persistence::log_directory(damaged_);
  if (checkpoint_) {
    const Checkpoint& checkpoint = checkpoint_->manifest.checkpoint;
    start = {{checkpoint.log_file, checkpoint.log_offset},
             checkpoint.log_generation,
             checkpoint.next_lsn};
  } else {
    auto found = wal::find_log_start(files_, directory, next_lsn_);
    if (!found) return found.error();
    start = *found;
  }
  bool fits = true;
  std::uint64_t unfit = 0;
  const auto apply = [&](const wal::GroupInfo& group, std::span<const std::byte> operations) {
    const Result<void> done = fits ? database.apply(operations) : Result<void>();
    if (!done && !is_about_content(done.error())) return done;
    if (!done) {
      faults_.fault("wal", std::nullopt,
                    "the operations from " + std::to_string(group.first_lsn) +
                        " on do not fit what was salvaged: " + done.error().message());
      fits = false;
    }
    if (!fits) unfit += group.operations;
    return Result<void>();
  };
  const auto log =
      wal::survey_log(files_, directory, start.from, start.generation, start.first_lsn, apply);
  if (!log) return log.error();
  index::add_log_faults(*log, faults_);
  const std::uint64_t left_out = unfit + database.orphaned_operations();
  report_.replayed_operations = log->operations - left_out;
  report_.lost_operations = log->lost_operations + left_out;
  if (report_.lost_operations != 0 || log->lacks_bytes) report_.complete = false;
  return {};
}

}  // namespace

Result<RepairReport> repair(std::string_view damaged, std::string_view fresh,
                            const RepairOptions& options) {
  FileSystem& files = options.file_system ? *options.file_system : posix_file_system();
  return platform::without_throwing(
      "repair", [&] { return Repair(files, std::string(damaged), std::string(fresh)).run(); });
}

}  // namespace xtree
