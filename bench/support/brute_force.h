// The answers that need no index: every entry is looked at.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "support/data_set.h"

namespace bench {

// The hits of a window, and the sum of their numbers: two sets with the same answer are the same,
// unless somebody means harm.
struct Answer {
  std::uint64_t hits = 0;
  std::uint64_t sum = 0;

  void add(std::uint64_t id) {
    ++hits;
    sum += id;
  }
  friend bool operator==(const Answer&, const Answer&) = default;
};

template <int D>
bool intersect(const xtree::Box<D>& left, const xtree::Box<D>& right) {
  for (int i = 0; i < D; ++i) {
    if (left.min[i] > right.max[i] || left.max[i] < right.min[i]) return false;
  }
  return true;
}

template <class Geometry>
Answer brute_window(const Entries<Geometry>& entries,
                    const xtree::Box<Geometry::kDimensions>& window) {
  Answer answer;
  for (const auto& entry : entries) {
    if (intersect(as_box(entry.geometry), window)) answer.add(entry.value);
  }
  return answer;
}

// The square of the distance between a place and the nearest point of a box.
template <int D>
double squared_distance(const xtree::Box<D>& box, const xtree::Point<D>& place) {
  double sum = 0;
  for (int i = 0; i < D; ++i) {
    const double gap = std::max({box.min[i] - place[i], place[i] - box.max[i], 0.0});
    sum += gap * gap;
  }
  return sum;
}

// The squared distances of the `count` nearest entries, nearest first.
template <class Geometry>
std::vector<double> brute_nearest(const Entries<Geometry>& entries,
                                  const xtree::Point<Geometry::kDimensions>& target,
                                  std::size_t count) {
  std::vector<double> distances(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    distances[i] = squared_distance(as_box(entries[i].geometry), target);
  }
  count = std::min(count, distances.size());
  std::partial_sort(distances.begin(), distances.begin() + count, distances.end());
  distances.resize(count);
  return distances;
}

}  // namespace bench
