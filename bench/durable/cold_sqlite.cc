#include <sqlite3.h>

#include "durable/cold_store.h"
#include "durable/require.h"

namespace bench {
namespace {

class Connection {
 public:
  explicit Connection(const std::string& directory) {
    must(sqlite3_open((directory + "/database").c_str(), &database_));
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { sqlite3_close(database_); }

  void must(int result) const {
    require(result == SQLITE_OK, std::string("SQLite: ") + sqlite3_errmsg(database_));
  }
  void execute(const std::string& statement) const {
    must(sqlite3_exec(database_, statement.c_str(), nullptr, nullptr, nullptr));
  }
  void set_cache(std::uint64_t bytes) const {
    execute("PRAGMA cache_size = -" + std::to_string(bytes / 1024));
  }
  [[nodiscard]] sqlite3_stmt* prepared(const char* text) const {
    sqlite3_stmt* statement = nullptr;
    must(sqlite3_prepare_v2(database_, text, -1, &statement, nullptr));
    return statement;
  }

 private:
  sqlite3* database_ = nullptr;
};

// Without a journal, which nobody reads, and with all of it in the cache.
void insert(const std::string& directory, const ColdEntries& entries) {
  const Connection connection(directory);
  connection.execute("PRAGMA journal_mode = OFF");
  connection.execute("PRAGMA synchronous = OFF");
  connection.set_cache(entries.size() * 128);
  connection.execute("CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1, y0, y1)");
  sqlite3_stmt* put = connection.prepared("INSERT INTO boxes VALUES (?1, ?2, ?3, ?4, ?5)");
  connection.execute("BEGIN");
  for (const auto& entry : entries) {
    sqlite3_bind_int64(put, 1, static_cast<sqlite3_int64>(entry.value));
    for (int axis = 0; axis < 2; ++axis) {
      sqlite3_bind_double(put, 2 * axis + 2, entry.geometry.min[axis]);
      sqlite3_bind_double(put, 2 * axis + 3, entry.geometry.max[axis]);
    }
    if (sqlite3_step(put) != SQLITE_DONE) connection.must(SQLITE_ERROR);
    connection.must(sqlite3_reset(put));
  }
  connection.execute("COMMIT");
  sqlite3_finalize(put);
}

class ColdSqlite final : public ColdStore {
 public:
  ColdSqlite(const std::string& directory, std::uint64_t cache_bytes) : connection_(directory) {
    connection_.set_cache(cache_bytes);
    connection_.execute("PRAGMA query_only = ON");
    connection_.execute("BEGIN");
    window_ = connection_.prepared(
        "SELECT id FROM boxes WHERE x1 >= ?1 AND x0 <= ?2 AND y1 >= ?3 AND y0 <= ?4");
  }
  ~ColdSqlite() override { sqlite3_finalize(window_); }

  Answer window(const xtree::Box<2>& window) override {
    for (int axis = 0; axis < 2; ++axis) {
      sqlite3_bind_double(window_, 2 * axis + 1, window.min[axis]);
      sqlite3_bind_double(window_, 2 * axis + 2, window.max[axis]);
    }
    Answer found;
    int result = SQLITE_ROW;
    while ((result = sqlite3_step(window_)) == SQLITE_ROW) {
      found.add(static_cast<std::uint64_t>(sqlite3_column_int64(window_, 0)));
    }
    if (result != SQLITE_DONE) connection_.must(result);
    connection_.must(sqlite3_reset(window_));
    return found;
  }

 private:
  Connection connection_;
  sqlite3_stmt* window_ = nullptr;
};

std::unique_ptr<ColdStore> open(const std::string& directory, std::uint64_t cache_bytes) {
  return std::make_unique<ColdSqlite>(directory, cache_bytes);
}

}  // namespace

ColdContestant cold_sqlite() { return {"SQLite R*Tree", insert, nullptr, open}; }

}  // namespace bench
