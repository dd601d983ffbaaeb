// Deep verification: design/recovery.md, "Deep verification".
#include <algorithm>
#include <string>
#include <vector>

#include "index/catalog.h"
#include "index/damaged_directory.h"
#include "index/operation.h"
#include "index/remains.h"
#include "index/verify_state.h"
#include "persistence/recovery.h"
#include "persistence/salvage.h"
#include "platform/check.h"
#include "platform/without_throwing.h"
#include "wal/survey.h"
#include "xtree/repair.h"

namespace xtree {
namespace {

using persistence::FaultList;
using persistence::ImagePlace;
using persistence::SalvagedCheckpoint;
using persistence::SalvagedCheckpoints;

class DeepVerification {
 public:
  DeepVerification(FileSystem& files, std::string directory)
      : files_(files),
        directory_(std::move(directory)),
        faults_(directory_, report_) {}

  Result<DeepReport> run() {
    auto found = persistence::salvage_checkpoints(files_, directory_, faults_);
    if (!found) return found.error();
    report_.live_bytes += found->live_bytes;
    check_images(*found);
    XTREE_TRY(check_log(*found));
    if (report_.faults.empty()) XTREE_TRY(check_meaning());
    return std::move(report_);
  }

 private:
  // Both checkpoints of the superblock: the older one stands in for the newer.
  void check_images(const SalvagedCheckpoints& found) {
    std::vector<ImagePlace> places;
    persistence::NodeId catalog;
    for (const SalvagedCheckpoint& checkpoint : found.checkpoints) {
      const auto more = persistence::places_of(checkpoint.table);
      places.insert(places.end(), more.begin(), more.end());
      if (!catalog) catalog = checkpoint.manifest.checkpoint.catalog;
    }
    sort_by_place(places);
    places.erase(std::unique(places.begin(), places.end()), places.end());
    persistence::ImageReader reader(files_, directory_);
    const index::Remains remains =
        index::survey_images(reader, std::move(places), catalog, faults_);
    report_.images = remains.images;
    report_.live_bytes += remains.image_bytes;
  }

  // From where the older checkpoint needs it.
  Result<void> check_log(const SalvagedCheckpoints& found) {
    if (found.checkpoints.empty()) return {};
    const auto position = [](const SalvagedCheckpoint& checkpoint) {
      return checkpoint.manifest.checkpoint.next_lsn;
    };
    const auto& from =
        std::ranges::min_element(found.checkpoints, {}, position)->manifest.checkpoint;
    const auto look = [&](const wal::GroupInfo& group, std::span<const std::byte> operations) {
      look_at(group, operations);
      return Result<void>();
    };
    const auto log =
        wal::survey_log(files_, persistence::log_directory(directory_),
                        {from.log_file, from.log_offset}, from.log_generation, from.next_lsn, look);
    if (!log) return log.error();
    index::add_log_faults(*log, faults_);
    report_.log_operations = log->operations;
    report_.live_bytes += log->live_bytes;
    return {};
  }

  void look_at(const wal::GroupInfo& group, std::span<const std::byte> operations) {
    index::OperationReader reader(operations);
    index::Operation operation;
    std::uint32_t count = 0;
    Result<bool> more = reader.next(operation);
    for (; more && *more; more = reader.next(operation)) ++count;
    if (more && count == group.operations) return;
    faults_.fault("wal", std::nullopt,
                  "operation " + std::to_string(group.first_lsn + count) + " makes no sense");
  }

  // The state that an open would show. Memory that runs out on the way is no fault of it.
  Result<void> check_meaning() {
    index::Catalog catalog;
    const auto state = persistence::recover_to_look(files_, directory_, catalog);
    if (!state) {
      if (state.error().code() == ErrorCode::out_of_memory) return state.error();
      faults_.error(state.error().place(), state.error());
      return {};
    }
    Result<void> memory;
    const auto note = [&](std::string_view index, const Error& error) {
      if (error.code() == ErrorCode::out_of_memory) {
        memory = error;
        return false;
      }
      faults_.fault("", std::nullopt, error.message()).index = index;
      return true;
    };
    report_.entries = index::verify_state(*state->store, catalog.catalog(), note);
    return memory;
  }

  FileSystem& files_;
  const std::string directory_;
  DeepReport report_;
  FaultList faults_;
};

}  // namespace

Result<DeepReport> verify_deep(std::string_view directory, const RepairOptions& options) {
  FileSystem& files = options.file_system ? *options.file_system : posix_file_system();
  return platform::without_throwing("verification", [&]() -> Result<DeepReport> {
    const auto lock = index::lock_to_look(files, std::string(directory));
    if (!lock) return lock.error();
    return DeepVerification(files, std::string(directory)).run();
  });
}

}  // namespace xtree
