#include <gtest/gtest.h>

#include <deque>

#include "index/counting_store.h"
#include "index/scan.h"
#include "index/tree_fixture.h"
#include "support/random.h"

// Data and orders of operations that make trees degenerate. What they cost is counted: nodes that
// are made, and bytes of nodes that are made or moved.
namespace xtree::index {
namespace {

constexpr std::size_t kScale = test::kSanitized ? 1 : 4;

template <class Scalar>
class AttackedTree : public ModelledTree<Scalar, CountingStore> {
 public:
  using Base = ModelledTree<Scalar, CountingStore>;
  explicit AttackedTree(const detail::Schema& schema)
      : Base(schema),
        search_(make_search_kernels<Scalar>(this->layout, best_isa())) {}

  IndexStats verify() {
    IndexStats stats;
    const auto verified =
        verify_tree<Scalar>(this->layout, this->store.view(), this->root, stats, [](Ref) {});
    EXPECT_TRUE(verified.has_value()) << verified.error().message();
    EXPECT_EQ(stats.leaves + stats.directory_nodes, this->store.nodes());
    return stats;
  }

  // Entries that intersect a box, by search and by looking at each.
  void expect_hits(const Scalar* low, const Scalar* high) {
    const std::size_t dims = this->layout.dimensions;
    detail::Window<Scalar> window;
    for (std::size_t axis = 0; axis < dims; ++axis) {
      window.low_min[axis] = -std::numeric_limits<Scalar>::infinity();
      window.high_max[axis] = std::numeric_limits<Scalar>::infinity();
      window.low_max[axis] = high[axis];
      window.high_min[axis] = low[axis];
    }
    std::uint64_t wanted = 0;
    for (const auto& entry : this->model) {
      bool hit = true;
      for (std::size_t axis = 0; axis < dims; ++axis) {
        const Scalar top = entry.geometry[this->layout.points ? axis : dims + axis];
        hit = hit && entry.geometry[axis] <= high[axis] && top >= low[axis];
      }
      wanted += hit;
    }
    const auto count =
        count_hits<Scalar>(this->store.view(), this->layout, search_, this->root.node, window);
    ASSERT_EQ(count.hits, wanted);
  }
  // Windows around one entry, and from one to another.
  void expect_right_hits(test::Random& random) {
    const std::size_t dims = this->layout.dimensions;
    const std::size_t top = this->layout.points ? 0 : dims;
    for (int i = 0; i < 10; ++i) {
      const auto& a = this->model[random.below(this->model.size())].geometry;
      ASSERT_NO_FATAL_FAILURE(expect_hits(a.data(), a.data() + top));
      std::vector<Scalar> low = a, high(a.begin() + static_cast<std::ptrdiff_t>(top), a.end());
      const auto& b = this->model[random.below(this->model.size())].geometry;
      for (std::size_t axis = 0; axis < dims; ++axis) {
        low[axis] = std::min(low[axis], b[axis]);
        high[axis] = std::max(high[axis], b[top + axis]);
      }
      ASSERT_NO_FATAL_FAILURE(expect_hits(low.data(), high.data()));
    }
  }

 private:
  SearchKernels<Scalar> search_;
};

struct Cost {
  std::uint64_t created = 0;
  std::uint64_t written_bytes = 0;
  std::uint64_t node_bytes = 0;
};

// Four times the entries cost four times as much, or somewhat more where nodes are less full than
// they were, but not sixteen times.
void expect_linear(const Cost& one, const Cost& four) {
  EXPECT_LE(four.created, 8 * one.created + 8);
  EXPECT_LE(four.written_bytes, 7 * one.written_bytes);
  EXPECT_LE(four.node_bytes, 6 * one.node_bytes);
}

template <class Scalar>
void attack_with(const detail::Schema& schema, Data data) {
  const std::uint64_t seed = test::test_seed("Attack");
  SCOPED_TRACE(testing::Message() << schema.dimensions << " dimensions, " << name_of(data));
  test::Random random(seed);
  AttackedTree<Scalar> tree(schema);
  EntrySource<Scalar> source(tree.layout, data, seed);
  Cost one;
  for (const std::size_t size : {1500 * kScale, 6000 * kScale}) {
    while (tree.model.size() < size) ASSERT_TRUE(tree.insert(source.next()).has_value());
    const IndexStats stats = tree.verify();
    EXPECT_EQ(stats.entries, size);
    // Nodes are only made where one is split, and none goes while entries only come; but in many
    // dimensions leaves are packed anew, a few times each.
    EXPECT_EQ(tree.store.created, tree.store.nodes() + tree.store.destroyed);
    EXPECT_LE(tree.store.destroyed,
              tree.layout.dimensions < kRepackDimensions ? 0 : 8 * tree.store.nodes());
    EXPECT_LE(stats.leaves, size / min_leaf_entries(tree.layout));
    EXPECT_LE(stats.directory_nodes, stats.leaves / kMinChildren + 1);
    const Cost cost{tree.store.nodes(), tree.store.written_bytes, stats.node_bytes};
    if (one.created != 0) expect_linear(one, cost);
    one = cost;
    ASSERT_NO_FATAL_FAILURE(tree.expect_right_hits(random));
  }
  ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
}

TEST(Attack, ByDataCostsNoMoreThanItsSize) {
  for (const Data data : kAllData) {
    ASSERT_NO_FATAL_FAILURE(attack_with<double>(schema_of(2, true, false), data));
    ASSERT_NO_FATAL_FAILURE(attack_with<float>(schema_of(2, false, true, 64), data));
    ASSERT_NO_FATAL_FAILURE(attack_with<double>(schema_of(3, true, true), data));
    ASSERT_NO_FATAL_FAILURE(attack_with<float>(schema_of(8, false, false), data));
    ASSERT_NO_FATAL_FAILURE(attack_with<double>(schema_of(16, true, true), data));
  }
}

TEST(Attack, ByAMillionEqualPointsCostsNoMoreThanTheirNumber) {
  constexpr std::size_t kMost = test::kSanitized ? 40'000 : 1'000'000;
  AttackedTree<double> tree(schema_of(2, true, true));
  const double here[] = {3, -4};
  std::uint64_t number = 0;
  std::byte value[8];
  Cost one;
  for (const std::size_t size : {kMost / 4, kMost}) {
    while (tree.root.entries < size) {
      std::memcpy(value, &number, sizeof value);
      ++number;
      ASSERT_TRUE(tree.tree().insert(here, value).has_value());
    }
    const IndexStats stats = tree.verify();
    EXPECT_GE(stats.leaf_fill, 0.8);
    EXPECT_LE(stats.node_bytes, 30 * size);
    EXPECT_LE(stats.directory_nodes, stats.leaves / kMinChildren + 2);
    const Cost cost{tree.store.created, tree.store.written_bytes, stats.node_bytes};
    if (one.created != 0) expect_linear(one, cost);
    one = cost;
  }
  // All are told apart by their values.
  for (std::uint64_t gone = 0; gone < number; gone += kMost / 50) {
    std::memcpy(value, &gone, sizeof value);
    ASSERT_TRUE(*tree.tree().erase(here, value));
    ASSERT_FALSE(*tree.tree().erase(here, value));
  }
  EXPECT_EQ(tree.verify().entries, kMost - 50);
}

// Erases and inserts an entry again and again. Where several leaves suit it, it may wander through
// some of them, and each may grow for it once; but it comes to rest, and then nothing moves. The
// leaves of one parent may be packed anew on the way, which is counted in `repacked`.
template <class Scalar>
void toggle(AttackedTree<Scalar>& tree, const Entry<Scalar>& entry, int& repacked) {
  constexpr int kMostMoves = 8;
  const std::uint64_t changes = tree.store.created + tree.store.destroyed;
  int at_rest = 0;
  for (int moves = 0; at_rest < 6; ++at_rest) {
    const std::uint64_t written = tree.store.written_bytes;
    const auto erased = tree.tree().erase(entry.geometry.data(), entry.value.data());
    ASSERT_TRUE(erased.has_value() && *erased);
    ASSERT_TRUE(tree.tree().insert(entry.geometry.data(), entry.value.data()).has_value());
    if (tree.store.written_bytes == written) continue;
    at_rest = -1;
    ASSERT_LE(++moves, kMostMoves);
  }
  const std::uint64_t changed = tree.store.created + tree.store.destroyed - changes;
  if (changed <= 6u) return;
  ++repacked;
  EXPECT_LE(changed, 6 + 2 * kDirectoryCapacity);
}

template <class Scalar>
void toggle_at_every_size(const detail::Schema& schema, Data data, std::size_t most) {
  const std::uint64_t seed = test::test_seed("Attack");
  SCOPED_TRACE(testing::Message() << schema.dimensions << " dimensions, " << name_of(data));
  test::Random random(seed);
  AttackedTree<Scalar> tree(schema);
  EntrySource<Scalar> source(tree.layout, data, seed);
  int repacked = 0;
  ASSERT_TRUE(tree.insert(source.next()).has_value());
  while (tree.model.size() < most) {
    ASSERT_TRUE(tree.insert(source.next()).has_value());
    ASSERT_NO_FATAL_FAILURE(toggle(tree, tree.model.back(), repacked));
    ASSERT_NO_FATAL_FAILURE(
        toggle(tree, tree.model[random.below(tree.model.size())], repacked));
    ASSERT_FALSE(testing::Test::HasFailure()) << "at " << tree.model.size() << " entries";
  }
  ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
  // On the way down, where nodes are nearly underfull.
  while (tree.model.size() > 2) {
    const auto erased = tree.erase(random.below(tree.model.size()));
    ASSERT_TRUE(erased.has_value() && *erased);
    ASSERT_NO_FATAL_FAILURE(
        toggle(tree, tree.model[random.below(tree.model.size())], repacked));
    ASSERT_FALSE(testing::Test::HasFailure()) << "at " << tree.model.size() << " entries";
  }
  // Leaves that were packed anew are so full that many entries go before they are again.
  EXPECT_LE(repacked, 6);
  ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
}

TEST(Attack, AtTheEdgesOfNodesMovesLittle) {
  for (const Data data : kAllData) {
    ASSERT_NO_FATAL_FAILURE(
        toggle_at_every_size<double>(schema_of(2, true, false, 64), data, 250 * kScale));
    ASSERT_NO_FATAL_FAILURE(
        toggle_at_every_size<float>(schema_of(8, false, true, 64), data, 250 * kScale));
  }
}

// A queue: the oldest entry goes when one comes.
template <class Scalar>
void slide(const detail::Schema& schema, Data data, std::size_t window, std::size_t steps) {
  const std::uint64_t seed = test::test_seed("Attack");
  SCOPED_TRACE(testing::Message() << schema.dimensions << " dimensions, " << name_of(data));
  AttackedTree<Scalar> tree(schema);
  EntrySource<Scalar> source(tree.layout, data, seed);
  std::deque<Entry<Scalar>> queue;
  std::uint64_t most_nodes = 0;
  for (std::size_t step = 0; step < steps; ++step) {
    queue.push_back(source.next());
    const auto& newest = queue.back();
    ASSERT_TRUE(tree.tree().insert(newest.geometry.data(), newest.value.data()).has_value());
    if (queue.size() <= window) continue;
    const auto& oldest = queue.front();
    const auto erased = tree.tree().erase(oldest.geometry.data(), oldest.value.data());
    ASSERT_TRUE(erased.has_value() && *erased);
    queue.pop_front();
    most_nodes = std::max(most_nodes, tree.store.nodes());
  }
  EXPECT_LE(most_nodes,
            window / min_leaf_entries(tree.layout) * (kMinChildren + 1) / kMinChildren + 3);
  EXPECT_LE(tree.store.written_bytes / steps,
            tree.layout.leaf_bytes(tree.layout.max_leaf_blocks) / 3);
  tree.model.assign(queue.begin(), queue.end());
  ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
}

TEST(Attack, ByAQueueLeavesNothingBehind) {
  for (const Data data : kAllData) {
    ASSERT_NO_FATAL_FAILURE(
        slide<double>(schema_of(2, true, false, 64), data, 1000, 2500 * kScale));
    ASSERT_NO_FATAL_FAILURE(slide<float>(schema_of(8, false, true, 64), data, 1000, 2500 * kScale));
  }
}

// Sorted entries go in the order in which they came, and in the opposite one.
TEST(Attack, BySortedErasureEndsEmpty) {
  for (const Data data : {Data::sorted, Data::nested, Data::collinear, Data::identical}) {
    for (const bool forwards : {true, false}) {
      SCOPED_TRACE(testing::Message() << name_of(data) << (forwards ? " forwards" : " backwards"));
      AttackedTree<float> tree(schema_of(2, false, false, 64));
      EntrySource<float> source(tree.layout, data, 1);
      while (tree.model.size() < 1000 * kScale) {
        ASSERT_TRUE(tree.insert(source.next()).has_value());
      }
      const std::vector<Entry<float>> entries = tree.model;
      for (std::size_t i = 0; i < entries.size(); ++i) {
        const auto& entry = entries[forwards ? i : entries.size() - 1 - i];
        const auto erased = tree.tree().erase(entry.geometry.data(), entry.value.data());
        ASSERT_TRUE(erased.has_value() && *erased);
        if (i % 500 == 0) tree.verify();
      }
      EXPECT_EQ(tree.root.node, 0u);
      EXPECT_EQ(tree.store.bytes_in_use(), 0u);
    }
  }
}

}  // namespace
}  // namespace xtree::index
