#include <lmdb.h>

#include "durable/store.h"

namespace bench {
namespace {

void must(int result) {
  if (result != MDB_SUCCESS) stop_with(std::string("LMDB: ") + mdb_strerror(result));
}

// The item under its number, each write a transaction. LMDB has no log and no groups: every commit
// writes the pages that changed.
class LmdbStore final : public Store {
 public:
  LmdbStore(const std::string& directory, Promise promise) {
    must(mdb_env_create(&environment_));
    must(mdb_env_set_mapsize(environment_, std::size_t{16} << 30));
    const unsigned flags = promise == Promise::power_loss ? 0 : MDB_NOSYNC;
    must(mdb_env_open(environment_, directory.c_str(), flags, 0644));
    MDB_txn* transaction = begin(0);
    must(mdb_dbi_open(transaction, nullptr, MDB_INTEGERKEY, &items_));
    must(mdb_txn_commit(transaction));
  }
  ~LmdbStore() override { mdb_env_close(environment_); }

  void insert(const Item& item) override { insert_all({&item, 1}); }
  void insert_all(std::span<const Item> items) override {
    MDB_txn* transaction = begin(0);
    for (Item item : items) {
      MDB_val key{sizeof item.id, &item.id};
      MDB_val value{sizeof item - sizeof item.id, &item.min};
      must(mdb_put(transaction, items_, &key, &value, 0));
    }
    must(mdb_txn_commit(transaction));
  }
  std::uint64_t count() override {
    MDB_txn* transaction = begin(MDB_RDONLY);
    MDB_stat stat;
    must(mdb_stat(transaction, items_, &stat));
    mdb_txn_abort(transaction);
    return stat.ms_entries;
  }

 private:
  MDB_txn* begin(unsigned flags) {
    MDB_txn* transaction = nullptr;
    must(mdb_txn_begin(environment_, nullptr, flags, &transaction));
    return transaction;
  }

  MDB_env* environment_ = nullptr;
  MDB_dbi items_ = 0;
};

}  // namespace

std::unique_ptr<Store> open_lmdb(const std::string& directory, Promise promise) {
  return std::make_unique<LmdbStore>(directory, promise);
}

}  // namespace bench
