#include "persistence/committer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "platform/bytes.h"
#include "support/passing_file.h"
#include "support/random.h"
#include "wal/reader.h"
#include "xtree/testing/simulated_file_system.h"

namespace xtree::test {
namespace {

using persistence::CommitRequest;
using persistence::Committer;
using testing::Call;

constexpr const char* kDirectory = "wal";
constexpr std::uint64_t kFileBytes = std::uint64_t{1} << 20;

std::vector<std::byte> encoded(std::uint64_t number) {
  std::vector<std::byte> bytes(sizeof number);
  platform::store_u64(bytes.data(), number);
  return bytes;
}

std::vector<std::uint64_t> decoded(std::span<const std::byte> bytes) {
  std::vector<std::uint64_t> numbers(bytes.size() / sizeof(std::uint64_t));
  std::memcpy(numbers.data(), bytes.data(), bytes.size());
  return numbers;
}

// Operations are numbers, and all that they do is to be written down in order.
class NumberList final : public persistence::Applier {
 public:
  Result<void> attach(persistence::VersionStore&, persistence::NodeId) override { return {}; }
  [[nodiscard]] persistence::NodeId catalog() const noexcept override { return {}; }
  [[nodiscard]] persistence::NodeFamily node_family() const noexcept override { return {}; }
  Result<void> check(std::span<const std::byte>) override { return {}; }
  Result<void> apply(std::span<const std::byte> operations, bool, bool*) override {
    const auto numbers = decoded(operations);
    applied_.insert(applied_.end(), numbers.begin(), numbers.end());
    return {};
  }
  Result<void> replay(std::span<const std::byte>) override { return {}; }
  Result<void> finish_epoch() override { return {}; }
  void cut() noexcept override {}
  void checkpointed() noexcept override {}

  [[nodiscard]] const std::vector<std::uint64_t>& applied() const { return applied_; }

 private:
  std::vector<std::uint64_t> applied_;
};

// Files whose syncs wait while the gate is shut.
class GatedFileSystem final : public testing::SimulatedFileSystem {
 public:
  Result<std::unique_ptr<File>> open(std::string_view path, OpenMode mode) override {
    auto opened = SimulatedFileSystem::open(path, mode);
    if (!opened) return opened.error();
    return std::unique_ptr<File>(std::make_unique<GatedFile>(*std::move(opened), *this));
  }

  void shut() { is_shut_.store(true, std::memory_order_seq_cst); }
  void let_through() {
    is_shut_.store(false, std::memory_order_seq_cst);
    is_shut_.notify_all();
  }
  // Until a sync waits at the gate.
  void await_sync() const { waiting_.wait(0, std::memory_order_seq_cst); }
  [[nodiscard]] int waiting() const { return waiting_.load(std::memory_order_seq_cst); }

 private:
  class GatedFile final : public PassingFile {
   public:
    GatedFile(std::unique_ptr<File> file, GatedFileSystem& gate)
        : PassingFile(std::move(file)), gate_(gate) {}

    Result<void> sync() override {
      gate_.pass();
      return PassingFile::sync();
    }
    Result<void> write_durably(std::uint64_t offset, std::span<const std::byte> bytes) override {
      gate_.pass();
      return PassingFile::write_durably(offset, bytes);
    }

   private:
    GatedFileSystem& gate_;
  };

  void pass() {
    waiting_.fetch_add(1, std::memory_order_seq_cst);
    waiting_.notify_all();
    is_shut_.wait(true, std::memory_order_seq_cst);
    waiting_.fetch_sub(1, std::memory_order_seq_cst);
  }

  std::atomic<bool> is_shut_ = false;
  std::atomic<int> waiting_ = 0;
};

class CommitterTest : public ::testing::Test {
 protected:
  void start(const Options& options = {}) {
    committer_.emplace(*store_, *log_, list_, options);
  }
  static Options never_synced() {  // for its age
    Options options;
    options.sync_interval_ms = ~std::uint32_t{0};
    return options;
  }
  Result<void> commit(std::uint64_t number, Durability durability = Durability::strict) {
    const auto operations = encoded(number);
    CommitRequest request;
    request.operations = operations;
    request.count = 1;
    request.durability = durability;
    return committer_->commit(request);
  }
  Result<std::uint64_t> commit_async(std::uint64_t number) {
    return committer_->commit_async(encoded(number), 1, Durability::strict);
  }
  std::vector<std::uint64_t> replayed() {
    std::vector<std::uint64_t> numbers;
    const auto visit = [&](const wal::GroupInfo& info, std::span<const std::byte> payload) {
      const auto some = decoded(payload);
      EXPECT_EQ(some.size(), info.operations);
      numbers.insert(numbers.end(), some.begin(), some.end());
      return Result<void>();
    };
    EXPECT_TRUE(wal::replay_log(files_, kDirectory, {}, 0, 1, visit));
    return numbers;
  }

  GatedFileSystem files_;
  NumberList list_;
  std::unique_ptr<persistence::VersionStore> store_ =
      persistence::VersionStore::create(0, nullptr).value();
  std::unique_ptr<wal::LogWriter> log_ =
      wal::LogWriter::create(files_, kDirectory, {}, kFileBytes).value();
  std::optional<Committer> committer_;
};

TEST_F(CommitterTest, StopMakesAllWritesThatWereHandedOver) {
  for (int life = 0; life < (kSanitized ? 20 : 200); ++life) {
    start();
    for (std::uint64_t i = 0; i < 20; ++i) ASSERT_TRUE(commit_async(i));
    ASSERT_TRUE(committer_->stop());
    ASSERT_EQ(list_.applied().size(), 20u * static_cast<unsigned>(life + 1));
    EXPECT_EQ(commit(1).error().code(), ErrorCode::closed);
    EXPECT_EQ(commit_async(1).error().code(), ErrorCode::closed);
  }
  EXPECT_EQ(replayed(), list_.applied());
}

// A snapshot that is closed beside the database gives back what it held.
TEST_F(CommitterTest, TurnsBehindStopNeedNoLog) {
  start();
  ASSERT_TRUE(commit(1));
  ASSERT_TRUE(committer_->stop());
  log_.reset();
  bool has_run = false;
  committer_->try_exclusively([&] { has_run = true; });
  EXPECT_TRUE(has_run);
}

TEST_F(CommitterTest, EventualWritesShareBlocks) {
  start(never_synced());
  for (std::uint64_t i = 0; i < 200; ++i) ASSERT_TRUE(commit(i, Durability::eventual));
  EXPECT_LE(committer_->appended_bytes(), 3 * wal::kBlockBytes);  // 2, but the clock may jump
  EXPECT_EQ(replayed(), list_.applied());
}

TEST_F(CommitterTest, EventualWritesAreSyncedByNobodysWaiting) {
  Options options;
  options.sync_interval_ms = 1;
  start(options);
  for (std::uint64_t i = 0; i < 5; ++i) {
    const std::uint64_t syncs = files_.count(Call::sync);
    ASSERT_TRUE(commit(i, Durability::eventual));
    while (files_.count(Call::sync) == syncs) std::this_thread::yield();
  }
}

TEST_F(CommitterTest, EventualWritesGoOnWhileTheLoggerSyncs) {
  Options options;
  options.sync_interval_ms = 1;
  start(options);
  files_.shut();
  ASSERT_TRUE(commit(0, Durability::eventual));
  files_.await_sync();
  for (std::uint64_t i = 1; i < 100; ++i) ASSERT_TRUE(commit(i, Durability::eventual));
  EXPECT_EQ(files_.waiting(), 1);
  files_.let_through();
  ASSERT_TRUE(committer_->stop());
  EXPECT_EQ(log_->durable_lsn(), 101u);
  EXPECT_EQ(replayed(), list_.applied());
}

TEST_F(CommitterTest, MuchThatNobodyWaitsForIsSyncedBeforeItsTime) {
  start(never_synced());
  const std::uint64_t syncs = files_.count(Call::sync);
  while (committer_->appended_bytes() < kFileBytes / 8) {
    ASSERT_TRUE(commit(1, Durability::eventual));
  }
  const auto is_synced = [&] { return files_.count(Call::sync) != syncs; };
  // The logger, which has only just begun, may still be on its way to sleep.
  while (!is_synced()) {
    for (int i = 0; i < 1000 && !is_synced(); ++i) std::this_thread::yield();
    ASSERT_TRUE(commit(2, Durability::eventual));
  }
  EXPECT_LT(committer_->appended_bytes(), kFileBytes / 2);  // it was not the end of the file
  ASSERT_TRUE(committer_->stop());
  EXPECT_EQ(replayed(), list_.applied());
}

// Who leads waits for a sync that the logger is to run, and does not lead for the logger.
TEST_F(CommitterTest, WritesOfAllKindsGoOnBesideASyncThatWasHandedOver) {
  start(never_synced());
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    const auto kind = i % 50 == 0 ? Durability::strict : Durability::eventual;
    if (i % 100 == 1) {
      ASSERT_TRUE(commit_async(i));
    } else {
      ASSERT_TRUE(commit(i, kind));
    }
  }
  ASSERT_TRUE(committer_->stop());
  EXPECT_EQ(log_->durable_lsn(), log_->next_lsn());
  EXPECT_EQ(replayed(), list_.applied());
}

TEST_F(CommitterTest, FailureOfASyncThatWasHandedOverIsKnownAtOnce) {
  start(never_synced());
  files_.shut();
  while (files_.waiting() == 0) ASSERT_TRUE(commit(1, Durability::eventual));
  files_.fail(Call::sync, 1, Error(ErrorCode::io_error, 5, "disk", "planted"));
  files_.let_through();
  while (committer_->health()) std::this_thread::yield();
  EXPECT_EQ(commit(2, Durability::none).error().code(), ErrorCode::poisoned);
  EXPECT_FALSE(committer_->stop());
}

// A sync of its own could succeed though the lost pages are those of its group.
TEST_F(CommitterTest, StrictWriteFailsWhenTheLoggersSyncBesideItFails) {
  Options options;
  options.sync_interval_ms = 1;
  start(options);
  files_.shut();
  ASSERT_TRUE(commit(1, Durability::eventual));
  files_.await_sync();
  files_.fail(Call::sync, 1, Error(ErrorCode::io_error, 5, "disk", "planted"));
  std::thread writer([&] { EXPECT_FALSE(commit(2)); });
  for (int i = 0; i < 1000; ++i) std::this_thread::yield();  // mostly it waits for that sync by now
  files_.let_through();
  writer.join();
  EXPECT_EQ(commit(3).error().code(), ErrorCode::poisoned);
  EXPECT_FALSE(committer_->stop());
}

// The writes that meet the failure and all later ones fail, whoever leads.
TEST_F(CommitterTest, FailedSyncFailsItsGroupAndEverythingLater) {
  start();
  ASSERT_TRUE(commit(1));
  files_.fail(Call::sync, 1, Error(ErrorCode::io_error, 5, "disk", "planted"));
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] { EXPECT_FALSE(commit(10 + i)); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(commit(2).error().code(), ErrorCode::poisoned);
  EXPECT_EQ(commit_async(2).error().code(), ErrorCode::poisoned);
  EXPECT_EQ(committer_->health().error().code(), ErrorCode::poisoned);
  EXPECT_EQ(store_->published(), 1u);
  EXPECT_FALSE(committer_->stop());
}

}  // namespace
}  // namespace xtree::test
