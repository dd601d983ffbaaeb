// DatabaseCore: an open database. The public Database, its indexes and its snapshots share it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "index/catalog.h"
#include "persistence/checkpointer.h"
#include "persistence/committer.h"
#include "persistence/recovery.h"
#include "xtree/database.h"
#include "xtree/options.h"

namespace xtree::detail {

class SnapshotCore {
 public:
  SnapshotCore(std::shared_ptr<const DatabaseCore> database, persistence::SnapshotPin pin) noexcept
      : owner_(std::move(database)),
        database_(owner_.get()),
        pin_(std::move(pin)) {}
  // Stands for the snapshots of a database that could not be taken, and belongs to it; queries on
  // it fail with `refusal`.
  SnapshotCore(const DatabaseCore& database, const Error& refusal) noexcept
      : database_(&database),
        refusal_(refusal) {}
  ~SnapshotCore();

  [[nodiscard]] const DatabaseCore& database() const noexcept { return *database_; }
  [[nodiscard]] std::uint64_t epoch() const noexcept { return pin_.epoch(); }
  // No guard when the snapshot has ended, or was none, or all readers' places are taken; `context`
  // then says why.
  [[nodiscard]] persistence::ReadGuard enter(persistence::ReadContext& context) const;

 private:
  std::shared_ptr<const DatabaseCore> owner_;
  const DatabaseCore* database_;
  persistence::SnapshotPin pin_;
  std::optional<Error> refusal_;
};

// A reader that has entered: the guard keeps its epoch readable and its frames in place for as long
// as the reader lives, and the context keeps what went wrong.
class Reader {
 public:
  // Enters as DatabaseCore::enter does.
  Reader(const DatabaseCore& database, const SnapshotCore* snapshot);
  Reader(const Reader&) = delete;  // its view leads to its context
  Reader& operator=(const Reader&) = delete;

  [[nodiscard]] const persistence::ReadView& view() const noexcept { return view_; }
  [[nodiscard]] Result<void> status() const { return context_.status(); }
  [[nodiscard]] bool has_failed() const noexcept { return context_.has_failed(); }
  // False when the snapshot has ended or all readers' places are taken; nothing may be read then,
  // and `status` says so.
  [[nodiscard]] bool has_entered() const noexcept { return static_cast<bool>(guard_); }
  // Between two steps of a walk that goes on with nothing but NodeIDs: lets go of all that was
  // found, so that it can be evicted.
  void renew(const DatabaseCore& database);

 private:
  [[gnu::cold]] void note_refusal();

  persistence::ReadContext context_;
  persistence::ReadGuard guard_;
  persistence::ReadView view_;
};

class DatabaseCore : public std::enable_shared_from_this<DatabaseCore> {
 public:
  static Result<std::shared_ptr<DatabaseCore>> open(std::string_view directory,
                                                    const Options& options);
  ~DatabaseCore();
  DatabaseCore(const DatabaseCore&) = delete;
  DatabaseCore& operator=(const DatabaseCore&) = delete;

  Result<void> close();
  [[nodiscard]] bool is_open() const noexcept { return !closed_.load(std::memory_order_acquire); }
  // `closed` once the database was closed.
  [[nodiscard]] Result<void> check_open() const;

  Result<std::shared_ptr<IndexCore>> open_index(std::string_view name, const Schema* schema);
  Result<void> drop_index(std::string_view name);
  [[nodiscard]] Result<std::vector<IndexDescription>> indexes() const;

  // One operation or a batch; `answers` as in CommitRequest.
  Result<void> commit(std::span<const std::byte> operations, std::uint32_t count,
                      Durability durability, bool* answers);
  Result<void> commit(std::span<const std::byte> operations, std::uint32_t count, bool* answers) {
    return commit(operations, count, durability_, answers);
  }
  Result<Token> commit_async(std::vector<std::byte> operations, std::uint32_t count);
  Result<void> wait(Token token);
  // Builds an empty tree from entries and makes it durable as one step; false when the tree turned
  // out not to be empty, and nothing was done.
  Result<bool> bulk_load(std::uint32_t index, const EntryBlock& entries,
                         const BulkLoadOptions& options);

  [[nodiscard]] std::shared_ptr<const SnapshotCore> snapshot() const;
  [[nodiscard]] Result<std::optional<std::string>> get(std::string_view name,
                                                       const SnapshotCore* snapshot) const;
  Result<void> checkpoint();
  Result<void> compact();
  Result<void> pause_compaction(bool paused);
  [[nodiscard]] Result<DatabaseStats> stats() const;
  // Constant once the database is open.
  [[nodiscard]] const OpenReport& open_report() const noexcept { return recovered_.report; }
  [[nodiscard]] Result<void> verify() const;

  [[nodiscard]] Durability durability() const noexcept { return durability_; }
  [[nodiscard]] persistence::VersionStore& store() const noexcept { return *recovered_.store; }
  // Enters at the snapshot's epoch, or at the newest published one when it is null.
  [[nodiscard]] persistence::ReadGuard enter(const SnapshotCore* snapshot,
                                             persistence::ReadContext& context) const {
    if (store().is_crowded()) [[unlikely]] trim_cache();
    return snapshot == nullptr ? store().enter() : snapshot->enter(context);
  }
  // Evicts nodes when they take too much memory, unless a writer is under way, who will.
  void trim_cache() const;
  // Frees what only the snapshot that just closed needed, unless a writer is about to do it anyway.
  void snapshot_closed(std::uint64_t epoch) const;

 private:
  DatabaseCore(std::string directory, const Options& options);
  Result<void> create_or_check(bool create_if_missing);
  Result<void> create();
  Result<void> start(const Options& options);
  void warm_up(index::DurableTree& tree);

  const std::string directory_;
  FileSystem& files_;
  const Durability durability_;
  const std::uint64_t max_snapshot_age_ms_;
  std::atomic<bool> closed_{false};  // set once, before anything is taken down

  std::unique_ptr<File> lock_;
  // On lines of its own: the writer changes it all the time, beside readers of what stands around
  // it.
  alignas(64) index::Catalog catalog_;
  alignas(64) persistence::Recovered recovered_;
  std::unique_ptr<persistence::Committer> committer_;
  std::unique_ptr<persistence::Checkpointer> checkpointer_;
  // What `snapshot` gives out when it cannot do better, as it needs no memory.
  const SnapshotCore no_memory_{
      *this, Error(ErrorCode::out_of_memory, "snapshot", "there was no memory to take it")};
  const SnapshotCore no_place_{
      *this, Error(ErrorCode::limit_exceeded, "snapshot", "too many snapshots were open")};
};

inline void Reader::renew(const DatabaseCore& database) {
  database.store().renew(guard_);
  database.trim_cache();
}

[[gnu::always_inline]] inline Reader::Reader(const DatabaseCore& database,
                                             const SnapshotCore* snapshot)
    : guard_(database.enter(snapshot, context_)),
      view_(database.store().view(guard_, context_)) {
  if (!guard_) [[unlikely]] note_refusal();
}

}  // namespace xtree::detail
