#include <memory>
#include <utility>

#include <spatialindex/SpatialIndex.h>

#include "tree/engines.h"
#include "tree/instantiate.h"

namespace bench {
namespace {

namespace si = SpatialIndex;

// Its visitors are objects with virtual functions, and it has no other way to tell of a hit.
class Visitor : public si::IVisitor {
 public:
  void visitNode(const si::INode&) override {}
  void visitData(std::vector<const si::IData*>&) override {}
};

class AnswerVisitor final : public Visitor {
 public:
  explicit AnswerVisitor(Answer& answer) : answer_(answer) {}
  using Visitor::visitData;
  void visitData(const si::IData& hit) override {
    answer_.add(static_cast<std::uint64_t>(hit.getIdentifier()));
  }

 private:
  Answer& answer_;
};

class IdVisitor final : public Visitor {
 public:
  IdVisitor(std::uint64_t* ids, std::size_t count) : ids_(ids), left_(count) {}
  using Visitor::visitData;
  // It also tells of those beyond the count that are as near as the last.
  void visitData(const si::IData& hit) override {
    if (left_ == 0) return;
    --left_;
    *ids_++ = static_cast<std::uint64_t>(hit.getIdentifier());
  }

 private:
  std::uint64_t* ids_;
  std::size_t left_;
};

template <class Geometry>
class LibspatialindexEngine final : public EngineLoops<LibspatialindexEngine<Geometry>, Geometry> {
 public:
  using Base = Engine<Geometry>;
  using typename Base::Entry;
  using typename Base::Place;
  using typename Base::Window;

  void insert_one(const Entry& entry) {
    if (!tree_) {
      si::id_type id;
      tree_.reset(si::RTree::createNewRTree(*storage_, kFill, kNodeEntries, kNodeEntries,
                                            kDimensions, si::RTree::RV_RSTAR, id));
    }
    tree_->insertData(0, nullptr, region(entry.geometry), static_cast<si::id_type>(entry.value));
  }
  void prepare_load(std::span<const Entry> entries) { prepared_ = entries; }
  // Sort-tile-recursive packing; the stream copies each entry when it is asked for.
  void load_prepared() {
    Stream stream(prepared_);
    si::id_type id;
    tree_.reset(si::RTree::createAndBulkLoadNewRTree(si::RTree::BLM_STR, stream, *storage_, 0.99,
                                                     kNodeEntries, kNodeEntries, kDimensions,
                                                     si::RTree::RV_RSTAR, id));
  }
  bool erase_one(const Entry& entry) {
    return tree_->deleteData(region(entry.geometry), static_cast<si::id_type>(entry.value));
  }

  void window_one(const Window& window, Answer& answer) {
    AnswerVisitor visitor(answer);
    tree_->intersectsWithQuery(region(window), visitor);
  }
  void nearest_one(const Place& target, std::size_t count, std::uint64_t* ids) {
    IdVisitor visitor(ids, count);
    tree_->nearestNeighborQuery(static_cast<std::uint32_t>(count),
                                si::Point(target.data(), kDimensions), visitor);
  }

 private:
  static constexpr std::uint32_t kDimensions = Geometry::kDimensions;
  // The fastest of 8 to 128 for inserts; larger nodes answer no faster.
  static constexpr std::uint32_t kNodeEntries = 16;
  static constexpr double kFill = 0.7;

  static si::Region region(const Geometry& geometry)
    requires(kIsPoint<Geometry>)
  {
    return {geometry.data(), geometry.data(), kDimensions};
  }
  static si::Region region(const Window& box) {
    return {box.min.data(), box.max.data(), kDimensions};
  }

  class Stream final : public si::IDataStream {
   public:
    explicit Stream(std::span<const Entry> entries) : entries_(entries) {}
    si::IData* getNext() override {
      const Entry& entry = entries_[next_++];
      si::Region box = region(entry.geometry);
      return std::make_unique<si::RTree::Data>(0, nullptr, box,
                                               static_cast<si::id_type>(entry.value))
          .release();  // its caller takes it
    }
    bool hasNext() override { return next_ < entries_.size(); }
    std::uint32_t size() override { return static_cast<std::uint32_t>(entries_.size()); }
    void rewind() override { next_ = 0; }

   private:
    std::span<const Entry> entries_;
    std::size_t next_ = 0;
  };

  std::unique_ptr<si::IStorageManager> storage_{
      si::StorageManager::createNewMemoryStorageManager()};
  std::unique_ptr<si::ISpatialIndex> tree_;
  std::span<const Entry> prepared_;
};

}  // namespace

template <class Geometry>
EnginePtr<Geometry> make_libspatialindex() {
  return std::make_unique<LibspatialindexEngine<Geometry>>();
}
XTREE_BENCH_POINTS(make_libspatialindex)
XTREE_BENCH_BOXES(make_libspatialindex)

}  // namespace bench
