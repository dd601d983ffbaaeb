#include "index/tree.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <tuple>

#include "index/bulk_load.h"
#include "index/tree_fixture.h"

namespace xtree::index {
namespace {

using Case = std::tuple<int, bool, bool>;  // dimensions, doubles, points

class TreeProperty : public testing::TestWithParam<Case> {
 protected:
  template <class Scalar>
  void live(Data data, int value_bytes, int operations) {
    const auto [dimensions, doubles, points] = GetParam();
    const std::uint64_t seed = fresh_seed();
    SCOPED_TRACE(testing::Message() << name_of(data) << ", seed " << seed);
    const Isa isa = seed % 4 == 0 ? Isa::baseline : best_isa();
    ModelledTree<Scalar> tree(schema_of(dimensions, doubles, points, value_bytes), isa);
    EntrySource<Scalar> source(tree.layout, data, seed);
    live_through(tree, source, operations);
    EXPECT_EQ(tree.store.bytes_in_use(), 0u);
  }
};

TEST_P(TreeProperty, HoldsWhatTheModelHolds) {
  constexpr int kValueBytes[] = {8, 1, 3, 64};
  int turn = 0;
  for (const Data data : kAllData) {
    const int value_bytes = kValueBytes[turn++ % 4];
    if (std::get<1>(GetParam())) {
      ASSERT_NO_FATAL_FAILURE(live<double>(data, value_bytes, 2000));
    } else {
      ASSERT_NO_FATAL_FAILURE(live<float>(data, value_bytes, 2000));
    }
  }
}

std::string case_name(const testing::TestParamInfo<Case>& info) {
  const auto [dimensions, doubles, points] = info.param;
  return std::to_string(dimensions) + (doubles ? "Double" : "Float") +
         (points ? "Points" : "Boxes");
}

INSTANTIATE_TEST_SUITE_P(Schemas, TreeProperty,
                         testing::Combine(testing::Values(1, 2, 3, 5, 8, 16, 32), testing::Bool(),
                                          testing::Bool()),
                         case_name);

TEST(Tree, GrowsThreeLevelsAndShrinksAgain) {
  for (const Data data : kAllData) {
    const std::uint64_t seed = fresh_seed();
    SCOPED_TRACE(testing::Message() << name_of(data) << ", seed " << seed);
    ModelledTree<float> tree(schema_of(2, false, true));
    EntrySource<float> source(tree.layout, data, seed);
    for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(tree.insert(source.next()).has_value());
    ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
    EXPECT_GE(tree.root.height, 2u);
    std::shuffle(tree.model.begin(), tree.model.end(), source.random());
    while (tree.model.size() > (data == Data::identical ? 19'000u : 100u)) {
      const auto done = tree.erase(tree.model.size() - 1);
      ASSERT_TRUE(done.has_value() && *done);
      if (tree.model.size() % 4000 == 0) {
        ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
      }
    }
    ASSERT_TRUE(tree.tree().clear().has_value());
    tree.model.clear();
    ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
    EXPECT_EQ(tree.store.bytes_in_use(), 0u);
  }
}

IndexStats stats_of(ModelledTree<double>& tree) {
  IndexStats stats;
  const Result<void> verdict =
      verify_tree<double>(tree.layout, tree.store.view(), tree.root, stats, [](Ref) {});
  EXPECT_TRUE(verdict.has_value());
  return stats;
}

// Entries that come in order leave fuller leaves behind than others, from whichever end they come,
// and those behind the last leaf go the way of the one before without being looked for.
TEST(Tree, FillsLeavesWithEntriesThatComeInOrder) {
  constexpr std::size_t kEntries = test::kSanitized ? 30'000 : 60'000;
  for (const bool backwards : {false, true}) {
    const std::uint64_t seed = fresh_seed();
    SCOPED_TRACE(testing::Message() << (backwards ? "backwards" : "forwards"));
    test::Random random(seed);
    ModelledTree<double> tree(schema_of(2, true, true));
    EntrySource<double> source(tree.layout, Data::uniform, seed);
    std::uint32_t most_steps = 0;
    while (tree.model.size() < kEntries) {
      Entry<double> entry = source.next();
      const auto number = static_cast<double>(tree.model.size());
      entry.geometry[0] = backwards ? -number : number;
      entry.geometry[1] = 100 * random.unit();
      ASSERT_TRUE(tree.insert(entry).has_value());
      most_steps = std::max(most_steps, tree.store.trail().steps);
    }
    const IndexStats stats = stats_of(tree);
    EXPECT_GE(stats.height, 3u);
    const std::uint64_t room = stats.leaves * tree.layout.leaf_capacity();
    EXPECT_GE(kEntries * 100, room * 68);
    EXPECT_GE(most_steps, 10 * Trail::kSteady);
    // What is remembered may go: the tree from either end, and then all of it.
    while (tree.model.size() > kEntries / 2) {
      const auto done = tree.erase(tree.model.size() - 1);
      ASSERT_TRUE(done.has_value() && *done);
      if (tree.model.size() % 8 == 0) {
        ASSERT_TRUE(tree.insert(source.next()).has_value());
        ASSERT_TRUE(*tree.erase(random.below(tree.model.size())));
      }
    }
    ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
    ASSERT_TRUE(tree.tree().clear().has_value());
    tree.model.clear();
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(tree.insert(source.next()).has_value());
    ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
  }
}

// Erasing packs leaves together again, wherever the entries go that are left.
TEST(Tree, IsHardlyLargerAfterErasingThanWithoutWhatWent) {
  constexpr std::size_t kEntries = test::kSanitized ? 12'000 : 40'000;
  std::uint64_t leaves_erased = 0;
  std::uint64_t leaves_inserted = 0;
  for (const Data data : {Data::uniform, Data::clustered, Data::identical}) {
    for (const bool points : {false, true}) {
      const std::uint64_t seed = fresh_seed();
      SCOPED_TRACE(testing::Message() << name_of(data) << ", seed " << seed);
      ModelledTree<double> tree(schema_of(2, true, points));
      EntrySource<double> source(tree.layout, data, seed);
      while (tree.model.size() < kEntries) ASSERT_TRUE(tree.insert(source.next()).has_value());
      std::shuffle(tree.model.begin(), tree.model.end(), source.random());
      for (const std::size_t left : {kEntries / 2, kEntries / 5}) {
        while (tree.model.size() > left) {
          const auto done = tree.erase(tree.model.size() - 1);
          ASSERT_TRUE(done.has_value() && *done);
        }
        ModelledTree<double> fresh(schema_of(2, true, points));
        for (const auto& entry : tree.model) ASSERT_TRUE(fresh.insert(entry).has_value());
        const IndexStats erased = stats_of(tree);
        const IndexStats inserted = stats_of(fresh);
        EXPECT_LE(erased.leaves, inserted.leaves * 3 / 2 + 3);
        leaves_erased += erased.leaves;
        leaves_inserted += inserted.leaves;
      }
      ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
    }
  }
  EXPECT_LE(leaves_erased, leaves_inserted * 5 / 4);
}

struct PointIn16 {
  float at[16];
  std::uint64_t id;

  [[nodiscard]] const std::byte* value() const {
    return reinterpret_cast<const std::byte*>(&id);
  }
};

// Makes supernodes of the nodes two levels above the leaves, whatever they hold.
class LongAboveParents : public DefaultSplitPolicy<float> {
 public:
  using DefaultSplitPolicy<float>::DefaultSplitPolicy;
  [[nodiscard]] Sides split_directory(std::span<const Node* const> sources) noexcept {
    Sides sides = DefaultSplitPolicy<float>::split_directory(sources);
    sides.keep_whole = sources[0]->level == 2;
    return sides;
  }
};

// In a tall tree a node that finds a partner may leave its parent with too few children, which then
// shares with a sibling, perhaps a supernode: an erasure has the memory to plan that, too. Each has
// a Tree of its own here, so that none uses what an earlier one has got.
TEST(Tree, HasTheMemoryForWhatFollowsAMergeAbove) {
  const Layout layout(schema_of(16, false, true));
  const std::size_t count = 2 * layout.leaf_capacity() * kDirectoryCapacity * kDirectoryCapacity;
  test::Random random(fresh_seed());
  std::vector<PointIn16> points(count);
  for (PointIn16& point : points) {
    for (float& coordinate : point.at) coordinate = static_cast<float>(random.unit());
    point.id = static_cast<std::uint64_t>(&point - points.data());
  }
  const auto& kernels = write_kernels<float>(layout, best_isa());
  MemoryStore store;
  Root root;
  ASSERT_TRUE(bulk_load<float>(layout, kernels, store, root,
                               {points[0].at, points[0].value(), sizeof(PointIn16), count}, {}));
  ASSERT_EQ(root.height, 4u);
  ASSERT_EQ(store.view().node(root.node)->count, 2u);
  FloatBox thin, box;
  read_child_box(*store.view().node(root.node), layout, 0, thin);
  const auto is_in_thin = [&](const PointIn16& point) {
    round_outward(point.at, true, layout.dimensions, box);
    return covers(thin, box, layout.dimensions);
  };
  // All nodes are full, so a few entries more split those of the other side up to its supernode.
  std::size_t more = 0;
  for (std::size_t i = 0; i < count && more < 1000; ++i) {
    if (is_in_thin(points[i])) continue;
    Tree<float, MemoryStore, LongAboveParents> tree(layout, kernels, store, root);
    ASSERT_TRUE(tree.insert(points[i].at, points[i].value()));
    ++more;
  }
  const Ref other = child_ref(*store.view().node(root.node), layout, 1);
  ASSERT_GT(store.view().node(other)->blocks, kDirectoryBlocks);
  std::size_t less = 0;
  for (const PointIn16& point : points) {
    if (!is_in_thin(point)) continue;
    Tree<float, MemoryStore> tree(layout, kernels, store, root);
    const auto done = tree.erase(point.at, point.value());
    ASSERT_TRUE(done.has_value() && *done);
    ++less;
  }
  IndexStats stats;
  const auto sound = verify_tree<float>(layout, store.view(), root, stats, [](Ref) {});
  ASSERT_TRUE(sound.has_value()) << sound.error().message();
  EXPECT_EQ(stats.entries, count + more - less);
}

TEST(Tree, IsLeftAloneByWhatItDoesNotHold) {
  ModelledTree<double> tree(schema_of(2, true, false));
  const Entry<double> here{{0, 0, 1, 1}, std::vector<std::byte>(8)};
  EXPECT_FALSE(*tree.tree().erase(here.geometry.data(), here.value.data()));
  ASSERT_TRUE(tree.insert(here).has_value());
  const double other[] = {0, 0, 1, 2};
  const std::byte other_value[8] = {std::byte{1}};
  EXPECT_FALSE(*tree.tree().erase(other, here.value.data()));
  EXPECT_FALSE(*tree.tree().erase(here.geometry.data(), other_value));
  EXPECT_FALSE(*tree.tree().update(other, here.geometry.data(), here.value.data()));
  ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
}

TEST(Tree, TakesNegativeZeroForZero) {
  ModelledTree<double> tree(schema_of(2, true, true));
  const double negative[] = {-0.0, 0.0};
  const double positive[] = {0.0, -0.0};
  const std::byte value[8] = {};
  ASSERT_TRUE(tree.tree().insert(negative, value).has_value());
  EXPECT_TRUE(*tree.tree().erase(positive, value));
}

TEST(Tree, CostsLittleMemoryPerEntry) {
  constexpr std::size_t kEntries = 200'000;
  ModelledTree<double> boxes(schema_of(2, true, false));
  ModelledTree<float> points(schema_of(2, false, true));
  EntrySource<double> box_source(boxes.layout, Data::uniform, 1);
  EntrySource<float> point_source(points.layout, Data::uniform, 1);
  for (std::size_t i = 0; i < kEntries; ++i) {
    const Entry<double> box = box_source.next();
    const Entry<float> point = point_source.next();
    ASSERT_TRUE(boxes.tree().insert(box.geometry.data(), box.value.data()).has_value());
    ASSERT_TRUE(points.tree().insert(point.geometry.data(), point.value.data()).has_value());
  }
  EXPECT_LE(boxes.store.bytes_mapped(), 64 * kEntries);
  EXPECT_LE(points.store.bytes_mapped(), 26 * kEntries);
}

// Operations on a store that runs out of memory anywhere either succeed or change nothing.
TEST(Tree, ChangesNothingWhenMemoryIsExhausted) {
  const std::uint64_t seed = fresh_seed();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  ModelledTree<double> tree(schema_of(3, true, false), best_isa(), std::size_t{1} << 20);
  EntrySource<double> source(tree.layout, Data::uniform, seed);
  int refused = 0;
  for (int i = 0; i < 30'000; ++i) {
    const auto outcome = [&]() -> Result<void> {
      if (source.random()() % 3 != 0 || tree.model.empty()) return tree.insert(source.next());
      const std::size_t index = source.random()() % tree.model.size();
      const auto done = tree.update(index, source.next().geometry);
      return done ? Result<void>() : done.error();
    }();
    if (outcome) continue;
    ASSERT_EQ(outcome.error().code(), ErrorCode::out_of_memory);
    if (++refused % 16 == 1) {
      ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
    }
    if (refused > 100) break;
  }
  EXPECT_GT(refused, 100);
}

// A store as the durable one is: references are stable, a node is copied when it is first edited in
// an operation, and the frames that readers may see must not change.
class CopyingStore {
 public:
  class View {
   public:
    explicit View(const CopyingStore* store) noexcept : store_(store) {}
    const Node* node(Ref ref) const noexcept {
      if (store_->unreadable == ref) return nullptr;
      const auto at = store_->nodes_.find(ref);
      return at == store_->nodes_.end() ? nullptr : at->second.node();
    }
    void prefetch(Ref) const noexcept {}

   private:
    const CopyingStore* store_;
  };
  static constexpr std::size_t kFrontWordBytes = 0;

  View view() const noexcept { return View(this); }
  bool reserve(std::size_t bytes, std::size_t = 0) noexcept {
    reserved_ = bytes;
    return true;
  }
  Node* create(std::size_t bytes, persistence::FrameFront = {}) noexcept {
    spend(bytes);
    const Ref ref = next_ref_++;
    Frame& frame = nodes_[ref] = Frame(bytes, operation_);
    frame.node()->frame.node_id = ref;
    frame.node()->frame.bytes = static_cast<std::uint32_t>(bytes);
    return frame.node();
  }
  Node* create_unwritten(std::size_t bytes, persistence::FrameFront = {}) noexcept {
    return create(bytes);
  }
  Node* edit(const Node& newest) noexcept {
    return resize(newest.frame.node_id, newest.frame.bytes);
  }
  Node* resize(Ref ref, std::size_t bytes, persistence::FrameFront = {}) noexcept {
    if (view().node(ref) == nullptr) return nullptr;
    Frame& old = nodes_[ref];
    if (old.operation == operation_ && old.bytes == bytes) return old.node();
    spend(bytes);
    ++edits;
    Frame fresh(bytes, operation_);
    std::memcpy(fresh.node(), old.node(), std::min(bytes, old.bytes));
    fresh.node()->frame.bytes = static_cast<std::uint32_t>(bytes);
    if (old.operation != operation_) retired_.push_back(std::move(old));
    // A frame of this operation is nobody else's, and goes at once.
    nodes_[ref] = std::move(fresh);
    return nodes_[ref].node();
  }
  void destroy(Ref ref) noexcept {
    if (nodes_[ref].operation != operation_) retired_.push_back(std::move(nodes_[ref]));
    nodes_.erase(ref);
  }
  std::uint64_t nodes() const noexcept { return nodes_.size(); }

  // Publishes: from here on frames must stay as they are.
  void end_operation() {
    for (const Frame& frame : retired_) EXPECT_TRUE(frame.unchanged());
    retired_.clear();
    for (auto& [ref, frame] : nodes_) {
      if (frame.operation == operation_) {
        frame.keep_image();
      } else {
        EXPECT_TRUE(frame.unchanged());
      }
    }
    ++operation_;
    reserved_ = 0;
  }

  Ref unreadable = 0;
  int edits = 0;

 private:
  struct Frame {
    Frame() = default;
    Frame(std::size_t size, std::uint64_t born)
        : memory(static_cast<std::byte*>(std::aligned_alloc(64, size))),
          bytes(size),
          operation(born) {
      std::memset(memory.get(), 0, size);
    }
    Node* node() const { return reinterpret_cast<Node*>(memory.get()); }
    void keep_image() { image.assign(memory.get(), memory.get() + bytes); }
    bool unchanged() const { return std::memcmp(image.data(), memory.get(), bytes) == 0; }

    struct Free {
      void operator()(std::byte* p) const { std::free(p); }
    };
    std::unique_ptr<std::byte, Free> memory;
    std::size_t bytes = 0;
    std::uint64_t operation = 0;
    std::vector<std::byte> image;
  };

  // The tree must have reserved whatever it takes.
  void spend(std::size_t bytes) {
    EXPECT_GE(reserved_, bytes) << "more is taken than was reserved";
    reserved_ -= std::min(bytes, reserved_);
  }

  std::map<Ref, Frame> nodes_;
  std::vector<Frame> retired_;
  Ref next_ref_ = 1;
  std::uint64_t operation_ = 1;
  std::size_t reserved_ = 0;
};
static_assert(NodeStore<CopyingStore>);

template <class Scalar>
class CopyingTree : public ModelledTree<Scalar, CopyingStore> {
 public:
  using Base = ModelledTree<Scalar, CopyingStore>;
  using Base::Base;
  Result<void> insert(const Entry<Scalar>& entry) { return end(Base::insert(entry)); }
  Result<bool> erase(std::size_t index) { return end(Base::erase(index)); }

 private:
  template <class T>
  Result<T> end(Result<T> result) {
    this->store.end_operation();
    return result;
  }
};

TEST(Tree, WritesOnlyToNodesThatItEdits) {
  for (const Data data : {Data::uniform, Data::sorted, Data::grid}) {
    const std::uint64_t seed = fresh_seed();
    SCOPED_TRACE(testing::Message() << name_of(data) << ", seed " << seed);
    CopyingTree<float> tree(schema_of(5, false, false));
    EntrySource<float> source(tree.layout, data, seed);
    auto& random = source.random();
    for (int i = 0; i < 1200; ++i) {
      if (random() % 10 < (i < 800 ? 9u : 2u) || tree.model.empty()) {
        ASSERT_TRUE(tree.insert(source.next()).has_value());
      } else {
        ASSERT_TRUE(tree.erase(random() % tree.model.size()).has_value());
      }
      if (i % 100 == 0) {
        ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
      }
    }
    while (tree.model.size() > 5) ASSERT_TRUE(*tree.erase(random() % tree.model.size()));
    ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
  }
}

TEST(Tree, EditsNoParentWhoseBoxesStay) {
  CopyingTree<double> tree(schema_of(2, true, false));
  EntrySource<double> source(tree.layout, Data::uniform, 7);
  for (int i = 0; i < 2000; ++i) ASSERT_TRUE(tree.insert(source.next()).has_value());
  // A copy of an entry lies in its leaf's box, and may at most need one more block of that leaf.
  int splits = 0;
  for (int i = 0; i < 50; ++i) {
    tree.store.edits = 0;
    ASSERT_TRUE(tree.insert(tree.model[static_cast<std::size_t>(i) * 7]).has_value());
    splits += tree.store.edits > 1;
  }
  EXPECT_LE(splits, 5);
}

TEST(Tree, ReportsNodesThatCannotBeRead) {
  ModelledTree<float, CopyingStore> tree(schema_of(2, false, true));
  EntrySource<float> source(tree.layout, Data::uniform, 11);
  for (int i = 0; i < 3000; ++i) {
    ASSERT_TRUE(tree.insert(source.next()).has_value());
    tree.store.end_operation();
  }
  ASSERT_GE(tree.root.height, 2u);
  tree.store.unreadable = tree.root.node;
  const Entry<float> entry = tree.model[5];
  EXPECT_EQ(tree.insert(entry).error().code(), ErrorCode::io_error);
  EXPECT_EQ(tree.erase(5).error().code(), ErrorCode::io_error);
  EXPECT_EQ(tree.update(5, entry.geometry).error().code(), ErrorCode::io_error);
  EXPECT_EQ(tree.tree().clear().error().code(), ErrorCode::io_error);
  IndexStats stats;
  EXPECT_EQ(verify_tree<float>(tree.layout, tree.store.view(), tree.root, stats, [](Ref) {})
                .error().code(),
            ErrorCode::io_error);
}

// Leaves that cannot be read may leave the tree half changed, but never bring the process down.
TEST(Tree, SurvivesLeavesThatCannotBeRead) {
  ModelledTree<float, CopyingStore> tree(schema_of(2, false, true));
  EntrySource<float> source(tree.layout, Data::uniform, 12);
  for (int i = 0; i < 2000; ++i) ASSERT_TRUE(tree.insert(source.next()).has_value());
  const Node& root = *tree.store.view().node(tree.root.node);
  ASSERT_EQ(root.level, 1);
  tree.store.unreadable = child_ref(root, tree.layout, 0);
  int failed = 0;
  for (int i = 0; i < 1500; ++i) {
    const Entry<float> entry = source.next();
    failed += !tree.tree().insert(entry.geometry.data(), entry.value.data()).has_value();
    const Entry<float>& old = tree.model[static_cast<std::size_t>(i)];
    failed += !tree.tree().erase(old.geometry.data(), old.value.data()).has_value();
  }
  EXPECT_GT(failed, 0);
}

}  // namespace
}  // namespace xtree::index
