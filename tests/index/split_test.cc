#include "index/split.h"

#include <gtest/gtest.h>

#include "index/node_fixture.h"
#include "index/split_rule.h"
#include "index/tree_fixture.h"

namespace xtree::index {
namespace {

using Numbers = std::vector<std::uint64_t>;

// The entries or children on each side, by number, in the order in which they come.
struct Outcome {
  Numbers left, right;
  float overlap = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// Reads the sides, and expects that each lane has the rows of its number.
template <class Element, class RowsOf>
Outcome read_sides(const Sides& sides, std::size_t rows, std::uint64_t first_number,
                   RowsOf rows_of) {
  const auto read = [&](std::span<const Lane> lanes) {
    Numbers numbers;
    for (const Lane& lane : lanes) {
      std::uint64_t number;
      std::memcpy(&number, lane.payload, sizeof number);
      numbers.push_back(number -= first_number);
      const Element* wanted = rows_of(number);
      for (std::size_t row = 0; row < rows; ++row) {
        EXPECT_EQ(std::memcmp(lane.rows + row * kRowBytes, wanted + row, sizeof(Element)), 0);
      }
    }
    return numbers;
  };
  return {read(sides.left), read(sides.right), sides.overlap};
}

// Splits what leaves of the first `first` entries and of the others hold together.
template <class Scalar>
Outcome split_leaf(Splitter<Scalar>& splitter, const Layout& layout,
                   const Geometries<Scalar>& entries, std::size_t first) {
  const std::span<const std::vector<Scalar>> all(entries);
  const OwnedNode a = make_leaf<Scalar>(layout, all.first(first));
  const OwnedNode b = make_leaf<Scalar>(layout, all.subspan(first), first);
  const bool is_insertion = entries.size() - first == 1;
  EXPECT_TRUE(splitter.prepare(entries.size(), a->frame.bytes + splitter.extra_bytes() +
                                                   (is_insertion ? 0 : b->frame.bytes)));
  splitter.begin();
  const Node* sources[] = {
      splitter.copy(*a),
      is_insertion ? splitter.entry(entries[first].data(), entry_value<Scalar>(*b, layout, 0))
                   : splitter.copy(*b)};
  return read_sides<Scalar>(splitter.split_leaf(sources), layout.rows, 0,
                            [&](std::uint64_t i) { return entries.at(i).data(); });
}

Outcome split_directory(Splitter<double>& splitter, const Layout& layout,
                        const std::vector<FloatBox>& boxes, std::size_t first) {
  const std::span<const FloatBox> all(boxes);
  const OwnedNode a = make_directory(layout, all.first(first));
  const OwnedNode b = make_directory(layout, all.subspan(first), first);
  const bool is_insertion = boxes.size() - first == 1;
  EXPECT_TRUE(splitter.prepare(
      boxes.size(), a->frame.bytes + splitter.extra_bytes() + (is_insertion ? 0 : b->frame.bytes)));
  splitter.begin();
  const Node* sources[] = {splitter.copy(*a), is_insertion ? splitter.child(boxes[first], first + 1)
                                                           : splitter.copy(*b)};
  return read_sides<float>(splitter.split_directory(sources), 2 * layout.dimensions, 1,
                           [&](std::uint64_t i) { return boxes.at(i).at; });
}

// What holds of every split: the sides have all entries, each in the order of the sources, and
// neither has fewer than it must.
void expect_partition(const Outcome& outcome, std::size_t count, std::size_t min_fill) {
  EXPECT_TRUE(std::is_sorted(outcome.left.begin(), outcome.left.end()));
  EXPECT_TRUE(std::is_sorted(outcome.right.begin(), outcome.right.end()));
  Numbers all = outcome.left;
  all.insert(all.end(), outcome.right.begin(), outcome.right.end());
  std::sort(all.begin(), all.end());
  Numbers wanted(count);
  std::iota(wanted.begin(), wanted.end(), std::uint64_t{0});
  EXPECT_EQ(all, wanted);
  EXPECT_GE(outcome.left.size(), min_fill);
  EXPECT_GE(outcome.right.size(), min_fill);
  EXPECT_GE(outcome.overlap, 0.0f);
  EXPECT_LE(outcome.overlap, 1.00001f);
}

void expect_cut(const Outcome& outcome, const SplitRule::Cut& cut) {
  ASSERT_TRUE(cut.found);
  ASSERT_EQ(outcome.left.size(), cut.left_count);
  for (const std::uint64_t number : outcome.left) ASSERT_TRUE(cut.left.at(number));
  EXPECT_FLOAT_EQ(outcome.overlap, cut.overlap);
}

// D minima and D maxima of each entry.
template <class Scalar>
Geometries<Scalar> boxes_of(const Layout& layout, Geometries<Scalar> entries) {
  for (auto& box : entries) {
    const std::vector<Scalar> point = box;
    if (layout.points) box.insert(box.end(), point.begin(), point.end());
  }
  return entries;
}

template <class Scalar>
void check_leaf(const Layout& layout, const Geometries<Scalar>& entries, std::size_t first) {
  const std::size_t min_fill = min_leaf_entries(layout);
  const bool is_insertion = entries.size() - first == 1;
  const std::size_t fewest = is_insertion ? fewest_leaf_entries(layout) : min_fill;
  SplitRule rule(boxes_of(layout, entries), layout.dimensions);
  if (is_insertion) rule.set_newest(newest_leaf_entries(layout), fewest);
  SplitRule::Cut cut = rule.best_of_cells(min_fill);
  if (!cut.found) {
    rule.set_newest(0, 0);
    cut = rule.best_of_all(min_fill);
  }
  for (const Isa isa : supported_isas()) {
    SCOPED_TRACE(name_of(isa));
    Splitter<Scalar> splitter(layout, write_kernels<Scalar>(layout, isa));
    const Outcome outcome = split_leaf(splitter, layout, entries, first);
    ASSERT_NO_FATAL_FAILURE(expect_partition(outcome, entries.size(), fewest));
    ASSERT_NO_FATAL_FAILURE(expect_cut(outcome, cut));
    EXPECT_EQ(split_leaf(splitter, layout, entries, first), outcome) << "a second time";
  }
}

void check_directory(const Layout& layout, const std::vector<FloatBox>& boxes, std::size_t first) {
  const std::size_t min_fill = std::max(kMinChildren, boxes.size() * kMinFillPercent / 100);
  Geometries<float> plain;
  for (const FloatBox& box : boxes) plain.emplace_back(box.at, box.at + 2 * layout.dimensions);
  const SplitRule::Cut cut = SplitRule(plain, layout.dimensions).best_of_all(min_fill);
  for (const Isa isa : supported_isas()) {
    SCOPED_TRACE(name_of(isa));
    Splitter<double> splitter(layout, write_kernels<double>(layout, isa));
    const Outcome outcome = split_directory(splitter, layout, boxes, first);
    ASSERT_NO_FATAL_FAILURE(expect_partition(outcome, boxes.size(), min_fill));
    ASSERT_NO_FATAL_FAILURE(expect_cut(outcome, cut));
    EXPECT_EQ(split_directory(splitter, layout, boxes, first), outcome) << "a second time";
  }
}

template <class Scalar>
void check_leaves(int dimensions, bool points, test::Random& random) {
  const Layout layout(schema_of(dimensions, sizeof(Scalar) == 8, points));
  const std::size_t capacity = layout.leaf_capacity();
  for (const Spread spread : kAllSpreads) {
    SCOPED_TRACE(testing::Message()
                 << dimensions << " dimensions of " << sizeof(Scalar) << " bytes, "
                 << (points ? "points" : "boxes") << ", " << name_of(spread));
    Geometries<Scalar> entries;
    while (entries.size() <= capacity) {
      entries.push_back(any_geometry<Scalar>(layout, spread, random));
    }
    // A full leaf and one more; then an underfull one and a sibling.
    ASSERT_NO_FATAL_FAILURE(check_leaf(layout, entries, capacity));
    const std::size_t few = min_leaf_entries(layout) - 1;
    entries.resize(random.between(capacity * kMergedFillPercent / 100 + 1, capacity));
    ASSERT_NO_FATAL_FAILURE(check_leaf(layout, entries, few));
  }
}

TEST(Split, OfALeafFollowsTheRule) {
  test::Random random(test::test_seed("Split"));
  for (const int dimensions : kAllDimensions) {
    for (const bool points : {false, true}) {
      ASSERT_NO_FATAL_FAILURE(check_leaves<float>(dimensions, points, random));
      ASSERT_NO_FATAL_FAILURE(check_leaves<double>(dimensions, points, random));
    }
  }
}

TEST(Split, OfADirectoryNodeFollowsTheRule) {
  test::Random random(test::test_seed("Split"));
  for (const int dimensions : kAllDimensions) {
    const Layout layout(schema_of(dimensions, true, false));
    for (const Spread spread : kAllSpreads) {
      SCOPED_TRACE(testing::Message() << dimensions << " dimensions, " << name_of(spread));
      std::vector<FloatBox> boxes;
      const std::size_t full = kDirectoryCapacity + kDirectoryLanes * random.below(3);
      while (boxes.size() <= full) {
        boxes.push_back(any_box(layout.dimensions, spread, random));
      }
      ASSERT_NO_FATAL_FAILURE(check_directory(layout, boxes, full));
      boxes.resize(random.between(kDirectoryCapacity * kMergedFillPercent / 100 + 1, full));
      ASSERT_NO_FATAL_FAILURE(check_directory(layout, boxes, kMinChildren - 1));
    }
  }
}

TEST(Split, OfTheLongestSupernodeFillsBothSides) {
  test::Random random(test::test_seed("Split"));
  for (const int dimensions : {2, 5, 32}) {
    const Layout layout(schema_of(dimensions, true, false));
    std::vector<FloatBox> boxes;
    while (boxes.size() <= kMaxLanes) {
      boxes.push_back(any_box(layout.dimensions, Spread::grid, random));
    }
    Splitter<double> splitter(layout, write_kernels<double>(layout, best_isa()));
    const Outcome outcome = split_directory(splitter, layout, boxes, kMaxLanes);
    expect_partition(outcome, boxes.size(), boxes.size() * kMinFillPercent / 100);
    Splitter<double> plain(layout, write_kernels<double>(layout, Isa::baseline));
    EXPECT_EQ(split_directory(plain, layout, boxes, kMaxLanes), outcome);
  }
}

// Examples, in two dimensions.

Outcome split_points(const Geometries<double>& points) {
  const Layout layout(schema_of(2, true, true));
  Splitter<double> splitter(layout, write_kernels<double>(layout, best_isa()));
  const Outcome outcome = split_leaf(splitter, layout, points, points.size() - 1);
  expect_partition(outcome, points.size(), fewest_leaf_entries(layout));
  return outcome;
}

std::size_t overfull() { return Layout(schema_of(2, true, true)).leaf_capacity() + 1; }

TEST(Split, HalvesWhatIsAllEqual) {
  const Outcome outcome = split_points(Geometries<double>(overfull(), {3, 4}));
  EXPECT_EQ(outcome.left.size(), overfull() / 2);
  EXPECT_FLOAT_EQ(outcome.overlap, 1);
}

TEST(Split, HalvesALine) {
  for (const bool slanted : {false, true}) {
    Geometries<double> points;
    for (std::size_t i = 0; i < overfull(); ++i) {
      const auto x = static_cast<double>(i * 7 % overfull());
      points.push_back({x, slanted ? -x : 5});
    }
    const Outcome outcome = split_points(points);
    EXPECT_EQ(outcome.overlap, 0);
    EXPECT_NEAR(static_cast<double>(outcome.left.size()), static_cast<double>(overfull()) / 2,
                static_cast<double>(overfull()) / 16);
    double left_end = -1, right_begin = 1e9;
    for (const auto i : outcome.left) left_end = std::max(left_end, points[i][0]);
    for (const auto i : outcome.right) right_begin = std::min(right_begin, points[i][0]);
    EXPECT_LT(left_end, right_begin);
  }
}

TEST(Split, PartsTwoClusters) {
  Geometries<double> points;
  std::size_t below = 0;
  for (std::size_t i = 0; i < overfull(); ++i) {
    const bool is_high = i % 5 < 2;
    below += !is_high;
    points.push_back(
        {static_cast<double>(i % 13), (is_high ? 900.0 : 0.0) + static_cast<double>(i % 11)});
  }
  const Outcome outcome = split_points(points);
  EXPECT_EQ(outcome.overlap, 0);
  EXPECT_EQ(outcome.left.size(), below);
  for (const auto i : outcome.left) EXPECT_LT(points[i][1], 100);
}

// Entries that come in order of a place on one axis, from either end, leave a full leaf behind.
TEST(Split, LeavesMostEntriesBehindThoseThatComeInOrder) {
  for (const bool backwards : {false, true}) {
    Geometries<double> points;
    for (std::size_t i = 0; i < overfull(); ++i) {
      const auto x = static_cast<double>(i);
      points.push_back({backwards ? -x : x, static_cast<double>(i * 37 % 50)});
    }
    const Outcome outcome = split_points(points);
    const Numbers& newest = backwards ? outcome.left : outcome.right;
    EXPECT_NEAR(static_cast<double>(newest.size()), 0.15 * static_cast<double>(overfull()),
                0.05 * static_cast<double>(overfull()));
    EXPECT_EQ(newest.front() + newest.size(), overfull()) << "the last ones, and no other";
  }
}

// All but one lie in one of the 32 cells of each axis: only ranks tell the others apart.
TEST(Split, FillsBothSidesBesideAnOutlier) {
  Geometries<double> points;
  for (std::size_t i = 0; i + 1 < overfull(); ++i) {
    points.push_back({static_cast<double>(i), static_cast<double>(i)});
  }
  points.push_back({1e9, 1e9});
  const Outcome outcome = split_points(points);
  EXPECT_EQ(outcome.overlap, 0);
}

TEST(Split, FitsItsOverlapToTheSides) {
  const Layout layout(schema_of(1, true, false));
  std::vector<FloatBox> boxes;
  // Boxes of length 20, a unit apart: the cut in the middle has [0, 52) and [33, 84).
  for (int i = 0; i < 65; ++i) {
    boxes.push_back({{static_cast<float>(i), static_cast<float>(i + 20)}});
  }
  Splitter<double> splitter(layout, write_kernels<double>(layout, best_isa()));
  const Outcome outcome = split_directory(splitter, layout, boxes, 64);
  const auto left = static_cast<float>(outcome.left.size());
  EXPECT_NEAR(left, 32.5, 1);
  EXPECT_FLOAT_EQ(outcome.overlap, 19.0f / 84.0f);
}

}  // namespace
}  // namespace xtree::index
