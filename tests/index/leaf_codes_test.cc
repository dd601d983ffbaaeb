#include "index/leaf_codes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "index/node_fixture.h"
#include "index/search_kernels.h"
#include "index/tree_fixture.h"

namespace xtree::index {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Calls `f.template operator()<Scalar>(layout, isa)` for all schemas that have codes.
template <class F>
void for_all_codes(F f) {
  for (const int dimensions : kAllDimensions) {
    for (const bool points : {false, true}) {
      for (const Isa isa : supported_isas()) {
        SCOPED_TRACE(testing::Message()
                     << dimensions << " dimensions" << (points ? ", points" : "")
                     << ", " << name_of(isa));
        const Layout floats(schema_of(dimensions, false, points));
        if (!floats.has_codes()) continue;
        f.template operator()<float>(floats, isa);
        f.template operator()<double>(Layout(schema_of(dimensions, true, points)), isa);
        if (testing::Test::HasFailure()) return;
      }
    }
  }
}

// The bytes in front of a leaf's blocks, header left out, as its grid and its entries make them.
// The longest box that it remembers may be one that is gone.
template <class Scalar>
std::vector<std::byte> front_of(const Node& leaf, const Layout& layout, bool some_are_gone) {
  const OwnedNode made = make_node(layout.leaf_bytes(leaf.blocks), leaf.blocks, 0);
  const std::size_t grid_bytes = layout.code_pairs != 0
                                     ? 2 * sizeof(float) * pair_grid_axes(layout.dimensions)
                                     : grid_bytes_for(layout.dimensions);
  std::memcpy(static_cast<void*>(made.get() + 1), &leaf + 1, grid_bytes);
  for (std::size_t i = 0; i < leaf.count; ++i) {
    Scalar geometry[2 * kMaxDimensions];
    read_geometry(leaf, layout, i, geometry);
    set_entry_code(*made, layout, i, geometry);
  }
  for (std::size_t axis = 0; layout.max_pairs_at != 0 && axis < layout.dimensions; ++axis) {
    std::uint8_t& longest = longest_boxes(*made, layout.dimensions)[axis];
    const std::uint8_t held = longest_box(leaf, layout.dimensions, axis);
    if (some_are_gone && held > longest) longest = held;
  }
  const auto* bytes = reinterpret_cast<const std::byte*>(made.get());
  return {bytes + sizeof(Node), bytes + layout.coded_end()};
}

template <class Scalar>
Geometries<Scalar> any_entries(const Layout& layout, Spread spread, test::Random& random) {
  Geometries<Scalar> entries(random.between(1, layout.leaf_capacity()));
  for (auto& entry : entries) entry = any_geometry<Scalar>(layout, spread, random);
  return entries;
}

TEST(LeafCodes, NeverFallAsCoordinatesGrow) {
  test::Random random(test::test_seed("LeafCodes"));
  const Layout layout(schema_of(1, true, false));
  const OwnedNode leaf = make_node(layout.leaf_bytes(1), 1, 0);
  for (int i = 0; i < 20000; ++i) {
    const Spread spread = kAllSpreads[random.below(std::size(kAllSpreads))];
    set_grid(*leaf, 1, any_box(1, spread, random));
    const double* grid = leaf_grid(*leaf);
    const Spread other = random.one_in(2) ? spread : Spread::odd;
    double low = any_number<double>(spread, 0, random);
    double high = random.one_in(2) ? std::nextafter(low, kInfinity)
                                   : any_number<double>(other, 0, random);
    if (low > high) std::swap(low, high);
    const std::uint64_t first = cell_of(low, grid[0], grid[1]);
    const std::uint64_t last = cell_of(high, grid[0], grid[1]);
    ASSERT_LE(first, last) << low << " and " << high << ", " << name_of(spread);
    ASSERT_LE(cell_of(-kInfinity, grid[0], grid[1]), first);
    ASSERT_EQ(cell_of(kInfinity, grid[0], grid[1]), grid[1] == 0 ? 0u : 255u);
    ASSERT_LE(last, 255u);
  }
}

TEST(LeafCodes, HaveACellForWhatLiesBesideTheLeafsBox) {
  const Layout layout(schema_of(2, true, false));
  const OwnedNode leaf = make_node(layout.leaf_bytes(1), 1, 0);
  FloatBox box;
  const float sides[] = {10, -3, 11, 5};
  std::copy_n(sides, 4, box.at);
  set_grid(*leaf, 2, box);
  const double* grid = leaf_grid(*leaf);
  EXPECT_EQ(cell_of(10, grid[0], grid[2]), 1u);
  EXPECT_EQ(cell_of(11, grid[0], grid[2]), 254u);
  EXPECT_EQ(cell_of(9.99, grid[0], grid[2]), 0u);
  EXPECT_EQ(cell_of(11.01, grid[0], grid[2]), 255u);
  EXPECT_EQ(cell_of(-3, grid[1], grid[3]), 1u);
  EXPECT_EQ(cell_of(1, grid[1], grid[3]), 128u);
  EXPECT_EQ(cell_of(5, grid[1], grid[3]), 254u);
}

// Some room is left beside the leaf's box on either side, for what comes until the next grid.
TEST(LeafCodes, KnowWhetherTheirGridHoldsABox) {
  const Layout layout(schema_of(6, true, false));
  const OwnedNode leaf = make_node(layout.leaf_bytes(1), 1, 0);
  FloatBox box{};
  for (std::size_t axis = 0; axis < layout.dimensions; ++axis) {
    box.at[axis] = -2;
    box.at[layout.dimensions + axis] = 8;
  }
  set_pair_grid(*leaf, layout.dimensions, box);
  const auto holds = [&](std::size_t row, float to) {
    FloatBox longer = box;
    longer.at[row] = to;
    return pair_grid_holds(*leaf, layout.dimensions, longer);
  };
  for (std::size_t row = 0; row < 2 * layout.dimensions; ++row) {
    const bool is_min = row < layout.dimensions;
    EXPECT_TRUE(holds(row, box.at[row]));
    EXPECT_TRUE(holds(row, is_min ? -4.5f : 10.5f));
    EXPECT_FALSE(holds(row, is_min ? -5.5f : 11.5f));
    EXPECT_FALSE(holds(row, std::numeric_limits<float>::infinity() * (is_min ? -1.f : 1.f)));
  }
}

// One by one by who appends, moves and removes entries, or all at once by the kernel.
TEST(LeafCodes, AreThoseOfTheEntriesWhoeverWroteThem) {
  test::Random random(test::test_seed("LeafCodes"));
  for_all_codes([&]<class Scalar>(const Layout& layout, Isa isa) {
    for (const Spread spread : kAllSpreads) {
      const auto entries = any_entries<Scalar>(layout, spread, random);
      const OwnedNode leaf = make_leaf<Scalar>(layout, entries);
      const auto expect_right = [&](bool some_are_gone) {
        const auto* held = reinterpret_cast<const std::byte*>(leaf.get() + 1);
        const std::vector<std::byte> right = front_of<Scalar>(*leaf, layout, some_are_gone);
        for (std::size_t i = 0; i < right.size(); ++i) {
          ASSERT_EQ(held[i], right[i]) << "byte " << i << ", " << name_of(spread);
        }
      };
      ASSERT_NO_FATAL_FAILURE(expect_right(false));
      set_geometry(*leaf, layout, random.below(leaf->count),
                   any_geometry<Scalar>(layout, spread, random).data());
      ASSERT_NO_FATAL_FAILURE(expect_right(true));
      if (leaf->count > 1) remove_entry<Scalar>(*leaf, layout, random.below(leaf->count));
      ASSERT_NO_FATAL_FAILURE(expect_right(true));
      const WriteKernels<Scalar>& kernels = write_kernels<Scalar>(layout, isa);
      FloatBox box;
      kernels.leaf_box(*leaf, layout, box);
      if (layout.code_bytes != 0) {  // the padding behind these is left alone
        std::memset(leaf_codes(*leaf, layout.dimensions), 0x5a,
                    layout.leaf_capacity() * layout.code_bytes);
      } else {
        std::memset(static_cast<void*>(leaf.get() + 1), 0x5a,
                    layout.coded_end() - sizeof(Node));
      }
      set_leaf_grid(*leaf, layout, box);
      kernels.encode(*leaf, layout);
      ASSERT_NO_FATAL_FAILURE(expect_right(false));
    }
  });
}

// An end of a window: one of an entry's, one just beside it, any other, or none.
template <class Scalar>
Scalar any_end(const Geometries<Scalar>& entries, std::size_t axis, std::size_t dims,
               Spread spread, Scalar none, test::Random& random) {
  const auto& entry = entries[random.below(entries.size())];
  const Scalar end = entry[random.one_in(2) ? axis : entry.size() - dims + axis];
  switch (random.below(5)) {
    case 0: return end;
    case 1: return std::nextafter(end, -none);
    case 2: return std::nextafter(end, none);
    case 3: return any_number<Scalar>(spread, axis, random);
    default: return none;
  }
}

// What the steps of a window's look at a leaf with codes in pairs say one by one.
template <class Scalar>
bool scan_in_steps(const SearchKernels<Scalar>& kernels, const Node& leaf, const Layout& layout,
                   const detail::Window<Scalar>& window, bool intersecting, std::uint64_t* mask) {
  LeafMarks marks;
  marks.maxima_are_near = false;
  if (intersecting) {
    return kernels.mark_leaf_intersecting(leaf, leaf.count, layout, window, marks) &&
           kernels.narrow_leaf_intersecting(leaf, leaf.count, layout, marks) &&
           kernels.decide_leaf_intersecting(leaf, leaf.count, layout, window, marks, mask);
  }
  return kernels.mark_leaf(leaf, leaf.count, layout, window, marks) &&
         kernels.narrow_leaf(leaf, leaf.count, layout, marks) &&
         kernels.decide_leaf(leaf, leaf.count, layout, window, marks, mask);
}

// Windows end where entries end, and entries lie beside the grid: so cells leave much open.
TEST(LeafCodes, LeaveNoWindowWithAWrongAnswer) {
  test::Random random(test::test_seed("LeafCodes"));
  std::size_t answers = 0, others = 0;
  for_all_codes([&]<class Scalar>(const Layout& layout, Isa isa) {
    constexpr auto kNone = std::numeric_limits<Scalar>::infinity();
    const std::size_t dims = layout.dimensions;
    const SearchKernels<Scalar> kernels = make_search_kernels<Scalar>(layout, isa);
    const int rounds = dims > 4 ? 50 : 200;
    for (int round = 0; round < rounds; ++round) {
      const Spread spread = kAllSpreads[random.below(std::size(kAllSpreads))];
      const auto entries = any_entries<Scalar>(layout, spread, random);
      const OwnedNode leaf = make_leaf<Scalar>(layout, entries);
      const bool intersecting = layout.points || random.one_in(2);
      // With all of many axes bounded hardly anything would answer.
      const std::uint64_t bounded = dims > 4 ? random.between(1, 4) : dims;
      detail::Window<Scalar> window{};
      for (std::size_t axis = 0; axis < dims; ++axis) {
        const auto end = [&](Scalar none) {
          if (random.below(dims) >= bounded) return none;
          return any_end<Scalar>(entries, axis, dims, spread, none, random);
        };
        window.low_min[axis] = intersecting ? -kNone : end(-kNone);
        window.low_max[axis] = end(kNone);
        window.high_min[axis] = end(-kNone);
        window.high_max[axis] = intersecting ? kNone : end(kNone);
      }
      std::uint64_t mask[detail::kMaxLeafEntries / 64];
      const bool any =
          intersecting ? kernels.scan_leaf_intersecting(*leaf, leaf->count, layout, window, mask)
                       : kernels.scan_leaf(*leaf, leaf->count, layout, window, mask);
      const std::uint32_t count =
          intersecting ? kernels.count_leaf_intersecting(*leaf, leaf->count, layout, window)
                       : kernels.count_leaf(*leaf, leaf->count, layout, window);
      std::uint32_t right = 0;
      for (std::size_t i = 0; i < entries.size(); ++i) {
        bool wanted = true;
        for (std::size_t axis = 0; axis < dims; ++axis) {
          const Scalar low = entries[i][axis], high = entries[i][layout.rows - dims + axis];
          wanted = wanted && low >= window.low_min[axis] && low <= window.low_max[axis] &&
                   high >= window.high_min[axis] && high <= window.high_max[axis];
        }
        ASSERT_EQ((mask[i / 64] >> i % 64 & 1) != 0, wanted)
            << "entry " << i << " of " << entries.size() << ", " << name_of(spread);
        right += wanted;
      }
      ASSERT_EQ(any, right != 0);
      ASSERT_EQ(count, right);
      if (layout.code_pairs != 0) {
        std::uint64_t in_steps[detail::kMaxLeafEntries / 64];
        ASSERT_EQ(scan_in_steps(kernels, *leaf, layout, window, intersecting, in_steps), any);
        ASSERT_TRUE(!any || std::equal(in_steps, in_steps + blocks_for(entries.size(), 64), mask));
      }
      if (intersecting) {
        std::uint64_t near[detail::kMaxLeafEntries / 64];
        ASSERT_EQ(kernels.scan_near_leaf(*leaf, leaf->count, layout, window, near), any);
        ASSERT_TRUE(std::equal(near, near + blocks_for(entries.size(), 64), mask));
        ASSERT_EQ(kernels.count_near_leaf(*leaf, leaf->count, layout, window), right);
      }
      answers += right;
      others += entries.size() - right;
    }
  });
  EXPECT_GT(answers, 1000u);
  EXPECT_GT(others, 1000u);
}

// Entries of one spread; some sets are stretched, and lie far from the origin.
template <class Scalar>
Geometries<Scalar> any_placed_entries(const Layout& layout, Spread spread, test::Random& random) {
  auto entries = any_entries<Scalar>(layout, spread, random);
  if (spread != Spread::unit || random.one_in(2)) return entries;
  for (std::size_t axis = 0; axis < layout.dimensions; ++axis) {
    const auto stretch = static_cast<Scalar>(std::scalbn(1.0, static_cast<int>(random.below(9))));
    const double away = std::scalbn(random.unit() - 0.5, static_cast<int>(random.below(50)));
    for (auto& entry : entries) {
      for (std::size_t row = axis; row < layout.rows; row += layout.dimensions) {
        entry[row] = entry[row] * stretch + static_cast<Scalar>(away);
      }
    }
  }
  return entries;
}

// A point or a box in, beside or far away from what the leaf holds, with weights, of which some are
// 0 or extreme.
template <class Scalar>
NearestTarget any_target(const Geometries<Scalar>& entries, std::size_t dims, Spread spread,
                         test::Random& random) {
  NearestTarget target{};
  target.point = random.one_in(2);
  const auto& entry = entries[random.below(entries.size())];
  const bool beside = !random.one_in(4);
  const double away = random.one_in(4) ? (random.unit() - 0.5) * 1000 : 0;
  for (std::size_t axis = 0; axis < dims; ++axis) {
    target.min[axis] = beside ? static_cast<double>(entry[axis]) + random.unit() / 8
                              : static_cast<double>(any_number<Scalar>(spread, axis, random));
    target.min[axis] += away;
    target.max[axis] = target.min[axis] + (target.point ? 0 : random.unit());
    const int power = static_cast<int>(random.below(2000)) - 1000;
    target.weight[axis] = random.one_in(16) ? std::scalbn(1.0, power) : random.unit() * 4;
  }
  return target;
}

// As the search makes it of an axis of weight 0.
void leave_out_an_axis(NearestTarget& target, std::size_t axis) {
  target.weight[axis] = 0;
  target.min[axis] = -kInfinity;
  target.max[axis] = kInfinity;
  target.point = false;
}

struct Distances {
  std::size_t passed_by = 0;
  std::size_t near = 0;
};

// The limit is one of the entries' measures, or lies just beside it.
template <class Scalar>
void expect_all_that_is_near(const MeasureKernels<Scalar>& kernels, const Layout& layout,
                             const Geometries<Scalar>& entries, const NearestTarget& target,
                             test::Random& random, Distances& distances) {
  const OwnedNode leaf = make_leaf<Scalar>(layout, entries);
  alignas(64) double all[detail::kMaxLeafEntries];
  alignas(64) double some[detail::kMaxLeafEntries];
  std::uint64_t mask[detail::kMaxLeafEntries / 64];
  kernels.leaf(*leaf, leaf->count, layout, target, kInfinity, all, mask);
  double limit = all[random.below(entries.size())];
  // Of many entries few are near.
  if (random.one_in(2)) limit = std::min(limit, all[random.below(entries.size())]);
  if (random.one_in(3)) limit = std::nextafter(limit, random.one_in(2) ? 0 : kInfinity);
  if (!(limit < kInfinity)) return;
  std::fill(std::begin(some), std::end(some), -1.0);
  const bool any = kernels.leaf(*leaf, leaf->count, layout, target, limit, some, mask);
  bool wanted_any = false;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const bool wanted = all[i] <= limit;
    ASSERT_EQ((mask[i / 64] >> i % 64 & 1) != 0, wanted)
        << "entry " << i << " of " << entries.size() << ", " << all[i] << " and " << limit;
    if (wanted) {
      ASSERT_EQ(some[i], all[i]);
    }
    wanted_any = wanted_any || wanted;
    distances.passed_by += some[i] == -1.0;
    distances.near += wanted;
  }
  ASSERT_EQ(any, wanted_any);
}

TEST(LeafCodes, HideNothingThatIsNearEnough) {
  test::Random random(test::test_seed("LeafCodes"));
  Distances distances[2][4];  // of boxes and of points, by metric
  for_all_codes([&]<class Scalar>(const Layout& layout, Isa isa) {
    const SearchKernels<Scalar> kernels = make_search_kernels<Scalar>(layout, isa);
    for (int round = 0; round < 200; ++round) {
      const Spread spread = kAllSpreads[random.below(std::size(kAllSpreads))];
      SCOPED_TRACE(testing::Message() << "round " << round << ", " << name_of(spread));
      const auto entries = any_placed_entries<Scalar>(layout, spread, random);
      NearestTarget target = any_target<Scalar>(entries, layout.dimensions, spread, random);
      const MeasureKernels<Scalar>* measures[] = {&kernels.euclidean, &kernels.weighted,
                                                  &kernels.manhattan, &kernels.chebyshev};
      const std::size_t metric = random.below(std::size(measures));
      target.weighted = metric == 1;
      if (target.weighted && random.one_in(4)) {
        leave_out_an_axis(target, random.below(layout.dimensions));
      }
      expect_all_that_is_near(*measures[metric], layout, entries, target, random,
                              distances[layout.points][metric]);
      if (testing::Test::HasFailure()) return;
    }
  });
  for (const auto& of_shape : distances) {
    for (const Distances& of_metric : of_shape) {
      EXPECT_GT(of_metric.passed_by, 1000u);
      EXPECT_GT(of_metric.near, 1000u);
    }
  }
}

}  // namespace
}  // namespace xtree::index
