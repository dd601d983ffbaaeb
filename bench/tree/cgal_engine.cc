#include <CGAL/Dimension.h>
#include <CGAL/Kd_tree.h>
#include <CGAL/Kd_tree_rectangle.h>
#include <CGAL/Orthogonal_k_neighbor_search.h>
#include <CGAL/Search_traits.h>

#include <boost/iterator/function_output_iterator.hpp>
#include <memory>
#include <vector>

#include "tree/engines.h"
#include "tree/instantiate.h"

namespace bench {
namespace {

// A point of the tree: coordinates, and the number that comes with them.
template <int D>
struct Numbered {
  double at[D] = {};
  std::uint64_t id = 0;
};

template <int D>
struct Coordinates {
  using result_type = const double*;
  const double* operator()(const Numbered<D>& point) const { return point.at; }
  const double* operator()(const Numbered<D>& point, int) const { return point.at + D; }
};

// A window in CGAL's words: Fuzzy_iso_box asks more of a traits class than Search_traits has.
template <int D>
class WindowItem {
 public:
  using Dimension = CGAL::Dimension_tag<D>;
  using Point_d = Numbered<D>;
  using FT = double;
  using Rectangle = CGAL::Kd_tree_rectangle<double, Dimension>;

  explicit WindowItem(const xtree::Box<D>& window) : window_(window) {}

  [[nodiscard]] bool contains(const Point_d& point) const {
    return contains_point_given_as_coordinates(point.at, point.at + D);
  }
  template <class Iterator>
  [[nodiscard]] bool contains_point_given_as_coordinates(Iterator first, Iterator) const {
    for (int i = 0; i < D; ++i, ++first) {
      if (*first < window_.min[i] || *first > window_.max[i]) return false;
    }
    return true;
  }
  [[nodiscard]] bool inner_range_intersects(const Rectangle& part) const {
    for (int i = 0; i < D; ++i) {
      if (part.min_coord(i) > window_.max[i] || part.max_coord(i) < window_.min[i]) return false;
    }
    return true;
  }
  [[nodiscard]] bool outer_range_contains(const Rectangle& part) const {
    for (int i = 0; i < D; ++i) {
      if (part.min_coord(i) < window_.min[i] || part.max_coord(i) > window_.max[i]) return false;
    }
    return true;
  }

 private:
  xtree::Box<D> window_;
};

template <class Geometry>
class CgalEngine final : public EngineLoops<CgalEngine<Geometry>, Geometry> {
 public:
  using Base = Engine<Geometry>;
  using typename Base::Entry;
  using typename Base::Place;
  using typename Base::Window;

  void prepare_load(std::span<const Entry> entries) {
    for (const Entry& entry : entries) prepared_.push_back(numbered(entry.geometry, entry.value));
  }
  void load_prepared() {
    tree_ = std::make_unique<Tree>(prepared_.begin(), prepared_.end());
    tree_->build();
    std::vector<Value>().swap(prepared_);
  }

  void window_one(const Window& window, Answer& answer) {
    tree_->search(boost::make_function_output_iterator(Sink{&answer}),
                  WindowItem<kDimensions>(window));
  }
  void nearest_one(const Place& target, std::size_t count, std::uint64_t* ids) {
    Search search(*tree_, numbered(target, 0), static_cast<unsigned>(count));
    for (const auto& [point, distance] : search) *ids++ = point.id;
  }

 private:
  static constexpr int kDimensions = Geometry::kDimensions;
  using Value = Numbered<kDimensions>;
  using Traits = CGAL::Search_traits<double, Value, const double*, Coordinates<kDimensions>,
                                     CGAL::Dimension_tag<kDimensions>>;
  using Search = CGAL::Orthogonal_k_neighbor_search<Traits>;
  using Tree = typename Search::Tree;

  // CGAL assigns output iterators, which those of lambdas cannot bear.
  struct Sink {
    Answer* answer;
    void operator()(const Value& hit) const { answer->add(hit.id); }
  };

  static Value numbered(const Place& place, std::uint64_t id) {
    Value value;
    for (int i = 0; i < kDimensions; ++i) value.at[i] = place[i];
    value.id = id;
    return value;
  }

  std::vector<Value> prepared_;
  std::unique_ptr<Tree> tree_;
};

}  // namespace

template <class Geometry>
EnginePtr<Geometry> make_cgal() {
  return std::make_unique<CgalEngine<Geometry>>();
}
XTREE_BENCH_POINTS(make_cgal)

}  // namespace bench
