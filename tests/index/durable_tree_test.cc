// The tree over a DurableStore, which keeps links in its directory nodes: readers fill them between
// the operations and at their side, and every one must lead where its reference does.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "index/durable_store.h"
#include "index/nearest.h"
#include "index/scan.h"
#include "index/tree_fixture.h"
#include "persistence/memory_source.h"
#include "support/random.h"

namespace xtree::index {
namespace {

using persistence::NodeId;
using persistence::ReadContext;
using persistence::ReadGuard;
using persistence::SnapshotPin;
using persistence::VersionStore;

// A DurableStore that owns its version store. What has changed at the beginning of an operation is
// published and collected first, so that each operation has an epoch of its own.
class OwnedStore {
 public:
  using View = DurableView;
  static constexpr std::size_t kFrontWordBytes = DurableStore::kFrontWordBytes;

  OwnedStore() : versions_(std::move(*VersionStore::create(0, nullptr))) {
    versions_->begin_epoch();
  }
  void next_epoch() {
    versions_->publish();
    versions_->collect();
    versions_->begin_epoch();
  }

  [[nodiscard]] View view() const noexcept { return View(versions_->newest(context_)); }
  [[nodiscard]] bool reserve(std::size_t bytes, std::size_t largest = 1 << 20) noexcept {
    reserved_ = bytes;
    return store().reserve(bytes, largest);
  }
  [[nodiscard]] Node* create(std::size_t bytes, persistence::FrameFront front) noexcept {
    return taken(store().create(bytes, front), false);
  }
  [[nodiscard]] Node* create_unwritten(std::size_t bytes, persistence::FrameFront front) noexcept {
    return taken(store().create_unwritten(bytes, front), false);
  }
  [[nodiscard]] Node* edit(const Node& newest) noexcept {
    Node* node = store().edit(newest);
    return taken(node, node == &newest);
  }
  [[nodiscard]] Node* resize(Ref ref, std::size_t bytes, persistence::FrameFront front) noexcept {
    const Node* old = view().node(ref);
    Node* node = store().resize(ref, bytes, front);
    return taken(node, node == old);
  }
  [[nodiscard]] Node* grow(const Node& newest) noexcept {
    Node* node = store().grow(newest);
    return taken(node, node == &newest);
  }
  [[nodiscard]] bool grows_in_place(const Node& newest) const noexcept {
    return store().grows_in_place(newest);
  }
  void show_entry(Node& leaf) noexcept { store().show_entry(leaf); }
  void note_growth(Node& node) noexcept { store().note_growth(node); }
  void destroy(Ref ref) noexcept { store().destroy(ref); }
  void link_child(const Node& parent, std::size_t index, const Node& child) noexcept {
    store().link_child(parent, index, child);
  }
  void move_last_link(Node& parent, std::size_t index) noexcept {
    store().move_last_link(parent, index);
  }
  void forget_links(Node& node) noexcept { store().forget_links(node); }

  [[nodiscard]] Trail& trail() noexcept { return trail_; }
  [[nodiscard]] std::uint64_t nodes() const { return versions_->counts().live_nodes; }
  [[nodiscard]] VersionStore& versions() const noexcept { return *versions_; }

 private:
  DurableStore store() const noexcept {
    return {*versions_, versions_->newest(context_), {}, trail_};
  }
  // What an operation takes it has reserved, links included.
  Node* taken(Node* node, bool in_place) noexcept {
    if (node == nullptr || in_place) return node;
    const std::size_t bytes = frame_bytes(node->frame);
    EXPECT_GE(reserved_, bytes);
    reserved_ -= bytes;
    return node;
  }

  std::unique_ptr<VersionStore> versions_;
  mutable ReadContext context_;
  mutable Trail trail_;
  std::size_t reserved_ = 0;
};
static_assert(NodeStore<OwnedStore>);

template <class Scalar>
class LinkedTree : public ModelledTree<Scalar, OwnedStore> {
 public:
  using Base = ModelledTree<Scalar, OwnedStore>;
  explicit LinkedTree(const detail::Schema& schema)
      : Base(schema), search_(make_search_kernels<Scalar>(this->layout, best_isa())) {}

  // Asks for everything within a place and for what is nearest to it, which fills links.
  void read(const Root& start, DurableView view, const std::vector<Scalar>& place) {
    if (start.node == 0) return;
    detail::Window<Scalar> window{};
    std::vector<Scalar> target(2 * this->layout.dimensions);
    for (std::size_t axis = 0; axis < this->layout.dimensions; ++axis) {
      window.low_min[axis] = -std::numeric_limits<Scalar>::infinity();
      window.low_max[axis] = place[axis] + Scalar(0.1);
      window.high_min[axis] = place[axis];
      window.high_max[axis] = std::numeric_limits<Scalar>::infinity();
      target[axis] = target[this->layout.dimensions + axis] = place[axis];
    }
    const Count count = count_hits<Scalar>(view, this->layout, search_, start.node, window);
    EXPECT_FALSE(count.failed);
    Nearest<Scalar, DurableView> nearest(view, this->layout, search_, start,
                                        {.target = target.data(), .limit = 3});
    detail::NearestHits hits;
    while (nearest.next(hits)) {
    }
    EXPECT_FALSE(nearest.failed());
  }
  // At an epoch that was published.
  void verify_at(const Root& start, const ReadGuard& guard) {
    ReadContext context;
    IndexStats stats;
    const DurableView view(this->store.versions().view(guard, context));
    const auto verified = verify_tree<Scalar>(this->layout, view, start, stats, [](Ref) {});
    ASSERT_TRUE(verified) << verified.error().message();
  }
  // Links that lead somewhere, of all directory nodes.
  [[nodiscard]] std::size_t filled_links() const {
    std::size_t filled = 0;
    const DurableView view = this->store.view();
    this->store.versions().for_each_live([&](NodeId id) {
      const Node& node = *view.node(id.bits);
      for (std::size_t i = 0; i < node.frame.front.links; ++i) {
        filled += persistence::is_address(persistence::load_link(&node.frame, i)) ? 1 : 0;
      }
    });
    return filled;
  }

 private:
  const SearchKernels<Scalar> search_;
};

// A state of the tree that a snapshot holds.
struct Held {
  SnapshotPin pin;
  Root root;
};

// One operation after the other with readers in between, and snapshots of former states.
template <class Scalar>
void live_with_readers(const detail::Schema& schema, Data data, int operations) {
  const std::uint64_t seed = test::test_seed("DurableTree");
  test::Random dice(seed);
  LinkedTree<Scalar> tree(schema);
  EntrySource<Scalar> source(tree.layout, data, seed);
  std::array<Held, 4> held;
  std::size_t most_filled = 0;
  for (int i = 0; i < operations; ++i) {
    const bool shrinks = i / (operations / 4) % 2 == 1;
    if (tree.model.empty() || dice.below(10) < (shrinks ? 2u : 7u)) {
      const std::size_t count = dice.one_in(32) ? dice.below(24) + 2 : 1;
      ASSERT_TRUE(count == 1 ? tree.insert(source.next()) : tree.insert_all(source, count));
    } else if (dice.one_in(4)) {
      ASSERT_TRUE(tree.update(dice.below(tree.model.size()), source.next().geometry));
    } else {
      ASSERT_TRUE(tree.erase(dice.below(tree.model.size())));
    }
    if (dice.one_in(3)) continue;  // some operations share an epoch
    tree.store.next_epoch();
    ReadContext context;
    const ReadGuard guard = tree.store.versions().enter();
    const DurableView view(tree.store.versions().view(guard, context));
    for (int n = 0; n < 4; ++n) tree.read(tree.root, view, source.next().geometry);
    if (!dice.one_in(20)) continue;
    ASSERT_NO_FATAL_FAILURE(tree.verify_at(tree.root, guard));
    most_filled = std::max(most_filled, tree.filled_links());
    Held& some = held[dice.below(held.size())];
    if (some.pin) {
      const ReadGuard former = tree.store.versions().enter(some.pin);
      const DurableView view_then(tree.store.versions().view(former, context));
      tree.read(some.root, view_then, source.next().geometry);
      ASSERT_NO_FATAL_FAILURE(tree.verify_at(some.root, former));
    }
    if (dice.one_in(2)) some = {tree.store.versions().pin(), tree.root};
  }
  ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
  EXPECT_GT(most_filled, 10u);
  ASSERT_TRUE(tree.tree().clear());
  held = {};
  tree.store.next_epoch();
  while (tree.store.versions().collect()) {
  }
  EXPECT_EQ(tree.store.versions().counts().resident_bytes, 0u);
}

constexpr int kOperations = test::kSanitized ? 8000 : 20'000;

TEST(DurableTree, KeepsItsLinksRightThroughSplitsAndMerges) {
  live_with_readers<double>(schema_of(2, true, false), Data::uniform, kOperations);
}
TEST(DurableTree, KeepsItsLinksRightInSupernodes) {
  live_with_readers<float>(schema_of(8, false, true), Data::clustered, 2 * kOperations);
}

// A tree that only grows, until leaves of full nodes were packed into fewer, and into two nodes.
TEST(DurableTree, KeepsItsLinksRightWhereLeavesArePacked) {
  const std::uint64_t seed = test::test_seed("DurableTree");
  test::Random dice(seed);
  LinkedTree<float> tree(schema_of(8, false, true));
  EntrySource<float> source(tree.layout, Data::uniform, seed);
  Held held;
  for (int i = 0; i < 15'000; ++i) {
    ASSERT_TRUE(tree.insert(source.next()));
    if (!dice.one_in(8)) continue;
    tree.store.next_epoch();
    ReadContext context;
    const ReadGuard guard = tree.store.versions().enter();
    const DurableView view(tree.store.versions().view(guard, context));
    tree.read(tree.root, view, source.next().geometry);
    if (!dice.one_in(50)) continue;
    ASSERT_NO_FATAL_FAILURE(tree.verify_at(tree.root, guard));
    if (held.pin) {
      const ReadGuard former = tree.store.versions().enter(held.pin);
      ASSERT_NO_FATAL_FAILURE(tree.verify_at(held.root, former));
    }
    held = {tree.store.versions().pin(), tree.root};
  }
  const Node& root = *tree.store.view().node(tree.root.node);
  EXPECT_EQ(root.level, 2u);
  EXPECT_GE(root.count, 3u);
  ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
}

// What readers see beside a writer that works on the same nodes; mainly for the thread sanitizer.
TEST(DurableTree, ShowsReadersBesideItsWriterOneState) {
  const std::uint64_t seed = test::test_seed("DurableTree");
  LinkedTree<double> tree(schema_of(2, true, false));
  EntrySource<double> source(tree.layout, Data::uniform, seed);
  const auto grow = [&](int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(tree.insert(source.next()));
  };
  grow(20'000);
  tree.store.next_epoch();
  const SnapshotPin pin = tree.store.versions().pin();
  const Root root = tree.root;
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < 3; ++i) {
    threads.emplace_back([&, random = test::Random(seed + i)]() mutable {
      while (!stop.load() && !testing::Test::HasFailure()) {
        const ReadGuard guard = tree.store.versions().enter(pin);
        ReadContext context;
        const DurableView view(tree.store.versions().view(guard, context));
        for (int n = 0; n < 20; ++n) tree.read(root, view, {random.unit(), random.unit()});
        tree.verify_at(root, guard);
      }
    });
  }
  test::Random dice(seed);
  for (int i = 0; i < 1500 && !testing::Test::HasFailure(); ++i) {
    grow(1);
    ASSERT_TRUE(tree.erase(dice.below(tree.model.size())));
    tree.store.next_epoch();
  }
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
}

}  // namespace
}  // namespace xtree::index
