#include <memory>
#include <nanoflann.hpp>
#include <vector>

#include "tree/engines.h"
#include "tree/instantiate.h"

namespace bench {
namespace {

// nanoflann indexes points that lie in somebody else's memory.
template <class Geometry>
struct Cloud {
  std::vector<Geometry> points;

  [[nodiscard]] std::size_t kdtree_get_point_count() const { return points.size(); }
  [[nodiscard]] double kdtree_get_pt(std::size_t index, std::size_t axis) const {
    return points[index][axis];
  }
  template <class Bounds>
  bool kdtree_get_bbox(Bounds&) const {
    return false;  // let it look itself
  }
};

template <class Geometry>
class NanoflannEngine final : public EngineLoops<NanoflannEngine<Geometry>, Geometry> {
 public:
  using Base = Engine<Geometry>;
  using typename Base::Entry;
  using typename Base::Place;

  // The entries are numbered in their order, and so are nanoflann's.
  void prepare_load(std::span<const Entry> entries) {
    for (const Entry& entry : entries) cloud_.points.push_back(entry.geometry);
  }
  void load_prepared() {
    tree_ = std::make_unique<Tree>(Geometry::kDimensions, cloud_,
                                   nanoflann::KDTreeSingleIndexAdaptorParams(kLeafEntries));
  }
  void nearest_one(const Place& target, std::size_t count, std::uint64_t* ids) {
    distances_.resize(count);
    tree_->knnSearch(target.data(), count, ids, distances_.data());
  }

 private:
  using Metric = nanoflann::L2_Simple_Adaptor<double, Cloud<Geometry>>;
  using Tree = nanoflann::KDTreeSingleIndexAdaptor<Metric, Cloud<Geometry>, Geometry::kDimensions,
                                                   std::uint64_t>;
  static constexpr std::size_t kLeafEntries = 10;  // its default

  Cloud<Geometry> cloud_;
  std::unique_ptr<Tree> tree_;
  std::vector<double> distances_;
};

}  // namespace

template <class Geometry>
EnginePtr<Geometry> make_nanoflann() {
  return std::make_unique<NanoflannEngine<Geometry>>();
}
XTREE_BENCH_POINTS(make_nanoflann)

}  // namespace bench
