// Geometry to fill an index with, in the patterns that trees and kernels find hard.
#pragma once

#include <limits>
#include <type_traits>

#include "support/random.h"
#include "xtree/geometry.h"
#include "xtree/options.h"

namespace xtree::test {

enum class Pattern { uniform, grid, clustered, identical, collinear, huge, denormal, sorted };

inline constexpr Pattern kPatterns[] = {Pattern::uniform,   Pattern::grid,      Pattern::clustered,
                                        Pattern::identical, Pattern::collinear, Pattern::huge,
                                        Pattern::denormal,  Pattern::sorted};

inline const char* to_string(Pattern pattern) {
  switch (pattern) {
    case Pattern::uniform: return "uniform";
    case Pattern::grid: return "grid";
    case Pattern::clustered: return "clustered";
    case Pattern::identical: return "identical";
    case Pattern::collinear: return "collinear";
    case Pattern::huge: return "huge";
    case Pattern::denormal: return "denormal";
    case Pattern::sorted: return "sorted";
  }
  return "unknown";
}

// An endless stream of entries of one pattern, and boxes to ask for that fit it.
template <int D, Coordinate T>
class Generator {
 public:
  Generator(Pattern pattern, std::uint64_t seed) : pattern_(pattern), random_(seed) {
    for (auto& centre : centres_) centre = uniform_point(0, 1000);
  }

  Point<D, T> point() {
    Point<D, T> p;
    switch (pattern_) {
      case Pattern::uniform: return uniform_point(0, 1000);
      case Pattern::grid: return grid_point(16);
      case Pattern::clustered: return clustered_point();
      case Pattern::identical:
        for (int i = 0; i < D; ++i) p[i] = static_cast<T>(7 + i);
        return p;
      case Pattern::collinear: {
        const T t = static_cast<T>(random_.below(2000));
        for (int i = 0; i < D; ++i) p[i] = t * static_cast<T>(i % 3);
        return p;
      }
      case Pattern::huge:
        for (int i = 0; i < D; ++i) p[i] = huge_scalar();
        return p;
      case Pattern::denormal:
        for (int i = 0; i < D; ++i) {
          p[i] = static_cast<T>(random_.below(512)) * std::numeric_limits<T>::denorm_min();
        }
        return p;
      case Pattern::sorted:
        p = uniform_point(0, 1000);
        p[0] = static_cast<T>(++sequence_);
        return p;
    }
    return p;
  }

  // A box of the pattern; some have no extent on some axes.
  Box<D, T> box() {
    Box<D, T> b(point());
    if (pattern_ == Pattern::identical) {
      for (int i = 0; i < D; ++i) b.max[i] = b.min[i] + T{1};
      return b;
    }
    if (pattern_ == Pattern::collinear) {
      b.max[0] = b.min[0] + static_cast<T>(random_.below(20));
      return b;
    }
    if (pattern_ == Pattern::huge) return spanning(point(), point());
    for (int i = 0; i < D; ++i) b.max[i] = b.min[i] + extent();
    return b;
  }

  template <Shape S>
  auto geometry() {
    if constexpr (S == Shape::points) {
      return point();
    } else {
      return box();
    }
  }

  // A window for queries: around two entries, or around one, or a single point.
  Box<D, T> window() {
    switch (random_.below(8)) {
      case 0: return Box<D, T>(point());
      case 1: return box();
      case 2: return everything();
      case 3: return half_open();
      default: return spanning(point(), pattern_ == Pattern::sorted ? earlier_point() : point());
    }
  }

  Random& random() { return random_; }

  static Box<D, T> spanning(const Point<D, T>& a, const Point<D, T>& b) {
    Box<D, T> box(a);
    for (int i = 0; i < D; ++i) {
      if (b[i] < box.min[i]) box.min[i] = b[i];
      if (b[i] > box.max[i]) box.max[i] = b[i];
    }
    return box;
  }

  static Box<D, T> everything() {
    Box<D, T> box;
    for (int i = 0; i < D; ++i) {
      box.min[i] = -std::numeric_limits<T>::infinity();
      box.max[i] = std::numeric_limits<T>::infinity();
    }
    return box;
  }

 private:
  Point<D, T> uniform_point(double low, double high) {
    Point<D, T> p;
    for (int i = 0; i < D; ++i) p[i] = static_cast<T>(low + random_.unit() * (high - low));
    return p;
  }
  Point<D, T> grid_point(std::uint64_t side) {
    Point<D, T> p;
    for (int i = 0; i < D; ++i) p[i] = static_cast<T>(random_.below(side));
    return p;
  }
  Point<D, T> clustered_point() {
    Point<D, T> p = centres_[random_.below(std::size(centres_))];
    for (int i = 0; i < D; ++i) {
      const double bell = random_.unit() + random_.unit() + random_.unit() - 1.5;
      p[i] = static_cast<T>(static_cast<double>(p[i]) + bell * bell * bell * 8);
    }
    return p;
  }
  Point<D, T> earlier_point() {
    Point<D, T> p = uniform_point(0, 1000);
    p[0] = static_cast<T>(random_.below(sequence_ + 1));
    return p;
  }
  T huge_scalar() {
    const T most = std::is_same_v<T, float> ? static_cast<T>(1e30) : static_cast<T>(1e300);
    const T sign = random_.one_in(2) ? T{1} : T{-1};
    const T size = random_.one_in(4) ? T{1} : most;
    return sign * size * static_cast<T>(random_.unit() + 0.001);
  }
  T extent() {
    if (random_.one_in(8)) return 0;
    switch (pattern_) {
      case Pattern::grid: return static_cast<T>(random_.below(4));
      case Pattern::denormal:
        return static_cast<T>(random_.below(64)) * std::numeric_limits<T>::denorm_min();
      default: return static_cast<T>(random_.unit() * (random_.one_in(50) ? 400 : 10));
    }
  }
  // A window that is open to one side on every axis.
  Box<D, T> half_open() {
    Box<D, T> box = everything();
    const Point<D, T> corner = point();
    for (int i = 0; i < D; ++i) (random_.one_in(2) ? box.min : box.max)[i] = corner[i];
    return box;
  }

  Pattern pattern_;
  Random random_;
  Point<D, T> centres_[6];
  std::uint64_t sequence_ = 0;
};

}  // namespace xtree::test
