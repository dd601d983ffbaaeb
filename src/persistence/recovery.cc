#include "persistence/recovery.h"

#include <vector>

#include "platform/check.h"
#include "platform/clock.h"
#include "platform/plant.h"
#include "wal/reader.h"

namespace xtree::persistence {
namespace {

// Applies groups of the log, small ones together: nobody looks at the states between them, and of
// insertions that stand behind each other several are on their way at once.
class GroupReplay {
 public:
  GroupReplay(VersionStore& store, Applier& applier) noexcept : store_(store), applier_(applier) {}

  Result<void> add(std::span<const std::byte> operations) {
    gathered_.insert(gathered_.end(), operations.begin(), operations.end());
    return gathered_.size() < kEnoughBytes ? Result<void>() : finish();
  }
  Result<void> finish() {
    if (gathered_.empty()) return {};
    store_.begin_epoch();
    XTREE_TRY(applier_.replay(gathered_));
    XTREE_TRY(applier_.finish_epoch());
    store_.publish();
    store_.collect();
    if (store_.is_crowded()) store_.trim_cache();
    gathered_.clear();
    return {};
  }

 private:
  static constexpr std::size_t kEnoughBytes = std::size_t{32} << 10;

  VersionStore& store_;
  Applier& applier_;
  std::vector<std::byte> gathered_;
};

Result<void> attach(VersionStore& store, Applier& applier, NodeId catalog) {
  store.begin_epoch();
  XTREE_TRY(applier.attach(store, catalog));
  store.publish();
  return {};
}

// Brings the state into `recovered`, and returns where its log ends.
Result<wal::LogEnd> load(FileSystem& files, const std::string& directory, bool writable,
                         std::size_t cache_bytes, Applier& applier, Recovered& recovered) {
  auto storage = Storage::open(files, directory, writable);
  if (!storage) return storage.error();
  recovered.storage = std::move(storage).value();
  recovered.report = recovered.storage->open_report();
  OpenReport& report = recovered.report;
  platform::Stopwatch watch;
  const Checkpoint& checkpoint = recovered.storage->checkpoint();

  const bool forgets_epoch = platform::planted(platform::Plant::epoch_forgotten);
  auto store = VersionStore::create(forgets_epoch ? 0 : checkpoint.epoch, recovered.storage.get(),
                                    applier.node_family());
  if (!store) return store.error();
  recovered.store = std::move(store).value();
  recovered.store->limit_cache(cache_bytes);
  for (const TableEntry& entry : recovered.storage->take_table()) {
    XTREE_TRY(recovered.store->restore(entry));
  }
  watch.lap(report.restore_us);
  XTREE_TRY(attach(*recovered.store, applier, checkpoint.catalog));
  watch.lap(report.catalog_us);

  GroupReplay groups(*recovered.store, applier);
  const auto replay = [&](const wal::GroupInfo& group, std::span<const std::byte> operations) {
    watch.lap(report.log_scan_us);
    report.replayed_operations += group.operations;
    report.replayed_bytes += operations.size();
    const Result<void> applied = groups.add(operations);
    watch.lap(report.replay_us);
    return applied;
  };
  auto end = wal::replay_log(files, log_directory(directory),
                             {checkpoint.log_file, checkpoint.log_offset},
                             checkpoint.log_generation, checkpoint.next_lsn, replay);
  watch.lap(report.log_scan_us);
  if (end) XTREE_TRY(groups.finish());
  watch.lap(report.replay_us);
  return end;
}

}  // namespace

std::string log_directory(const std::string& directory) { return directory + "/wal"; }

Result<Recovered> recover(FileSystem& files, const std::string& directory, const Options& options,
                          Applier& applier) {
  Recovered recovered;
  auto end = load(files, directory, true, options.cache_bytes, applier, recovered);
  if (!end) return end.error();
  platform::Stopwatch watch;
  const auto worker = options.background_checkpoints ? wal::NextFile::Worker::thread
                                                     : wal::NextFile::Worker::caller;
  auto log = wal::LogWriter::create(files, log_directory(directory), *end, options.log_file_bytes,
                                    worker);
  if (!log) return log.error();
  recovered.log = std::move(log).value();
  watch.lap(recovered.report.log_start_us);
  return recovered;
}

Result<Recovered> recover_to_look(FileSystem& files, const std::string& directory,
                                  Applier& applier) {
  Recovered recovered;
  auto end = load(files, directory, false, 0, applier, recovered);
  if (!end) return end.error();
  return recovered;
}

}  // namespace xtree::persistence
