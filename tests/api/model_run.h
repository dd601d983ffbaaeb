// Long random mixes of writes on an index, compared with the model as they go.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "api/query_check.h"
#include "support/temporary_directory.h"
#include "xtree/database.h"

namespace xtree::test {

template <int Dimensions, class Scalar, Shape TheShape>
struct Configuration {
  static constexpr int D = Dimensions;
  using T = Scalar;
  static constexpr Shape S = TheShape;
  using Index = xtree::Index<D, std::uint64_t, T, S>;
};

// The index in memory.
template <class C>
class MemoryPlace {
 public:
  typename C::Index& index() { return index_; }
  void check(const Model<typename C::Index>& model, Generator<C::D, typename C::T>& generator) {
    const Newest<typename C::Index> view{index_};
    QueryCheck check(view, model, generator);
    check.all();
    check.whole();
  }
  void between_steps() {}

 private:
  typename C::Index index_;
};

// The index in a database, which is reopened now and then. Half of the checks ask a snapshot.
template <class C>
class DurablePlace {
 public:
  DurablePlace(Durability durability, std::uint64_t seed) : random_(seed) {
    options_.durability = durability;
    options_.checkpoint_log_bytes = 256 << 10;
    options_.log_file_bytes = 128 << 10;
    // Half of the runs evict nodes: some of them, or all that they can.
    if (random_.one_in(2)) options_.cache_bytes = random_.one_in(2) ? 1 : 256 << 10;
    // Two thirds pack their nodes, where the library was built for it.
    const auto wanted = static_cast<Compression>(random_.below(3));
    if (is_supported(wanted)) compression_ = wanted;
    open();
  }

  typename C::Index& index() { return *index_; }

  void check(const Model<typename C::Index>& model, Generator<C::D, typename C::T>& generator) {
    if (random_.one_in(2)) {
      const Newest<typename C::Index> view{*index_};
      QueryCheck(view, model, generator).all();
    } else {
      const Snapshot snapshot = database_->snapshot();
      const Pinned<typename C::Index> view{snapshot, *index_};
      QueryCheck(view, model, generator).all();
    }
    const Newest<typename C::Index> view{*index_};
    QueryCheck(view, model, generator).whole();
    const auto verified = database_->verify();
    ASSERT_TRUE(verified) << verified.error().message();
    if (random_.one_in(3)) reopen();
  }
  void between_steps() {
    if (!random_.one_in(500)) return;
    const auto done = database_->checkpoint();
    ASSERT_TRUE(done) << done.error().message();
  }

 private:
  void open() {
    auto database = Database::open(directory_ / "db", options_);
    ASSERT_TRUE(database) << database.error().message();
    database_.emplace(std::move(database).value());
    auto index =
        database_->index<C::D, std::uint64_t, typename C::T, C::S>("entries",
                                                                   {.compression = compression_});
    ASSERT_TRUE(index) << index.error().message();
    index_.emplace(std::move(index).value());
  }
  void reopen() {
    index_.reset();
    const auto closed = database_->close();
    ASSERT_TRUE(closed) << closed.error().message();
    database_.reset();
    open();
  }

  TemporaryDirectory directory_;
  Options options_;
  Compression compression_ = Compression::none;
  Random random_;
  std::optional<Database> database_;
  std::optional<typename C::Index> index_;
};

template <class C, class Place>
class ModelRun {
 public:
  using Index = typename C::Index;
  using Geometry = typename Index::Geometry;

  ModelRun(Place& place, Pattern pattern, std::uint64_t seed)
      : place_(place), generator_(pattern, seed), random_(seed + 1) {}

  // Grows to about `most` entries and shrinks again, over and over.
  void run(std::size_t steps, std::size_t most, std::size_t check_every) {
    bool growing = true;
    for (std::size_t step = 0; step < steps; ++step) {
      if (model_.size() >= most) growing = false;
      if (model_.size() <= most / 8) growing = true;
      write(growing, most);
      place_.between_steps();
      if (step % check_every == check_every - 1) {
        SCOPED_TRACE("step " + std::to_string(step));
        place_.check(model_, generator_);
      }
      if (testing::Test::HasFailure()) return;
    }
    place_.check(model_, generator_);
  }

 private:
  using ModelType = Model<Index>;

  void write(bool growing, std::size_t most) {
    const std::uint64_t choice = random_.below(1000);
    if (choice < 3) {
      bulk_load(most / 3);
    } else if (choice == 3) {
      ASSERT_TRUE(place_.index().clear());
      model_.clear();
    } else if (choice < 150) {
      update();
    } else if (growing ? choice < 800 : choice < 350) {
      insert();
    } else {
      erase();
    }
  }

  void insert() {
    Geometry geometry = generator_.template geometry<C::S>();
    std::uint64_t value = random_.below(1 << 20);
    if (model_.size() != 0 && random_.one_in(10)) {
      const auto& twin = model_.items()[random_.below(model_.size())];
      geometry = geometry_of<Index>(twin.box);
      if (random_.one_in(2)) value = twin.value;
    }
    const auto done = place_.index().insert(geometry, value);
    ASSERT_TRUE(done) << done.error().message();
    model_.insert(geometry, value);
  }

  void erase() {
    const auto [geometry, value] = present_or_absent();
    const auto done = place_.index().erase(geometry, value);
    ASSERT_TRUE(done) << done.error().message();
    ASSERT_EQ(*done, model_.erase(geometry, value));
  }

  void update() {
    const auto [from, value] = present_or_absent();
    const Geometry to = generator_.template geometry<C::S>();
    const auto done = place_.index().update(from, to, value);
    ASSERT_TRUE(done) << done.error().message();
    ASSERT_EQ(*done, model_.update(from, to, value));
  }

  std::pair<Geometry, std::uint64_t> present_or_absent() {
    if (model_.size() == 0 || random_.one_in(12)) {
      return {generator_.template geometry<C::S>(), random_.below(1 << 20)};
    }
    const auto& item = model_.items()[random_.below(model_.size())];
    const std::uint64_t value = random_.one_in(30) ? item.value + 1 : item.value;
    return {geometry_of<Index>(item.box), value};
  }

  void bulk_load(std::size_t most) {
    std::vector<typename Index::Entry> entries(random_.below(most + 1));
    for (auto& entry : entries) {
      entry.geometry = generator_.template geometry<C::S>();
      entry.value = random_.below(1 << 20);
    }
    const auto done = place_.index().bulk_load(entries);
    ASSERT_TRUE(done) << done.error().message();
    for (const auto& entry : entries) model_.insert(entry.geometry, entry.value);
  }

  Place& place_;
  Generator<C::D, typename C::T> generator_;
  Random random_;
  ModelType model_;
};

template <class C>
class ModelTest : public testing::Test {
 protected:
  template <class Place>
  void run(Place& place, Pattern pattern, std::uint64_t seed, std::size_t steps,
           std::size_t most) {
    SCOPED_TRACE(std::string(to_string(pattern)) + ", seed " + std::to_string(seed));
    ModelRun<C, Place>(place, pattern, seed).run(steps, most, steps / 6);
  }
};

TYPED_TEST_SUITE_P(ModelTest);

TYPED_TEST_P(ModelTest, AnswersEqualBruteForceInMemory) {
  const std::uint64_t seed = test_seed("model");
  for (const Pattern pattern : kPatterns) {
    MemoryPlace<TypeParam> place;
    this->run(place, pattern, seed, kSanitized ? 1500 : 6000, kSanitized ? 500 : 2000);
    if (this->HasFailure()) return;
  }
}

TYPED_TEST_P(ModelTest, AnswersEqualBruteForceInADatabase) {
  const std::uint64_t seed = test_seed("model");
  for (const Pattern pattern : kPatterns) {
    DurablePlace<TypeParam> place(Durability::eventual, seed);
    this->run(place, pattern, seed, kSanitized ? 600 : 3000, kSanitized ? 300 : 1200);
    if (this->HasFailure()) return;
  }
}

TYPED_TEST_P(ModelTest, AnswersEqualBruteForceWhenEveryWriteIsSynced) {
  const std::uint64_t seed = test_seed("model");
  const Pattern pattern = kPatterns[seed % std::size(kPatterns)];
  DurablePlace<TypeParam> place(Durability::strict, seed);
  this->run(place, pattern, seed, 300, 200);
}

TYPED_TEST_P(ModelTest, AnswersEqualBruteForceWithoutALog) {
  const std::uint64_t seed = test_seed("model");
  const Pattern pattern = kPatterns[seed % std::size(kPatterns)];
  DurablePlace<TypeParam> place(Durability::none, seed);
  this->run(place, pattern, seed, kSanitized ? 600 : 3000, kSanitized ? 300 : 1200);
}

REGISTER_TYPED_TEST_SUITE_P(ModelTest, AnswersEqualBruteForceInMemory,
                            AnswersEqualBruteForceInADatabase,
                            AnswersEqualBruteForceWhenEveryWriteIsSynced,
                            AnswersEqualBruteForceWithoutALog);

}  // namespace xtree::test
