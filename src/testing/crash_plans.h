// CrashPlans: which of the states that a crash may leave are looked at.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "testing/mix.h"
#include "xtree/testing/crash_model.h"

namespace xtree::testing {

// All subsets of the changes that were on their way when they are few, and otherwise a sample with
// every single one lost and every single one kept; each kind of tear of the newest write, at every
// sector when they are few; size without data and data without size.
class CrashPlans {
 public:
  static constexpr std::size_t kNone = SIZE_MAX;

  // Subsets are exhausted up to so many units; beyond, `samples` are drawn.
  CrashPlans(std::size_t exhaustive_units, std::size_t samples) noexcept
      : exhaustive_units_(exhaustive_units), samples_(samples) {}

  // Calls `visit(fates)` for each plan. When there is a newest unit, only plans in which it is not
  // lost: the others were legal before it as well.
  template <class Visit>
  void for_each(std::span<const Unit> units, std::size_t newest, Random& random, Visit&& visit) {
    units_ = units;
    plans_.clear();
    make(newest, random);
    for (std::size_t at = 0; at < plans_.size(); at += units.size()) {
      visit(std::span<const Fate>(plans_).subspan(at, units.size()));
    }
  }

 private:
  void make(std::size_t newest, Random& random);
  void add_subsets(std::size_t newest, Random& random);
  void add_tears(std::size_t unit, Random& random);
  void add_partings(std::size_t unit, Random& random);
  // One plan: this fate for the unit, `rest` for the others.
  std::span<Fate> add(Fate rest);
  void add_beside(std::size_t unit, Fate fate, Random& random);

  std::size_t exhaustive_units_;
  std::size_t samples_;
  std::span<const Unit> units_;
  std::vector<Fate> plans_;  // one behind the other
};

}  // namespace xtree::testing
