// Random histories of a version store against a model that keeps a copy of everything.
#include <gtest/gtest.h>

#include <iostream>
#include <map>
#include <optional>
#include <vector>

#include "persistence/memory_source.h"
#include "persistence/version_store.h"
#include "support/random.h"

namespace xtree::persistence {
namespace {

struct Content {
  std::uint64_t value = 0;
  std::size_t bytes = 0;
};
using State = std::map<std::uint64_t, Content>;  // by NodeID bits

struct Snapshot {
  SnapshotPin pin;
  State state;
};

// Lives as the versions of nodes have them: [birth, retire).
struct Interval {
  std::uint64_t birth;
  std::uint64_t retire;
};

class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed) { open({}); }

  void run(int epochs) {
    for (int i = 0; i < epochs && !testing::Test::HasFatalFailure(); ++i) {
      run_epoch();
      if (random_.one_in(3)) open_snapshot();
      if (random_.one_in(3)) close_snapshot();
      if (random_.one_in(4)) enter_or_leave();
      if (random_.one_in(10)) checkpoint();
      if (random_.one_in(60)) reopen();
      collect();
      check();
    }
    leave_everything();
  }

 private:
  void open(const std::vector<TableEntry>& entries) {
    auto made = VersionStore::create(epoch_of_disk_, &source_);
    ASSERT_TRUE(made);
    store_ = std::move(*made);
    for (const TableEntry& entry : entries) ASSERT_TRUE(store_->restore(entry));
  }

  void run_epoch() {
    store_->begin_epoch();
    const std::uint64_t changes = random_.below(20);
    for (std::uint64_t i = 0; i < changes; ++i) change();
    store_->publish();
    for (const auto& [bits, content] : state_) {
      if (!ever_.contains(bits)) ever_[bits] = true;
    }
  }

  void change() {
    const std::uint64_t what = random_.below(10);
    if (state_.empty() || what < 3) {
      const Content content{random_.next(), 64 * random_.between(1, 10)};
      FrameHeader* frame = store_->create(content.bytes);
      ASSERT_NE(frame, nullptr);
      fill(frame, content.value);
      state_[frame->node_id] = content;
      births_[frame->node_id] = store_->epoch();
      ever_[frame->node_id] = true;
      return;
    }
    auto node = state_.lower_bound(random_.next() % (state_.rbegin()->first + 1));
    if (what < 8) {
      change_node(NodeId{node->first}, node->second);
    } else {
      supersede(node->first);
      births_.erase(node->first);
      store_->destroy(NodeId{node->first});
      state_.erase(node);
    }
  }

  void change_node(NodeId id, Content& content) {
    const bool grows = random_.one_in(2);
    if (grows) content.bytes = 64 * random_.between(1, 10);
    FrameHeader* frame = grows ? store_->resize(id, content.bytes) : store_->edit(id);
    ASSERT_NE(frame, nullptr);
    ASSERT_EQ(frame->bytes, content.bytes);
    content.value = random_.next();
    fill(frame, content.value);
    supersede(id.bits);
    births_[id.bits] = store_->epoch();
  }

  // The version that holds so far is the past of the running epoch, if it is older than that.
  void supersede(std::uint64_t bits) {
    if (births_[bits] < store_->epoch()) past_.push_back({births_[bits], store_->epoch()});
  }

  void open_snapshot() {
    snapshots_.push_back({store_->pin(), state_});
    ASSERT_EQ(snapshots_.back().pin.epoch(), store_->published());
  }
  void close_snapshot() {
    if (snapshots_.empty()) return;
    snapshots_.erase(snapshots_.begin() + static_cast<std::ptrdiff_t>(
                                              random_.below(snapshots_.size())));
  }
  void enter_or_leave() {
    if (guard_) {
      guard_.reset();
      return;
    }
    if (!snapshots_.empty() && random_.one_in(2)) {
      const Snapshot& snapshot = snapshots_[random_.below(snapshots_.size())];
      guard_.emplace(store_->enter(snapshot.pin));
      guarded_ = snapshot.state;
    } else {
      guard_.emplace(store_->enter());
      guarded_ = state_;
    }
  }

  void checkpoint() {
    auto cut = store_->cut();
    ASSERT_TRUE(cut);
    if (random_.one_in(4)) {
      store_->restore_changes(std::move(*cut));
      return;
    }
    sort_changes(*cut);
    for (const NodeId id : cut->changes) {
      const auto image = store_->image(*cut, id);
      ASSERT_TRUE(image);
      const TableEntry old = store_->on_disk(id);
      if (old.address) source_.remove(old);
      TableEntry entry{id, {}, 0, 0};
      if (*image != nullptr) {
        entry = source_.write(*image);
        store_->written(entry);
      } else {
        store_->forgotten(id);
      }
      table_[id.handle()] = entry;
    }
    epoch_of_disk_ = cut->epoch;
    state_of_disk_ = state_;
  }

  // As after a crash: what no checkpoint holds is gone, and everything else is on disk only.
  void reopen() {
    guard_.reset();
    snapshots_.clear();
    past_.clear();
    births_.clear();
    std::vector<TableEntry> entries;
    for (const auto& [handle, entry] : table_) entries.push_back(entry);
    open(entries);
    state_ = state_of_disk_;
    for (const auto& [bits, content] : state_) births_[bits] = 0;
    ever_.clear();
    for (const auto& [bits, content] : state_) ever_[bits] = true;
  }

  void collect() {
    while (store_->collect(random_.one_in(2) ? 5 : 1000)) {
    }
  }

  void expect_view(std::uint64_t epoch, const State& state) {
    for (const auto& [bits, unused] : ever_) {
      const auto found = store_->find(NodeId{bits}, epoch);
      ASSERT_TRUE(found) << found.error().message();
      const auto expected = state.find(bits);
      ASSERT_EQ(*found != nullptr, expected != state.end()) << std::hex << bits;
      if (*found == nullptr) continue;
      ASSERT_EQ((*found)->bytes, expected->second.bytes);
      ASSERT_TRUE(says(*found, expected->second.value));
    }
  }

  [[nodiscard]] std::uint64_t needed_versions() const {
    std::uint64_t needed = 0;
    for (const Interval& version : past_) {
      const auto within = [&](std::uint64_t epoch) {
        return version.birth <= epoch && epoch < version.retire;
      };
      bool is_needed = guard_ && within(guard_->epoch());
      for (const Snapshot& snapshot : snapshots_) is_needed |= within(snapshot.pin.epoch());
      needed += is_needed;
    }
    return needed;
  }

  void check() {
    ASSERT_EQ(store_->counts().live_nodes, state_.size());
    ASSERT_EQ(store_->counts().versions_held, needed_versions());
    if (!random_.one_in(8)) return;
    expect_view(store_->published(), state_);
    if (guard_) expect_view(guard_->epoch(), guarded_);
    for (const Snapshot& snapshot : snapshots_) expect_view(snapshot.pin.epoch(), snapshot.state);
    std::size_t live = 0;
    store_->for_each_live([&](NodeId id) { live += state_.contains(id.bits); });
    ASSERT_EQ(live, state_.size());
  }

  void leave_everything() {
    expect_view(store_->published(), state_);
    guard_.reset();
    snapshots_.clear();
    collect();
    const VersionCounts counts = store_->counts();
    std::size_t bytes = 0;
    for (const auto& [bits, content] : state_) bytes += content.bytes;
    EXPECT_EQ(counts.versions_held, 0u);
    EXPECT_EQ(counts.version_bytes, 0u);
    EXPECT_EQ(counts.waiting_bytes, 0u);
    EXPECT_EQ(counts.resident_bytes, bytes);
  }

  test::Random random_;
  MemorySource source_;
  std::unique_ptr<VersionStore> store_;

  State state_;
  std::map<std::uint64_t, std::uint64_t> births_;
  std::map<std::uint64_t, bool> ever_;  // every id of this store's time
  std::vector<Interval> past_;
  std::vector<Snapshot> snapshots_;
  std::optional<ReadGuard> guard_;
  State guarded_;

  std::map<std::uint64_t, TableEntry> table_;  // by handle
  std::uint64_t epoch_of_disk_ = 0;
  State state_of_disk_;
};

TEST(VersionStoreModel, AgreesInEveryRandomHistory) {
  const std::uint64_t seed = test::test_seed("VersionStoreModel");
  for (std::uint64_t i = 0; i < 20 && !testing::Test::HasFailure(); ++i) {
    SCOPED_TRACE(seed + i);
    History(seed + i).run(300);
  }
}

}  // namespace
}  // namespace xtree::persistence
