// Damages databases in one way at a time, repairs them, and compares what the new database holds,
// and what the report says of the rest, with a model.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "crash/repair_history.h"
#include "xtree/repair.h"

namespace xtree::test {
namespace {

constexpr const char* kFresh = "fresh";

// What a report says of all indexes that had one name, one after the other.
struct Account {
  std::uint64_t entries = 0;  // of the checkpoint
  std::uint64_t lost = 0;
  bool is_known = true;
};

// A repaired database beside its report.
struct Repaired {
  RepairReport report;
  History::State state;
};

// What a fault says of the object that it is about.
bool is_about(const RepairReport& report, const char* words) {
  return std::ranges::any_of(report.faults, [&](const Fault& fault) {
    return fault.text.find(words) != std::string::npos;
  });
}

class RepairTest : public ::testing::Test {
 protected:
  // Damages the history's files, repairs them, and looks at the result. Nothing may be written to
  // the damaged directory.
  Repaired repair_of(const DirectoryImage& damaged) {
    testing::SimulatedFileSystem files(disk_of(kHistoryDirectory, damaged));
    RepairOptions options;
    options.file_system = &files;
    auto report = repair(kHistoryDirectory, kFresh, options);
    Repaired repaired;
    EXPECT_TRUE(report) << report.error().message();
    if (!report) return repaired;
    EXPECT_EQ(directory_of(files.image(), kHistoryDirectory), damaged)
        << "the damaged directory was changed";
    auto db = Database::open(kFresh, options_on(files));
    EXPECT_TRUE(db) << db.error().message();
    if (!db) return repaired;
    const auto verified = db->verify();
    EXPECT_TRUE(verified) << verified.error().message();
    repaired.report = std::move(*report);
    repaired.state = read_state(*db);
    for (const RepairedIndex& index : repaired.report.indexes) {
      if (index.is_there) {
        EXPECT_EQ(repaired.state.indexes[index.name].size(), index.entries);
      }
    }
    return repaired;
  }

  void expect_all(const History& history, const DirectoryImage& damaged, bool complete = true) {
    const Repaired repaired = repair_of(damaged);
    EXPECT_EQ(repaired.state, history.state());
    EXPECT_EQ(repaired.report.complete, complete) << text_of(repaired.report);
    EXPECT_EQ(repaired.report.lost_operations, 0u) << text_of(repaired.report);
    EXPECT_EQ(repaired.report.replayed_operations, history.operations());
  }

  // Entries may be missing, as many as the report says; nothing else may differ.
  void expect_accounted(const History& history, const DirectoryImage& damaged) {
    Repaired repaired = repair_of(damaged);
    const RepairReport& report = repaired.report;
    if (is_about(report, "list of indexes")) return expect_sums(history, repaired);
    bool all = report.named_values_were_whole;
    std::map<std::string, Account> accounts;
    for (const RepairedIndex& index : report.indexes) {
      Account& account = accounts[index.name];
      account.entries += index.salvaged_entries + index.lost_entries.value_or(0);
      account.lost += index.lost_entries.value_or(0);
      account.is_known = account.is_known && index.lost_entries.has_value();
      EXPECT_TRUE(index.lost_entries.has_value() || !index.checkpoint_entries) << text_of(report);
      all = all && index.lost_entries == 0u;
    }
    EXPECT_EQ(report.complete, all) << text_of(report);
    EXPECT_EQ(report.replayed_operations, history.operations());
    EXPECT_EQ(repaired.state.indexes.size(), history.state().indexes.size());
    for (const auto& [name, entries] : history.checkpoint_state().indexes) {
      ASSERT_TRUE(accounts.contains(name)) << name;
      if (accounts[name].is_known) {
        EXPECT_EQ(accounts[name].entries, entries.size()) << name << ": " << text_of(report);
      } else {
        EXPECT_LE(accounts[name].entries, entries.size()) << name << ": " << text_of(report);
        EXPECT_TRUE(is_about(report, "root object"));
      }
    }
    for (const auto& [name, entries] : history.state().indexes) {
      const auto& found = repaired.state.indexes[name];
      EXPECT_TRUE(std::ranges::includes(entries, found)) << name << " holds what it should not";
      if (!accounts[name].is_known) continue;
      EXPECT_LE(entries.size() - found.size(), accounts[name].lost) << name;
      if (history.operations() == 0) {
        EXPECT_EQ(entries.size() - found.size(), accounts[name].lost) << name;
      }
    }
    if (report.named_values_were_whole) {
      EXPECT_EQ(repaired.state.values, history.state().values);
    }
  }

  // Names may be lost together with the list of indexes; entries are not.
  static void expect_sums(const History& history, const Repaired& repaired) {
    std::uint64_t expected = 0;
    std::uint64_t found = 0;
    for (const auto& [name, entries] : history.checkpoint_state().indexes)
      expected += entries.size();
    for (const RepairedIndex& index : repaired.report.indexes) found += index.salvaged_entries;
    if (repaired.report.faults.size() == 1) {
      EXPECT_EQ(found, expected);
    }
    EXPECT_LE(found, expected) << text_of(repaired.report);
    EXPECT_FALSE(repaired.report.complete);
  }

  static std::string text_of(const RepairReport& report) {
    std::string text;
    for (const auto* list : {&report.faults, &report.doubts}) {
      for (const Fault& fault : *list) {
        text += fault.file + " " + std::to_string(fault.offset.value_or(0)) + " " + fault.index +
                ": " + fault.text + "\n";
      }
    }
    return text;
  }

  // Runs `check(history)` for a few histories, with or without a tail of the log.
  template <class Check>
  void for_histories(Check&& check) {
    for (int i = 0; i < kHistories && !HasFailure(); ++i) {
      const std::uint64_t seed = seed_ + static_cast<std::uint64_t>(i);
      SCOPED_TRACE(::testing::Message() << "XTREE_TEST_SEED=" << seed);
      random_ = Random(seed);
      History history(random_);
      check(history);
    }
  }

  static constexpr int kHistories = kSanitized ? 3 : 12;
  std::uint64_t seed_ = test_seed("repair");
  Random random_{seed_};
};

std::vector<std::string> files_in(const DirectoryImage& image, const std::string& prefix) {
  std::vector<std::string> names;
  for (const auto& [name, bytes] : image) {
    if (name.starts_with(prefix) && name.back() != '/') names.push_back(name);
  }
  return names;
}

TEST_F(RepairTest, SalvagesAllOfAWholeDatabase) {
  for_histories([&](const History& history) { expect_all(history, history.image()); });
}

TEST_F(RepairTest, FindsAllNodesWithoutAnyTableFile) {
  for_histories([&](const History& history) {
    DirectoryImage image = history.image();
    for (const std::string& name : files_in(image, "table/")) image.erase(name);
    expect_all(history, image);
  });
}

TEST_F(RepairTest, FindsAllNodesWithoutOneOfTheTableFiles) {
  for_histories([&](const History& history) {
    DirectoryImage image = history.image();
    const auto names = files_in(image, "table/");
    if (names.empty()) return;
    const std::string& name = names[random_.below(names.size())];
    if (random_.one_in(2)) {
      image.erase(name);
    } else {
      Bytes& bytes = image[name];
      bytes[random_.below(bytes.size())] ^= std::byte{1};
    }
    expect_all(history, image);
  });
}

TEST_F(RepairTest, DoesWithoutTheNewestManifest) {
  for_histories([&](const History& history) {
    DirectoryImage image = history.image();
    const auto manifests = files_in(image, "MANIFEST-");
    image.erase(manifests.back());
    // A database without a checkpoint has but one.
    expect_all(history, image, manifests.size() > 1);
  });
}

TEST_F(RepairTest, DoesWithoutAnyManifestAndSaysThatItCannotKnow) {
  for_histories([&](const History& history) {
    DirectoryImage image = history.image();
    for (const std::string& name : files_in(image, "MANIFEST-")) image.erase(name);
    expect_all(history, image, false);
  });
}

TEST_F(RepairTest, DoesWithoutASuperblock) {
  for_histories([&](const History& history) {
    DirectoryImage image = history.image();
    if (random_.one_in(2)) {
      image.erase("superblock");
    } else {
      std::ranges::fill(image["superblock"], std::byte{0});
    }
    expect_all(history, image);
  });
}

TEST_F(RepairTest, AccountsForEveryEntryWhenAByteOfASegmentIsFlipped) {
  for_histories([&](const History& history) {
    for (int i = 0; i < 8; ++i) {
      DirectoryImage image = history.image();
      const auto names = files_in(image, "segments/");
      if (names.empty()) return;
      Bytes& bytes = image[names[random_.below(names.size())]];
      bytes[random_.below(bytes.size())] ^= std::byte{0x10};
      expect_accounted(history, image);
    }
  });
}

TEST_F(RepairTest, AccountsForEveryEntryWhenASegmentIsCut) {
  for_histories([&](const History& history) {
    DirectoryImage image = history.image();
    const auto names = files_in(image, "segments/");
    if (names.empty()) return;
    Bytes& bytes = image[names[random_.below(names.size())]];
    bytes.resize(random_.below(bytes.size()));
    expect_accounted(history, image);
  });
}

// All that was acknowledged before the damage is there, and nothing of what came later.
TEST_F(RepairTest, ReplaysTheLogAsFarAsItIsWhole) {
  for_histories([&](const History& history) {
    for (int i = 0; i < 8; ++i) {
      DirectoryImage image = history.image();
      const auto names = files_in(image, "wal/");
      const std::string newest = *begun_log_files(image).rbegin();
      const std::string& name = names[random_.below(names.size())];
      Bytes& bytes = image[name];
      if (random_.one_in(8)) {
        image.erase(name);
      } else if (random_.one_in(8)) {
        bytes.resize(random_.below(bytes.size()));
      } else {
        bytes[random_.below(bytes.size())] ^= std::byte{0x10};
      }
      const Repaired repaired = repair_of(image);
      const RepairReport& report = repaired.report;
      const History::State* state = history.state_after(report.replayed_operations);
      ASSERT_NE(state, nullptr) << text_of(report);
      EXPECT_EQ(repaired.state, *state) << text_of(report);
      const std::uint64_t missing = history.operations() - report.replayed_operations;
      const bool lacks_bytes = is_about(report, "cut off") || is_about(report, "missing");
      EXPECT_EQ(report.complete, report.lost_operations == 0 && !lacks_bytes) << text_of(report);
      // The newest file of the log may be gone as if it had never been made: wal_format.md.
      if (name == newest && image[name].size() < 4096) {
        EXPECT_EQ(report.lost_operations, 0u);
        continue;
      }
      if (report.doubts.empty() && !lacks_bytes) {
        EXPECT_EQ(report.lost_operations, missing) << text_of(report);
      } else {
        EXPECT_LE(report.lost_operations, missing) << text_of(report);
      }
      EXPECT_TRUE(missing == 0 || !report.faults.empty() || !report.doubts.empty());
    }
  });
}

TEST_F(RepairTest, RefusesADirectoryThatIsThere) {
  const History history(random_);
  testing::SimulatedFileSystem files(disk_of(kHistoryDirectory, history.image()));
  RepairOptions options;
  options.file_system = &files;
  ASSERT_TRUE(files.make_directory(kFresh));
  const auto report = repair(kHistoryDirectory, kFresh, options);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), ErrorCode::already_exists);
  EXPECT_EQ(repair("nowhere", "fresh-2", options).error().code(), ErrorCode::not_found);
  EXPECT_EQ(repair(kFresh, "fresh-2", options).error().code(), ErrorCode::not_a_database);
}

}  // namespace
}  // namespace xtree::test
