#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "index/damaged_tree.h"

// Bits of a tree's nodes are flipped anywhere. Verify must find every flip that changes what the
// tree says, must find none in bytes that say nothing, and must survive whatever it reads.
namespace xtree::index {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

enum class Meaning {
  nothing,   // the store's own fields, values, blocks without entries
  geometry,  // of an entry: the tree may be as good as before
  grid,      // of a leaf's codes: they may still be right
  anything,  // all else
};

template <class Scalar>
class Flips {
 public:
  using Tree = DamagedTree<Scalar>;
  using Place = typename Tree::Place;

  Flips(Tree& tree, std::uint64_t seed) : tree_(tree), layout_(tree.layout), random_(seed) {}

  void one_bit();
  void many_bits();
  void of_the_root();

  int found = 0;
  int passed = 0;

 private:
  Place any_node() { return tree_.any_at(random_.below(tree_.root.height), random_); }
  std::byte& byte_of(const Place& place, std::size_t offset) {
    return reinterpret_cast<std::byte*>(&tree_.node(place.ref))[offset];
  }
  std::size_t front_bytes(bool is_leaf) const {
    return is_leaf ? layout_.leaf_front_bytes : sizeof(Node);
  }
  Meaning meaning(const Place& place, std::size_t offset);
  bool says_the_same(const Place& place, std::size_t offset);
  bool leaf_is_sound(const Place& place);
  bool codes_are_right(const Place& place);
  bool pair_codes_are_right(const Place& place);

  Tree& tree_;
  const Layout& layout_;
  test::Random random_;
};

template <class Scalar>
Meaning Flips<Scalar>::meaning(const Place& place, std::size_t offset) {
  if (offset < sizeof(Node)) {
    const bool is_stores = offset >= offsetof(persistence::FrameHeader, birth) &&
                           offset < offsetof(persistence::FrameHeader, bytes);
    return is_stores ? Meaning::nothing : Meaning::anything;
  }
  const Node& node = tree_.node(place.ref);
  const bool is_leaf = place.level == 0;
  const std::size_t block_bytes =
      is_leaf ? layout_.leaf_block_bytes : layout_.directory_block_bytes;
  const std::size_t lanes = is_leaf ? kLeafLanes<Scalar> : kDirectoryLanes;
  const std::size_t front = front_bytes(is_leaf);
  if (is_leaf && layout_.has_values_in_front() && offset >= layout_.values_at && offset < front) {
    const std::size_t entry = (offset - layout_.values_at) / layout_.value_bytes;
    return entry < node.count ? Meaning::nothing : Meaning::anything;
  }
  if (offset < front) {
    const std::size_t at = offset - sizeof(Node);
    bool in_grid = at < 2 * layout_.dimensions * sizeof(double);
    if (layout_.code_pairs != 0) {
      const std::size_t axes = pair_grid_axes(layout_.dimensions);
      const std::size_t grid_bytes = 2 * axes * sizeof(float);
      const bool in_lengths =
          !layout_.points && at >= grid_bytes && at < grid_bytes + layout_.dimensions;
      in_grid = (at < grid_bytes && at / sizeof(float) % axes < layout_.dimensions) || in_lengths;
    }
    return in_grid ? Meaning::grid : Meaning::anything;
  }
  const std::size_t block = (offset - front) / block_bytes;
  const std::size_t within = (offset - front) % block_bytes;
  if (block * lanes >= node.count) return Meaning::nothing;
  if (!is_leaf) return Meaning::anything;
  const std::size_t rows_bytes = layout_.rows * kRowBytes;
  const std::size_t lane = within < rows_bytes ? within % kRowBytes / sizeof(Scalar)
                                               : (within - rows_bytes) / layout_.value_bytes;
  if (block * lanes + lane >= node.count) return Meaning::anything;
  if (within < rows_bytes) return Meaning::geometry;
  return lane < lanes ? Meaning::nothing : Meaning::anything;
}

// A flipped sign of zero, or another bit of a NaN, is the same number.
template <class Scalar>
bool Flips<Scalar>::says_the_same(const Place& place, std::size_t offset) {
  const bool is_leaf = place.level == 0;
  const std::size_t block_bytes =
      is_leaf ? layout_.leaf_block_bytes : layout_.directory_block_bytes;
  const std::size_t rows = is_leaf ? layout_.rows : 2 * layout_.dimensions;
  const std::size_t front = front_bytes(is_leaf);
  if (offset < front || (offset - front) % block_bytes >= rows * kRowBytes) return false;
  const auto same = [&]<class Number>(Number now) {
    Number before;
    const std::size_t begin = offset / sizeof(Number) * sizeof(Number);
    std::memcpy(&before, tree_.images().at(place.ref).data() + begin, sizeof before);
    std::memcpy(&now, &byte_of(place, begin), sizeof now);
    return now == before || (std::isnan(now) && std::isnan(before));
  };
  return is_leaf ? same(Scalar{}) : same(float{});
}

// Whether all entries are boxes and fill the box that the parent holds, by the nearest floats.
template <class Scalar>
bool Flips<Scalar>::leaf_is_sound(const Place& place) {
  const Node& leaf = tree_.node(place.ref);
  const std::size_t dims = layout_.dimensions;
  Scalar low[kMaxDimensions], high[kMaxDimensions];
  for (std::size_t i = 0; i < leaf.count; ++i) {
    Scalar entry[2 * kMaxDimensions];
    read_geometry(leaf, layout_, i, entry);
    for (std::size_t axis = 0; axis < dims; ++axis) {
      const Scalar top = layout_.points ? entry[axis] : entry[dims + axis];
      if (!std::isfinite(entry[axis]) || !std::isfinite(top) || entry[axis] > top) return false;
      low[axis] = i == 0 ? entry[axis] : std::min(low[axis], entry[axis]);
      high[axis] = i == 0 ? top : std::max(high[axis], top);
    }
  }
  if (place.parent == 0) return true;
  FloatBox box;
  read_child_box(tree_.node(place.parent), layout_, place.lane, box);
  constexpr float kUp = std::numeric_limits<float>::infinity();
  for (std::size_t axis = 0; axis < dims; ++axis) {
    // The largest float that is not above the minimum, the least that is not below the maximum.
    const float bottom = box.at[axis];
    const float top = box.at[dims + axis];
    if (static_cast<double>(bottom) > static_cast<double>(low[axis]) ||
        static_cast<double>(std::nextafter(bottom, kUp)) <= static_cast<double>(low[axis]) ||
        static_cast<double>(top) < static_cast<double>(high[axis]) ||
        static_cast<double>(std::nextafter(top, -kUp)) >= static_cast<double>(high[axis])) {
      return false;
    }
  }
  return true;
}

// The same of codes in pairs, and of the norms of points.
template <class Scalar>
bool Flips<Scalar>::pair_codes_are_right(const Place& place) {
  const Node& leaf = tree_.node(place.ref);
  const std::size_t dims = layout_.dimensions;
  const float* origins = pair_origins(leaf);
  const float* scales = pair_scales(leaf, dims);
  for (std::size_t axis = 0; axis < dims; ++axis) {
    if (!std::isfinite(origins[axis]) || !std::isfinite(scales[axis]) || scales[axis] < 0) {
      return false;
    }
  }
  const double least = *std::min_element(scales, scales + dims);
  for (std::size_t i = 0; i < leaf.count; ++i) {
    Scalar entry[2 * kMaxDimensions];
    read_geometry(leaf, layout_, i, entry);
    double norm = 0;
    double first[kMaxDimensions];
    for (std::size_t row = 0; row < layout_.rows; ++row) {
      const double scale = scales[row % dims];
      const double at = (static_cast<double>(entry[row]) - origins[row % dims]) * scale;
      const double cell = std::isnan(at) ? 0 : std::nearbyint(std::clamp(at, 0.0, 255.0));
      const std::size_t pair = i / kCodeGroup * layout_.code_pairs + row % dims / 2;
      const auto* codes = reinterpret_cast<const std::byte*>(&leaf) +
                          (row < dims ? layout_.pairs_at : layout_.max_pairs_at);
      const std::byte held = codes[pair * 32 + i % kCodeGroup * 2 + row % dims % 2];
      if (static_cast<unsigned>(held) != static_cast<unsigned>(cell)) return false;
      if (row < dims) first[row] = cell;
      if (row >= dims && cell - first[row % dims] > longest_box(leaf, dims, row % dims)) {
        return false;
      }
      const double length = scale > 0 ? least / scale : 1;
      norm += at >= 0 && at <= 255 ? length * length * (cell * cell) : -kInfinity;
    }
    if (layout_.points && pair_norms(leaf, layout_)[i] != static_cast<float>(norm)) return false;
  }
  return true;
}

// Whether each byte of a code is the nearest cell of the grid.
template <class Scalar>
bool Flips<Scalar>::codes_are_right(const Place& place) {
  if (layout_.code_pairs != 0) return pair_codes_are_right(place);
  if (layout_.code_bytes == 0) return true;
  const Node& leaf = tree_.node(place.ref);
  const double* grid = leaf_grid(leaf);
  for (std::size_t row = 0; row < layout_.rows; ++row) {
    const double origin = grid[row % layout_.dimensions];
    const double scale = grid[layout_.dimensions + row % layout_.dimensions];
    if (std::isnan(origin) || !(scale >= 0)) return false;
    for (std::size_t i = 0; i < leaf.count; ++i) {
      Scalar entry[2 * kMaxDimensions];
      read_geometry(leaf, layout_, i, entry);
      const double at = (static_cast<double>(entry[row]) - origin) * scale;
      const double cell = std::isnan(at) ? 0 : std::nearbyint(std::clamp(at, 0.0, 255.0));
      if ((read_code(leaf, layout_, i) >> 8 * row & 0xff) != static_cast<unsigned>(cell)) {
        return false;
      }
    }
  }
  return true;
}

template <class Scalar>
void Flips<Scalar>::one_bit() {
  const Place place = any_node();
  const std::size_t bytes = tree_.images().at(place.ref).size();
  // Half of the flips go where each bit has a meaning of its own.
  const std::size_t offset = random_.below(random_.one_in(2) ? bytes : sizeof(Node));
  const Meaning of_byte = meaning(place, offset);
  const std::size_t bit = random_.below(8);
  byte_of(place, offset) ^= std::byte{1} << bit;
  const std::string verdict = tree_.verdict();
  const bool sound = of_byte == Meaning::nothing || says_the_same(place, offset) ||
                     (of_byte == Meaning::geometry && leaf_is_sound(place) &&
                      codes_are_right(place)) ||
                     (of_byte == Meaning::grid && codes_are_right(place));
  EXPECT_EQ(verdict.empty(), sound)
      << "bit " << bit << " of byte " << offset << " on level " << place.level << " of "
      << tree_.root.height << ", " << bytes << " bytes: " << verdict;
  ++(verdict.empty() ? passed : found);
  tree_.restore();
}

template <class Scalar>
void Flips<Scalar>::many_bits() {
  for (std::uint64_t i = random_.between(2, 40); i > 0; --i) {
    const Place place = any_node();
    const std::size_t bytes = tree_.images().at(place.ref).size();
    std::size_t offset = random_.below(random_.one_in(2) ? bytes : sizeof(Node));
    // A store knows how long its frames are, and gives out no other.
    constexpr std::size_t kBytes = offsetof(persistence::FrameHeader, bytes);
    if (offset >= kBytes && offset < kBytes + sizeof(std::uint32_t)) continue;
    byte_of(place, offset) ^= std::byte{1} << random_.below(8);
  }
  ++(tree_.verdict().empty() ? passed : found);
  tree_.restore();
}

template <class Scalar>
void Flips<Scalar>::of_the_root() {
  const std::size_t offset = random_.below(offsetof(Root, reserved));
  reinterpret_cast<std::byte*>(&tree_.root)[offset] ^= std::byte{1} << random_.below(8);
  EXPECT_NE(tree_.verdict(), "") << "byte " << offset << " of the root";
  tree_.restore();
}

template <class Scalar>
void flip(const detail::Schema& schema, Data data, std::size_t most, int rounds) {
  const std::uint64_t seed = test::test_seed("VerifyFlips");
  SCOPED_TRACE(testing::Message() << schema.dimensions << " dimensions, " << name_of(data));
  DamagedTree<Scalar> tree(schema);
  ASSERT_NO_FATAL_FAILURE(grow(tree, data, seed, most));
  Flips<Scalar> flips(tree, seed);
  for (int i = 0; i < rounds; ++i) {
    flips.one_bit();
    ASSERT_FALSE(testing::Test::HasFailure());
  }
  EXPECT_GT(flips.found, rounds / 4);
  EXPECT_GT(flips.passed, rounds / 20);
  flips.found = 0;
  for (int i = 0; i < rounds; ++i) flips.many_bits();
  EXPECT_GT(flips.found, rounds / 2);
  for (int i = 0; i < rounds / 20; ++i) flips.of_the_root();
  ASSERT_EQ(tree.verdict(), "");
}

TEST(VerifyFlips, AreFoundInLeavesAlone) {
  flip<float>(schema_of(2, false, true, 8), Data::uniform, 40, 2000);
  flip<double>(schema_of(3, true, false, 5), Data::grid, 40, 2000);
}

TEST(VerifyFlips, AreFoundInTreesOfTwoLevels) {
  flip<float>(schema_of(2, false, false, 1), Data::grid, 600, 2000);
  flip<double>(schema_of(3, true, true, 64), Data::clustered, 600, 2000);
  flip<float>(schema_of(8, false, true, 8), Data::uniform, 600, 2000);
  flip<double>(schema_of(16, true, false, 8), Data::magnitudes, 600, 1000);
}

TEST(VerifyFlips, AreFoundInTreesOfThreeLevels) {
  flip<double>(schema_of(2, true, false, 64), Data::uniform, 5000, 1000);
}

TEST(VerifyFlips, AreFoundInSupernodes) {
  flip<float>(schema_of(8, false, false, 64), Data::covering, 3000, 1000);
}

}  // namespace
}  // namespace xtree::index
