// Crowds whose writes are of every durability, asynchronous, refused and large, beside exclusive
// turns, the logger's syncs, a failing disk and the end: nothing hangs, and what was acknowledged
// is as durable as it asked and in the log in its order.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "persistence/committer.h"
#include "platform/bytes.h"
#include "support/lingering_syncs.h"
#include "support/random.h"
#include "wal/reader.h"
#include "xtree/testing/simulated_file_system.h"

namespace xtree::test {
namespace {

using persistence::CommitRequest;
using persistence::Committer;
using testing::Call;

constexpr int kThreads = 20;
constexpr int kWrites = kSanitized ? 40 : 100;
constexpr std::size_t kLarge = std::size_t{1} << 20;  // some of them are all that a group takes

// A write is its number and its size, and what makes it so large.
std::vector<std::byte> encoded(std::uint64_t number, std::size_t bytes) {
  std::vector<std::byte> operations(bytes);
  platform::store_u64(operations.data(), number);
  platform::store_u64(operations.data() + sizeof number, bytes);
  return operations;
}

// Notes which numbers were applied to be logged, in their order. The writer's.
class Ledger final : public persistence::Applier {
 public:
  static constexpr std::uint64_t kRefused = ~std::uint64_t{0};

  Result<void> attach(persistence::VersionStore&, persistence::NodeId) override { return {}; }
  [[nodiscard]] persistence::NodeId catalog() const noexcept override { return {}; }
  [[nodiscard]] persistence::NodeFamily node_family() const noexcept override { return {}; }
  Result<void> check(std::span<const std::byte> operations) override {
    if (platform::load_u64(operations.data()) != kRefused) return {};
    return Error(ErrorCode::invalid_argument, "number", "it is refused");
  }
  Result<void> apply(std::span<const std::byte> operations, bool is_logged, bool*) override {
    ++applied_;
    if (is_logged) logged_.push_back(platform::load_u64(operations.data()));
    return {};
  }
  Result<void> replay(std::span<const std::byte>) override { return {}; }
  Result<void> finish_epoch() override { return {}; }
  void cut() noexcept override {}
  void checkpointed() noexcept override {}

  [[nodiscard]] std::uint64_t applied() const { return applied_; }
  [[nodiscard]] const std::vector<std::uint64_t>& logged() const { return logged_; }

 private:
  std::uint64_t applied_ = 0;
  std::vector<std::uint64_t> logged_;
};

class CommitMixture : public ::testing::Test {
 protected:
  Result<void> commit(Random& random, std::uint64_t number, std::size_t bytes) {
    const auto operations = encoded(number, bytes);
    CommitRequest request;
    request.operations = operations;
    request.count = 1;
    if (random.one_in(4)) request.durability = static_cast<Durability>(random.below(4));
    return committer_.commit(request);
  }
  Result<std::uint64_t> commit_async(Random& random, std::uint64_t number, std::size_t bytes) {
    return committer_.commit_async(encoded(number, bytes), 1,
                                   static_cast<Durability>(random.below(4)));
  }
  // What a checkpoint does in its turn, which finds no group on its way.
  Result<void> take_turn() {
    return committer_.exclusively([&]() -> Result<void> {
      XTREE_TRY(committer_.health());
      EXPECT_EQ(store_->published(), store_->epoch());
      const auto rolled = log_->roll();
      if (rolled) return {};
      committer_.poison(rolled.error());
      return rolled.error();
    });
  }

  // One of the threads, until a write fails.
  void write(Random random) {
    Result<void> result;
    std::vector<std::uint64_t> tickets;
    for (int i = 0; i < kWrites && result; ++i) {
      const std::uint64_t number = random.next() >> 1;
      const std::size_t bytes = random.one_in(large_) ? random.between(16, kLarge) : 16;
      switch (random.below(16)) {
        case 0:
          EXPECT_FALSE(commit(random, Ledger::kRefused, 16));
          break;
        case 1:
          result = take_turn();
          break;
        case 2:
          committer_.try_exclusively([] {});
          break;
        case 3:
        case 4:
          if (const auto ticket = commit_async(random, number, bytes)) {
            tickets.push_back(*ticket);
            ++made_;
          } else {
            result = ticket.error();
          }
          break;
        default:
          result = commit(random, number, bytes);
          if (result) ++made_;
          break;
      }
      if (result && random.one_in(8) && !tickets.empty()) {
        result = committer_.wait(tickets[random.below(tickets.size())]);
      }
    }
  }

  void write_all() {
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([this, random = Random(seeds_.next())] { write(random); });
    }
    for (std::thread& thread : threads) thread.join();
  }

  void expect_log() {
    std::vector<std::uint64_t> numbers;
    const auto visit = [&](const wal::GroupInfo&, std::span<const std::byte> payload) {
      while (!payload.empty()) {
        numbers.push_back(platform::load_u64(payload.data()));
        payload = payload.subspan(platform::load_u64(payload.data() + sizeof(std::uint64_t)));
      }
      return Result<void>();
    };
    EXPECT_TRUE(wal::replay_log(disk_, "wal", {}, 0, 1, visit));
    EXPECT_EQ(numbers, ledger_.logged());
  }

  static Options often_synced() {
    Options options;
    options.sync_interval_ms = 1;
    options.group_window_us = 50;
    return options;
  }

  Random seeds_{test_seed("CommitMixture")};
  std::uint64_t large_ = seeds_.one_in(2) ? 20 : 400;
  std::atomic<std::uint64_t> made_ = 0;
  testing::SimulatedFileSystem disk_;
  LingeringSyncs files_{disk_, static_cast<int>(seeds_.below(30))};
  Ledger ledger_;
  std::unique_ptr<persistence::VersionStore> store_ =
      persistence::VersionStore::create(0, nullptr).value();
  std::unique_ptr<wal::LogWriter> log_ =
      wal::LogWriter::create(files_, "wal", {}, std::uint64_t{1} << 20).value();
  Committer committer_{*store_, *log_, ledger_, often_synced()};
};

TEST_F(CommitMixture, IsMadeOnceAndLoggedInItsOrder) {
  write_all();
  ASSERT_TRUE(committer_.stop());
  EXPECT_EQ(ledger_.applied(), made_);
  EXPECT_EQ(log_->durable_lsn(), log_->next_lsn());
  expect_log();
}

TEST_F(CommitMixture, IsMadeOrRefusedWhenItEnds) {
  std::thread other([&, random = Random(seeds_.next())]() mutable {
    for (const std::uint64_t enough = random.below(kThreads * kWrites / 2); made_ < enough;) {
      std::this_thread::yield();
    }
    EXPECT_TRUE(committer_.stop());
  });
  write_all();
  other.join();
  EXPECT_EQ(ledger_.applied(), made_);
  EXPECT_EQ(log_->durable_lsn(), log_->next_lsn());
  expect_log();
}

TEST_F(CommitMixture, FailsFromAFailureOn) {
  disk_.fail(Call::sync, 1 + seeds_.below(kWrites),
             Error(ErrorCode::io_error, 5, "disk", "planted"), testing::Failure::from_then_on);
  write_all();
  EXPECT_EQ(commit(seeds_, 0, 16).error().code(), ErrorCode::poisoned);
  const Result<void> stopped = committer_.stop();
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code(), ErrorCode::io_error) << stopped.error().message();
}

}  // namespace
}  // namespace xtree::test
