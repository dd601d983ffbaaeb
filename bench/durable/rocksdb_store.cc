#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include "durable/store.h"

namespace bench {
namespace {

void must(const rocksdb::Status& status) {
  if (!status.ok()) stop_with("RocksDB: " + status.ToString());
}

// The item under its number. RocksDB commits in groups by itself.
class RocksdbStore final : public Store {
 public:
  RocksdbStore(const std::string& directory, Promise promise) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.compression = rocksdb::kNoCompression;
    options.recycle_log_file_num = 4;
    rocksdb::DB* database = nullptr;
    must(rocksdb::DB::Open(options, directory, &database));
    database_.reset(database);
    how_.sync = promise == Promise::power_loss;
    how_.disableWAL = promise == Promise::nothing;
  }
  // What is in no log is only in memory.
  ~RocksdbStore() override {
    if (how_.disableWAL) must(database_->Flush({}));
    must(database_->Close());
  }

  void insert(const Item& item) override { must(database_->Put(how_, key(item), value(item))); }
  void insert_all(std::span<const Item> items) override {
    rocksdb::WriteBatch batch;
    for (const Item& item : items) must(batch.Put(key(item), value(item)));
    must(database_->Write(how_, &batch));
  }
  std::uint64_t count() override {
    const std::unique_ptr<rocksdb::Iterator> entry(database_->NewIterator({}));
    std::uint64_t found = 0;
    for (entry->SeekToFirst(); entry->Valid(); entry->Next()) ++found;
    must(entry->status());
    return found;
  }

 private:
  static rocksdb::Slice key(const Item& item) {
    return {reinterpret_cast<const char*>(&item.id), sizeof item.id};
  }
  static rocksdb::Slice value(const Item& item) {
    return {reinterpret_cast<const char*>(&item.min), sizeof item - sizeof item.id};
  }

  std::unique_ptr<rocksdb::DB> database_;
  rocksdb::WriteOptions how_;
};

}  // namespace

std::unique_ptr<Store> open_rocksdb(const std::string& directory, Promise promise) {
  return std::make_unique<RocksdbStore>(directory, promise);
}

}  // namespace bench
