// What the trees are asked: windows of a known yield, places in entries, targets of nearest
// queries.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "support/data_set.h"
#include "support/random.h"
#include "support/stopwatch.h"

namespace bench {

// The side of the cube about a typical entry's centre that holds the centres of this share of all
// entries, and of one entry beside it at least. In a uniform set it is the share's root.
template <class Geometry>
double side_for_share(const Entries<Geometry>& entries, double share, std::uint64_t seed) {
  constexpr std::size_t kSamples = 15;
  const auto wanted = static_cast<std::size_t>(share * static_cast<double>(entries.size()));
  const std::size_t rank = std::min(std::max<std::size_t>(1, wanted), entries.size() - 1);
  Random random(seed);
  std::vector<double> reach(entries.size());
  std::vector<double> sides;
  for (std::size_t sample = 0; sample < kSamples; ++sample) {
    const auto centre = centre_of(entries[random.below(entries.size())].geometry);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const auto other = centre_of(entries[i].geometry);
      double farthest = 0;
      for (int d = 0; d < Geometry::kDimensions; ++d) {
        farthest = std::max(farthest, std::abs(other[d] - centre[d]));
      }
      reach[i] = farthest;
    }
    std::nth_element(reach.begin(), reach.begin() + rank, reach.end());
    sides.push_back(2 * reach[rank]);
  }
  return median(std::move(sides));
}

// Cubes about the centres of entries.
template <class Geometry>
auto make_windows(const Entries<Geometry>& entries, double side, std::size_t count,
                  std::uint64_t seed) {
  Random random(seed);
  std::vector<xtree::Box<Geometry::kDimensions>> windows(count);
  for (auto& window : windows) {
    window = centre_of(entries[random.below(entries.size())].geometry);
    for (int i = 0; i < Geometry::kDimensions; ++i) {
      window.min[i] -= side / 2;
      window.max[i] += side / 2;
    }
  }
  return windows;
}

// Places within entries.
template <class Geometry>
auto make_places(const Entries<Geometry>& entries, std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<xtree::Point<Geometry::kDimensions>> places(count);
  for (auto& place : places) {
    const auto box = as_box(entries[random.below(entries.size())].geometry);
    for (int i = 0; i < Geometry::kDimensions; ++i) {
      // Rounding may carry the sum past the end.
      place[i] = std::min(random.between(box.min[i], box.max[i]), box.max[i]);
    }
  }
  return places;
}

// Places beside entries, at most `reach` away on each axis.
template <class Geometry>
auto make_targets(const Entries<Geometry>& entries, double reach, std::size_t count,
                  std::uint64_t seed) {
  Random random(seed);
  std::vector<xtree::Point<Geometry::kDimensions>> targets(count);
  for (auto& target : targets) {
    target = centre_of(entries[random.below(entries.size())].geometry);
    for (int i = 0; i < Geometry::kDimensions; ++i) target[i] += random.between(-reach, reach);
  }
  return targets;
}

}  // namespace bench
