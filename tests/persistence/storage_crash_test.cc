#include <gtest/gtest.h>

#include "persistence/storage.h"
#include "persistence/storage_model.h"
#include "support/crashing_disk.h"

namespace xtree::test {
namespace {

using testing::Call;

constexpr const char* kDirectory = "db";
const Error kPlanted(ErrorCode::io_error, 5, "disk", "planted");

TEST(StorageCrash, WhileCreatingLeavesNoDatabaseOrAllOfIt) {
  const std::uint64_t seed = test_seed("Storage create crash");
  std::size_t made = 0;
  for (std::uint64_t run = 0; run < 400; ++run) {
    SCOPED_TRACE(seed + run);
    Random random(seed + run);
    CrashingDisk disk;
    bool created = false;
    for (int attempt = 0; attempt < 3 && !created; ++attempt) {
      disk.files().cut_after(random.below(20));
      created = Storage::create(disk.files(), kDirectory).has_value();
      disk.crash(random);
      auto storage = Storage::open(disk.files(), kDirectory, true);
      if (!storage) {
        ASSERT_FALSE(created);
        ASSERT_EQ(storage.error().code(), ErrorCode::not_found) << storage.error().message();
        continue;
      }
      ++made;
      created = true;
      ASSERT_EQ((*storage)->checkpoint().generation, 1u);
      ASSERT_EQ(difference(**storage, {}), "");
      const NodeId id = NodeId::make(0, 1);
      const TableEntry entry = (*storage)->write(id, random_image(id, 64, random)).value();
      (*storage)->commit(some_checkpoint(2), std::span(&entry, 1)).value();
    }
  }
  EXPECT_GT(made, 100u);
}

// Takes checkpoints until the power fails, or a sync; then looks at what a new process finds.
class Life {
 public:
  Life(std::uint64_t seed, bool syncs_fail) : random_(seed), syncs_fail_(syncs_fail) {
    storage_ = Storage::create(disk_.files(), kDirectory).value();
  }

  void live() {
    for (int crash = 0; crash < 8; ++crash) {
      run_until_failure();
      if (::testing::Test::HasFatalFailure()) return;
      reopen();
      if (::testing::Test::HasFatalFailure()) return;
    }
  }

 private:
  void run_until_failure() {
    const std::uint64_t calm = random_.below(4);
    for (std::uint64_t n = 0;; ++n) {
      if (n == calm) {
        if (syncs_fail_) {
          const Call kind = random_.one_in(3) ? Call::sync_directory : Call::sync;
          disk_.files().fail(kind, 1 + random_.below(6), kPlanted);
        } else {
          disk_.files().cut_after(random_.below(30));
        }
      }
      next_ = newest_;
      std::vector<TableEntry> changes;
      const std::uint64_t generation = storage_->checkpoint().generation;
      if (!write_random_changes(*storage_, next_, changes, random_)) return;
      if (!storage_->commit(some_checkpoint(generation + 1), changes)) return;
      older_ = newest_;
      newest_ = next_;
      is_doubtful_ = false;
      ASSERT_EQ(storage_->checkpoint().generation, generation + 1);
    }
  }

  // What was committed is there, or what was about to be.
  void reopen() {
    const std::uint64_t generation = storage_->checkpoint().generation;
    storage_.reset();
    disk_.files().heal();
    const bool cut = !syncs_fail_ || random_.one_in(2);
    if (cut) disk_.crash(random_);
    auto storage = Storage::open(disk_.files(), kDirectory, true);
    ASSERT_TRUE(storage) << storage.error().message();
    storage_ = std::move(*storage);
    const std::uint64_t found = storage_->checkpoint().generation;
    if (found == generation + 1) {
      older_ = newest_;
      newest_ = next_;
      is_doubtful_ = !cut;
    } else if (is_doubtful_ && found == generation - 1) {
      newest_ = older_;
      is_doubtful_ = false;
    } else {
      ASSERT_EQ(found, generation);
      is_doubtful_ = is_doubtful_ && !cut;
    }
    ASSERT_EQ(difference(*storage_, newest_), "");
    ASSERT_TRUE(storage_->verify());
  }

  Random random_;
  const bool syncs_fail_;
  CrashingDisk disk_;
  std::unique_ptr<Storage> storage_;
  Contents older_;
  Contents newest_;
  Contents next_;
  // The newest checkpoint was seen, but its superblock may have failed to reach the disk.
  bool is_doubtful_ = false;
};

TEST(StorageCrash, LosesNoCheckpointWhenThePowerFails) {
  const std::uint64_t seed = test_seed("Storage power cut");
  for (std::uint64_t run = 0; run < (kSanitized ? 60 : 400); ++run) {
    SCOPED_TRACE(seed + run);
    Life(seed + run, false).live();
    ASSERT_FALSE(::testing::Test::HasFatalFailure());
  }
}

// After a failed sync a process may start again on what the system's cache shows and the disk does
// not have, and lose power later. It may then fall back to what the disk had, but not to less.
TEST(StorageCrash, LosesNoCheckpointWhenASyncFailsBefore) {
  const std::uint64_t seed = test_seed("Storage failed sync");
  for (std::uint64_t run = 0; run < (kSanitized ? 60 : 400); ++run) {
    SCOPED_TRACE(seed + run);
    Life(seed + run, true).live();
    ASSERT_FALSE(::testing::Test::HasFatalFailure());
  }
}

}  // namespace
}  // namespace xtree::test
