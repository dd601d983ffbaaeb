#include "xtree/join.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "support/generators.h"
#include "support/temporary_directory.h"
#include "xtree/database.h"

namespace xtree::test {
namespace {

using Pairs = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

template <int D, class T>
bool meet(const Box<D, T>& a, const Box<D, T>& b) {
  for (int i = 0; i < D; ++i) {
    if (a.max[i] < b.min[i] || b.max[i] < a.min[i]) return false;
  }
  return true;
}

// Two sets of entries whose values are their places, in indexes of either mode.
template <int D, class T, Shape SA, Shape SB>
class Sides {
 public:
  using IndexA = Index<D, std::uint64_t, T, SA>;
  using IndexB = Index<D, std::uint32_t, T, SB>;  // another value, so another layout

  Sides(Pattern pattern, std::uint64_t seed, std::size_t count_a, std::size_t count_b)
      : random_(seed) {
    Generator<D, T> generator(pattern, seed);
    for (std::size_t i = 0; i < count_a; ++i) {
      a.push_back({generator.template geometry<SA>(), i});
    }
    for (std::size_t i = 0; i < count_b; ++i) {
      b.push_back({generator.template geometry<SB>(), static_cast<std::uint32_t>(i)});
    }
  }

  [[nodiscard]] Pairs brute_force() const {
    Pairs pairs;
    for (const auto& one : a) {
      const Box<D, T> box(one.geometry);
      for (const auto& other : b) {
        if (meet(box, Box<D, T>(other.geometry))) pairs.emplace_back(one.value, other.value);
      }
    }
    return pairs;
  }

  // By a bulk load, or one by one with some that come and go, which leaves nodes of any fill.
  template <class I, class Entries>
  void fill(I& index, const Entries& entries) {
    if (random_.one_in(2)) {
      index.bulk_load(entries).value();
      return;
    }
    for (const auto& entry : entries) index.insert(entry.geometry, entry.value).value();
    std::vector<typename I::Entry> gone;
    for (const auto& entry : entries) {
      if (!random_.one_in(3)) continue;
      ASSERT_TRUE(index.erase(entry.geometry, entry.value).value());
      gone.push_back(entry);
    }
    for (const auto& entry : gone) index.insert(entry.geometry, entry.value).value();
  }

  std::vector<typename IndexA::Entry> a;
  std::vector<typename IndexB::Entry> b;

 private:
  Random random_;
};

// The pairs of a join, sorted; each hit must be what was inserted under its value.
template <class Sides, class A, class B>
Pairs joined(const Sides& sides, const A& a, const B& b) {
  Pairs pairs;
  const auto done = join(a, b, [&](const auto& one, const auto& other) {
    using Box = std::decay_t<decltype(one.box)>;
    EXPECT_EQ(one.box, Box(sides.a.at(one.value).geometry));
    EXPECT_EQ(other.box, Box(sides.b.at(other.value).geometry));
    pairs.emplace_back(one.value, other.value);
  });
  EXPECT_TRUE(done.has_value());
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

template <int D, class T, Shape SA, Shape SB>
void check_in_memory(Pattern pattern, std::uint64_t seed, std::size_t count_a,
                     std::size_t count_b) {
  SCOPED_TRACE(testing::Message() << D << " dimensions of " << sizeof(T) << " bytes, "
                                  << to_string(pattern) << ", " << count_a << " and " << count_b);
  Sides<D, T, SA, SB> sides(pattern, seed, count_a, count_b);
  typename decltype(sides)::IndexA a;
  typename decltype(sides)::IndexB b;
  sides.fill(a, sides.a);
  sides.fill(b, sides.b);
  const Pairs expected = sides.brute_force();
  ASSERT_EQ(joined(sides, a, b), expected);
  EXPECT_EQ(count_pairs(a, b).value(), expected.size());
  EXPECT_EQ(count_pairs(b, a).value(), expected.size());
}

template <int D>
void check_dimension(std::uint64_t seed) {
  for (const Pattern pattern : kPatterns) {
    check_in_memory<D, double, Shape::boxes, Shape::boxes>(pattern, seed, 500, 700);
    check_in_memory<D, double, Shape::points, Shape::boxes>(pattern, seed, 900, 120);
    check_in_memory<D, float, Shape::boxes, Shape::points>(pattern, seed, 100, 800);
    check_in_memory<D, float, Shape::points, Shape::points>(pattern, seed, 300, 300);
  }
}

TEST(Join, FindsEveryPairOnceIn1Dimension) { check_dimension<1>(test_seed("Join")); }
TEST(Join, FindsEveryPairOnceIn2Dimensions) { check_dimension<2>(test_seed("Join")); }
TEST(Join, FindsEveryPairOnceIn3Dimensions) { check_dimension<3>(test_seed("Join")); }
TEST(Join, FindsEveryPairOnceIn8Dimensions) { check_dimension<8>(test_seed("Join")); }

TEST(Join, WorksForTreesOfDifferentHeights) {
  const std::uint64_t seed = test_seed("Join");
  // No node, one, two levels, three levels.
  const std::size_t counts[] = {0, 1, 60, 3000, kSanitized ? 7000u : 20000u};
  for (const std::size_t few : counts) {
    for (const std::size_t many : counts) {
      if (few * many > 5'000'000 || few > many) continue;
      check_in_memory<2, double, Shape::boxes, Shape::boxes>(Pattern::uniform, seed, few, many);
      check_in_memory<2, double, Shape::boxes, Shape::boxes>(Pattern::clustered, seed, many, few);
    }
  }
}

TEST(Join, OfAnIndexWithItselfHasEveryPairTwiceAndEachEntryWithItself) {
  const std::uint64_t seed = test_seed("Join");
  Sides<2, double, Shape::boxes, Shape::boxes> sides(Pattern::uniform, seed, 2000, 0);
  Index<2> index;
  sides.fill(index, sides.a);
  Pairs expected;
  for (const auto& one : sides.a) {
    for (const auto& other : sides.a) {
      if (meet(one.geometry, other.geometry)) expected.emplace_back(one.value, other.value);
    }
  }
  Pairs pairs;
  ASSERT_TRUE(join(index, index, [&](const auto& one, const auto& other) {
    pairs.emplace_back(one.value, other.value);
  }));
  std::sort(pairs.begin(), pairs.end());
  EXPECT_EQ(pairs, expected);
}

TEST(Join, StopsWhenTheVisitorSaysSo) {
  Index<1> index;
  for (std::uint64_t i = 0; i < 1000; ++i) index.insert({{0.0}, {1.0}}, i).value();
  for (const std::uint64_t wanted : {1, 2, 77, 100'000}) {
    std::uint64_t calls = 0;
    ASSERT_TRUE(join(index, index, [&](const auto&, const auto&) { return ++calls < wanted; }));
    EXPECT_EQ(calls, wanted);
  }
}

class DurableJoin : public testing::Test {
 protected:
  DurableJoin() { options_.durability = Durability::none; }
  Database open() { return Database::open(directory_ / "db", options_).value(); }

  TemporaryDirectory directory_;
  Options options_;
};

TEST_F(DurableJoin, AnswersAlikeInAnyModesAndAfterReopening) {
  const std::uint64_t seed = test_seed("DurableJoin");
  using Two = Sides<2, double, Shape::boxes, Shape::points>;
  Two sides(Pattern::clustered, seed, 3000, 4000);
  const Pairs expected = sides.brute_force();
  Two::IndexA cache;
  sides.fill(cache, sides.a);
  for (const bool reopened : {false, true}) {
    SCOPED_TRACE(reopened);
    Database db = open();
    auto a = db.index<2>("a").value();
    auto b = db.index<2, std::uint32_t, double, Shape::points>("b").value();
    if (!reopened) {
      sides.fill(a, sides.a);
      sides.fill(b, sides.b);
    }
    EXPECT_EQ(joined(sides, a, b), expected);
    EXPECT_EQ(joined(sides, cache, b), expected);
    EXPECT_EQ(count_pairs(b, cache).value(), expected.size());
    const Snapshot snapshot = db.snapshot();
    ASSERT_TRUE(a.clear());
    EXPECT_EQ(count_pairs(a, b).value(), 0u);
    EXPECT_EQ(joined(sides, AsOf(a, snapshot), AsOf(b, snapshot)), expected);
    EXPECT_EQ(joined(sides, AsOf(a, snapshot), b), expected);
    EXPECT_EQ(joined(sides, cache, AsOf(b, snapshot)), expected);
    sides.fill(a, sides.a);
    ASSERT_TRUE(db.close());
  }
}

TEST_F(DurableJoin, IsNotDisturbedByWhatItsVisitorWrites) {
  Database db = open();
  auto index = db.index<1>("a").value();
  for (std::uint64_t i = 0; i < 500; ++i) index.insert({{0.0}, {1.0}}, i).value();
  std::uint64_t pairs = 0;
  ASSERT_TRUE(join(index, index, [&](const auto& one, const auto& other) {
    ++pairs;
    if (one.value == other.value) {
      index.insert({{0.0}, {1.0}}, 1000 + one.value).value();
      ASSERT_TRUE(index.erase({{0.0}, {1.0}}, one.value).value());
    }
  }));
  EXPECT_EQ(pairs, 500u * 500u);
}

TEST_F(DurableJoin, SaysWhyItCannotAnswer) {
  Database db = open();
  Options options = options_;
  Database other = Database::open(directory_ / "other", options).value();
  auto a = db.index<2>("a").value();
  auto b = other.index<2>("b").value();
  const Index<2> cache;
  const auto code = [](const auto& joined) { return joined.error().code(); };
  const Snapshot before = db.snapshot();
  auto late = db.index<2>("late").value();
  EXPECT_EQ(code(count_pairs(AsOf(b, before), a)), ErrorCode::invalid_argument);
  EXPECT_EQ(code(count_pairs(a, AsOf(b, before))), ErrorCode::invalid_argument);
  EXPECT_EQ(code(count_pairs(cache, AsOf(cache, before))), ErrorCode::invalid_argument);
  EXPECT_EQ(code(count_pairs(a, AsOf(late, before))), ErrorCode::not_found);
  ASSERT_TRUE(db.drop_index("late"));
  EXPECT_EQ(code(count_pairs(a, late)), ErrorCode::not_found);
  EXPECT_EQ(count_pairs(a, b).value(), 0u);
  ASSERT_TRUE(other.close());
  EXPECT_EQ(code(count_pairs(a, b)), ErrorCode::closed);
  EXPECT_EQ(code(join(b, a, [](const auto&, const auto&) {})), ErrorCode::closed);
}

// Each batch moves one box from place to place in both indexes, so in every state each box of one
// has exactly its partner in the other. Two states would show an odd one.
TEST_F(DurableJoin, SeesTwoIndexesOfADatabaseInOneState) {
  constexpr std::uint64_t kBoxes = 300;
  constexpr int kJoins = 60;
  Database db = open();
  auto a = db.index<1>("a").value();
  auto b = db.index<1>("b").value();
  const auto place = [](std::uint64_t at) {
    return Box<1>(Point<1>(static_cast<double>(4 * at)), Point<1>(static_cast<double>(4 * at + 1)));
  };
  for (std::uint64_t i = 0; i < kBoxes; ++i) {
    a.insert(place(i), i).value();
    b.insert(place(i), i).value();
  }
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (std::uint64_t i = 0; !done; ++i) {
      const std::uint64_t value = i % kBoxes;
      Batch batch;
      batch.erase(a, place(i), value).insert(a, place(i + kBoxes), value);
      batch.erase(b, place(i), value).insert(b, place(i + kBoxes), value);
      if (!db.apply(batch)) std::abort();
    }
  });
  for (int i = 0; i < kJoins; ++i) {
    std::uint64_t pairs = 0;
    EXPECT_TRUE(join(a, b, [&](const auto& one, const auto& other) {
      EXPECT_EQ(one.value, other.value);
      ++pairs;
    }));
    EXPECT_EQ(pairs, kBoxes);
    EXPECT_EQ(count_pairs(b, a).value(), kBoxes);
  }
  done = true;
  writer.join();
}

}  // namespace
}  // namespace xtree::test
