#include "index/scan.h"

#include <cstdlib>
#include <memory>
#include <set>

#include "index/search_fixture.h"

namespace xtree::index {
namespace {

using test::Pattern;

template <int D, class T>
detail::Window<T> unbounded() {
  detail::Window<T> window;
  for (int axis = 0; axis < D; ++axis) {
    window.low_min[axis] = window.high_min[axis] = -std::numeric_limits<T>::infinity();
    window.low_max[axis] = window.high_max[axis] = std::numeric_limits<T>::infinity();
  }
  return window;
}

// Folds one more predicate into the window, as the typed shell does.
template <int D, class T>
void fold(detail::Window<T>& window, std::uint64_t predicate, const Box<D, T>& box) {
  for (int axis = 0; axis < D; ++axis) {
    if (predicate == 0) {  // intersects
      window.low_max[axis] = std::min(window.low_max[axis], box.max[axis]);
      window.high_min[axis] = std::max(window.high_min[axis], box.min[axis]);
    } else if (predicate == 1) {  // within
      window.low_min[axis] = std::max(window.low_min[axis], box.min[axis]);
      window.high_max[axis] = std::min(window.high_max[axis], box.max[axis]);
    } else {  // covers
      window.low_max[axis] = std::min(window.low_max[axis], box.min[axis]);
      window.high_min[axis] = std::max(window.high_min[axis], box.max[axis]);
    }
  }
}

template <int D, class Fixture, class T>
std::vector<std::uint64_t> brute_force(const Fixture& fixture, const detail::Window<T>& window) {
  std::vector<std::uint64_t> values;
  for (const auto& entry : fixture.entries) {
    bool hit = true;
    for (std::size_t axis = 0; axis < D; ++axis) {
      hit = hit && window.low_min[axis] <= entry.low(axis) &&
            entry.low(axis) <= window.low_max[axis] && window.high_min[axis] <= entry.high(axis) &&
            entry.high(axis) <= window.high_max[axis];
    }
    if (hit) values.push_back(entry.value);
  }
  return values;
}

template <class T, class Fixture>
std::vector<std::uint64_t> scan(const Fixture& fixture, Isa isa, const detail::Window<T>& window) {
  const auto kernels = make_search_kernels<T>(fixture.layout, isa);
  std::vector<std::uint64_t> values;
  const Ref root = fixture.root.node;
  Scan<T, MemoryView> leaves(fixture.store.view(), fixture.layout, kernels, root, window);
  for (detail::LeafHits hits; !hits.last && leaves.next(hits);) {
    const std::size_t before = values.size();
    append_values<T>(hits, fixture.layout, values);
    EXPECT_GT(values.size(), before) << "a leaf without hits was returned";
  }
  detail::LeafHits none;
  EXPECT_FALSE(leaves.next(none)) << "a leaf was called the last that was not";
  EXPECT_FALSE(leaves.failed());
  const Count count =
      count_hits<T>(fixture.store.view(), fixture.layout, kernels, root, window);
  EXPECT_FALSE(count.failed);
  EXPECT_EQ(count.hits, values.size());
  return values;
}

template <int D, class T, Shape S>
void check_window(const SearchFixture<D, T, S>& fixture, const detail::Window<T>& window) {
  const auto expected = brute_force<D>(fixture, window);
  std::vector<std::uint64_t> first;
  for (const Isa isa : supported_isas()) {
    auto found = scan(fixture, isa, window);
    if (isa == Isa::baseline) {
      first = found;
    } else {
      ASSERT_EQ(found, first) << "instruction sets differ";
    }
    std::sort(found.begin(), found.end());
    ASSERT_EQ(found, expected);
  }
}

template <int D, class T, Shape S>
void check_pattern(Pattern pattern, std::uint64_t seed, std::size_t count, Build build) {
  SCOPED_TRACE(testing::Message() << D << " dimensions of " << sizeof(T) << " bytes, "
                                  << (S == Shape::points ? "points" : "boxes") << ", "
                                  << to_string(pattern) << ", " << count << " entries");
  SearchFixture<D, T, S> fixture(pattern, seed, count, build);
  auto& generator = fixture.generator;
  for (int i = 0; i < 40; ++i) {
    auto window = unbounded<D, T>();
    const std::uint64_t predicates = 1 + generator.random().below(3);
    for (std::uint64_t p = 0; p < predicates; ++p) {
      const auto box = i % 2 == 0 || fixture.entries.empty()
                           ? generator.window()
                           : generator.spanning(generator.point(), generator.point());
      fold(window, i < 15 ? i % 3 : generator.random().below(3), box);
    }
    check_window(fixture, window);
  }
  check_window(fixture, unbounded<D, T>());
}

TEST(Scan, FindsWhatBruteForceFinds) {
  const std::uint64_t seed = test::test_seed("Scan");
  for_all_schemas([seed]<int D, class T, Shape S>() {
    for (const Pattern pattern : test::kPatterns) {
      check_pattern<D, T, S>(pattern, seed, 3000, Build::bulk);
    }
  });
}

TEST(Scan, FindsWhatBruteForceFindsInInsertedTrees) {
  const std::uint64_t seed = test::test_seed("Scan");
  for_all_schemas([seed]<int D, class T, Shape S>() {
    for (const Pattern pattern : test::kPatterns) {
      check_pattern<D, T, S>(pattern, seed, 1500, Build::inserts);
    }
  });
}

// Leaves that are on a disk until they are asked for, one by one or many at once.
class FarLeaves {
 public:
  [[nodiscard]] const Node* node(Ref ref) const noexcept {
    if (is_far(ref)) load_ahead({&ref, 1});
    return MemoryView().node(ref);
  }
  void prefetch(Ref) const noexcept {}
  [[nodiscard]] bool is_far(Ref ref) const noexcept {
    return MemoryView().node(ref)->level == 0 && !near_->contains(ref);
  }
  void load_ahead(std::span<const Ref> refs) const noexcept {
    near_->insert(refs.begin(), refs.end());
    ++*reads_;
  }
  [[nodiscard]] std::size_t near() const noexcept { return near_->size(); }
  [[nodiscard]] std::size_t reads() const noexcept { return *reads_; }

 private:
  std::shared_ptr<std::set<Ref>> near_ = std::make_shared<std::set<Ref>>();
  std::shared_ptr<std::size_t> reads_ = std::make_shared<std::size_t>(0);
};

TEST(Scan, ReadsAllLeavesTogetherThatAreOnADisk) {
  SearchFixture<2, double, Shape::boxes> fixture(Pattern::uniform, test::test_seed("Scan"), 40000,
                                                 Build::bulk);
  ASSERT_EQ(fixture.root.height, 3u);
  const auto kernels = make_search_kernels<double>(fixture.layout, best_isa());
  for (int i = 0; i < 200; ++i) {
    auto window = unbounded<2, double>();
    if (i > 0) fold(window, 0, fixture.generator.window());
    const FarLeaves view;
    Scan<double, FarLeaves> leaves(view, fixture.layout, kernels, fixture.root.node, window);
    std::vector<std::uint64_t> values;
    for (detail::LeafHits hits; leaves.next(hits);) {
      append_values<double>(hits, fixture.layout, values);
    }
    std::sort(values.begin(), values.end());
    ASSERT_EQ(values, brute_force<2>(fixture, window));
    EXPECT_EQ(view.reads(), (view.near() + 63) / 64) << view.near() << " leaves";
  }
}

TEST(Scan, WorksAtEverySmallSize) {
  const std::uint64_t seed = test::test_seed("Scan");
  for (std::size_t count = 0; count < 300; count += count < 130 ? 1 : 17) {
    check_pattern<2, double, Shape::boxes>(Pattern::grid, seed, count, Build::bulk);
    check_pattern<2, float, Shape::points>(Pattern::grid, seed, count, Build::bulk);
  }
}

// Every fourth directory row of floats is not what was inserted, but rounded; windows that end
// right there tell whether exact coordinates decide.
TEST(Scan, TakesTheExactCoordinateAtAWindowsEdge) {
  SearchFixture<1, double, Shape::points> fixture(Pattern::identical, 1, 0, Build::bulk);
  for (std::uint64_t i = 0; i < 5000; ++i) {
    fixture.entries.push_back({{16777216.0 + static_cast<double>(i) / 8}, i});
  }
  ASSERT_TRUE(fixture.load());
  for (std::uint64_t i = 0; i < 5000; i += 97) {
    auto window = unbounded<1, double>();
    const double x = fixture.entries[i].rows[0];
    fold(window, 0, Box<1>(Point<1>(x)));
    EXPECT_EQ(scan(fixture, best_isa(), window), std::vector<std::uint64_t>{i});
    check_window(fixture, window);
    fold(window, 0, Box<1>(Point<1>(std::nextafter(x, 1e9)), Point<1>(1e9)));
    EXPECT_TRUE(scan(fixture, best_isa(), window).empty());
  }
}

// Cannot read one node.
class FailingView {
 public:
  explicit FailingView(Ref failing) : failing_(failing) {}
  const Node* node(Ref ref) const noexcept {
    return ref == failing_ ? nullptr : MemoryView().node(ref);
  }
  void prefetch(Ref) const noexcept {}

 private:
  Ref failing_;
};

template <int D>
void expect_scan_to_stop() {
  SearchFixture<D, double, Shape::boxes> fixture(Pattern::uniform, 1, 20000, Build::bulk);
  const auto kernels = make_search_kernels<double>(fixture.layout, best_isa());
  const Node& top = *fixture.store.view().node(fixture.root.node);
  const Node& middle = *fixture.store.view().node(child_ref(top, fixture.layout, 0));
  const Ref leaf = child_ref(middle, fixture.layout, middle.count - 1);
  for (const Ref failing : {fixture.root.node, child_ref(top, fixture.layout, 1), leaf}) {
    const FailingView view(failing);
    auto window = unbounded<D, double>();
    Scan<double, FailingView> leaves(view, fixture.layout, kernels, fixture.root.node, window);
    detail::LeafHits hits;
    std::vector<std::uint64_t> values;
    while (leaves.next(hits)) append_values<double>(hits, fixture.layout, values);
    EXPECT_TRUE(leaves.failed());
    EXPECT_LT(values.size(), fixture.entries.size());
    EXPECT_FALSE(leaves.next(hits));
    const Ref root = fixture.root.node;
    EXPECT_TRUE(count_hits<double>(view, fixture.layout, kernels, root, window).failed);
  }
}

TEST(Scan, StopsAndSaysSoWhenANodeCannotBeRead) {
  expect_scan_to_stop<2>();
  expect_scan_to_stop<8>();
}

// Gives out copies of nodes, and leads to them, which are good until they are let go of.
class CopyingView {
 public:
  struct Free {
    void operator()(std::byte* memory) const noexcept { std::free(memory); }
  };
  struct Copies {
    std::vector<std::unique_ptr<std::byte, Free>> held;
    std::vector<std::unique_ptr<Ref>> leads;
    void let_go() {
      held.clear();
      leads.clear();
    }
  };
  struct Lead {
    const Ref* ref;
  };

  explicit CopyingView(Copies& copies) : copies_(&copies) {}
  const Node* node(Ref ref) const noexcept {
    const Node* original = MemoryView().node(ref);
    const std::size_t bytes = original->frame.bytes;
    auto* copy = static_cast<std::byte*>(std::aligned_alloc(64, bytes));
    std::memcpy(copy, original, bytes);
    copies_->held.emplace_back(copy);
    return reinterpret_cast<const Node*>(copy);
  }
  void prefetch(Ref) const noexcept {}
  Lead lead(Ref ref) const noexcept {
    return {copies_->leads.emplace_back(std::make_unique<Ref>(ref)).get()};
  }
  Lead lead(const Node& node, const Layout& layout, std::size_t index) const noexcept {
    return lead(child_ref(node, layout, index));
  }
  const Node* node(Lead lead) const noexcept { return node(*lead.ref); }
  void prefetch(Lead) const noexcept {}

 private:
  Copies* copies_;
};

// The address sanitizer sees whoever looks at a copy that is gone, or follows a lead to it.
template <int D>
void expect_same_hits_after_letting_go() {
  SearchFixture<D, double, Shape::points> fixture(Pattern::uniform, 3, 6000, Build::bulk);
  const auto kernels = make_search_kernels<double>(fixture.layout, best_isa());
  auto window = unbounded<D, double>();
  // About half of the entries answer.
  std::vector<double> places;
  for (const auto& entry : fixture.entries) places.push_back(entry.low(0));
  std::nth_element(places.begin(), places.begin() + 3000, places.end());
  window.low_max[0] = places[3000];
  CopyingView::Copies copies;
  Scan<double, CopyingView> leaves(CopyingView(copies), fixture.layout, kernels, fixture.root.node,
                                   window);
  std::vector<std::uint64_t> values;
  std::size_t found = 0;
  for (detail::LeafHits hits; leaves.next(hits);) {
    append_values<double>(hits, fixture.layout, values);
    if (++found % 3 == 0) leaves.renew([&] { copies.let_go(); });
  }
  EXPECT_FALSE(leaves.failed());
  EXPECT_GT(found, 20u);
  std::sort(values.begin(), values.end());
  EXPECT_EQ(values, brute_force<D>(fixture, window));
}

TEST(Scan, FindsTheSameWhenNodesAreLetGoOfBetweenLeaves) {
  expect_same_hits_after_letting_go<3>();
  expect_same_hits_after_letting_go<8>();
}

// A directory node of more children than a mask has bits.
TEST(Scan, ReadsSupernodesToTheEnd) {
  SearchFixture<2, double, Shape::points> fixture(Pattern::uniform, 7, 0, Build::bulk);
  const Layout& layout = fixture.layout;
  const std::size_t blocks = 9;
  const std::size_t children = blocks * kDirectoryLanes - 5;
  Node* super = fixture.store.create(layout.directory_bytes(blocks));
  super->level = 1;
  super->blocks = static_cast<std::uint16_t>(blocks);
  for (std::size_t i = 0; i < children; ++i) {
    Node* leaf = fixture.store.create(layout.leaf_bytes(1));
    leaf->blocks = 1;
    const std::uint64_t value = i;
    fixture.entries.push_back({{static_cast<double>(i), static_cast<double>(i % 7)}, value});
    const double* x = fixture.entries.back().rows;
    append_entry(*leaf, layout, x, reinterpret_cast<const std::byte*>(&value));
    FloatBox box;
    round_outward(x, true, 2, box);
    append_child(*super, layout, box, leaf->frame.node_id);
  }
  fixture.root = {super->frame.node_id, children, 2, 0};
  for (std::size_t low = 0; low < children; low += 13) {
    auto window = unbounded<2, double>();
    fold(window, 0, Box<2>({static_cast<double>(low), 1}, {static_cast<double>(low + 70), 4}));
    check_window(fixture, window);
  }
  check_window(fixture, unbounded<2, double>());
}

}  // namespace
}  // namespace xtree::index
