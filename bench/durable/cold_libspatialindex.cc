#include <memory>

#include <spatialindex/SpatialIndex.h>

#include "durable/cold_store.h"
#include "durable/require.h"

namespace bench {
namespace {

namespace si = SpatialIndex;

constexpr std::uint32_t kDimensions = 2;
constexpr std::uint32_t kPageBytes = 4096;
// Of a node's page: 44 bytes of header and of its own box, 44 for each entry.
constexpr std::uint32_t kNodeEntries = 92;
constexpr double kFill = 0.7;
// The number that it gives to the first tree of a file.
constexpr si::id_type kTree = 1;

using Storage = std::unique_ptr<si::IStorageManager>;
using Tree = std::unique_ptr<si::ISpatialIndex>;

si::Region region(const xtree::Box<2>& box) {
  return {box.min.data(), box.max.data(), kDimensions};
}

class Stream final : public si::IDataStream {
 public:
  explicit Stream(const ColdEntries& entries) : entries_(entries) {}
  si::IData* getNext() override {
    const auto& entry = entries_[next_++];
    si::Region box = region(entry.geometry);
    return std::make_unique<si::RTree::Data>(0, nullptr, box,
                                             static_cast<si::id_type>(entry.value))
        .release();  // its caller takes it
  }
  bool hasNext() override { return next_ < entries_.size(); }
  std::uint32_t size() override { return static_cast<std::uint32_t>(entries_.size()); }
  void rewind() override { next_ = 0; }

 private:
  const ColdEntries& entries_;
  std::size_t next_ = 0;
};

// Builds with a buffer that has room for everything.
template <class Fill>
void build(const std::string& directory, const ColdEntries& entries, Fill&& fill) {
  std::string name = directory + "/tree";
  const Storage disk(si::StorageManager::createNewDiskStorageManager(name, kPageBytes));
  const auto pages = static_cast<std::uint32_t>(entries.size() / 8 + 64);
  const Storage buffer(si::StorageManager::createNewRandomEvictionsBuffer(*disk, pages, false));
  si::id_type id = 0;
  const Tree tree(fill(*buffer, id));
  require(id == kTree, "libspatialindex: the tree has another number");
}

void insert(const std::string& directory, const ColdEntries& entries) {
  build(directory, entries, [&](si::IStorageManager& storage, si::id_type& id) {
    si::ISpatialIndex* tree =
        si::RTree::createNewRTree(storage, kFill, kNodeEntries, kNodeEntries, kDimensions,
                                  si::RTree::RV_RSTAR, id);
    for (const auto& entry : entries) {
      tree->insertData(0, nullptr, region(entry.geometry), static_cast<si::id_type>(entry.value));
    }
    return tree;
  });
}

// Sort-tile-recursive packing.
void load(const std::string& directory, const ColdEntries& entries) {
  build(directory, entries, [&](si::IStorageManager& storage, si::id_type& id) {
    Stream stream(entries);
    return si::RTree::createAndBulkLoadNewRTree(si::RTree::BLM_STR, stream, storage, 0.99,
                                                kNodeEntries, kNodeEntries, kDimensions,
                                                si::RTree::RV_RSTAR, id);
  });
}

class Visitor final : public si::IVisitor {
 public:
  explicit Visitor(Answer& answer) : answer_(answer) {}
  void visitNode(const si::INode&) override {}
  void visitData(const si::IData& hit) override {
    answer_.add(static_cast<std::uint64_t>(hit.getIdentifier()));
  }
  void visitData(std::vector<const si::IData*>&) override {}

 private:
  Answer& answer_;
};

class ColdLibspatialindex final : public ColdStore {
 public:
  ColdLibspatialindex(const std::string& directory, std::uint64_t cache_bytes)
      : name_(directory + "/tree"),
        disk_(si::StorageManager::loadDiskStorageManager(name_)),
        buffer_(si::StorageManager::createNewRandomEvictionsBuffer(
            *disk_, static_cast<std::uint32_t>(cache_bytes / kPageBytes), false)),
        tree_(si::RTree::loadRTree(*buffer_, kTree)) {}

  Answer window(const xtree::Box<2>& window) override {
    Answer found;
    Visitor visitor(found);
    tree_->intersectsWithQuery(region(window), visitor);
    return found;
  }

 private:
  std::string name_;
  Storage disk_;
  Storage buffer_;
  Tree tree_;
};

std::unique_ptr<ColdStore> open(const std::string& directory, std::uint64_t cache_bytes) {
  return std::make_unique<ColdLibspatialindex>(directory, cache_bytes);
}

}  // namespace

ColdContestant cold_libspatialindex() { return {"libspatialindex", insert, load, open}; }

}  // namespace bench
