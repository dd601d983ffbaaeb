#include "index/database_core.h"

#include <algorithm>

#include "index/durable_index.h"
#include "index/verify_state.h"
#include "index/warm_up.h"
#include "platform/check.h"
#include "platform/clock.h"
#include "platform/plant.h"
#include "platform/without_throwing.h"
#include "platform/workers.h"

namespace xtree::detail {
namespace {

using index::Catalog;
using index::DurableTree;
using index::OperationKind;
using persistence::NodeId;

// Directory nodes that are read when an index is opened for the first time: some milliseconds of a
// disk's time, and of a limited cache a part.
constexpr std::size_t kMostWarmNodes = 1024;
constexpr std::size_t kWarmCacheParts = 4;
constexpr std::size_t kNodeBytes = 4096;

// What a database's directory may hold. Anything else in a directory without a superblock says that
// it belongs to somebody else.
bool is_ours(std::string_view name) noexcept {
  return name == "LOCK" || name == "superblock" || name == "superblock.new" || name == "wal" ||
         name == "segments" || name == "table" || name.starts_with("MANIFEST-");
}

// Whether entries of one are entries of the other.
bool holds_the_same(Schema held, const Schema& wanted) noexcept {
  held.compression = wanted.compression;
  return held == wanted;
}

Error bad_name() {
  return Error(ErrorCode::invalid_argument, "name",
               "an index's name is a plain word of at most 64 letters, digits, '_', '-' or '.'");
}

}  // namespace

SnapshotCore::~SnapshotCore() {
  if (refusal_) return;
  const std::uint64_t epoch = pin_.epoch();
  pin_ = persistence::SnapshotPin();
  database_->snapshot_closed(epoch);
}

persistence::ReadGuard SnapshotCore::enter(persistence::ReadContext& context) const {
  if (refusal_) [[unlikely]] {
    context.set(*refusal_);
    return {};
  }
  persistence::ReadGuard guard = database_->store().enter(pin_);
  if (!guard && pin_.has_ended()) [[unlikely]] {
    context.set(Error(ErrorCode::limit_exceeded, "snapshot",
                      "it was open for longer than max_snapshot_age_ms, and has ended"));
  }
  return guard;
}

// Unless the snapshot has said why.
void Reader::note_refusal() {
  context_.set(Error(ErrorCode::limit_exceeded, "readers", "too many queries are under way"));
}

DatabaseCore::DatabaseCore(std::string directory, const Options& options)
    : directory_(std::move(directory)),
      files_(options.file_system != nullptr ? *options.file_system : posix_file_system()),
      durability_(options.durability),
      max_snapshot_age_ms_(options.max_snapshot_age_ms) {}

DatabaseCore::~DatabaseCore() { static_cast<void>(close()); }

Result<std::shared_ptr<DatabaseCore>> DatabaseCore::open(std::string_view directory,
                                                         const Options& options) {
  if (directory.empty()) {
    return Error(ErrorCode::invalid_argument, "directory", "it has no name");
  }
  if (options.compaction_steady_percent > options.compaction_urgent_percent ||
      options.compaction_urgent_percent > 100) {
    return Error(ErrorCode::invalid_argument, "compaction_urgent_percent",
                 "it is at most 100, and compaction_steady_percent is no more than it");
  }
  platform::Stopwatch whole;
  platform::Stopwatch watch;
  std::uint64_t lock_us = 0;
  std::shared_ptr<DatabaseCore> core(new DatabaseCore(std::string(directory), options));
  XTREE_TRY(core->create_or_check(options.create_if_missing));
  watch.lap(lock_us);
  XTREE_TRY(core->start(options));
  OpenReport& report = core->recovered_.report;
  report.lock_us = lock_us;
  whole.lap(report.total_us);
  return core;
}

// Takes the lock and makes sure that there is a database, an empty one if need be. Nothing is
// created in a directory that holds what is not ours.
Result<void> DatabaseCore::create_or_check(bool create_if_missing) {
  const Error not_ours(ErrorCode::not_a_database, directory_.c_str(),
                       "it holds something else than an xtree database");
  auto there = files_.exists(directory_);
  if (!there) return there.error();
  if (!*there) {
    if (!create_if_missing) {
      return Error(ErrorCode::not_found, directory_.c_str(), "there is no such directory");
    }
    XTREE_TRY(files_.make_directory(directory_));
  }
  auto names = files_.list(directory_);
  if (!names) return names.error();
  const bool has_superblock = std::find(names->begin(), names->end(), "superblock") != names->end();
  if (!has_superblock) {
    if (!std::all_of(names->begin(), names->end(), is_ours)) return not_ours;
    if (!create_if_missing) {
      return Error(ErrorCode::not_a_database, directory_.c_str(), "there is no superblock in it");
    }
  }
  auto lock = files_.open(directory_ + "/LOCK", OpenMode::create);
  if (!lock) return lock.error();
  XTREE_TRY((*lock)->lock());
  lock_ = std::move(lock).value();
  auto made = files_.exists(directory_ + "/superblock");  // another may have made it meanwhile
  if (!made) return made.error();
  return *made ? Result<void>() : create();
}

// A database is there once its superblock is. Remains of an attempt that ended before hold nothing;
// a lost superblock shows by the files that it left behind.
Result<void> DatabaseCore::create() {
  for (const char* part : {"/wal", "/segments", "/table"}) {
    auto there = files_.exists(directory_ + part);
    if (!there) return there.error();
    if (!*there) continue;
    auto names = files_.list(directory_ + part);
    if (!names) return names.error();
    if (!names->empty()) {
      return Error(ErrorCode::corruption, (directory_ + "/superblock").c_str(),
                   "it is missing, and the database's other files are there");
    }
  }
  XTREE_TRY(files_.make_directory(persistence::log_directory(directory_)));
  auto storage = persistence::Storage::create(files_, directory_);
  return storage ? Result<void>() : Result<void>(storage.error());
}

Result<void> DatabaseCore::start(const Options& options) {
  auto recovered = persistence::recover(files_, directory_, options, catalog_);
  if (!recovered) return recovered.error();
  recovered_ = std::move(recovered).value();
  platform::Stopwatch watch;
  recovered_.store->limit_snapshot_age(max_snapshot_age_ms_);
  committer_ = std::make_unique<persistence::Committer>(*recovered_.store, *recovered_.log,
                                                        catalog_, options);
  checkpointer_ = std::make_unique<persistence::Checkpointer>(
      *recovered_.storage, *recovered_.store, *recovered_.log, *committer_, catalog_,
      recovered_.report.replayed_bytes, options);
  if (options.background_checkpoints) checkpointer_->start();
  watch.lap(recovered_.report.threads_us);
  return {};
}

Result<void> DatabaseCore::check_open() const {
  if (is_open()) return {};
  return Error(ErrorCode::closed, directory_.c_str(), "the database was closed");
}

Result<void> DatabaseCore::close() {
  if (closed_.exchange(true, std::memory_order_acq_rel)) return {};
  if (!checkpointer_) return {};  // it never opened
  checkpointer_->stop();
  const Result<void> stopped =
      platform::without_throwing("database", [this] { return committer_->stop(); });
  const Result<void> result =
      platform::without_throwing("database", [this] { return checkpointer_->close(); });
  recovered_.log.reset();
  lock_.reset();
  return stopped ? result : stopped;
}

Result<std::shared_ptr<IndexCore>> DatabaseCore::open_index(std::string_view name,
                                                            const Schema* schema) {
  XTREE_TRY(check_open());
  if (!index::is_plain_word(name)) return bad_name();
  if (schema != nullptr) XTREE_TRY(index::check_schema(*schema));
  const std::string word(name);
  const Error absent(ErrorCode::not_found, word.c_str(), "the database has no index of this name");
  for (;;) {
    std::shared_ptr<DurableTree> tree;
    XTREE_TRY(committer_->exclusively([&]() -> Result<void> {
      tree = catalog_.find(name);
      return {};
    }));
    if (tree) {
      if (schema != nullptr && !holds_the_same(tree->definition.schema, *schema)) {
        return Error(ErrorCode::already_exists, word.c_str(),
                     "the index has other dimensions, scalars, shape or size of value");
      }
      warm_up(*tree);
      return std::shared_ptr<IndexCore>(
          std::make_shared<index::DurableIndex>(shared_from_this(), std::move(tree)));
    }
    if (schema == nullptr) return absent;
    const std::uint64_t bits = index::encode_schema(*schema);
    std::vector<std::byte> operation;
    index::append_operation(operation, OperationKind::create_index, 0, name,
                            std::as_bytes(std::span(&bits, 1)));
    const auto made = commit(operation, 1, Durability::strict, nullptr);
    // Somebody else may have made it since; then it is looked at again.
    if (!made && made.error().code() != ErrorCode::already_exists) return made.error();
  }
}

// Once for each tree, and what fails is left to those who ask.
void DatabaseCore::warm_up(DurableTree& tree) {
  if (tree.is_warm.exchange(true, std::memory_order_relaxed)) return;
  const std::size_t cache = store().cache_bytes();
  const std::size_t most =
      cache == 0 ? kMostWarmNodes : std::min(kMostWarmNodes, cache / kWarmCacheParts / kNodeBytes);
  const Reader reader(*this, nullptr);
  if (most == 0 || !reader.has_entered()) return;
  const auto root = Catalog::read_root(reader.view(), tree.definition.root);
  if (!root) return;
  static_cast<void>(platform::try_to([&] {
    index::warm_up(index::Layout(tree.definition.schema), index::DurableView(reader.view()), *root,
                   most);
  }));
}

Result<void> DatabaseCore::drop_index(std::string_view name) {
  auto found = open_index(name, nullptr);
  if (!found) return found.error();
  std::vector<std::byte> operation;
  index::append_operation(operation, OperationKind::drop_index, (*found)->home().number, {}, {});
  return commit(operation, 1, Durability::strict, nullptr);
}

Result<std::vector<IndexDescription>> DatabaseCore::indexes() const {
  XTREE_TRY(check_open());
  const Reader reader(*this, nullptr);
  if (!reader.has_entered()) return reader.status().error();
  auto definitions = Catalog::read_indexes(reader.view(), catalog_.catalog());
  if (!definitions) return definitions.error();
  std::vector<IndexDescription> descriptions;
  for (const auto& definition : *definitions) {
    descriptions.push_back({definition.name, definition.schema});
  }
  return descriptions;
}

Result<void> DatabaseCore::commit(std::span<const std::byte> operations, std::uint32_t count,
                                  Durability durability, bool* answers) {
  if (platform::planted(platform::Plant::batch_split) && count > 1) {
    index::OperationReader reader(operations);
    index::Operation first;
    if (const auto more = reader.next(first); !more) return more.error();
    const std::size_t bytes =
        sizeof(index::OperationHeader) + first.name.size() + first.payload.size();
    XTREE_TRY(commit(operations.first(bytes), 1, durability, answers));
    return commit(operations.subspan(bytes), count - 1, durability, nullptr);
  }
  persistence::CommitRequest request;
  request.operations = operations;
  request.count = count;
  request.durability = durability;
  request.answers = answers;
  return committer_->commit(request);
}

Result<Token> DatabaseCore::commit_async(std::vector<std::byte> operations, std::uint32_t count) {
  auto ticket = committer_->commit_async(std::move(operations), count, durability_);
  if (!ticket) return ticket.error();
  return Token{*ticket};
}

Result<void> DatabaseCore::wait(Token token) { return committer_->wait(token.ticket); }

Result<bool> DatabaseCore::bulk_load(std::uint32_t number, const EntryBlock& entries,
                                     const BulkLoadOptions& options) {
  XTREE_TRY(check_open());
  bool loaded = false;
  std::shared_ptr<DurableTree> tree;
  const auto build = [&]() -> Result<bool> {
    tree = catalog_.find(number);
    if (!tree) return Error(ErrorCode::not_found, "index", "it was dropped");
    if (tree->root.entries != 0) return false;
    XTREE_TRY(catalog_.bulk_load(*tree, entries, options));
    loaded = true;
    return true;
  };
  const auto undo = [&]() -> Result<void> { return catalog_.unload(*tree); };
  XTREE_TRY(checkpointer_->commit_epoch(platform::thread_count(options.threads), build, undo));
  return loaded;
}

std::shared_ptr<const SnapshotCore> DatabaseCore::snapshot() const {
  const auto self = shared_from_this();
  const auto refused = [&](const SnapshotCore& instead) {
    return std::shared_ptr<const SnapshotCore>(self, &instead);
  };
  persistence::SnapshotPin pin = store().pin();
  if (!pin) return refused(no_place_);
  auto taken = platform::without_throwing(
      "snapshot", [&]() -> Result<std::shared_ptr<const SnapshotCore>> {
        return std::shared_ptr<const SnapshotCore>(
            std::make_shared<SnapshotCore>(self, std::move(pin)));
      });
  return taken ? std::move(taken).value() : refused(no_memory_);
}

// Beside a writer, who may have collected before its sync, it is left to the next one. The database
// may be closed meanwhile.
void DatabaseCore::snapshot_closed(std::uint64_t epoch) const {
  if (!store().snapshot_closed(epoch) || !check_open()) return;
  committer_->try_exclusively([this] { store().collect_when_due(); });
}

void DatabaseCore::trim_cache() const {
  if (!check_open()) return;
  committer_->try_exclusively([this] { store().trim_cache(); });
}

Result<std::optional<std::string>> DatabaseCore::get(std::string_view name,
                                                     const SnapshotCore* snapshot) const {
  XTREE_TRY(check_open());
  const Reader reader(*this, snapshot);
  if (!reader.has_entered()) return reader.status().error();
  return Catalog::read_value(reader.view(), catalog_.catalog(), name);
}

Result<void> DatabaseCore::checkpoint() {
  XTREE_TRY(check_open());
  return checkpointer_->run();
}

Result<void> DatabaseCore::compact() {
  XTREE_TRY(check_open());
  return checkpointer_->compact();
}

Result<void> DatabaseCore::pause_compaction(bool paused) {
  XTREE_TRY(check_open());
  persistence::Compactor& compactor = checkpointer_->compactor();
  paused ? compactor.pause() : compactor.resume();
  return {};
}

Result<DatabaseStats> DatabaseCore::stats() const {
  XTREE_TRY(check_open());
  DatabaseStats stats;
  auto listed = indexes();
  if (!listed) return listed.error();
  stats.indexes = listed->size();
  XTREE_TRY(committer_->exclusively([&]() -> Result<void> {
    if (max_snapshot_age_ms_ != 0) {
      store().end_snapshots(platform::coarse_time_ms(), max_snapshot_age_ms_);
    }
    store().collect();
    const persistence::VersionCounts counts = store().counts();
    stats.epoch = store().published();
    stats.handles = counts.live_nodes;
    stats.versions_held = counts.versions_held;
    stats.version_bytes = counts.version_bytes;
    stats.snapshots = counts.open_snapshots;
    stats.oldest_snapshot = counts.open_snapshots == 0 ? 0 : counts.oldest_snapshot;
    stats.oldest_snapshot_age_ms = counts.oldest_snapshot_age_ms;
    stats.resident_bytes = counts.resident_bytes;
    stats.loaded_nodes = counts.loaded_nodes;
    stats.evicted_nodes = counts.evicted_nodes;
    return {};
  }));
  stats.log_bytes = checkpointer_->log_bytes();
  stats.checkpoint = checkpointer_->generation();
  stats.segment_bytes = recovered_.storage->segment_bytes();
  stats.live_segment_bytes = recovered_.storage->live_segment_bytes();
  stats.segment_bytes_written = recovered_.storage->segment_bytes_written();
  stats.compacted_bytes = checkpointer_->compactor().moved_bytes();
  return stats;
}

// The nodes of all indexes and the catalog's own objects must be exactly the nodes that live, with
// the writer held back for as long as it takes to compare.
Result<void> DatabaseCore::verify() const {
  XTREE_TRY(check_open());
  XTREE_TRY(checkpointer_->verify_storage());
  return committer_->exclusively([&]() -> Result<void> {
    Result<void> verified;
    index::verify_state(store(), catalog_.catalog(), [&](std::string_view, const Error& error) {
      verified = error;
      return false;
    });
    return verified;
  });
}

}  // namespace xtree::detail
