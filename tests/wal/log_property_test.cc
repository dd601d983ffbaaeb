// The log against a model, through crashes, failed syncs, rolls, releases and reopenings.
#include <gtest/gtest.h>

#include <algorithm>

#include "wal/log_testing.h"

namespace xtree::test {
namespace {

using wal::LogWriter;

// From where a database would replay.
struct Start {
  wal::LogPosition position = {};
  std::uint64_t generation = 0;
  std::uint64_t lsn = 1;
};

struct ModelGroup {
  std::uint64_t lsn;
  std::uint32_t operations;
  std::size_t bytes;
};

class Life {
 public:
  explicit Life(std::uint64_t seed) : random_(seed) {
    disk_.files().make_directory(kLogDirectory).value();
    disk_.files().sync_directory(".").value();
  }

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      if (writer_ == nullptr) {
        restart();
      } else {
        step();
      }
    }
  }

  [[nodiscard]] std::uint64_t groups_replayed() const { return groups_replayed_; }
  [[nodiscard]] std::uint64_t groups_lost() const { return groups_lost_; }

 private:
  std::uint64_t pick(std::uint64_t below) { return random_.below(below); }

  void step() {
    switch (pick(24)) {
      case 0:
        synced(static_cast<bool>(writer_->roll()));
        break;
      case 1:
        checkpoint();
        break;
      case 2: disk_.files().cut_after(pick(40)); break;
      case 3:
        stop(pick(2) == 0);
        break;
      case 4:
        if (pick(4) == 0) disk_.files().fail(Call::sync, 1, kPlanted);
        break;
      case 5:
      case 6:
      case 7:
        synced(static_cast<bool>(writer_->sync()));
        break;
      default:
        append_group();
        break;
    }
  }

  void synced(bool success) {
    if (success) {
      durable_ = writer_->next_lsn();
    } else {
      // The writer is poisoned. A process may go on with the same system, or lose its power.
      stop(!disk_.files().has_power() || pick(2) == 0);
    }
  }

  void append_group() {
    const bool is_small = pick(2) == 0;
    const ModelGroup group{.lsn = writer_->next_lsn(),
                           .operations = static_cast<std::uint32_t>(1 + pick(5)),
                           .bytes = is_small       ? pick(300)
                                    : pick(8) == 0 ? pick(2 * kTestFileBytes)
                                                   : pick(6000)};
    // Also a group whose append failed may come back: nobody was told that it would not.
    model_.push_back(group);
    const Payload payload = make_payload(group.lsn, group.bytes);
    if (!(is_small ? add : append)(*writer_, payload, group.operations)) {
      stop(!disk_.files().has_power() || pick(2) == 0);
    }
  }

  // A checkpoint makes sure of the log before it names a position in it. Files are released only
  // below the checkpoint before, as in a database.
  void checkpoint() {
    const auto position = writer_->roll();
    synced(static_cast<bool>(position));
    if (!position) return;
    older_ = newer_;
    newer_ = {*position, writer_->generation(), writer_->next_lsn()};
    if (!release_before(*writer_, disk_.files(), older_.position.file)) {
      stop(!disk_.files().has_power());
    }
  }

  void stop(bool power_goes) {
    writer_.reset();
    if (power_goes) disk_.crash(random_);
  }

  void restart() {
    // The newest checkpoint may turn out to be damaged; then it is as if it had never been.
    if (pick(4) == 0) newer_ = older_;
    const Replayed replayed = replay_from(newer_);
    if (::testing::Test::HasFailure()) return;
    const std::uint64_t end = replayed.end->next_lsn;
    ASSERT_GE(end, durable_) << "a group that was synced is lost";
    const std::size_t before = model_.size();
    while (!model_.empty() && model_.back().lsn >= end) model_.pop_back();
    groups_lost_ += before - model_.size();

    if (pick(4) == 0) disk_.files().cut_after(pick(12));
    if (pick(8) == 0) disk_.files().fail(Call::sync, 1, kPlanted);
    auto writer = LogWriter::create(disk_.files(), kLogDirectory, *replayed.end, kTestFileBytes);
    if (!writer) {
      stop(!disk_.files().has_power() || pick(2) == 0);
      return;
    }
    writer_ = *std::move(writer);
    ASSERT_EQ(writer_->next_lsn(), end);
    durable_ = end;
    replay_from(older_);
  }

  Replayed replay_from(const Start& start) {
    Replayed replayed = replay(disk_.files(), start.position, start.generation, start.lsn);
    compare(replayed, start);
    return replayed;
  }

  void compare(const Replayed& replayed, const Start& start) {
    ASSERT_TRUE(replayed.end) << replayed.end.error().message();
    groups_replayed_ += replayed.groups.size();
    auto group = std::find_if(model_.begin(), model_.end(),
                              [&](const ModelGroup& one) { return one.lsn >= start.lsn; });
    for (const SeenGroup& seen : replayed.groups) {
      // Groups that shared a block and were carried into another file have become one.
      Payload payload;
      std::uint32_t operations = 0;
      const std::uint64_t lsn = group == model_.end() ? 0 : group->lsn;
      for (; group != model_.end() && operations < seen.info.operations; ++group) {
        const Payload one = make_payload(group->lsn, group->bytes);
        payload.insert(payload.end(), one.begin(), one.end());
        operations += group->operations;
      }
      ASSERT_EQ(seen.info.first_lsn, lsn) << "the log has groups that nobody wrote";
      ASSERT_EQ(seen.info.operations, operations);
      ASSERT_EQ(seen.payload, payload);
    }
  }

  Random random_;
  CrashingDisk disk_;
  std::unique_ptr<LogWriter> writer_;
  std::vector<ModelGroup> model_;
  std::uint64_t durable_ = 1;  // operations below it must never be lost again
  Start older_;
  Start newer_;
  std::uint64_t groups_replayed_ = 0;
  std::uint64_t groups_lost_ = 0;
};

TEST(Log, KeepsWhatWasSyncedAndInventsNothing) {
  std::uint64_t groups_replayed = 0;
  std::uint64_t groups_lost = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    Life life(seed);
    life.run(400);
    groups_replayed += life.groups_replayed();
    groups_lost += life.groups_lost();
    if (HasFailure()) return;
  }
  // The property says little unless both happened often.
  EXPECT_GT(groups_replayed, 1000u);
  EXPECT_GT(groups_lost, 100u);
}

}  // namespace
}  // namespace xtree::test
