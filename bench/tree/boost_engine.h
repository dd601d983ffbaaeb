// Boost.Geometry's rtree behind the interface of the benchmarks, with any of its parameters.
#pragma once

#include <utility>
#include <vector>

#include <boost/geometry.hpp>
#include <boost/geometry/index/rtree.hpp>
#include <boost/iterator/function_output_iterator.hpp>

#include "tree/engine.h"

namespace bench {

template <class Geometry, class Parameters>
class BoostEngine final : public EngineLoops<BoostEngine<Geometry, Parameters>, Geometry> {
 public:
  using Base = Engine<Geometry>;
  using typename Base::Entry;
  using typename Base::Place;
  using typename Base::Window;

  void insert_one(const Entry& entry) { tree_.insert(as_value(entry)); }
  void add_batch(std::span<const Entry> entries) {
    prepare_load(entries);
    tree_.insert(prepared_);
  }
  void prepare_load(std::span<const Entry> entries) {
    prepared_.clear();
    for (const Entry& entry : entries) prepared_.push_back(as_value(entry));
  }
  // The constructor that takes a range packs the tree.
  void load_prepared() {
    tree_ = Tree(prepared_);
    std::vector<Value>().swap(prepared_);
  }
  bool erase_one(const Entry& entry) { return tree_.remove(as_value(entry)) == 1; }

  void window_one(const Window& window, Answer& answer) {
    Answer found;  // in registers
    tree_.query(
        boost::geometry::index::intersects(as_boost(window)),
        boost::make_function_output_iterator([&](const Value& value) { found.add(value.second); }));
    answer = found;
  }
  void count_one(const Window& window, Answer& answer) {
    answer.hits = tree_.query(boost::geometry::index::intersects(as_boost(window)),
                              boost::make_function_output_iterator([](const Value&) {}));
  }
  void nearest_one(const Place& target, std::size_t count, std::uint64_t* ids) {
    tree_.query(
        boost::geometry::index::nearest(as_boost(target), static_cast<unsigned>(count)),
        boost::make_function_output_iterator([&](const Value& value) { *ids++ = value.second; }));
  }

 private:
  static constexpr int kDimensions = Geometry::kDimensions;
  using BoostPoint =
      boost::geometry::model::point<double, kDimensions, boost::geometry::cs::cartesian>;
  using BoostBox = boost::geometry::model::box<BoostPoint>;
  using Value =
      std::pair<std::conditional_t<kIsPoint<Geometry>, BoostPoint, BoostBox>, std::uint64_t>;
  using Tree = boost::geometry::index::rtree<Value, Parameters>;

  template <std::size_t... I>
  static void copy(const Place& from, BoostPoint& to, std::index_sequence<I...>) {
    (to.template set<I>(from[I]), ...);
  }
  static BoostPoint as_boost(const Place& place) {
    BoostPoint point;
    copy(place, point, std::make_index_sequence<kDimensions>());
    return point;
  }
  static BoostBox as_boost(const Window& window) {
    return {as_boost(window.min), as_boost(window.max)};
  }
  static Value as_value(const Entry& entry) { return {as_boost(entry.geometry), entry.value}; }

  Tree tree_;
  std::vector<Value> prepared_;
};

}  // namespace bench
