// Many writers at once, whose groups are applied while others are synced: what is acknowledged or
// shown to readers is durable, in the order of the log, also when a sync fails.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <thread>

#include "persistence/committer.h"
#include "platform/bytes.h"
#include "support/passing_file.h"
#include "support/random.h"
#include "wal/format.h"
#include "wal/reader.h"
#include "xtree/testing/simulated_file_system.h"

namespace xtree::test {
namespace {

using persistence::CommitRequest;
using persistence::Committer;
using testing::Call;

constexpr std::uint64_t kThreads = 24;
constexpr std::uint64_t kWrites = kSanitized ? 60 : 400;
constexpr std::uint64_t kMostWrites = 10 * kWrites;
constexpr std::uint64_t kNumbers = kThreads * kMostWrites;

// How many operations of the log are durable: those before the first that is not.
class DurablePrefix {
 public:
  [[nodiscard]] std::uint64_t size() const { return size_; }
  // Operations `first` to `last`, from 1 on.
  void add(std::uint64_t first, std::uint64_t last) {
    const std::lock_guard lock(mutex_);
    behind_[first] = std::max(behind_[first], last);
    while (!behind_.empty() && behind_.begin()->first <= size_ + 1) {
      size_ = std::max(size_.load(), behind_.begin()->second);
      behind_.erase(behind_.begin());
    }
  }

 private:
  std::mutex mutex_;
  std::map<std::uint64_t, std::uint64_t> behind_;  // where each piece ends
  std::atomic<std::uint64_t> size_ = 0;
};

// What the writers have done so far, counted in operations.
struct Progress {
  std::atomic<std::uint64_t> applied = 0;
  DurablePrefix durable;
  std::atomic<std::uint64_t> overlaps = 0;  // those applied during a sync
  std::atomic<int> syncs = 0;  // that are running
};

// Files whose syncs last until somebody has made use of the time, or nobody seems to want to.
class SlowFileSystem final : public testing::SimulatedFileSystem {
 public:
  SlowFileSystem(Progress& progress, bool takes_durable_writes)
      : progress_(progress), takes_durable_writes_(takes_durable_writes) {}

  Result<std::unique_ptr<File>> open(std::string_view path, OpenMode mode) override {
    auto opened = SimulatedFileSystem::open(path, mode);
    if (!opened) return opened.error();
    return std::unique_ptr<File>(
        std::make_unique<SlowFile>(*std::move(opened), progress_, takes_durable_writes_));
  }

 private:
  class SlowFile final : public PassingFile {
   public:
    SlowFile(std::unique_ptr<File> file, Progress& progress, bool takes_durable_writes)
        : PassingFile(std::move(file)),
          progress_(progress),
          takes_durable_writes_(takes_durable_writes) {}

    // The leader writes what it has applied. Zeros are for later, and a header is of no write.
    Result<void> write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
      const std::uint64_t applied = progress_.applied;
      const Result<void> written = PassingFile::write_at(offset, bytes);
      if (offset != 0 && bytes.front() != std::byte{0}) written_ = applied;
      return written;
    }
    Result<void> sync() override {
      const std::uint64_t written = written_;
      const Result<void> synced = slowly([&] { return PassingFile::sync(); });
      if (synced && written != 0) progress_.durable.add(1, written);
      return synced;
    }
    bool takes_durable_writes() noexcept override { return takes_durable_writes_; }
    Result<void> write_durably(std::uint64_t offset, std::span<const std::byte> bytes) override {
      const auto group = wal::decode_group_header(bytes);
      EXPECT_TRUE(group);
      const Result<void> written =
          slowly([&] { return PassingFile::write_durably(offset, bytes); });
      if (written) {
        progress_.durable.add(group->first_lsn, group->first_lsn + group->operations - 1);
      }
      return written;
    }

   private:
    template <class Sync>
    Result<void> slowly(Sync&& sync) {
      const std::uint64_t applied = progress_.applied;
      ++progress_.syncs;
      for (int i = 0; i < 200 && progress_.applied == applied; ++i) std::this_thread::yield();
      const Result<void> synced = sync();
      --progress_.syncs;
      return synced;
    }

    Progress& progress_;
    const bool takes_durable_writes_;
    std::atomic<std::uint64_t> written_ = 0;
  };

  Progress& progress_;
  const bool takes_durable_writes_;
};

// Operations are numbers below kNumbers; it notes which came when.
class Ledger final : public persistence::Applier {
 public:
  explicit Ledger(Progress& progress) : progress_(progress) {}

  Result<void> attach(persistence::VersionStore&, persistence::NodeId) override { return {}; }
  [[nodiscard]] persistence::NodeId catalog() const noexcept override { return {}; }
  [[nodiscard]] persistence::NodeFamily node_family() const noexcept override { return {}; }
  Result<void> check(std::span<const std::byte>) override { return {}; }
  Result<void> apply(std::span<const std::byte> operations, bool, bool*) override {
    if (progress_.syncs != 0) ++progress_.overlaps;
    places_[platform::load_u64(operations.data())] = ++progress_.applied;
    return {};
  }
  Result<void> replay(std::span<const std::byte>) override { return {}; }
  Result<void> finish_epoch() override {
    ends_[++epochs_] = progress_.applied.load();
    return {};
  }
  void cut() noexcept override {}
  void checkpointed() noexcept override {}

  // How many operations had been applied with this one; 0 before.
  [[nodiscard]] std::uint64_t place(std::uint64_t number) const { return places_[number]; }
  // How many had been at the end of this epoch.
  [[nodiscard]] std::uint64_t end(std::uint64_t epoch) const { return ends_[epoch]; }

 private:
  Progress& progress_;
  std::uint64_t epochs_ = 0;
  std::array<std::atomic<std::uint64_t>, kNumbers> places_ = {};
  std::array<std::atomic<std::uint64_t>, kNumbers + 1> ends_ = {};
};

// With groups that go to the disk one by one, past the cache, and with syncs of the file.
class CommitCrowd : public ::testing::TestWithParam<bool> {
 protected:
  Result<void> commit(std::uint64_t number) {
    std::array<std::byte, sizeof number> operations;
    platform::store_u64(operations.data(), number);
    CommitRequest request;
    request.operations = operations;
    request.count = 1;
    return committer_.commit(request);
  }

  // Every thread writes so many of its numbers, and more until so many writes were applied during a
  // sync, which nobody can force, or until one fails; returns how many were made. Some take their
  // time between two, so that they miss the group of the others.
  std::uint64_t write_all(std::uint64_t writes, std::uint64_t overlaps = 0) {
    Random seeds(test_seed("CommitCrowd"));
    std::atomic<std::uint64_t> made = 0;
    std::atomic<bool> over = false;
    std::thread reader([&] {
      while (!over) {
        const std::uint64_t shown = ledger_.end(store_->published());
        ASSERT_LE(shown, progress_.durable.size());
        std::this_thread::yield();
      }
    });
    std::vector<std::thread> writers;
    for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
      writers.emplace_back([&, thread, random = Random(seeds.next())]() mutable {
        const auto goes_on = [&](std::uint64_t i) {
          return i < writes || (progress_.overlaps < overlaps && i < kMostWrites);
        };
        const std::uint64_t first = thread * kMostWrites;
        for (std::uint64_t i = 0; goes_on(i) && commit(first + i); ++i, ++made) {
          for (auto pause = random.below(2) * random.below(40); pause != 0; --pause) {
            std::this_thread::yield();
          }
          ASSERT_NE(ledger_.place(first + i), 0u);
          ASSERT_LE(ledger_.place(first + i), ledger_.end(store_->published()));
        }
      });
    }
    for (std::thread& writer : writers) writer.join();
    over = true;
    reader.join();
    return made;
  }

  Progress progress_;
  SlowFileSystem files_{progress_, GetParam()};
  Ledger ledger_{progress_};
  std::unique_ptr<persistence::VersionStore> store_ =
      persistence::VersionStore::create(0, nullptr).value();
  std::unique_ptr<wal::LogWriter> log_ =
      wal::LogWriter::create(files_, "wal", {}, std::uint64_t{64} << 10).value();
  Committer committer_{*store_, *log_, ledger_, Options()};
};

TEST_P(CommitCrowd, ShowsAndAcknowledgesWhatIsDurable) {
  const std::uint64_t made = write_all(kWrites, 1);
  EXPECT_GE(made, kThreads * kWrites);
  EXPECT_GT(progress_.overlaps, 0u);
  ASSERT_TRUE(committer_.stop());
  std::uint64_t replayed = 0;
  const auto visit = [&](const wal::GroupInfo&, std::span<const std::byte> payload) {
    for (std::size_t at = 0; at < payload.size(); at += sizeof(std::uint64_t)) {
      EXPECT_EQ(ledger_.place(platform::load_u64(payload.data() + at)), ++replayed);
    }
    return Result<void>();
  };
  EXPECT_TRUE(wal::replay_log(files_, "wal", {}, 0, 1, visit));
  EXPECT_EQ(replayed, made);
}

TEST_P(CommitCrowd, FailsTogetherWhenASyncFails) {
  Random random(test_seed("CommitCrowd"));
  // A single one may be that of a file for later, which nobody misses.
  files_.fail(Call::sync, 1 + random.below(kWrites / 4),
              Error(ErrorCode::io_error, 5, "disk", "planted"), testing::Failure::from_then_on);
  EXPECT_LT(write_all(kWrites), kThreads * kWrites);
  EXPECT_LE(ledger_.end(store_->published()), progress_.durable.size());
  EXPECT_EQ(commit(0).error().code(), ErrorCode::poisoned);
  EXPECT_FALSE(committer_.stop());
}

// An exclusive turn finds no group on its way.
TEST_P(CommitCrowd, MakesWayForAnExclusiveTurn) {
  std::atomic<bool> over = false;
  std::thread other([&] {
    while (!over) {
      const Result<void> done = committer_.exclusively([&] {
        EXPECT_EQ(progress_.syncs, 0);
        EXPECT_EQ(store_->published(), store_->epoch());
        return Result<void>();
      });
      EXPECT_TRUE(done);
      std::this_thread::yield();  // or it might never be a writer's turn
    }
  });
  EXPECT_EQ(write_all(kWrites / 10), kThreads * (kWrites / 10));
  over = true;
  other.join();
}

INSTANTIATE_TEST_SUITE_P(DurableWrites, CommitCrowd, ::testing::Bool());

}  // namespace
}  // namespace xtree::test
