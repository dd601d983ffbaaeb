// Database: a directory of durable indexes that change together.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "xtree/batch.h"
#include "xtree/index.h"
#include "xtree/metrics.h"
#include "xtree/options.h"
#include "xtree/result.h"
#include "xtree/snapshot.h"

namespace xtree {

namespace detail {
class DatabaseCore;
}

// An index as the database lists it.
struct IndexDescription {
  std::string name;
  detail::Schema schema;
};

// A write on its way; `Database::wait` turns it into a promise kept.
struct Token {
  std::uint64_t ticket = 0;
};

// Named indexes in one directory, with one log, one writer process, and any number of threads.
//
//   auto db = xtree::Database::open("./data");
//   if (!db) return fail(db.error());
//   auto roads = db->index<2>("roads").value();
//   roads.insert(box, 42).value();                           // synced when it returns
//
// Durability. A write returns once it is as safe as Options::durability says, and readers see it
// from then on. After a crash `open` brings back every write that had returned, and of those that
// had not, each batch either whole or not at all, in the order in which they were made.
//
// Threads. Every call may come from any thread at any time, but for `close`, moving and
// destruction. Writes are made one after the other and synced in groups; readers never wait for
// them.
//
// Memory. An open database reserves 56 GiB of addresses and touches few of them. Where a process
// may not have so many (`ulimit -v`), `open` says `out_of_memory`.
//
// Errors. `locked` when another object has the directory open. An I/O error or a full disk while
// writing poisons the database: the write that met it and all later ones fail, `poisoned`, while
// readers go on with the last published state; reopening recovers what was durable.
class XTREE_EXPORT Database {
 public:
  // Opens the database in a directory whose parent exists. Recovers what a crash left.
  static Result<Database> open(std::string_view directory, const Options& options = {});

  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  // Closes; a failure to take the last checkpoint loses nothing, as the log still holds it.
  ~Database();

  // Waits for what is being written, takes a checkpoint, and gives up the directory.
  Result<void> close();

  // The index of this name, made when it is not there. `already_exists` when it holds something
  // else: other dimensions, scalars, shape or size of value. With Mode::in_memory, a new and empty
  // index in memory that the database knows nothing of.
  template <int D, IndexValue V = std::uint64_t, Coordinate T = double, Shape S = Shape::boxes>
  Result<Index<D, V, T, S>> index(std::string_view name, const IndexOptions& options = {}) {
    auto core = open_index(name, detail::schema_of<D, V, T, S>(), options);
    if (!core) return core.error();
    return Index<D, V, T, S>(std::move(core).value());
  }
  // Removes an index and its entries; snapshots taken before still see it.
  Result<void> drop_index(std::string_view name);
  [[nodiscard]] Result<std::vector<IndexDescription>> indexes() const;

  // Makes all writes of the batch, or none.
  Result<void> apply(const Batch& batch);
  Result<void> apply(const Batch& batch, Durability durability);
  // Hands the batch over and returns at once; errors that need no disk are reported here.
  Result<Token> apply_async(const Batch& batch);
  // Returns once the write of the token is durable and visible, or has failed.
  Result<void> wait(Token token);

  [[nodiscard]] Snapshot snapshot() const;
  // The newest value of this name; nothing when there is none.
  [[nodiscard]] Result<std::optional<std::string>> get(std::string_view name) const;

  // Writes the nodes that changed, so that the log behind this moment is no longer needed.
  Result<void> checkpoint();
  // Takes checkpoints that also move nodes together, until the segment files hold little else than
  // what the last one needs. Readers and writers go on meanwhile.
  Result<void> compact();
  // From now on checkpoints leave nodes where they are, until `resume_compaction`. It does not hold
  // `compact` back, and is not remembered after `close`.
  Result<void> pause_compaction();
  Result<void> resume_compaction();
  [[nodiscard]] Result<DatabaseStats> stats() const;
  // How `open` went.
  [[nodiscard]] OpenReport open_report() const;
  // Checks every index, every checksum on disk, and that each node belongs to exactly one index.
  Result<void> verify() const;

  // For tools, which know an index's schema only at run time: `index` without types, and the index
  // of this name as it is, where nothing is made but `not_found` answered.
  Result<std::shared_ptr<detail::IndexCore>> open_index(std::string_view name,
                                                        const detail::Schema& schema,
                                                        const IndexOptions& options);
  [[nodiscard]] Result<std::shared_ptr<detail::IndexCore>> open_index(std::string_view name);

 private:
  explicit Database(std::shared_ptr<detail::DatabaseCore> core) noexcept;

  std::shared_ptr<detail::DatabaseCore> core_;
};

}  // namespace xtree
