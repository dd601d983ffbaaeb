#include "durable/store.h"
#include "xtree/database.h"

namespace bench {
namespace {

xtree::Box<2> box_of(const Item& item) {
  return {{item.min[0], item.min[1]}, {item.max[0], item.max[1]}};
}

class XtreeStore final : public Store {
 public:
  XtreeStore(const std::string& directory, const xtree::Options& options)
      : database_(must(xtree::Database::open(directory, options))),
        index_(must(database_.index<2>("boxes"))) {}

  void insert(const Item& item) override { must(index_.insert(box_of(item), item.id)); }
  void insert_all(std::span<const Item> items) override {
    xtree::Batch batch;
    for (const Item& item : items) batch.insert(index_, box_of(item), item.id);
    must(database_.apply(batch));
  }
  std::uint64_t submit(const Item& item) override {
    xtree::Batch batch;
    batch.insert(index_, box_of(item), item.id);
    return must(database_.apply_async(batch)).ticket;
  }
  void wait(std::uint64_t ticket) override { must(database_.wait({ticket})); }
  std::uint64_t count() override {
    must(database_.verify());
    return must(index_.size());
  }
  std::uint64_t log_bytes() override { return must(database_.stats()).log_bytes; }
  std::uint64_t checkpoint() {
    const std::uint64_t before = must(database_.stats()).segment_bytes_written;
    must(database_.checkpoint());
    return must(database_.stats()).segment_bytes_written - before;
  }

 private:
  xtree::Database database_;
  xtree::Index<2> index_;
};

class MemoryStore final : public Store {
 public:
  void insert(const Item& item) override { must(index_.insert(box_of(item), item.id)); }
  void insert_all(std::span<const Item> items) override {
    for (const Item& item : items) insert(item);
  }
  std::uint64_t count() override { return must(index_.size()); }

 private:
  xtree::Index<2> index_;
};

std::unique_ptr<XtreeStore> open(const std::string& directory, Promise promise, bool checkpoints) {
  xtree::Options options;
  options.durability = promise == Promise::power_loss       ? xtree::Durability::strict
                       : promise == Promise::end_of_process ? xtree::Durability::eventual
                                                            : xtree::Durability::none;
  options.background_checkpoints = checkpoints;
  return std::make_unique<XtreeStore>(directory, options);
}

}  // namespace

std::unique_ptr<Store> open_xtree(const std::string& directory, Promise promise) {
  return open(directory, promise, true);
}
std::unique_ptr<Store> open_xtree_without_checkpoints(const std::string& directory,
                                                      Promise promise) {
  return open(directory, promise, false);
}
std::unique_ptr<Store> open_xtree_in_memory(const std::string&, Promise) {
  return std::make_unique<MemoryStore>();
}
std::uint64_t checkpoint_xtree(Store& store) {
  return dynamic_cast<XtreeStore&>(store).checkpoint();
}

}  // namespace bench
