// What the trees hold: entries of many distributions, made from a seed or read from a file.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include <xtree/index.h>

#include "support/random.h"

namespace bench {

template <class Geometry>
inline constexpr bool kIsPoint =
    std::is_same_v<Geometry, xtree::Point<Geometry::kDimensions, typename Geometry::Scalar>>;

// A point or box of doubles and its number, which counts from 0 in the order of the data set.
template <class Geometry>
using Entry = xtree::Entry<Geometry::kDimensions, std::uint64_t, double,
                           kIsPoint<Geometry> ? xtree::Shape::points : xtree::Shape::boxes>;

template <class Geometry>
using Entries = std::vector<Entry<Geometry>>;

// All lie in the unit cube or close to it, but for the cities, which are in degrees.
enum class Distribution : std::uint8_t {
  uniform,
  clustered,   // a mixture of Gaussians of unequal weights and widths
  correlated,  // about the main diagonal
  sorted,      // uniform, in the order of the first axis
  hilbert,     // uniform, in the order of a Hilbert curve (2-D)
  equal,       // one place, over and over
};

[[nodiscard]] const char* to_string(Distribution distribution);

template <int D>
xtree::Box<D> as_box(const xtree::Point<D>& point) {
  return point;
}
template <int D>
xtree::Box<D> as_box(const xtree::Box<D>& box) {
  return box;
}
template <class Geometry>
auto centre_of(const Geometry& geometry) {
  const auto box = as_box(geometry);
  auto centre = box.min;
  for (int i = 0; i < Geometry::kDimensions; ++i) centre[i] = (box.min[i] + box.max[i]) / 2;
  return centre;
}

// The position of a place in the unit square on a Hilbert curve of 2^32 steps.
[[nodiscard]] std::uint64_t hilbert_position(double x, double y);

// The places of a file like data/cities.csv, as longitude and latitude; empty if it cannot be read.
[[nodiscard]] std::vector<xtree::Point<2>> read_cities(const std::string& path);

// The places of a distribution, one by one.
template <int D>
class PlaceSource {
 public:
  PlaceSource(Distribution distribution, std::uint64_t seed)
      : distribution_(distribution),
        random_(seed) {
    if (distribution != Distribution::clustered) return;
    clusters_.resize(kClusters);
    for (Cluster& cluster : clusters_) {
      for (int i = 0; i < D; ++i) cluster.centre[i] = random_.unit();
      cluster.width = 0.05 * std::pow(random_.unit(), 2) + 0.001;
    }
  }

  xtree::Point<D> next() {
    xtree::Point<D> place;
    if (distribution_ == Distribution::equal) {
      for (int i = 0; i < D; ++i) place[i] = 0.5;
    } else if (distribution_ == Distribution::clustered) {
      // The square makes the first clusters the most popular.
      const double share = random_.unit();
      const auto pick = static_cast<std::size_t>(share * share * kClusters);
      const Cluster& cluster = clusters_[pick];
      for (int i = 0; i < D; ++i) place[i] = cluster.centre[i] + cluster.width * random_.normal();
    } else if (distribution_ == Distribution::correlated) {
      const double along = random_.unit();
      for (int i = 0; i < D; ++i) place[i] = along + 0.02 * random_.normal();
    } else {
      for (int i = 0; i < D; ++i) place[i] = random_.unit();
    }
    return place;
  }
  // The sides of a box: as long as the distance to a neighbour, where that says something.
  xtree::Point<D> sides(std::size_t count) {
    const double mean = D <= 3 ? 0.5 * std::pow(static_cast<double>(count), -1.0 / D) : 0.01;
    xtree::Point<D> sides;
    if (distribution_ == Distribution::equal) return sides;
    for (int i = 0; i < D; ++i) sides[i] = random_.between(0, 2 * mean);
    return sides;
  }

 private:
  static constexpr std::size_t kClusters = 500;
  struct Cluster {
    xtree::Point<D> centre;
    double width = 0;
  };

  Distribution distribution_;
  Random random_;
  std::vector<Cluster> clusters_;
};

template <class Geometry>
void number(Entries<Geometry>& entries) {
  for (std::size_t i = 0; i < entries.size(); ++i) entries[i].value = i;
}

template <class Geometry>
Entries<Geometry> make_entries(Distribution distribution, std::size_t count, std::uint64_t seed) {
  constexpr int kDimensions = Geometry::kDimensions;
  PlaceSource<kDimensions> source(distribution, seed);
  Entries<Geometry> entries(count);
  for (auto& entry : entries) {
    const auto place = source.next();
    if constexpr (kIsPoint<Geometry>) {
      entry.geometry = place;
    } else {
      entry.geometry = {place, place};
      const auto sides = source.sides(count);
      for (int i = 0; i < kDimensions; ++i) entry.geometry.max[i] += sides[i];
    }
  }
  const auto sort_by = [&](auto key) {
    std::sort(entries.begin(), entries.end(), [&](const auto& left, const auto& right) {
      return key(centre_of(left.geometry)) < key(centre_of(right.geometry));
    });
  };
  if (distribution == Distribution::sorted) sort_by([](const auto& centre) { return centre[0]; });
  if constexpr (kDimensions == 2) {
    if (distribution == Distribution::hilbert) {
      sort_by([](const auto& centre) { return hilbert_position(centre[0], centre[1]); });
    }
  }
  number<Geometry>(entries);
  return entries;
}

// The cities in a shuffled order, as points or as boxes of a hundredth of a degree.
template <class Geometry>
Entries<Geometry> city_entries(const std::string& path, std::uint64_t seed) {
  static_assert(Geometry::kDimensions == 2);
  std::vector<xtree::Point<2>> cities = read_cities(path);
  Random random(seed);
  for (std::size_t i = cities.size(); i > 1; --i) std::swap(cities[i - 1], cities[random.below(i)]);
  Entries<Geometry> entries;
  entries.reserve(cities.size());
  for (const xtree::Point<2>& city : cities) {
    Geometry geometry = city;
    if constexpr (!kIsPoint<Geometry>) {
      for (int i = 0; i < 2; ++i) geometry.max[i] += 0.01;
    }
    entries.push_back({geometry, 0});
  }
  number<Geometry>(entries);
  return entries;
}

}  // namespace bench
