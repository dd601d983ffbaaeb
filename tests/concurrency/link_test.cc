// Links between frames: what each call leaves in them, and readers that fill and follow them while
// the writer renews and closes them, call by call in every order that there is. What happens within
// the calls, access by access, is tried by protocol_model_test.cc.
#include "persistence/links.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <memory>
#include <vector>

#include "concurrency/interleaving.h"
#include "persistence/memory_source.h"
#include "persistence/version_store.h"

namespace xtree::persistence {
namespace {

using test::Steps;

constexpr FrameFront kFront{.links = 8, .stamps = 0};
constexpr std::size_t kLinks = kFront.links;
constexpr std::size_t kBytes = 256;

std::uint64_t link_at(const FrameHeader* frame, std::size_t index = 0) {
  return load_link(frame, index);
}

// A parent with one child, whose value is the epoch that wrote it.
struct Family {
  Family() {
    store = std::move(*VersionStore::create(0, &source, kFamily));
    begin();
    FrameHeader* frame = store->create(kBytes, kFront);
    parent = NodeId{frame->node_id};
    child = make(1);
    words(frame)[1] = child.bits;
    publish();
  }

  // Every image here is told apart by its first word: those of parents say kParents.
  static FrameFront front_of(const FrameHeader& image) noexcept {
    return *reinterpret_cast<const std::uint64_t*>(&image + 1) == kParents ? kFront : FrameFront{};
  }

  // Parents name their child in their second word.
  static NodeId child_of(const FrameHeader& frame, std::size_t index) noexcept {
    return index == 0 ? NodeId{words(const_cast<FrameHeader*>(&frame))[1]} : NodeId();
  }
  static std::uint64_t* words(FrameHeader* frame) noexcept {
    return reinterpret_cast<std::uint64_t*>(frame + 1);
  }
  static constexpr NodeFamily kFamily{.front = &front_of, .child = &child_of};

  void begin() { store->begin_epoch(); }
  void publish() { store->publish(); }
  NodeId make(std::uint64_t value) {
    FrameHeader* frame = store->create(kBytes);
    fill(frame, value);
    return NodeId{frame->node_id};
  }
  const FrameHeader* newest(NodeId id) {
    return store->newest(context).version(id);
  }
  void edit_child_without_link() {
    fill(store->edit(child), store->epoch());
    edits.push_back(store->epoch());
  }
  // The child is as a checkpoint has it.
  void checkpoint_child() {
    store->written(source.write(newest(child)));
    store->checkpointed(store->epoch());
  }
  void evict_all() {
    store->limit_cache(1);
    store->trim_cache();
    store->limit_cache(0);
  }
  void renew_link() { set_link(newest(parent), 0, newest(child)); }
  void supersede_parent() { ASSERT_NE(store->edit(parent), nullptr); }
  void destroy_both() {
    store->destroy(child);
    store->destroy(parent);
    ended = store->epoch();
  }
  // Takes memory that others have given back.
  void create_another() {
    begin();
    make(kOthers);
    publish();
    store->collect();
  }
  ReadView view(const ReadGuard& guard) { return store->view(guard, context); }
  Lead lead(const ReadView& view, const FrameHeader* frame) {
    return view.lead(frame, 0, [&](std::uint64_t link) {
      return view.look_up(frame, 0, link, child);
    });
  }

  static constexpr std::uint64_t kOthers = 99;
  static constexpr std::uint64_t kParents = 7777;
  MemorySource source;
  std::unique_ptr<VersionStore> store;
  ReadContext context;
  NodeId parent;
  NodeId child;
  std::vector<std::uint64_t> edits{1};  // of the child
  std::uint64_t ended = ~std::uint64_t{0};
};

TEST(Links, AreUnknownInANewNodeAndTakeMemoryOfTheirOwn) {
  Family family;
  const FrameHeader* frame = family.newest(family.parent);
  ASSERT_EQ(frame->front.links, kLinks);
  for (std::size_t i = 0; i < kLinks; ++i) EXPECT_EQ(link_at(frame, i), kUnknownLink);
  EXPECT_EQ(family.newest(family.child)->front.links, 0u);
  EXPECT_EQ(family.store->counts().resident_bytes, 2 * kBytes + kLinks * 8);
}

TEST(Links, AreFilledByTheReaderThatLooksTheChildUp) {
  Family family;
  const ReadGuard guard = family.store->enter();
  const ReadView view = family.view(guard);
  const FrameHeader* parent = view.version(family.parent);
  const FrameHeader* child = view.version(family.child);
  EXPECT_EQ(view.version(family.lead(view, parent)), child);
  EXPECT_EQ(frame_at(link_at(parent)), child);
  const Lead lead = view.lead(parent, 0, [](std::uint64_t) -> Lead { std::abort(); });
  EXPECT_FALSE(lead.is_id());
  EXPECT_EQ(view.version(lead), child);
}

TEST(Links, AreNotNeededWhereThereAreNone) {
  Family family;
  const ReadGuard guard = family.store->enter();
  const ReadView view = family.view(guard);
  const FrameHeader* child = view.version(family.child);
  EXPECT_EQ(view.version(family.lead(view, child)), child);
}

TEST(Links, GoOverToTheNewVersionAndAreClosedInTheOld) {
  Family family;
  const ReadGuard guard = family.store->enter();
  const ReadView view = family.view(guard);
  const FrameHeader* old = view.version(family.parent);
  static_cast<void>(family.lead(view, old));
  const FrameHeader* child = view.version(family.child);
  family.begin();
  family.supersede_parent();
  EXPECT_EQ(frame_at(link_at(family.newest(family.parent))), child);
  for (std::size_t i = 0; i < kLinks; ++i) EXPECT_EQ(link_at(old, i), kClosedLink);
  // A closed link is neither followed nor filled.
  EXPECT_EQ(view.version(family.lead(view, old)), child);
  EXPECT_EQ(link_at(old), kClosedLink);
  // Nor does it go over to a version after the next.
  ASSERT_NE(family.store->resize(family.parent, 2 * kBytes, {2 * kLinks, 0}), nullptr);
  const FrameHeader* longer = family.newest(family.parent);
  EXPECT_EQ(frame_at(link_at(longer)), child);
  for (std::size_t i = 1; i < 2 * kLinks; ++i) EXPECT_EQ(link_at(longer, i), kUnknownLink);
}

TEST(Links, LeadOlderReadersToTheirVersion) {
  Family family;
  const ReadGuard guard = family.store->enter();
  const ReadView view = family.view(guard);
  const FrameHeader* parent = view.version(family.parent);
  const FrameHeader* child = view.version(family.child);
  for (int i = 0; i < 3; ++i) {
    family.begin();
    family.edit_child_without_link();
    family.renew_link();
    EXPECT_EQ(frame_at(link_at(parent)), family.newest(family.child));
    EXPECT_EQ(view.version(family.lead(view, parent)), child);
    family.publish();
    family.store->collect();
  }
}

TEST(Links, OfAnEndedNodeAreClosed) {
  Family family;
  const ReadGuard guard = family.store->enter();
  const ReadView view = family.view(guard);
  const FrameHeader* parent = view.version(family.parent);
  static_cast<void>(family.lead(view, parent));
  family.begin();
  family.destroy_both();
  EXPECT_EQ(link_at(parent), kClosedLink);
  EXPECT_TRUE(says(view.version(family.lead(view, parent)), 1));
  EXPECT_EQ(link_at(parent), kClosedLink);
}

TEST(Links, ComeWithANodeFromDiskAndAreClosedIfItHasEnded) {
  Family family;
  family.begin();
  fill(family.store->edit(family.parent), Family::kParents);
  family.publish();
  std::vector<TableEntry> entries;
  for (const NodeId id : {family.parent, family.child}) {
    entries.push_back(family.source.write(family.newest(id)));
  }
  for (const bool ends : {false, true}) {
    family.store = std::move(*VersionStore::create(2, &family.source, Family::kFamily));
    for (const TableEntry& entry : entries) ASSERT_TRUE(family.store->restore(entry));
    const ReadGuard guard = family.store->enter();
    const ReadView view = family.view(guard);
    family.begin();
    if (ends) family.store->destroy(family.parent);
    const FrameHeader* parent = view.version(family.parent);
    ASSERT_NE(parent, nullptr);
    ASSERT_EQ(parent->front.links, kLinks);
    EXPECT_TRUE(says(parent, Family::kParents));
    for (std::size_t i = 0; i < kLinks; ++i) {
      EXPECT_EQ(link_at(parent, i), ends ? kClosedLink : kUnknownLink);
    }
    // The child is on disk still, so the first look finds no frame for the link.
    const Lead lead = family.lead(view, parent);
    EXPECT_TRUE(lead.is_id());
    EXPECT_TRUE(says(view.version(lead), 1));
    EXPECT_FALSE(family.lead(view, parent).is_id());
    EXPECT_EQ(is_address(link_at(parent)), !ends);
  }
}

TEST(Links, AreGivenBackWithTheirFrames) {
  Family family;
  for (int i = 0; i < 3; ++i) {
    family.begin();
    family.supersede_parent();
    family.publish();
  }
  family.begin();
  family.destroy_both();
  family.publish();
  while (family.store->collect()) {
  }
  EXPECT_EQ(family.store->counts().resident_bytes, 0u);
}

// In every order.

struct Play {
  Family family;
  ReadGuard guard;
  const FrameHeader* parent = nullptr;
  const FrameHeader* looked_up = nullptr;
  std::array<ReadGuard, 2> others;

  ~Play() {
    guard = ReadGuard();
    others = {};
    while (family.store->collect()) {
    }
  }

  // The child at the guard's epoch: as its last writer before that left it.
  void follow(const ReadGuard& at, const FrameHeader* from) {
    const ReadView view = family.view(at);
    const FrameHeader* found = view.version(family.lead(view, from));
    ASSERT_NE(found, nullptr);
    ASSERT_EQ(found->node_id, family.child.bits);
    const std::uint64_t last_edit = std::ranges::upper_bound(family.edits, at.epoch())[-1];
    ASSERT_TRUE(says(found, last_edit)) << "epoch " << at.epoch();
  }
};

// A reader that takes its time between the look at the slot and the filling of the link.
Steps slow_filler(Play& play) {
  return {[&] {
            play.guard = play.family.store->enter();
            play.parent = play.family.view(play.guard).version(play.family.parent);
          },
          [&] {
            if (play.parent == nullptr || link_at(play.parent) != kUnknownLink) return;
            play.looked_up = play.family.view(play.guard).resident(play.family.child);
          },
          [&] {
            if (play.looked_up != nullptr) fill_link(play.parent, 0, play.looked_up);
          },
          [&] {
            if (play.parent != nullptr) play.follow(play.guard, play.parent);
            play.guard = ReadGuard();
          }};
}

// One that enters late and does all at once.
Steps quick_reader(Play& play, std::size_t number) {
  return {[&, number] {
    ReadGuard& guard = play.others[number];
    guard = play.family.store->enter();
    if (guard.epoch() >= play.family.ended) {
      guard = ReadGuard();
      return;
    }
    const FrameHeader* parent = play.family.view(guard).version(play.family.parent);
    ASSERT_NE(parent, nullptr);
    play.follow(guard, parent);
    guard = ReadGuard();
  }};
}

std::size_t play_every_order(const std::function<std::vector<Steps>(Play&)>& parts) {
  std::unique_ptr<Play> now;
  std::size_t count = 0;
  {
    Play any;
    count = parts(any).size();
  }
  const auto set_up = [&] {
    now = std::make_unique<Play>();
    return parts(*now);
  };
  return test::run_every_order(count, set_up, [] { return testing::Test::HasFailure(); });
}

TEST(LinkOrders, AFillThatMeetsANewVersionOfTheChildDoesNoHarm) {
  const std::size_t orders = play_every_order([](Play& play) {
    Family& family = play.family;
    return std::vector<Steps>{
        slow_filler(play), quick_reader(play, 0), quick_reader(play, 1),
        {[&] {
           family.begin();
           family.edit_child_without_link();
         },
         [&] { family.renew_link(); },
         [&] {
           family.publish();
           family.store->collect();
         },
         [&] {
           family.begin();
           family.edit_child_without_link();
           family.renew_link();
           family.publish();
           family.create_another();
         }}};
  });
  EXPECT_EQ(orders, 6300u);
}

TEST(LinkOrders, AFillThatMeetsANewVersionOfTheParentDoesNoHarm) {
  const std::size_t orders = play_every_order([](Play& play) {
    Family& family = play.family;
    return std::vector<Steps>{
        slow_filler(play), quick_reader(play, 0), quick_reader(play, 1),
        {[&] {
           family.begin();
           family.supersede_parent();
         },
         [&] { family.publish(); },
         [&] {
           family.begin();
           family.edit_child_without_link();
           family.renew_link();
           family.publish();
           family.store->collect();
         },
         [&] {
           family.create_another();
           family.create_another();
         }}};
  });
  EXPECT_EQ(orders, 6300u);
}

TEST(LinkOrders, AFillThatMeetsTheEndOfParentAndChildDoesNoHarm) {
  const std::size_t orders = play_every_order([](Play& play) {
    Family& family = play.family;
    return std::vector<Steps>{
        slow_filler(play), quick_reader(play, 0), quick_reader(play, 1),
        {[&] {
           family.begin();
           family.destroy_both();
         },
         [&] { family.publish(); }, [&] { family.store->collect(); },
         [&] {
           family.create_another();
           family.create_another();
         }}};
  });
  EXPECT_EQ(orders, 6300u);
}

// The child goes, comes back for others, and its first frame's memory is used again.
TEST(LinkOrders, AFillThatMeetsAnEvictionDoesNoHarm) {
  const std::size_t orders = play_every_order([](Play& play) {
    Family& family = play.family;
    return std::vector<Steps>{
        slow_filler(play), quick_reader(play, 0), quick_reader(play, 1),
        {[&] {
           family.checkpoint_child();
           family.evict_all();
         },
         [&] {
           family.create_another();
           family.create_another();
         },
         [&] {
           family.evict_all();
           family.create_another();
         },
         [&] {
           family.begin();
           family.edit_child_without_link();
           family.renew_link();
           family.publish();
           family.create_another();
         }}};
  });
  EXPECT_EQ(orders, 6300u);
}

// The parent's old version stays for a snapshot while the child's, to which it had a link, is freed
// and its memory used again.
TEST(LinkOrders, ASnapshotOfAnOldParentMeetsNoFreedChild) {
  Family family;
  SnapshotPin snapshot = family.store->pin();
  const auto ask = [&](std::uint64_t value) {
    const ReadGuard guard = family.store->enter(snapshot);
    const ReadView view = family.view(guard);
    const FrameHeader* found = view.version(family.lead(view, view.version(family.parent)));
    ASSERT_TRUE(found != nullptr && says(found, value));
  };
  ask(1);
  for (int i = 0; i < 4; ++i) {
    family.begin();
    family.edit_child_without_link();
    family.renew_link();
    family.publish();
    ask(1);
    family.begin();
    family.supersede_parent();
    family.publish();
    ask(1);
    family.store->collect();
    family.create_another();
    ask(1);
  }
}

}  // namespace
}  // namespace xtree::persistence
