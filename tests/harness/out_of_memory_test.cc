// Every allocation of every call fails once, and from it on for good: the call then succeeds or
// answers `out_of_memory`, nothing that was acknowledged is lost, and nothing is leaked. This file
// has what an index in memory does, and writing to a database and asking it.
#include "harness/out_of_memory.h"

namespace xtree::test {
namespace {

class OutOfMemoryInMemory : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto entries = random_entries(random_, kEntries, 1);
    index_.bulk_load(entries).value();
    insert_into(model_, entries);
  }

  // Makes the call with every allocation failing; `done(model)` is what it does when it succeeds.
  void exhaust(const std::function<Result<void>()>& call,
               const std::function<void(RoadModel&)>& done = [](RoadModel&) {}) {
    for_every_allocation([&](std::uint64_t nth, MemoryFailure failure) {
      FailingMemory memory(nth, failure);
      const Result<void> result = call();
      const bool failed = memory.stop();
      EXPECT_TRUE(result || (failed && result.error().code() == ErrorCode::out_of_memory))
          << "allocation " << nth << ": " << result.error().message();
      if (result) done(model_);
      EXPECT_TRUE(content_of(index_) == model_.sorted()) << "allocation " << nth;
      const auto verified = index_.verify();
      EXPECT_TRUE(verified) << verified.error().message();
      return failed;
    });
  }

  Random random_{test_seed("out of memory")};
  Roads index_;
  RoadModel model_;
};

TEST_F(OutOfMemoryInMemory, ChangesNothingWhereItFails) {
  for (int i = 0; i < 200 && !HasFailure(); ++i) {
    const Box<2> box = random_box(random_);
    const auto value = static_cast<std::uint64_t>(100'000 + i);
    exhaust([&] { return index_.insert(box, value); },
            [&](RoadModel& model) { model.insert(box, value); });
    const auto moved = model_.items()[random_.below(model_.size())];
    const Box<2> to = random_box(random_);
    exhaust([&] { return without_value(index_.update(moved.box, to, moved.value)); },
            [&](RoadModel& model) { model.update(moved.box, to, moved.value); });
    const auto erased = model_.items()[random_.below(model_.size())];
    exhaust([&] { return without_value(index_.erase(erased.box, erased.value)); },
            [&](RoadModel& model) { model.erase(erased.box, erased.value); });
  }
}

TEST_F(OutOfMemoryInMemory, LoadsAllOrNothing) {
  const auto more = random_entries(random_, 100, 1'000'000);
  exhaust([&] { return index_.bulk_load(more); },
          [&](RoadModel& model) { insert_into(model, more); });
  for_every_allocation([&](std::uint64_t nth, MemoryFailure failure) {
    Roads empty;
    FailingMemory memory(nth, failure);
    const auto loaded = empty.bulk_load(more);
    const bool failed = memory.stop();
    EXPECT_TRUE(loaded || loaded.error().code() == ErrorCode::out_of_memory);
    EXPECT_EQ(empty.size().value(), loaded ? more.size() : 0);
    EXPECT_TRUE(empty.verify());
    return failed;
  });
}

// A batch so large that leaves are split for it, which then cannot all be taken back.
TEST_F(OutOfMemoryInMemory, KeepsNoneOfABatchOrSaysSo) {
  const auto more = random_entries(random_, 300, 1'000'000);
  for_every_allocation([&](std::uint64_t nth, MemoryFailure failure) {
    FailingMemory memory(nth, failure);
    const auto loaded = index_.bulk_load(more);
    const bool failed = memory.stop();
    EXPECT_TRUE(index_.verify());
    std::size_t kept = 0;
    for (const auto& entry : more) {
      if (index_.erase(entry.geometry, entry.value).value()) ++kept;
    }
    EXPECT_TRUE(content_of(index_) == model_.sorted());
    if (loaded) {
      EXPECT_EQ(kept, more.size());
    } else {
      EXPECT_EQ(loaded.error().code(), ErrorCode::out_of_memory);
      const std::string message = loaded.error().message();
      EXPECT_EQ(kept != 0, message.find("nor to take") != std::string::npos) << message;
    }
    return failed;
  });
}

// So many entries that threads share the work; they are refused to start, too.
TEST_F(OutOfMemoryInMemory, LoadsAllOrNothingByThreads) {
  const auto many = random_entries(random_, 40'000, 1);
  for_every_allocation([&](std::uint64_t nth, MemoryFailure failure) {
    Roads empty;
    FailingMemory memory(nth, failure);
    const auto loaded = empty.bulk_load(many, {.threads = 3});
    const bool failed = memory.stop();
    EXPECT_TRUE(loaded || loaded.error().code() == ErrorCode::out_of_memory);
    EXPECT_EQ(empty.size().value(), loaded ? many.size() : 0);
    EXPECT_TRUE(empty.verify());
    return failed;
  });
}

TEST_F(OutOfMemoryInMemory, AnswersOrSaysThatItCannot) {
  exhaust([&] { return ask_all(Directly(), index_); });
  exhaust([&] { return join_both(index_, index_); });
  exhaust([&] { return show_nodes(index_); });
  exhaust([&] { return without_value(index_.stats()); });
  exhaust([&] { return index_.verify(); });
  exhaust([&] { return index_.clear(); }, [](RoadModel& model) { model.clear(); });
}

TEST_F(OutOfMemoryInDatabase, SingleWritesHappenOrDoNot) {
  for (int i = 0; i < (kSanitized ? 2 : 6) && !HasFailure(); ++i) {
    const Box<2> box = random_box(random_);
    const auto value = static_cast<std::uint64_t>(100'000 + i);
    exhaust([&] { return roads_->insert(box, value); },
            [&](World& world) { world.roads.insert(box, value); });
    const auto moved = world_.roads.items()[random_.below(world_.roads.size())];
    const Box<2> to = random_box(random_);
    exhaust([&] { return without_value(roads_->update(moved.box, to, moved.value)); },
            [&](World& world) { world.roads.update(moved.box, to, moved.value); });
    const auto erased = world_.roads.items()[random_.below(world_.roads.size())];
    exhaust([&] { return without_value(roads_->erase(erased.box, erased.value)); },
            [&](World& world) { world.roads.erase(erased.box, erased.value); });
  }
}

TEST_F(OutOfMemoryInDatabase, BatchesHappenWhollyOrNotAtAll) {
  const auto more = random_entries(random_, 150, 1'000'000);
  const auto effect = [&](World& world) {
    insert_into(world.roads, more);
    world.values["offset"] = std::to_string(world.roads.size());
  };
  // Short enough to need no memory of the test's own.
  const auto make = [&](Batch& batch) {
    for (const auto& entry : more) batch.insert(*roads_, entry.geometry, entry.value);
    batch.put("offset", std::to_string(world_.roads.size() + more.size()));
  };
  exhaust(
      [&] {
        Batch batch;
        make(batch);
        return db_->apply(batch);
      },
      effect);
  exhaust(
      [&]() -> Result<void> {
        Batch batch;
        make(batch);
        const auto token = db_->apply_async(batch);
        return token ? db_->wait(*token) : Result<void>(token.error());
      },
      effect);
  exhaust([&] { return roads_->bulk_load(more); },
          [&](World& world) { insert_into(world.roads, more); });
  exhaust([&] { return roads_->clear(); }, [&](World& world) { world.roads.clear(); });
}

TEST_F(OutOfMemoryInDatabase, NamedValuesAndIndexesComeAndGo) {
  Batch put;
  put.put("other", std::string(3000, 'x'));
  exhaust([&] { return db_->apply(put); },
          [&](World& world) { world.values["other"] = std::string(3000, 'x'); });
  exhaust([&] { return without_value(db_->get("other")); });
  exhaust([&] { return without_value(db_->indexes()); });
  Batch remove;
  remove.remove("other");
  exhaust([&] { return db_->apply(remove); }, [&](World& world) { world.values.erase("other"); });
  may_be_done_ = true;
  exhaust([&] { return without_value(db_->index<3>("extra")); },
          [](World& world) { world.has_extra = true; });
  may_be_done_ = false;
  exhaust([&] { return db_->drop_index("extra"); }, [](World& world) { world.has_extra = false; },
          [&]() -> Result<void> {
            world_.has_extra = true;
            return without_value(db_->index<3>("extra"));
          });
}

// What nobody waits for needs a thread, which starts with the first such write.
TEST_F(OutOfMemoryInDatabase, FirstWritesThatNeedAThreadHappenOrDoNot) {
  Batch put;
  put.put("offset", "1234");
  Batch remove;
  remove.remove("offset");
  const auto effect = [](World& world) { world.values["offset"] = "1234"; };
  const auto before = [&]() -> Result<void> {
    reopen();
    world_.values.erase("offset");
    return db_->apply(remove);
  };
  exhaust([&] { return db_->apply(put, Durability::eventual); }, effect, before);
  exhaust(
      [&]() -> Result<void> {
        const auto token = db_->apply_async(put);
        return token ? db_->wait(*token) : Result<void>(token.error());
      },
      effect, before);
}

TEST_F(OutOfMemoryInDatabase, AnEmptyIndexIsLoadedOrNot) {
  const auto more = random_entries(random_, 800, 1'000'000);
  exhaust([&] { return roads_->bulk_load(more); },
          [&](World& world) { insert_into(world.roads, more); },
          [&]() -> Result<void> {
            world_.roads.clear();
            return roads_->clear();
          });
}

TEST_F(OutOfMemoryInDatabase, QueriesAnswerOrSayThatTheyCannot) {
  for (const bool cold : {false, true}) {
    const auto before = [&]() -> Result<void> {
      if (cold) reopen();
      return {};
    };
    exhaust([&] { return ask_all(Directly(), *roads_); }, [](World&) {}, before);
    if (cold && kSanitized) continue;
    exhaust([&] { return show_nodes(*roads_); }, [](World&) {}, before);
    exhaust([&] { return join_both(*roads_, *roads_); }, [](World&) {}, before);
    if (HasFailure()) return;
  }
  exhaust([&] {
    const Snapshot snapshot = db_->snapshot();
    return join_both(AsOf(*roads_, snapshot), *roads_);
  });
  exhaust([&] { return ask_all(db_->snapshot(), *roads_); });
  exhaust([&] { return without_value(db_->snapshot().get("offset")); });
  exhaust([&] { return without_value(db_->open_index("roads")); });
  exhaust([&] { return without_value(db_->index<2>("other", {.mode = Mode::in_memory})); });
  exhaust([&] { return without_value(db_->stats()); });
  exhaust([&] { return without_value(roads_->stats()); });
  exhaust([&] { return db_->verify(); });
}

}  // namespace
}  // namespace xtree::test
