#include "index/write_kernels.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "index/node_fixture.h"
#include "index/tree_fixture.h"

// Each kernel, for each instruction set and dimension, against a loop over one entry after another.
namespace xtree::index {
namespace {

constexpr std::size_t kCounts[] = {1, 7, 8, 9, 15, 16, 17, 48, 63, 64, 65, 130};

// Calls `f.template operator()<Scalar>(layout, kernels)` for all schemas and instruction sets.
template <class F>
void for_all_kernels(F f) {
  const auto scalar = [&]<class Scalar>() {
    for (const int dimensions : kAllDimensions) {
      for (const bool points : {false, true}) {
        const Layout layout(schema_of(dimensions, sizeof(Scalar) == 8, points));
        for (const Isa isa : supported_isas()) {
          SCOPED_TRACE(testing::Message() << dimensions << " dimensions of " << sizeof(Scalar)
                                          << " bytes, " << (points ? "points" : "boxes")
                                          << ", " << name_of(isa));
          f.template operator()<Scalar>(layout, write_kernels<Scalar>(layout, isa));
          if (testing::Test::HasFatalFailure()) return;
        }
      }
    }
  };
  scalar.template operator()<float>();
  scalar.template operator()<double>();
}

bool is_in(const LaneSet& set, std::size_t index) {
  return (set.words[index / 64] >> index % 64 & 1) != 0;
}

// Sets all bits first: a kernel must set the words that the count needs.
LaneSet full_set() {
  LaneSet set;
  std::memset(&set, 0xff, sizeof set);
  return set;
}

template <class Scalar>
Geometries<Scalar> any_entries(const Layout& layout, Spread spread, std::size_t count,
                               test::Random& random) {
  Geometries<Scalar> entries;
  while (entries.size() < std::min(count, layout.leaf_capacity())) {
    entries.push_back(!entries.empty() && random.one_in(3)
                          ? entries[random.below(entries.size())]
                          : any_geometry<Scalar>(layout, spread, random));
  }
  return entries;
}

std::vector<FloatBox> any_boxes(const Layout& layout, Spread spread, std::size_t count,
                                test::Random& random) {
  std::vector<FloatBox> boxes;
  while (boxes.size() < count) boxes.push_back(any_box(layout.dimensions, spread, random));
  return boxes;
}

TEST(WriteKernels, FindTheChildrenThatCoverABox) {
  test::Random random(test::test_seed("WriteKernels"));
  std::size_t hits = 0;
  for_all_kernels([&]<class Scalar>(const Layout& layout, const WriteKernels<Scalar>& kernels) {
    const std::size_t dims = layout.dimensions;
    for (const Spread spread : kAllSpreads) {
      const auto boxes =
          any_boxes(layout, spread, kCounts[random.below(std::size(kCounts))], random);
      const OwnedNode node = make_directory(layout, boxes);
      for (int i = 0; i < 6; ++i) {
        FloatBox box = boxes[random.below(boxes.size())];
        if (i % 2 == 1) {
          const std::size_t axis = random.below(dims);
          box.at[axis] = box.at[dims + axis] = any_number<float>(spread, axis, random);
        }
        LaneSet found = full_set();
        kernels.covering(*node, layout, box, found);
        for (std::size_t c = 0; c < blocks_for(boxes.size(), 64) * 64; ++c) {
          const bool wanted = c < boxes.size() && covers(boxes[c], box, dims);
          ASSERT_EQ(is_in(found, c), wanted) << "child " << c << ", " << name_of(spread);
          if (c < boxes.size()) {
            ASSERT_EQ(kernels.covers(*node, layout, c, box), wanted);
          }
          hits += wanted;
        }
      }
    }
  });
  EXPECT_GT(hits, 0u);
}

TEST(WriteKernels, FindTheEntriesThatAreEqual) {
  test::Random random(test::test_seed("WriteKernels"));
  for_all_kernels([&]<class Scalar>(const Layout& layout, const WriteKernels<Scalar>& kernels) {
    for (const Spread spread : kAllSpreads) {
      const auto entries =
          any_entries<Scalar>(layout, spread, kCounts[random.below(std::size(kCounts))], random);
      const OwnedNode leaf = make_leaf<Scalar>(layout, entries);
      for (int i = 0; i < 4; ++i) {
        std::vector<Scalar> sought = entries[random.below(entries.size())];
        if (i == 3) sought[random.below(layout.rows)] = any_number<Scalar>(spread, 0, random);
        LaneSet found = full_set();
        kernels.equal(*leaf, layout, sought.data(), found);
        for (std::size_t e = 0; e < blocks_for(entries.size(), 64) * 64; ++e) {
          ASSERT_EQ(is_in(found, e), e < entries.size() && entries[e] == sought)
              << "entry " << e << ", " << name_of(spread);
        }
      }
    }
  });
}

// The union of all entries, D minima and D maxima.
template <class Scalar>
std::vector<Scalar> bounds_of(const Layout& layout, const Geometries<Scalar>& entries) {
  std::vector<Scalar> bounds(2 * layout.dimensions);
  for (std::size_t axis = 0; axis < layout.dimensions; ++axis) {
    const std::size_t top = layout.points ? axis : layout.dimensions + axis;
    Scalar& low = bounds[axis] = entries[0][axis];
    Scalar& high = bounds[layout.dimensions + axis] = entries[0][top];
    for (const auto& entry : entries) {
      low = std::min(low, entry[axis]);
      high = std::max(high, entry[top]);
    }
  }
  return bounds;
}

// The nearest float that is not above, or not below.
template <class Scalar>
bool is_rounded_down(float rounded, Scalar exact) {
  const float next = std::nextafter(rounded, std::numeric_limits<float>::infinity());
  return static_cast<double>(rounded) <= static_cast<double>(exact) &&
         static_cast<double>(next) > static_cast<double>(exact);
}
template <class Scalar>
bool is_rounded_up(float rounded, Scalar exact) {
  return is_rounded_down(-rounded, -exact);
}

TEST(WriteKernels, UniteEntriesAndRoundOutwardOnce) {
  test::Random random(test::test_seed("WriteKernels"));
  for_all_kernels([&]<class Scalar>(const Layout& layout, const WriteKernels<Scalar>& kernels) {
    const std::size_t dims = layout.dimensions;
    for (const Spread spread : kAllSpreads) {
      for (const std::size_t count : kCounts) {
        const auto entries = any_entries<Scalar>(layout, spread, count, random);
        const OwnedNode leaf = make_leaf<Scalar>(layout, entries);
        std::vector<Scalar> wanted = bounds_of(layout, entries);
        FloatBox box;
        kernels.leaf_box(*leaf, layout, box);
        for (std::size_t axis = 0; axis < dims; ++axis) {
          ASSERT_TRUE(is_rounded_down(box.at[axis], wanted[axis]))
              << box.at[axis] << " for " << wanted[axis];
          ASSERT_TRUE(is_rounded_up(box.at[dims + axis], wanted[dims + axis]))
              << box.at[dims + axis] << " for " << wanted[dims + axis];
        }
        // Bounds that are there already are widened.
        const std::vector<Scalar> other = any_geometry<Scalar>(layout, spread, random);
        const std::vector<Scalar> before = bounds_of<Scalar>(layout, {other});
        std::vector<Scalar> bounds = before;
        kernels.leaf_bounds(*leaf, layout, bounds.data());
        for (std::size_t axis = 0; axis < dims; ++axis) {
          ASSERT_EQ(bounds[axis], std::min(before[axis], wanted[axis]));
          ASSERT_EQ(bounds[dims + axis], std::max(before[dims + axis], wanted[dims + axis]));
        }
      }
    }
  });
}

TEST(WriteKernels, UniteChildren) {
  test::Random random(test::test_seed("WriteKernels"));
  for_all_kernels([&]<class Scalar>(const Layout& layout, const WriteKernels<Scalar>& kernels) {
    for (const Spread spread : kAllSpreads) {
      for (const std::size_t count : kCounts) {
        const auto boxes = any_boxes(layout, spread, count, random);
        FloatBox wanted = boxes[0];
        for (const FloatBox& other : boxes) unite(wanted, other, layout.dimensions);
        FloatBox box;
        kernels.directory_box(*make_directory(layout, boxes), layout, box);
        ASSERT_TRUE(equal(box, wanted, layout.dimensions)) << name_of(spread) << ", " << count;
      }
    }
  });
}
TEST(WriteKernels, WriteAGeometryWithItsCode) {
  test::Random random(test::test_seed("WriteKernels"));
  for_all_kernels([&]<class Scalar>(const Layout& layout, const WriteKernels<Scalar>& kernels) {
    for (const Spread spread : kAllSpreads) {
      for (const std::size_t count : kCounts) {
        if (count > layout.leaf_capacity()) continue;
        const auto entries = any_entries<Scalar>(layout, spread, count, random);
        const OwnedNode leaf = make_leaf<Scalar>(layout, entries);
        const OwnedNode wanted = make_leaf<Scalar>(layout, entries);
        const std::size_t index = random.below(count);
        const std::vector<Scalar> geometry = any_geometry<Scalar>(layout, spread, random);
        kernels.write_geometry(*leaf, layout, index, geometry.data());
        set_geometry(*wanted, layout, index, geometry.data());
        ASSERT_EQ(std::memcmp(leaf.get(), wanted.get(), leaf->frame.bytes), 0);
      }
    }
  });
}

// As the whole box has them, and the other sides as they were.
template <class Measure>
void expect_some_sides(const FloatBox& whole, std::size_t dims, test::Random& random,
                       Measure&& measure) {
  FloatBox box;
  std::fill_n(box.at, 2 * dims, 5.5f);
  const std::uint64_t sides = random.next() & (~std::uint64_t{0} >> (64 - 2 * dims));
  measure(sides, box);
  for (std::size_t side = 0; side < 2 * dims; ++side) {
    ASSERT_EQ(box.at[side], (sides >> side & 1) != 0 ? whole.at[side] : 5.5f) << "side " << side;
  }
}

TEST(WriteKernels, MeasureTheSidesThatAreAskedFor) {
  test::Random random(test::test_seed("WriteKernels"));
  for_all_kernels([&]<class Scalar>(const Layout& layout, const WriteKernels<Scalar>& kernels) {
    for (const Spread spread : kAllSpreads) {
      for (const std::size_t count : kCounts) {
        const OwnedNode leaf =
            make_leaf<Scalar>(layout, any_entries<Scalar>(layout, spread, count, random));
        FloatBox whole;
        kernels.leaf_box(*leaf, layout, whole);
        ASSERT_NO_FATAL_FAILURE(expect_some_sides(
            whole, layout.dimensions, random, [&](std::uint64_t sides, FloatBox& box) {
              kernels.leaf_sides(*leaf, layout, sides, box);
            }));
        const OwnedNode node = make_directory(layout, any_boxes(layout, spread, count, random));
        kernels.directory_box(*node, layout, whole);
        ASSERT_NO_FATAL_FAILURE(expect_some_sides(
            whole, layout.dimensions, random, [&](std::uint64_t sides, FloatBox& box) {
              kernels.directory_sides(*node, layout, sides, box);
            }));
      }
    }
  });
}


// Expects D scaled minima, D negated scaled maxima, and zeros behind them.
template <class Scalar>
void expect_row(const float* row, const Scalar* low, const Scalar* high, std::size_t dims,
                const SplitFrame<Scalar>& frame) {
  constexpr Scalar kMost = std::numeric_limits<Scalar>::max();
  const auto scaled = [&](Scalar x, std::size_t axis) {
    return static_cast<float>((std::clamp(x, -kMost, kMost) / 2 - frame.origin[axis]) *
                              frame.scale);
  };
  for (std::size_t axis = 0; axis < dims; ++axis) {
    ASSERT_EQ(row[axis], scaled(low[axis], axis));
    ASSERT_EQ(row[dims + axis], -scaled(high[axis], axis));
    ASSERT_TRUE(std::isfinite(row[axis]) && std::isfinite(row[dims + axis]));
  }
  for (std::size_t pad = 2 * dims; pad < split_stride(dims); ++pad) ASSERT_EQ(row[pad], 0);
}

template <class Scalar>
SplitFrame<Scalar> any_frame(Spread spread, std::size_t dims, test::Random& random) {
  SplitFrame<Scalar> frame;
  for (std::size_t axis = 0; axis < dims; ++axis) {
    frame.origin[axis] = any_number<Scalar>(spread, axis, random) / 2;
  }
  const bool is_vast = spread == Spread::wide || spread == Spread::odd;
  frame.scale = is_vast ? 1 / std::numeric_limits<Scalar>::max() : static_cast<Scalar>(0.3);
  return frame;
}

TEST(WriteKernels, WriteRowsForSplits) {
  test::Random random(test::test_seed("WriteKernels"));
  for_all_kernels([&]<class Scalar>(const Layout& layout, const WriteKernels<Scalar>& kernels) {
    const std::size_t dims = layout.dimensions;
    const std::size_t stride = split_stride(dims);
    for (const Spread spread : kAllSpreads) {
      const std::size_t count = kCounts[random.below(std::size(kCounts))];
      const auto entries = any_entries<Scalar>(layout, spread, count, random);
      const auto frame = any_frame<Scalar>(spread, dims, random);
      std::vector<float> rows(entries.size() * stride + 1, 77);
      kernels.leaf_rows(*make_leaf<Scalar>(layout, entries), layout, frame, rows.data());
      for (std::size_t i = 0; i < entries.size(); ++i) {
        const Scalar* high = entries[i].data() + (layout.points ? 0 : dims);
        ASSERT_NO_FATAL_FAILURE(
            expect_row(rows.data() + i * stride, entries[i].data(), high, dims, frame));
      }
      EXPECT_EQ(rows.back(), 77) << "a row too many";

      const auto boxes = any_boxes(layout, spread, count, random);
      const auto box_frame = any_frame<float>(spread, dims, random);
      rows.assign(boxes.size() * stride + 1, 77);
      kernels.directory_rows(*make_directory(layout, boxes), layout, box_frame, rows.data());
      for (std::size_t i = 0; i < boxes.size(); ++i) {
        ASSERT_NO_FATAL_FAILURE(expect_row<float>(rows.data() + i * stride, boxes[i].at,
                                                  boxes[i].at + dims, dims, box_frame));
      }
      EXPECT_EQ(rows.back(), 77) << "a row too many";
    }
  });
}

TEST(Bounds, RoundToTheNearestFloatOutward) {
  test::Random random(test::test_seed("Bounds"));
  const auto check = [](double x) {
    ASSERT_TRUE(is_rounded_down(round_down(x), x)) << x;
    ASSERT_TRUE(is_rounded_up(round_up(x), x)) << x;
  };
  for (const double x :
       {0.0, 1.0, 16777216.0, 16777217.0, 1e-46, 1e-45, 1e-310, 3.4028235e38, 3.5e38, 1e300,
        std::numeric_limits<double>::max(), std::numeric_limits<double>::denorm_min()}) {
    check(x);
    check(-x);
  }
  for (int i = 0; i < 200'000; ++i) {
    const auto x = std::bit_cast<double>(random.next());
    if (std::isfinite(x)) check(x);
    // Near a float, where rounding goes either way.
    const auto f = std::bit_cast<float>(static_cast<std::uint32_t>(random.next()));
    if (!std::isfinite(f)) continue;
    check(f);
    check(std::nextafter(static_cast<double>(f), 1e308));
    check(std::nextafter(static_cast<double>(f), -1e308));
  }
}

TEST(Bounds, NothingCoversWhatIsNoNumber) {
  const FloatBox box{{0, 0, 4, 4}};
  EXPECT_TRUE(covers(box, box, 2));
  for (std::size_t row = 0; row < 4; ++row) {
    FloatBox bad = box;
    bad.at[row] = std::nanf("");
    EXPECT_FALSE(covers(bad, box, 2));
    EXPECT_FALSE(covers(box, bad, 2));
    EXPECT_FALSE(equal(bad, bad, 2));
  }
}

}  // namespace
}  // namespace xtree::index
