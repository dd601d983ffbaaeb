// A plain vector that answers what an index answers, by looking at every entry.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

#include "xtree/index.h"

namespace xtree::test {

// One entry, in the form in which indexes hand it out. Items have an order, so that two answers can
// be sorted and compared; bytes decide what is equal.
template <int D, class V, class T>
struct Item {
  Box<D, T> box;
  V value;

  friend bool operator==(const Item& a, const Item& b) {
    return std::memcmp(&a.box, &b.box, sizeof(a.box)) == 0 &&
           std::memcmp(&a.value, &b.value, sizeof(V)) == 0;
  }
  friend bool operator<(const Item& a, const Item& b) {
    const int boxes = std::memcmp(&a.box, &b.box, sizeof(a.box));
    return boxes != 0 ? boxes < 0 : std::memcmp(&a.value, &b.value, sizeof(V)) < 0;
  }
};

// The predicates again, written a second time so that one mistake is not made twice.
template <int D, class T>
bool boxes_intersect(const Box<D, T>& a, const Box<D, T>& b) {
  bool all = true;
  for (int i = 0; i < D; ++i) all &= a.min[i] <= b.max[i] && b.min[i] <= a.max[i];
  return all;
}
template <int D, class T>
bool box_contains(const Box<D, T>& outer, const Box<D, T>& inner) {
  bool all = true;
  for (int i = 0; i < D; ++i) all &= outer.min[i] <= inner.min[i] && inner.max[i] <= outer.max[i];
  return all;
}
template <int D, class T>
bool boxes_overlap(const Box<D, T>& a, const Box<D, T>& b) {
  bool inner = true;
  for (int i = 0; i < D; ++i) inner &= a.min[i] < b.max[i] && b.min[i] < a.max[i];
  return inner && !box_contains(a, b) && !box_contains(b, a);
}
// How far apart two boxes are, in one metric, or in the Euclidean one with weights.
template <int D>
struct Ruler {
  Metric metric = Metric::euclidean;
  std::optional<Point<D>> weights;

  // In long double, whose exponents reach far enough for the squares of all doubles.
  template <class T>
  long double operator()(const Box<D, T>& a, const Box<D, T>& b) const {
    long double sum = 0;
    for (int i = 0; i < D; ++i) {
      const long double below = static_cast<long double>(a.min[i]) - b.max[i];
      const long double above = static_cast<long double>(b.min[i]) - a.max[i];
      const long double gap = std::max({below, above, 0.0L});
      switch (metric) {
        case Metric::euclidean: sum += gap * gap * (weights ? (*weights)[i] : 1); break;
        case Metric::manhattan: sum += gap; break;
        case Metric::chebyshev: sum = std::max(sum, gap); break;
      }
    }
    return metric == Metric::euclidean ? std::sqrt(sum) : sum;
  }
};

template <class Index>
class Model {
 public:
  static constexpr int kDimensions = Index::kDimensions;
  using Geometry = typename Index::Geometry;
  using Value = typename Index::Value;
  using Scalar = typename Index::Scalar;
  using Item = test::Item<kDimensions, Value, Scalar>;
  using Box = xtree::Box<kDimensions, Scalar>;

  void insert(const Geometry& geometry, const Value& value) {
    items_.push_back({Box(geometry), value});
  }
  bool erase(const Geometry& geometry, const Value& value) {
    const auto found = std::find(items_.begin(), items_.end(), Item{Box(geometry), value});
    if (found == items_.end()) return false;
    *found = items_.back();
    items_.pop_back();
    return true;
  }
  bool update(const Geometry& from, const Geometry& to, const Value& value) {
    const auto found = std::find(items_.begin(), items_.end(), Item{Box(from), value});
    if (found == items_.end()) return false;
    found->box = Box(to);
    return true;
  }
  void clear() { items_.clear(); }

  [[nodiscard]] std::size_t size() const { return items_.size(); }
  [[nodiscard]] const std::vector<Item>& items() const { return items_; }
  [[nodiscard]] std::vector<Item> sorted() const {
    std::vector<Item> items = items_;
    std::sort(items.begin(), items.end());
    return items;
  }

  // The items for which `reference(item)` holds, sorted.
  template <class Reference>
  [[nodiscard]] std::vector<Item> matching(const Reference& reference) const {
    std::vector<Item> found;
    for (const Item& item : items_) {
      if (reference(item)) found.push_back(item);
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  // The distances of the `limit` nearest items for which `reference(item)` holds, growing.
  template <class Reference>
  [[nodiscard]] std::vector<long double> distances(const Box& target, std::uint64_t limit,
                                                   const Reference& reference,
                                                   const Ruler<kDimensions>& ruler = {}) const {
    std::vector<long double> found;
    for (const Item& item : items_) {
      if (reference(item)) found.push_back(ruler(target, item.box));
    }
    std::sort(found.begin(), found.end());
    if (found.size() > limit) found.resize(limit);
    return found;
  }

 private:
  std::vector<Item> items_;
};

// What a geometry was before an index made a box of it.
template <class Index>
typename Index::Geometry geometry_of(
    const Box<Index::kDimensions, typename Index::Scalar>& box) {
  if constexpr (Index::kShape == Shape::points) {
    return box.min;
  } else {
    return box;
  }
}

}  // namespace xtree::test
