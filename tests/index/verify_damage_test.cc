#include <gtest/gtest.h>

#include <cmath>
#include <tuple>

#include "index/damaged_tree.h"

namespace xtree::index {
namespace {

constexpr const char* kNotCovered = "a child's box does not cover what the child holds";
constexpr const char* kTooLarge = "a child's box is larger than what the child holds";
constexpr const char* kNoBox = "an entry is not a box of finite numbers";
constexpr const char* kOtherLevel = "the node is of another level";
constexpr const char* kTwice = "the node is reached more than once";
constexpr const char* kWrongSize = "the size is not that of its blocks";
constexpr const char* kOddBlocks = "the number of blocks is out of range";
constexpr const char* kUnderfull = "it is filled less than it must be";

// Every kind of harm, done to one tree at places that chance chooses.
template <class Scalar>
class Harms {
 public:
  using Tree = DamagedTree<Scalar>;
  using Place = typename Tree::Place;

  Harms(Tree& tree, std::uint64_t seed)
      : tree_(tree),
        layout_(tree.layout),
        random_(seed),
        top_(tree.root.height - 1) {}

  void boxes();
  void entries();
  void counts();
  void headers();
  void codes();
  void codes_in_pairs();
  void free_lanes();
  void references();
  void repetitions();
  void root();

 private:
  static constexpr Scalar kNan = std::numeric_limits<Scalar>::quiet_NaN();
  static constexpr Scalar kInfinity = std::numeric_limits<Scalar>::infinity();

  std::size_t any_axis() { return random_.below(layout_.dimensions); }
  // A node, of which `good` holds, on a level that chance chooses; null when there is none.
  template <class Good>
  const Place* any_with(std::size_t lowest, std::size_t highest, Good good) {
    for (int tries = 0; tries < 1000; ++tries) {
      const Place& place = tree_.any_at(random_.between(lowest, highest), random_);
      if (good(tree_.node(place.ref), place)) return &place;
    }
    return nullptr;
  }
  std::size_t lanes(const Place& place) const {
    return place.level == 0 ? kLeafLanes<Scalar> : kDirectoryLanes;
  }
  std::size_t fewest_at(std::size_t level) const {
    return level == top_ ? 2 : level == 0 ? fewest_leaf_entries(layout_) : kMinChildren;
  }
  Scalar& coordinate(const Place& leaf, std::size_t entry, std::size_t row) {
    return entry_lane<Scalar>(tree_.node(leaf.ref), layout_, entry)[row * kLeafLanes<Scalar>];
  }
  float& child_row(const Place& place, std::size_t child, std::size_t row) {
    return child_lane(tree_.node(place.ref), layout_, child)[row * kDirectoryLanes];
  }
  // Gives an entry the code that goes with its coordinates.
  void encode(const Place& leaf, std::size_t entry) {
    Scalar geometry[2 * kMaxDimensions];
    read_geometry(tree_.node(leaf.ref), layout_, entry, geometry);
    set_geometry(tree_.node(leaf.ref), layout_, entry, geometry);
  }
  FloatBox child_box(const Place& place, std::size_t child) {
    FloatBox box;
    read_child_box(tree_.node(place.ref), layout_, child, box);
    return box;
  }

  Tree& tree_;
  const Layout& layout_;
  test::Random random_;
  std::size_t top_;
};

template <class Scalar>
void Harms<Scalar>::boxes() {
  constexpr float kUp = std::numeric_limits<float>::infinity();
  const Place place = tree_.any_directory(random_);
  const std::size_t child = random_.below(tree_.node(place.ref).count);
  const std::size_t low = any_axis();
  const std::size_t high = layout_.dimensions + any_axis();
  const auto move = [&](std::size_t row, float towards) {
    float& held = child_row(place, child, row);
    held = std::nextafter(held, towards);
  };
  tree_.expect_fault(place, kNotCovered, [&] { move(low, kUp); });
  tree_.expect_fault(place, kNotCovered, [&] { move(high, -kUp); });
  tree_.expect_fault(place, kTooLarge, [&] { move(low, -kUp); });
  tree_.expect_fault(place, kTooLarge, [&] { move(high, kUp); });
  tree_.expect_fault(place, kNotCovered, [&] { child_row(place, child, low) = std::nanf(""); });
  tree_.expect_fault(place, kNotCovered, [&] { child_row(place, child, high) = std::nanf(""); });
}

template <class Scalar>
void Harms<Scalar>::entries() {
  const Place leaf = tree_.any_at(0, random_);
  const Place parent = tree_.place_of(leaf.parent);
  const std::size_t count = tree_.node(leaf.ref).count;
  const std::size_t entry = random_.below(count);
  const std::size_t axis = any_axis();
  const std::size_t dims = layout_.dimensions;
  const FloatBox box = child_box(parent, leaf.lane);
  tree_.expect_fault(parent, kNotCovered, [&] {
    coordinate(leaf, entry, axis) = static_cast<Scalar>(box.at[axis]) - Scalar{1};
    encode(leaf, entry);
  });
  if (box.at[axis] != box.at[dims + axis]) {
    tree_.expect_fault(parent, kTooLarge, [&] {
      for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t row = axis; row < layout_.rows; row += dims) {
          coordinate(leaf, i, row) = static_cast<Scalar>(box.at[axis]);
        }
        encode(leaf, i);
      }
    });
  }
  const std::size_t row = random_.below(layout_.rows);
  for (const Scalar bad : {kNan, kInfinity, -kInfinity}) {
    tree_.expect_fault(leaf, kNoBox, [&] { coordinate(leaf, entry, row) = bad; });
  }
  if (layout_.points) return;
  tree_.expect_fault(leaf, kNoBox, [&] {
    coordinate(leaf, entry, axis) = std::nextafter(coordinate(leaf, entry, dims + axis), kInfinity);
  });
}

template <class Scalar>
void Harms<Scalar>::counts() {
  const auto starts_no_block = [&](const Node& node, const Place& place) {
    return node.count % lanes(place) != 1 && node.count > fewest_at(place.level);
  };
  if (const Place* place = any_with(0, top_, starts_no_block)) {
    const char* rule = place->level == 0 ? "a free lane holds an entry" : "a free lane holds a box";
    tree_.expect_fault(*place, rule, [&] { --tree_.node(place->ref).count; });
  }
  const auto has_free_lane = [&](const Node& node, const Place& place) {
    // Behind the last leaf the sum of all entries comes first.
    return node.count % lanes(place) != 0 && place.ref != tree_.at_level(0).back().ref;
  };
  if (const Place* place = any_with(0, top_, has_free_lane)) {
    const char* rule = place->level == 0 ? kNoBox : "a child has no reference";
    tree_.expect_fault(*place, rule, [&] { ++tree_.node(place->ref).count; });
  }
  const Place place = tree_.any_at(random_.between(0, top_), random_);
  Node& node = tree_.node(place.ref);
  const auto lanes_of_node = static_cast<std::uint32_t>(node.blocks * lanes(place));
  for (const std::uint32_t count : {lanes_of_node + 1, ~std::uint32_t{0}}) {
    tree_.expect_fault(place, "it counts more than it can hold", [&] { node.count = count; });
  }
  for (const std::size_t count : {fewest_at(place.level) - 1, std::size_t{0}}) {
    tree_.expect_fault(place, kUnderfull, [&] { node.count = static_cast<std::uint32_t>(count); });
  }
}

template <class Scalar>
void Harms<Scalar>::headers() {
  const Place place = tree_.any_at(random_.between(0, top_), random_);
  Node& node = tree_.node(place.ref);
  tree_.expect_fault(place, kOtherLevel, [&] { ++node.level; });
  tree_.expect_fault(place, kOtherLevel, [&] { --node.level; });
  tree_.expect_fault(place, "the node has another's reference", [&] { node.frame.node_id ^= 64; });
  tree_.expect_fault(place, kOddBlocks, [&] { node.blocks = 0; });
  tree_.expect_fault(place, kOddBlocks, [&] {
    node.blocks = static_cast<std::uint16_t>(
        1 + (place.level == 0 ? layout_.max_leaf_blocks : kMaxSupernodeBlocks));
  });
  tree_.expect_fault(place, kWrongSize, [&] { node.frame.bytes += 64; });
  tree_.expect_fault(place, kWrongSize, [&] { node.frame.bytes = 0; });
  const auto may_grow = [&](const Node& grown, const Place& of) {
    return of.level > 0 || grown.blocks < layout_.max_leaf_blocks;
  };
  if (const Place* grown = any_with(0, top_, may_grow)) {
    tree_.expect_fault(*grown, kWrongSize, [&] { ++tree_.node(grown->ref).blocks; });
  }
  if (place.level > 0) {
    tree_.expect_fault(place, kOddBlocks, [&] { node.blocks = kDirectoryBlocks - 1; });
  }
  tree_.expect_fault(place, "it has changed before there was anything to change",
                     [&] { node.changed = 1 + random_.below(1'000'000); });
  tree_.expect_fault(place, "the node says that it is another tree's", [&] {
    reinterpret_cast<std::byte*>(&node.owner)[random_.below(sizeof node.owner)] = std::byte{1};
  });
}

template <class Scalar>
void Harms<Scalar>::codes_in_pairs() {
  const Place leaf = tree_.any_at(0, random_);
  Node& node = tree_.node(leaf.ref);
  const char* wrong = "a code is not that of its entry";
  const auto flip_code = [&](std::size_t entry) {
    const std::size_t axis = any_axis();
    const bool maxima = !layout_.points && random_.one_in(2);
    const std::size_t codes_at = maxima ? layout_.max_pairs_at : layout_.pairs_at;
    pair_code(node, layout_, codes_at, entry)[axis / 2 * kPairBytes + axis % 2] ^= std::byte{1};
  };
  tree_.expect_fault(leaf, wrong, [&] { flip_code(random_.below(node.count)); });
  if (node.count < layout_.leaf_capacity()) {
    const std::size_t free = random_.between(node.count, layout_.leaf_capacity() - 1);
    tree_.expect_fault(leaf, wrong, [&] { flip_code(free); });
  }
  if (layout_.points) {
    float& norm = pair_norms(node, layout_)[random_.below(layout_.leaf_capacity())];
    tree_.expect_fault(leaf, wrong, [&] { norm = norm == 1 ? 2 : 1; });
  }
  const char* none = "the grid of its codes is none";
  float& origin = pair_origins(node)[any_axis()];
  float& scale = pair_origins(node)[pair_grid_axes(layout_.dimensions) + any_axis()];
  for (const float bad : {-1.0f, std::nanf("")}) {
    tree_.expect_fault(leaf, none, [&] { scale = bad; });
  }
  tree_.expect_fault(leaf, none, [&] { origin = std::nanf(""); });
  if (!layout_.points) {
    std::uint8_t* longest = longest_boxes(node, layout_.dimensions);
    std::uint8_t& some = longest[any_axis()];
    if (some != 0) {
      tree_.expect_fault(leaf, "its longest box is longer than it says", [&] { some = 0; });
    }
    if (layout_.dimensions < kLongestBytes) {
      tree_.expect_fault(leaf, wrong, [&] { longest[layout_.dimensions] = 1; });
    }
  }
  const std::size_t codes_bytes = layout_.codes_end(layout_.leaf_capacity()) - layout_.pairs_at;
  const std::size_t used = layout_.points
                               ? layout_.norms_at + layout_.leaf_capacity() * sizeof(float)
                               : layout_.max_pairs_at + codes_bytes;
  std::byte* last = reinterpret_cast<std::byte*>(&node) + layout_.coded_end() - 1;
  if (last < reinterpret_cast<std::byte*>(&node) + used) return;
  tree_.expect_fault(leaf, wrong, [&] { *last = std::byte{1}; });
}

template <class Scalar>
void Harms<Scalar>::codes() {
  if (layout_.code_pairs != 0) return codes_in_pairs();
  if (layout_.code_bytes == 0) return;
  const Place leaf = tree_.any_at(0, random_);
  Node& node = tree_.node(leaf.ref);
  std::byte* codes = leaf_codes(node, layout_.dimensions);
  const auto flip_code = [&](std::size_t entry) {
    codes[entry * layout_.code_bytes + random_.below(layout_.code_bytes)] ^= std::byte{1};
  };
  const char* wrong = "a code is not that of its entry";
  tree_.expect_fault(leaf, wrong, [&] { flip_code(random_.below(node.count)); });
  if (node.count < layout_.leaf_capacity()) {
    const std::size_t free = random_.between(node.count, layout_.leaf_capacity() - 1);
    tree_.expect_fault(leaf, wrong, [&] { flip_code(free); });
  }
  double& scale = leaf_grid(node)[layout_.dimensions + any_axis()];
  for (const double bad : {-1.0, std::nan("")}) {
    tree_.expect_fault(leaf, "the grid of its codes is none", [&] { scale = bad; });
  }
  tree_.expect_fault(leaf, "the grid of its codes is none",
                     [&] { leaf_grid(node)[any_axis()] = std::nan(""); });
  const std::byte* behind = codes + layout_.leaf_capacity() * layout_.code_bytes;
  std::byte* last = layout_.leaf_block(node, 0) - 1;
  if (last < behind) return;
  tree_.expect_fault(leaf, "the padding of its codes is not zero", [&] { *last = std::byte{1}; });
}

template <class Scalar>
void Harms<Scalar>::free_lanes() {
  const auto has_free_lane = [&](const Node& node, const Place& place) {
    return node.count % lanes(place) != 0;
  };
  if (const Place* found = any_with(0, 0, has_free_lane)) {
    const Place leaf = *found;
    const Node& node = tree_.node(leaf.ref);
    const std::size_t lane =
        random_.between(node.count, blocks_for(node.count, lanes(leaf)) * lanes(leaf) - 1);
    tree_.expect_fault(leaf, "a free lane holds an entry",
                       [&] { coordinate(leaf, lane, random_.below(layout_.rows)) = 0; });
    tree_.expect_fault(leaf, "a free lane holds a value", [&] {
      entry_value<Scalar>(tree_.node(leaf.ref), layout_, lane)[random_.below(layout_.value_bytes)] =
          std::byte{1};
    });
  }
  const auto lacks_a_block = [&](const Node& node, const Place&) {
    return node.count <= layout_.leaf_capacity() - kLeafLanes<Scalar>;
  };
  if (layout_.has_values_in_front()) {
    if (const Place* found = any_with(0, 0, lacks_a_block)) {
      const Place leaf = *found;
      tree_.expect_fault(leaf, "a free lane holds a value", [&] {
        *entry_value<Scalar>(tree_.node(leaf.ref), layout_, layout_.leaf_capacity() - 1) =
            std::byte{1};
      });
    }
  }
  if (const Place* found = any_with(1, top_, has_free_lane)) {
    const Place place = *found;
    Node& node = tree_.node(place.ref);
    const std::size_t lane =
        random_.between(node.count, blocks_for(node.count, kDirectoryLanes) * kDirectoryLanes - 1);
    tree_.expect_fault(place, "a free lane holds a box",
                       [&] { child_row(place, lane, random_.below(2 * layout_.dimensions)) = 0; });
    tree_.expect_fault(place, "a free lane holds a reference",
                       [&] { set_child_ref(node, layout_, lane, place.ref); });
  }
  const std::size_t used =
      layout_.rows * kRowBytes +
      (layout_.has_values_in_front() ? 0 : kLeafLanes<Scalar> * layout_.value_bytes);
  if (used == layout_.leaf_block_bytes) return;
  const Place leaf = tree_.any_at(0, random_);
  Node& node = tree_.node(leaf.ref);
  std::byte* block = layout_.leaf_block(
      node, random_.below(blocks_for(node.count, kLeafLanes<Scalar>)));
  tree_.expect_fault(leaf, "the padding of a block is not zero", [&] {
    block[random_.between(used, layout_.leaf_block_bytes - 1)] = std::byte{1};
  });
}

template <class Scalar>
void Harms<Scalar>::references() {
  const Place place = tree_.any_directory(random_);
  Node& node = tree_.node(place.ref);
  const std::size_t child = random_.below(node.count);
  tree_.expect_fault(place, "a child has no reference",
                     [&] { set_child_ref(node, layout_, child, 0); });
  tree_.expect_fault({place.ref, place.level - 1}, kOtherLevel,
                     [&] { set_child_ref(node, layout_, child, place.ref); });
  tree_.expect_fault({tree_.root.node, place.level - 1}, kOtherLevel,
                     [&] { set_child_ref(node, layout_, child, tree_.root.node); });
  set_child_ref(node, layout_, child, 0x1234567);
  EXPECT_EQ(tree_.verdict(), "index: a node cannot be read");
  tree_.restore();
  // Two subtrees in each other's place, where neither box covers the other.
  for (int tries = 0; tries < 100; ++tries) {
    const Place left = tree_.any_directory(random_);
    const Place right = tree_.any_at(left.level, random_);
    const std::size_t i = random_.below(tree_.node(left.ref).count);
    const std::size_t j = random_.below(tree_.node(right.ref).count);
    const FloatBox a = child_box(left, i);
    const FloatBox b = child_box(right, j);
    if (covers(a, b, layout_.dimensions) || covers(b, a, layout_.dimensions)) continue;
    const auto& level = tree_.at_level(left.level);
    const auto order = [&](const Place& of) {
      return std::find_if(level.begin(), level.end(),
                          [&](const Place& other) { return other.ref == of.ref; });
    };
    tree_.expect_fault(order(left) < order(right) ? left : right, kNotCovered, [&] {
      const Ref first = child_ref(tree_.node(left.ref), layout_, i);
      set_child_ref(tree_.node(left.ref), layout_, i, child_ref(tree_.node(right.ref), layout_, j));
      set_child_ref(tree_.node(right.ref), layout_, j, first);
    });
    break;
  }
}

// Two lanes of the root that hold the same child with its right box, and a leaf in two places of a
// node that is as large without it.
template <class Scalar>
void Harms<Scalar>::repetitions() {
  const auto repeat = [&](const Place& place, std::size_t from, std::size_t to) {
    Node& node = tree_.node(place.ref);
    const Place child{child_ref(node, layout_, from), place.level - 1};
    tree_.expect_fault(child, kTwice, [&] {
      set_child_box(node, layout_, to, child_box(place, from));
      set_child_ref(node, layout_, to, child.ref);
    });
  };
  const Place root = tree_.at_level(top_).front();
  const std::size_t children = tree_.node(root.ref).count;
  repeat(root, 0, children - 1);
  repeat(root, children - 1, 0);
  const Place place = tree_.any_at(1, random_);
  const std::size_t count = tree_.node(place.ref).count;
  for (std::size_t gone = 0; gone < count; ++gone) {
    FloatBox others = child_box(place, gone == 0 ? 1 : 0);
    for (std::size_t i = 0; i < count; ++i) {
      if (i != gone) unite(others, child_box(place, i), layout_.dimensions);
    }
    if (!covers(others, child_box(place, gone), layout_.dimensions)) continue;
    repeat(place, gone == 0 ? 1 : 0, gone);
    return;
  }
}

template <class Scalar>
void Harms<Scalar>::root() {
  Root& root = tree_.root;
  const Place top = tree_.at_level(top_).front();
  const Place last_leaf = tree_.at_level(0).back();
  tree_.expect_fault(top, "the root counts other entries than there are", [&] { ++root.entries; });
  tree_.expect_fault(last_leaf, "there are more entries than the root counts",
                     [&] { --root.entries; });
  tree_.expect_fault({top.ref, top_ + 1}, kOtherLevel, [&] { ++root.height; });
  tree_.expect_fault({top.ref, top_ - 1}, kOtherLevel, [&] { --root.height; });
  for (const std::uint32_t height : {0u, kMaxHeight + 1, ~0u}) {
    tree_.expect_fault({top.ref, 0}, "the height is out of range", [&] { root.height = height; });
  }
  tree_.expect_fault({0, 0}, "an empty tree has entries or a height", [&] { root.node = 0; });
  tree_.expect_fault({0, 0}, "an empty tree has entries or a height", [&] {
    root = Root{0, 0, 1, 0};
  });
  tree_.expect_fault({0, 0}, "an empty tree has entries or a height", [&] {
    root = Root{0, 1, 0, 0};
  });
  tree_.expect_fault(last_leaf, kOtherLevel, [&] { tree_.node(last_leaf.ref).level = 7; });
  root.node = last_leaf.ref;
  EXPECT_EQ(tree_.verdict(), Tree::fault(last_leaf.ref, top_, kOtherLevel));
  tree_.restore();
}

template <class Scalar>
void harm_in_every_way(DamagedTree<Scalar>& tree, std::uint64_t seed, int rounds) {
  Harms<Scalar> harms(tree, seed);
  for (int i = 0; i < rounds; ++i) {
    ASSERT_NO_FATAL_FAILURE(harms.boxes());
    ASSERT_NO_FATAL_FAILURE(harms.entries());
    ASSERT_NO_FATAL_FAILURE(harms.counts());
    ASSERT_NO_FATAL_FAILURE(harms.headers());
    ASSERT_NO_FATAL_FAILURE(harms.codes());
    ASSERT_NO_FATAL_FAILURE(harms.free_lanes());
    ASSERT_NO_FATAL_FAILURE(harms.references());
    ASSERT_NO_FATAL_FAILURE(harms.repetitions());
  }
  harms.root();
}

using Case = std::tuple<int, bool, bool>;  // dimensions, doubles, points

class VerifyProperty : public testing::TestWithParam<Case> {
 protected:
  template <class Scalar>
  void harm(Data data, int value_bytes) {
    const auto [dimensions, doubles, points] = GetParam();
    const std::uint64_t seed = test::test_seed("VerifyProperty");
    SCOPED_TRACE(testing::Message() << name_of(data) << ", values of " << value_bytes);
    DamagedTree<Scalar> tree(schema_of(dimensions, doubles, points, value_bytes));
    ASSERT_NO_FATAL_FAILURE(grow(tree, data, seed, 2500));
    ASSERT_GE(tree.root.height, 2u);
    ASSERT_NO_FATAL_FAILURE(harm_in_every_way(tree, seed, 3));
  }
};

TEST_P(VerifyProperty, NamesTheRuleThatIsBroken) {
  constexpr std::pair<Data, int> kSubjects[] = {
      {Data::uniform, 64}, {Data::clustered, 1}, {Data::collinear, 37}, {Data::grid, 8}};
  for (const auto& [data, value_bytes] : kSubjects) {
    if (std::get<1>(GetParam())) {
      ASSERT_NO_FATAL_FAILURE(harm<double>(data, value_bytes));
    } else {
      ASSERT_NO_FATAL_FAILURE(harm<float>(data, value_bytes));
    }
  }
}

std::string case_name(const testing::TestParamInfo<Case>& info) {
  const auto [dimensions, doubles, points] = info.param;
  return std::to_string(dimensions) + (doubles ? "Double" : "Float") +
         (points ? "Points" : "Boxes");
}

INSTANTIATE_TEST_SUITE_P(Schemas, VerifyProperty,
                         testing::Combine(testing::Values(2, 3, 8, 16), testing::Bool(),
                                          testing::Bool()),
                         case_name);

TEST(VerifyProperty, NamesTheRuleThatASupernodeBreaks) {
  const std::uint64_t seed = test::test_seed("VerifyProperty");
  for (const Data data : {Data::identical, Data::covering}) {
    DamagedTree<double> tree(schema_of(16, true, false, 64));
    ASSERT_NO_FATAL_FAILURE(grow(tree, data, seed, 9000));
    ASSERT_GT(tree.stats.supernodes, 0u);
    ASSERT_NO_FATAL_FAILURE(harm_in_every_way(tree, seed, 3));
  }
}

}  // namespace
}  // namespace xtree::index
