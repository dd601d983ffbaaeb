#include "index/window_query.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <limits>

#include "index/bounds.h"
#include "index/node_fixture.h"
#include "index/search_kernels.h"
#include "index/tree_fixture.h"

namespace xtree::index {
namespace {

template <class Scalar>
Scalar any_bound(std::size_t axis, Scalar none, test::Random& random) {
  if (random.one_in(4)) return none;
  const Spread spread = kAllSpreads[random.below(std::size(kAllSpreads))];
  return any_number<Scalar>(spread, axis, random) * (random.one_in(2) ? 1 : -1);
}

void expect_same(float made, float right, const char* what) {
  EXPECT_EQ(std::bit_cast<std::uint32_t>(made), std::bit_cast<std::uint32_t>(right))
      << what << ": " << made << " instead of " << right;
}

// Bit by bit what one axis after the other, in scalars, would have.
template <class Scalar>
void check_ready(const Layout& layout, Isa isa, test::Random& random) {
  constexpr Scalar kNone = std::numeric_limits<Scalar>::infinity();
  const SearchKernels<Scalar> kernels = make_search_kernels<Scalar>(layout, isa);
  const bool wants_intersecting = random.one_in(2);
  detail::Window<Scalar> window;
  bool intersecting = true;
  for (std::size_t axis = 0; axis < layout.dimensions; ++axis) {
    window.low_min[axis] = wants_intersecting ? -kNone : any_bound<Scalar>(axis, -kNone, random);
    window.low_max[axis] = any_bound<Scalar>(axis, kNone, random);
    window.high_min[axis] = any_bound<Scalar>(axis, -kNone, random);
    window.high_max[axis] = wants_intersecting ? kNone : any_bound<Scalar>(axis, kNone, random);
    intersecting &= window.low_min[axis] == -kNone && window.high_max[axis] == kNone;
  }
  DirectoryWindow directory;
  detail::Window<Scalar> exact;
  EXPECT_EQ(kernels.ready_window(layout, window, directory, exact),
            intersecting || layout.points);
  for (std::size_t axis = 0; axis < layout.dimensions; ++axis) {
    // Of two zeros with different signs either will do, but it is always the same.
    const Scalar low = std::max(window.high_min[axis], window.low_min[axis]);
    const Scalar high = std::min(window.high_max[axis], window.low_max[axis]);
    expect_same(directory.reach_low[axis], floats_around(low).below, "reach_low");
    expect_same(directory.inside_low[axis], floats_around(low).above, "inside_low");
    expect_same(directory.reach_high[axis], floats_around(high).above, "reach_high");
    expect_same(directory.inside_high[axis], floats_around(high).below, "inside_high");
    EXPECT_EQ(exact.low_max[axis], layout.points ? high : window.low_max[axis]);
    EXPECT_EQ(exact.high_min[axis], layout.points ? low : window.high_min[axis]);
    if (layout.points) continue;
    EXPECT_EQ(exact.low_min[axis], window.low_min[axis]);
    EXPECT_EQ(exact.high_max[axis], window.high_max[axis]);
  }
}

TEST(WindowQuery, IsMadeReadyByEveryInstructionSetAsScalarsWould) {
  test::Random random(test::test_seed("WindowQuery"));
  for (const int dimensions : kAllDimensions) {
    for (const bool points : {false, true}) {
      for (const Isa isa : supported_isas()) {
        SCOPED_TRACE(testing::Message() << dimensions << " dimensions"
                                        << (points ? ", points, " : ", ") << name_of(isa));
        for (int round = 0; round < 500; ++round) {
          check_ready<float>(Layout(schema_of(dimensions, false, points)), isa, random);
          check_ready<double>(Layout(schema_of(dimensions, true, points)), isa, random);
          if (testing::Test::HasFailure()) return;
        }
      }
    }
  }
}

}  // namespace
}  // namespace xtree::index
