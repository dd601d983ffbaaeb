#include "testing/crash_plans.h"

#include <algorithm>

namespace xtree::testing {
namespace {

constexpr Fate kKept{Loss::kept, true, 0};
constexpr Fate kLost{Loss::lost, false, 0};
// Writes of up to so many sectors are torn at each.
constexpr std::uint32_t kFewSectors = 8;

Fate kept_or_lost(bool kept) noexcept { return kept ? kKept : kLost; }

}  // namespace

void CrashPlans::make(std::size_t newest, Random& random) {
  if (units_.empty()) return;
  add_subsets(newest, random);
  if (newest != kNone) {
    add_tears(newest, random);
    add_partings(newest, random);
    return;
  }
  const std::size_t any = random.below(units_.size());
  add_tears(any, random);
  add_partings(any, random);
}

std::span<Fate> CrashPlans::add(Fate rest) {
  plans_.insert(plans_.end(), units_.size(), rest);
  return std::span(plans_).last(units_.size());
}

void CrashPlans::add_subsets(std::size_t newest, Random& random) {
  const std::size_t free = units_.size() - (newest == kNone ? 0 : 1);
  if (free <= exhaustive_units_) {
    for (std::size_t subset = 0; subset < std::size_t{1} << free; ++subset) {
      const auto plan = add(kKept);
      std::size_t bit = 0;
      for (std::size_t i = 0; i < plan.size(); ++i) {
        if (i != newest) plan[i] = kept_or_lost((subset >> bit++ & 1) != 0);
      }
    }
    return;
  }
  add(kKept);
  if (newest == kNone) add(kLost);
  else add(kLost)[newest] = kKept;
  for (std::size_t sample = 0; sample < samples_; ++sample) {
    // A third each: one is lost, one is kept, and any subset.
    const std::size_t shape = sample % 3;
    const auto plan = add(shape == 0 ? kKept : kLost);
    const std::size_t chosen = random.below(plan.size());
    if (shape == 2) {
      for (Fate& fate : plan) fate = kept_or_lost(random.one_in(2));
    } else {
      plan[chosen] = kept_or_lost(shape == 1);
    }
    if (newest != kNone) plan[newest] = kKept;
  }
}

void CrashPlans::add_beside(std::size_t unit, Fate fate, Random& random) {
  add(kKept)[unit] = fate;
  if (units_.size() == 1) return;
  add(kLost)[unit] = fate;
  if (units_.size() == 2) return;
  const auto plan = add(kKept);
  for (Fate& other : plan) other = kept_or_lost(random.one_in(2));
  plan[unit] = fate;
}

void CrashPlans::add_tears(std::size_t unit, Random& random) {
  const std::uint32_t sectors = units_[unit].sectors;
  if (units_[unit].kind != Unit::Kind::data) return;
  const auto tear = [&](Loss loss, std::uint32_t argument) {
    add_beside(unit, Fate{loss, true, argument}, random);
  };
  const auto some = [&] { return static_cast<std::uint32_t>(random.next()); };
  if (sectors > 1 && sectors <= kFewSectors) {
    for (std::uint32_t head = 1; head < sectors; ++head) tear(Loss::head, head);
    tear(Loss::tail, 1);
    tear(Loss::tail, sectors - 1);
  } else if (sectors > 1) {
    const std::uint32_t blocks = sectors / kFewSectors;
    tear(Loss::head, 1);
    tear(Loss::head, kFewSectors * (1 + some() % blocks));
    tear(Loss::head, sectors - 1);
    tear(Loss::tail, 1);
    tear(Loss::tail, kFewSectors * (1 + some() % blocks));
    tear(Loss::blocks, some());
  }
  if (sectors > 2) tear(Loss::mixed, some());
  tear(Loss::rubbish, some());
  tear(Loss::rubbish, some());
}

void CrashPlans::add_partings(std::size_t unit, Random& random) {
  if (!units_[unit].grows) return;
  add_beside(unit, Fate{Loss::kept, false, 0}, random);
  add_beside(unit, Fate{Loss::lost, true, 0}, random);
}

}  // namespace xtree::testing
