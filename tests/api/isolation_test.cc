#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "api/query_check.h"
#include "support/temporary_directory.h"
#include "xtree/database.h"

namespace xtree::test {
namespace {

using Rects = Index<2>;

// One index with its model; the same steps go to all, with other random numbers.
struct Player {
  Player(Rects rects, std::uint64_t seed)
      : index(std::move(rects)), generator(Pattern::clustered, seed), random(seed) {}

  void step() {
    if (model.size() > 20 && random.one_in(3)) {
      const auto item = model.items()[random.below(model.size())];
      ASSERT_TRUE(index.erase(item.box, item.value).value());
      model.erase(item.box, item.value);
    } else {
      const Box<2> box = generator.box();
      const std::uint64_t value = random.next();
      ASSERT_TRUE(index.insert(box, value));
      model.insert(box, value);
    }
  }
  void check() {
    const Newest<Rects> view{index};
    QueryCheck check(view, model, generator);
    check.all();
    check.whole();
  }

  Rects index;
  Model<Rects> model;
  Generator<2, double> generator;
  Random random;
};

Options quick() {
  Options options;
  options.durability = Durability::eventual;
  options.checkpoint_log_bytes = 64 << 10;
  options.log_file_bytes = 64 << 10;
  return options;
}

// Two databases have the same index name, the same NodeIDs and the same epochs.
TEST(Isolation, TwoDatabasesAndAnIndexInMemoryShareNothing) {
  const std::uint64_t seed = test_seed("isolation");
  SCOPED_TRACE(seed);
  TemporaryDirectory directory;
  std::optional<Database> one = Database::open(directory / "one", quick()).value();
  std::optional<Database> two = Database::open(directory / "two", quick()).value();
  std::optional<Player> first, second;
  first.emplace(one->index<2>("entries").value(), seed);
  second.emplace(two->index<2>("entries").value(), seed + 1);
  Player memory(Rects(), seed + 2);
  for (int round = 0; round < 8; ++round) {
    for (int i = 0; i < 400; ++i) {
      first->step();
      second->step();
      memory.step();
    }
    first->check();
    second->check();
    memory.check();
    if (testing::Test::HasFailure()) return;
    ASSERT_TRUE(one->checkpoint());
    EXPECT_TRUE(one->verify());
    EXPECT_TRUE(two->verify());
  }
  Batch batch;
  batch.put("whose", "one");
  ASSERT_TRUE(one->apply(batch));
  EXPECT_FALSE(two->get("whose").value().has_value());

  ASSERT_TRUE(one->close());
  EXPECT_EQ(first->index.size().error().code(), ErrorCode::closed);
  second->check();
  memory.check();
  one.emplace(Database::open(directory / "one", quick()).value());
  first->index = one->index<2>("entries").value();
  first->check();
}

TEST(Isolation, HoldsWhileEachHasItsOwnThread) {
  const std::uint64_t seed = test_seed("isolation");
  SCOPED_TRACE(seed);
  TemporaryDirectory directory;
  Database one = Database::open(directory / "one", quick()).value();
  Database two = Database::open(directory / "two", quick()).value();
  Player players[] = {Player(one.index<2>("entries").value(), seed),
                      Player(two.index<2>("entries").value(), seed + 1),
                      Player(Rects(), seed + 2)};
  std::vector<std::thread> threads;
  for (Player& player : players) {
    threads.emplace_back([&player] {
      for (int i = 0; i < (kSanitized ? 600 : 3000); ++i) player.step();
      player.check();
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST(Isolation, AnIndexInMemoryStartsNoThread) {
  const std::size_t threads = running_threads();
  const std::size_t descriptors = open_descriptors();
  Player player(Rects(), 1);
  for (int i = 0; i < 2000; ++i) player.step();
  player.check();
  EXPECT_EQ(running_threads(), threads);
  EXPECT_EQ(open_descriptors(), descriptors);
}

}  // namespace
}  // namespace xtree::test
