#include <gtest/gtest.h>

#include "index/node_fixture.h"
#include "index/tree_fixture.h"

// Choosing a subtree against the rule of choose.inc, written for one child at a time.
namespace xtree::index {
namespace {

using Boxes = std::vector<FloatBox>;

// What vectors compute: the second where one is no number.
float larger(float a, float b) { return a > b ? a : b; }
float smaller(float a, float b) { return a < b ? a : b; }

class Rule {
 public:
  Rule(const Boxes& children, std::size_t dimensions) : children_(children), dims_(dimensions) {}

  Choice choose(const FloatBox& box) const {
    const std::uint32_t covering = least_covering(box);
    if (covering < children_.size()) return {covering, true};
    return {least_harm(box), false};
  }

 private:
  static constexpr float kNever = 3e38f;

  std::uint32_t least_covering(const FloatBox& box) const {
    auto best = static_cast<std::uint32_t>(children_.size());
    float best_margin = 0;
    for (std::uint32_t i = 0; i < children_.size(); ++i) {
      if (!covers(children_[i], box, dims_)) continue;
      float margin = 0;
      for (std::size_t axis = 0; axis < dims_; ++axis) {
        margin += children_[i].at[dims_ + axis] - children_[i].at[axis];
      }
      if (best < children_.size() && !(margin < best_margin)) continue;
      best = i;
      best_margin = margin;
    }
    return best;
  }

  // The six children whose margins grow least, or in many dimensions all unless the node is a
  // supernode, the first of equal ones first; the one of them that adds least overlap, again the
  // first; none beyond one that adds none. In few dimensions a thousandth is none, and none is
  // tried beyond the last that the first one would overlap more.
  std::uint32_t least_harm(const FloatBox& box) const {
    std::vector<std::pair<float, std::uint32_t>> growths;
    for (std::uint32_t i = 0; i < children_.size(); ++i) {
      growths.emplace_back(smaller(margin_growth(children_[i], box), kNever), i);
    }
    std::sort(growths.begin(), growths.end());
    if (growths[0].first >= kNever) return 0;
    std::uint32_t best = growths[0].second;
    float best_overlap = overlap_growth(best, box);
    const bool is_few = dims_ <= 4;
    std::size_t tried = !is_few && growths.size() <= 64 ? growths.size() : 6;
    tried = std::min(tried, growths.size());
    if (is_few && growths.size() <= 64) {
      const std::uint32_t first = best;
      while (tried > 1 && !overlaps_more(first, growths, tried - 1, box)) --tried;
    }
    for (std::size_t i = 1; i < tried; ++i) {
      if (growths[i].first >= kNever || !(best_overlap > (is_few ? 0.001f : 0))) break;
      const float overlap = overlap_growth(growths[i].second, box);
      if (!(overlap < best_overlap)) continue;
      best_overlap = overlap;
      best = growths[i].second;
    }
    return best;
  }

  // Whether a child, if it took the box, would overlap any more from this place of the order on.
  bool overlaps_more(std::uint32_t index,
                     const std::vector<std::pair<float, std::uint32_t>>& order, std::size_t from,
                     const FloatBox& box) const {
    FloatBox grown = children_[index];
    unite(grown, box, dims_);
    for (std::size_t i = from; i < order.size(); ++i) {
      const FloatBox& other = children_[order[i].second];
      if (shared(other, grown, grown) > shared(other, children_[index], grown)) return true;
    }
    return false;
  }

  float margin_growth(const FloatBox& child, const FloatBox& box) const {
    float growth = 0;
    for (std::size_t axis = 0; axis < dims_; ++axis) {
      growth = growth + larger(box.at[dims_ + axis] - child.at[dims_ + axis], 0) +
               larger(child.at[axis] - box.at[axis], 0);
    }
    return growth;
  }

  // Sums go by blocks of sixteen children, folded by halves.
  float overlap_growth(std::uint32_t index, const FloatBox& box) const {
    const FloatBox& old = children_[index];
    FloatBox grown = old;
    unite(grown, box, dims_);
    float growth = 0;
    for (std::size_t first = 0; first < children_.size(); first += kDirectoryLanes) {
      float lanes[kDirectoryLanes] = {};
      for (std::size_t i = 0; i < kDirectoryLanes && first + i < children_.size(); ++i) {
        if (first + i == index) continue;
        const FloatBox& other = children_[first + i];
        lanes[i] = shared(other, grown, grown) - shared(other, old, grown);
      }
      for (std::size_t half = kDirectoryLanes / 2; half > 0; half /= 2) {
        for (std::size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
      }
      growth += lanes[0];
    }
    return growth;
  }

  // The volume that two boxes share, in parts of `unit`'s.
  float shared(const FloatBox& a, const FloatBox& b, const FloatBox& unit) const {
    float volume = 1;
    for (std::size_t axis = 0; axis < dims_; ++axis) {
      const std::size_t top = dims_ + axis;
      const float side = unit.at[top] - unit.at[axis];
      const float inverse = side > 0 ? 1 / side : 1;
      volume *=
          larger((smaller(a.at[top], b.at[top]) - larger(a.at[axis], b.at[axis])) * inverse, 0);
    }
    return volume;
  }

  const Boxes& children_;
  std::size_t dims_;
};

void expect_rule(const Layout& layout, const Node& node, const Boxes& children,
                 const FloatBox& box) {
  const Choice wanted = Rule(children, layout.dimensions).choose(box);
  for (const Isa isa : supported_isas()) {
    const Choice choice = write_kernels<double>(layout, isa).choose(node, layout, box);
    ASSERT_EQ(choice.index, wanted.index) << name_of(isa);
    ASSERT_EQ(choice.covers, wanted.covers);
  }
}

// A box to find a place for: anywhere, within a child, a corner of one, or around two.
FloatBox any_target(const Boxes& children, std::size_t dims, Spread spread, test::Random& random) {
  FloatBox box = any_box(dims, spread, random);
  const FloatBox& child = children[random.below(children.size())];
  switch (random.below(4)) {
    case 0: return child;
    case 1:
      for (std::size_t axis = 0; axis < dims; ++axis) {
        const std::size_t side = random.one_in(2) ? axis : dims + axis;
        box.at[axis] = box.at[dims + axis] = child.at[side];
      }
      return box;
    case 2: unite(box, child, dims); return box;
    default: return box;
  }
}

TEST(Choose, PicksWhatTheRulePicks) {
  const std::uint64_t seed = test::test_seed("Choose");
  test::Random random(seed);
  constexpr int kTargets = test::kSanitized ? 60 : 200;
  constexpr std::size_t kCounts[] = {1, 2, 6, 15, 16, 17, 63, 64, 65, 200, kMaxLanes};
  for (const int dimensions : kAllDimensions) {
    const Layout layout(schema_of(dimensions, true, false));
    for (const Spread spread : kAllSpreads) {
      for (const std::size_t count : kCounts) {
        SCOPED_TRACE(testing::Message() << dimensions << " dimensions, " << name_of(spread) << ", "
                                        << count << " children");
        Boxes children;
        for (std::size_t i = 0; i < count; ++i) {
          // Some children are as good as others.
          children.push_back(i > 0 && random.one_in(4)
                                 ? children[random.below(i)]
                                 : any_box(layout.dimensions, spread, random));
        }
        const OwnedNode node = make_directory(layout, children);
        for (int i = 0; i < (count < 100 ? kTargets : 10); ++i) {
          ASSERT_NO_FATAL_FAILURE(expect_rule(
              layout, *node, children, any_target(children, layout.dimensions, spread, random)));
        }
      }
    }
  }
}

FloatBox box_2d(float x1, float y1, float x2, float y2) { return {{x1, y1, x2, y2}}; }

std::uint32_t chosen(const Boxes& children, const FloatBox& box) {
  const Layout layout(schema_of(2, true, false));
  const OwnedNode node = make_directory(layout, children);
  expect_rule(layout, *node, children, box);
  return write_kernels<double>(layout, best_isa()).choose(*node, layout, box).index;
}

TEST(Choose, TakesTheSmallestChildThatCovers) {
  const Boxes children = {box_2d(0, 0, 9, 9), box_2d(1, 1, 4, 4), box_2d(2, 2, 5, 5),
                          box_2d(3, 3, 3, 3)};
  EXPECT_EQ(chosen(children, box_2d(2, 2, 4, 4)), 1u);
  EXPECT_EQ(chosen(children, box_2d(3, 3, 3, 3)), 3u);
  EXPECT_EQ(chosen(children, box_2d(4, 4, 5, 5)), 2u);
  EXPECT_EQ(chosen(children, box_2d(0, 0, 5, 5)), 0u);
}

TEST(Choose, TakesTheChildThatGrowsLeast) {
  const Boxes children = {box_2d(0, 0, 2, 2), box_2d(10, 0, 12, 2), box_2d(20, 0, 22, 2)};
  EXPECT_EQ(chosen(children, box_2d(4, 0, 5, 1)), 0u);
  EXPECT_EQ(chosen(children, box_2d(8, 0, 9, 1)), 1u);
  EXPECT_EQ(chosen(children, box_2d(17, 1, 17, 1)), 2u);
  EXPECT_EQ(chosen(children, box_2d(6, 0, 6, 2)), 0u) << "the first of two that grow alike";
}

// Growing the nearest child would lay it over another.
TEST(Choose, AvoidsNewOverlap) {
  const Boxes children = {box_2d(0, 0, 4, 4), box_2d(3, 5, 5, 9), box_2d(9, 0, 12, 4)};
  EXPECT_EQ(chosen(children, box_2d(6, 1, 6, 2)), 0u) << "grows by 2, over nothing";
  EXPECT_EQ(chosen(children, box_2d(1, 6, 1, 6)), 1u) << "each grows by 2, one over the other";
  const Boxes walled = {box_2d(0, 0, 4, 4), box_2d(4.5f, -9, 5, 13), box_2d(9, 0, 12, 4)};
  EXPECT_EQ(chosen(walled, box_2d(6, 1, 6, 2)), 1u);
  EXPECT_EQ(chosen(walled, box_2d(5.5f, -20, 6, 25)), 1u);
}

TEST(Choose, TakesTheFirstChildWhereNothingCanBeCompared) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kMost = std::numeric_limits<float>::max();
  const Boxes children = {box_2d(-kMost, 0, -kMost, 1), box_2d(0, 0, 1, 1)};
  EXPECT_EQ(chosen(children, box_2d(kMost, 0, kInfinity, 0)), 0u);
}

}  // namespace
}  // namespace xtree::index
