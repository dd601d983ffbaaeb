#include <sqlite3.h>

#include <string>

#include "tree/engines.h"

namespace bench {
namespace {

// A database in memory without a journal, and prepared statements in one transaction that never
// ends: SQLite at its fastest. Its R*Tree keeps 32-bit floats, rounded so that boxes only grow.
template <class Geometry>
class SqliteEngine final : public EngineLoops<SqliteEngine<Geometry>, Geometry> {
 public:
  using Base = Engine<Geometry>;
  using typename Base::Entry;
  using typename Base::Window;
  static constexpr int kDimensions = Geometry::kDimensions;

  SqliteEngine() {
    require(sqlite3_open(":memory:", &database_) == SQLITE_OK);
    std::string columns = "id";
    std::string places = "?1";
    std::string condition;
    for (int i = 0; i < kDimensions; ++i) {
      const std::string axis = std::to_string(i);
      columns += ", min" + axis + ", max" + axis;
      places += ", ?" + std::to_string(2 * i + 2) + ", ?" + std::to_string(2 * i + 3);
      condition += (i == 0 ? "" : " AND ") + ("max" + axis) + " >= ?" + std::to_string(2 * i + 1) +
                   " AND min" + axis + " <= ?" + std::to_string(2 * i + 2);
    }
    execute("PRAGMA journal_mode = OFF");
    execute("CREATE VIRTUAL TABLE boxes USING rtree(" + columns + ")");
    execute("BEGIN");
    insert_ = prepare_statement("INSERT INTO boxes VALUES (" + places + ")");
    erase_ = prepare_statement("DELETE FROM boxes WHERE id = ?1");
    window_ = prepare_statement("SELECT id FROM boxes WHERE " + condition);
  }
  ~SqliteEngine() override {
    for (sqlite3_stmt* statement : {insert_, erase_, window_}) sqlite3_finalize(statement);
    sqlite3_close(database_);
  }

  void insert_one(const Entry& entry) {
    const auto box = as_box(entry.geometry);
    sqlite3_bind_int64(insert_, 1, static_cast<sqlite3_int64>(entry.value));
    for (int i = 0; i < kDimensions; ++i) {
      sqlite3_bind_double(insert_, 2 * i + 2, box.min[i]);
      sqlite3_bind_double(insert_, 2 * i + 3, box.max[i]);
    }
    require(sqlite3_step(insert_) == SQLITE_DONE);
    sqlite3_reset(insert_);
  }
  bool erase_one(const Entry& entry) {
    sqlite3_bind_int64(erase_, 1, static_cast<sqlite3_int64>(entry.value));
    require(sqlite3_step(erase_) == SQLITE_DONE);
    sqlite3_reset(erase_);
    return sqlite3_changes(database_) == 1;
  }

  void window_one(const Window& window, Answer& answer) {
    for (int i = 0; i < kDimensions; ++i) {
      sqlite3_bind_double(window_, 2 * i + 1, window.min[i]);
      sqlite3_bind_double(window_, 2 * i + 2, window.max[i]);
    }
    while (sqlite3_step(window_) == SQLITE_ROW) {
      answer.add(static_cast<std::uint64_t>(sqlite3_column_int64(window_, 0)));
    }
    sqlite3_reset(window_);
  }

 private:
  void require(bool succeeded) const {
    if (!succeeded) give_up(std::string("sqlite: ") + sqlite3_errmsg(database_));
  }
  void execute(const std::string& statement) {
    require(sqlite3_exec(database_, statement.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  sqlite3_stmt* prepare_statement(const std::string& text) {
    sqlite3_stmt* statement = nullptr;
    require(sqlite3_prepare_v2(database_, text.c_str(), -1, &statement, nullptr) == SQLITE_OK);
    return statement;
  }

  sqlite3* database_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  sqlite3_stmt* erase_ = nullptr;
  sqlite3_stmt* window_ = nullptr;
};

}  // namespace

template <class Geometry>
EnginePtr<Geometry> make_sqlite() {
  return std::make_unique<SqliteEngine<Geometry>>();
}
template EnginePtr<xtree::Point<2>> make_sqlite<xtree::Point<2>>();
template EnginePtr<xtree::Point<3>> make_sqlite<xtree::Point<3>>();
template EnginePtr<xtree::Box<2>> make_sqlite<xtree::Box<2>>();
template EnginePtr<xtree::Box<3>> make_sqlite<xtree::Box<3>>();

}  // namespace bench
