// What the harness found in the engine, each with the smallest test that shows it.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/content.h"
#include "testing/driver.h"
#include "testing/life.h"
#include "testing/state_check.h"
#include "xtree/database.h"
#include "xtree/testing/crash_model.h"
#include "xtree/testing/simulated_file_system.h"

namespace xtree::test {
namespace {

using namespace xtree::testing;

constexpr const char* kDirectory = kDatabaseDirectory;

Fingerprint fingerprint_of(const Script& script) {
  Content content;
  for (const Step& step : script) step.apply_to(content);
  return content.fingerprint();
}

Step step_of(StepKind kind, std::vector<Change> changes = {},
             Durability durability = Durability::strict) {
  return {.kind = kind, .durability = durability, .index = 0, .changes = std::move(changes)};
}

// Kills a process that runs `first` behind its n-th event, opens what it left, runs `second`, and
// cuts the power; calls `check(n, visible, left)` with what the second process found at its start
// and what the loss of all that was not synced left.
template <class Check>
void kill_then_cut_power(const Script& first, const Script& second, Check&& check) {
  const Life killed = live(DiskImage(), 0, first, Content());
  ASSERT_FALSE(killed.failure) << killed.failure->message();
  CrashModel model;
  for (std::size_t n = 0; n < killed.trace.events.size(); ++n) {
    model.apply(killed.trace.events[n]);
    const std::vector<Unit> units = model.units();
    const DiskImage visible = model.build(units, std::vector<Fate>(units.size()));
    const Life next = live(visible, model.next_node(), second, Content());
    ASSERT_FALSE(next.failure) << "killed behind event " << n << ": " << next.failure->message();
    CrashModel after = model;
    for (const Event& event : next.trace.events) after.apply(event);
    const std::vector<Unit> lost = after.units();
    check(n, visible, after.build(lost, std::vector<Fate>(lost.size(), {Loss::lost, false, 0})));
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(Found, AnAttemptAtCreationMayLeaveACopyOfTheSuperblock) {
  SimulatedFileSystem files;
  files.make_directory(kDirectory).value();
  static_cast<void>(files.open(std::string(kDirectory) + "/superblock.new", OpenMode::create));
  const auto database = Database::open(kDirectory, driver_options(files));
  EXPECT_TRUE(database) << database.error().message();
}

TEST(Found, WritesBehindAKilledCreationSurvive) {
  const Script script{step_of(StepKind::create_index),
                      step_of(StepKind::write, {{Action::insert, 0, 1, 0, 0}})};
  kill_then_cut_power({}, script, [&](std::size_t n, const DiskImage&, const DiskImage& left) {
    const auto found = recover_content(left);
    ASSERT_TRUE(found) << "killed behind event " << n << ": " << found.error().message();
    EXPECT_EQ(*found, fingerprint_of(script)) << "killed behind event " << n;
  });
}

TEST(Found, WhatAnOpenShowsSurvivesALossOfPower) {
  const Script script{
      step_of(StepKind::create_index),
      step_of(StepKind::write, {{Action::insert, 0, 1, 0, 0}}),
      step_of(StepKind::write, {{Action::insert, 0, 2, 0, 0}}, Durability::eventual),
      step_of(StepKind::write, {{Action::insert, 0, 3, 0, 0}}, Durability::none),
      step_of(StepKind::checkpoint)};
  const auto check = [](std::size_t n, const DiskImage& shown, const DiskImage& left) {
    const auto before = recover_content(shown);
    const auto after = recover_content(left);
    ASSERT_TRUE(before) << before.error().message();
    ASSERT_TRUE(after) << after.error().message();
    EXPECT_EQ(*before, *after) << "killed behind event " << n;
  };
  kill_then_cut_power(script, {}, check);
}

// What another process finds under a name when this one dies now.
std::string value_after_death(const SimulatedFileSystem& files, std::string_view name) {
  SimulatedFileSystem copy(files.image());
  const auto database = Database::open(kDirectory, driver_options(copy));
  if (!database) return database.error().message();
  return database->get(name).value().value_or("absent");
}

TEST(Found, AGroupOfManyValuesIsReplayed) {
  const std::string large(4096, 'x');
  SimulatedFileSystem files;
  auto database = Database::open(kDirectory, driver_options(files)).value();
  Token last;
  for (int i = 0; i < 400; ++i) {
    Batch batch;
    batch.put("offset", large);
    last = database.apply_async(batch).value();
  }
  database.wait(last).value();
  EXPECT_EQ(value_after_death(files, "offset"), large);
}

TEST(Found, ValuesThatMadeRoomWithoutTheLogDoSoFromTheNextCheckpointOn) {
  const std::string large(4096, 'x');
  constexpr int kMany = 60;
  SimulatedFileSystem files;
  auto database = Database::open(kDirectory, driver_options(files)).value();
  const auto apply_to_all = [&](const std::string& prefix, bool put, Durability durability) {
    for (int i = 0; i < kMany; ++i) {
      Batch batch;
      const std::string name = prefix + std::to_string(i);
      put ? batch.put(name, large) : batch.remove(name);
      database.apply(batch, durability).value();
    }
  };
  apply_to_all("old", true, Durability::strict);
  apply_to_all("old", false, Durability::none);
  Batch batch;
  for (int i = 0; i < kMany; ++i) batch.put("new" + std::to_string(i), large);
  EXPECT_EQ(database.apply(batch).error().code(), ErrorCode::limit_exceeded);
  EXPECT_EQ(value_after_death(files, "old59"), large);
  database.checkpoint().value();
  apply_to_all("new", true, Durability::strict);
  EXPECT_EQ(value_after_death(files, "new59"), large);
}

TEST(Found, OpeningAndClosingLeavesNoMoreAndMoreLogFiles) {
  SimulatedFileSystem files;
  for (int i = 0; i < 40; ++i) {
    Database::open(kDirectory, driver_options(files)).value().close().value();
  }
  EXPECT_LT(files.list(std::string(kDirectory) + "/wal").value().size(), 10u);
}

}  // namespace
}  // namespace xtree::test
