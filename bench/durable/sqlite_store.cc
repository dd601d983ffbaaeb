#include <sqlite3.h>

#include <mutex>

#include "durable/store.h"

namespace bench {
namespace {

// An R*Tree in a database with a write-ahead log. SQLite lets one writer in at a time and has no
// groups, so threads share one connection; with one each they would only wait longer.
class SqliteStore final : public Store {
 public:
  SqliteStore(const std::string& directory, Promise promise) {
    must(sqlite3_open((directory + "/database").c_str(), &database_));
    execute("PRAGMA journal_mode = WAL");
    execute(promise == Promise::power_loss ? "PRAGMA synchronous = FULL"
                                           : "PRAGMA synchronous = OFF");
    execute("CREATE VIRTUAL TABLE IF NOT EXISTS boxes USING rtree(id, x0, x1, y0, y1)");
    insert_ = prepared("INSERT INTO boxes VALUES (?1, ?2, ?3, ?4, ?5)");
  }
  ~SqliteStore() override {
    sqlite3_finalize(insert_);
    sqlite3_close(database_);
  }

  void insert(const Item& item) override {
    const std::lock_guard lock(mutex_);
    put(item);
  }
  void insert_all(std::span<const Item> items) override {
    const std::lock_guard lock(mutex_);
    execute("BEGIN");
    for (const Item& item : items) put(item);
    execute("COMMIT");
  }
  std::uint64_t count() override {
    sqlite3_stmt* question = prepared("SELECT count(*) FROM boxes");
    if (sqlite3_step(question) != SQLITE_ROW) must(SQLITE_ERROR);
    const auto found = static_cast<std::uint64_t>(sqlite3_column_int64(question, 0));
    sqlite3_finalize(question);
    return found;
  }

 private:
  void must(int result) const {
    if (result != SQLITE_OK) stop_with(std::string("SQLite: ") + sqlite3_errmsg(database_));
  }
  void execute(const char* statement) {
    must(sqlite3_exec(database_, statement, nullptr, nullptr, nullptr));
  }
  sqlite3_stmt* prepared(const char* text) {
    sqlite3_stmt* statement = nullptr;
    must(sqlite3_prepare_v2(database_, text, -1, &statement, nullptr));
    return statement;
  }
  void put(const Item& item) {
    sqlite3_bind_int64(insert_, 1, static_cast<sqlite3_int64>(item.id));
    for (int axis = 0; axis < 2; ++axis) {
      sqlite3_bind_double(insert_, 2 * axis + 2, item.min[axis]);
      sqlite3_bind_double(insert_, 2 * axis + 3, item.max[axis]);
    }
    if (sqlite3_step(insert_) != SQLITE_DONE) must(SQLITE_ERROR);
    must(sqlite3_reset(insert_));
  }

  std::mutex mutex_;
  sqlite3* database_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
};

}  // namespace

std::unique_ptr<Store> open_sqlite(const std::string& directory, Promise promise) {
  return std::make_unique<SqliteStore>(directory, promise);
}

}  // namespace bench
