// What durability costs those who read: the same tree in both modes, everything in memory.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "contest_benchmark.h"
#include "scratch_directory.h"
#include "support/random.h"
#include "xtree/database.h"

namespace xtree::bench {
namespace {

using Box = xtree::Box<2>;
using Point = xtree::Point<2>;
using Item = Entry<2>;

constexpr int kRounds = 101;

void must(const Result<void>& result) {
  if (result) return;
  std::fprintf(stderr, "%s\n", result.error().message());
  std::exit(1);
}

std::vector<Item> uniform_boxes(std::uint64_t count, std::uint64_t seed) {
  test::Random random(seed);
  std::vector<Item> items(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const double x = random.unit();
    const double y = random.unit();
    const double side = 1e-4 * random.unit();
    items[i] = {Box{{x, y}, {x + side, y + side}}, i};
  }
  return items;
}

// The same entries in memory and in a database that logs nothing.
struct Pair {
  explicit Pair(std::uint64_t count, bool load = true) : items(uniform_boxes(count, 1)) {
    Options options;
    options.durability = Durability::none;
    options.background_checkpoints = false;
    database = std::make_unique<Database>(Database::open(directory.path(), options).value());
    durable = std::make_unique<Index<2>>(database->index<2>("boxes").value());
    if (!load) return;
    must(memory.bulk_load(items));
    must(durable->bulk_load(items));
  }

  ScratchDirectory directory;
  std::vector<Item> items;
  Index<2> memory;
  std::unique_ptr<Database> database;
  std::unique_ptr<Index<2>> durable;
};

std::vector<Box> windows(double side, std::size_t count) {
  test::Random random(7);
  std::vector<Box> boxes;
  for (std::size_t i = 0; i < count; ++i) {
    const double x = random.unit() * (1 - side);
    const double y = random.unit() * (1 - side);
    boxes.push_back(Box{{x, y}, {x + side, y + side}});
  }
  return boxes;
}

std::uint64_t ask_windows(const Index<2>& index, const std::vector<Box>& boxes) {
  std::uint64_t sum = 0;
  for (const Box& box : boxes) {
    must(index.for_each(intersects(box), [&](const auto& hit) { sum += hit.value; }));
  }
  return sum;
}

std::uint64_t ask_nearest(const Index<2>& index, const std::vector<Box>& boxes, std::uint64_t k) {
  std::uint64_t sum = 0;
  for (const Box& box : boxes) {
    must(index.for_each(nearest(box.min, k), [&](const auto& hit) { sum += hit.value; }));
  }
  return sum;
}

// Answers must agree; that also keeps the compiler from leaving them out.
template <class Ask>
Contest compare(const std::shared_ptr<Pair>& pair, std::vector<Box> boxes, Ask ask) {
  const auto questions = std::make_shared<std::vector<Box>>(std::move(boxes));
  const auto expected = std::make_shared<std::uint64_t>(ask(pair->memory, *questions));
  const auto turn = [=](const Index<2>& index) {
    return [=, &index] {
      if (ask(index, *questions) != *expected) must(Error(ErrorCode::corruption, "bench", "hits"));
    };
  };
  Contest contest;
  contest.keep(pair);
  contest.add("IN_MEMORY", questions->size(), turn(pair->memory));
  contest.add("DURABLE", questions->size(), turn(*pair->durable));
  return contest;
}

// The last pair, so that the contests of one size share it.
std::shared_ptr<Pair> pair_of(std::uint64_t entries) {
  static std::shared_ptr<Pair> last;
  if (!last || last->items.size() != entries) {
    last.reset();
    last = std::make_shared<Pair>(entries);
  }
  return last;
}

// Inserts the next entries into both, again and again, into trees that stay of about one size.
Contest compare_inserts(std::uint64_t entries) {
  constexpr std::uint64_t kPerTurn = 2000;
  const auto pair = std::make_shared<Pair>(entries);
  const auto fresh = std::make_shared<std::vector<Item>>(uniform_boxes(kPerTurn * 200, 2));
  const auto turn = [=](Index<2>& index) {
    return [=, &index, at = std::size_t{0}]() mutable {
      for (std::uint64_t i = 0; i < kPerTurn; ++i, ++at) {
        const Item& item = (*fresh)[at % fresh->size()];
        must(index.insert(item.geometry, item.value));
      }
    };
  };
  Contest contest;
  contest.keep(pair);
  contest.add("IN_MEMORY", kPerTurn, turn(pair->memory));
  contest.add("DURABLE, Durability::none", kPerTurn, turn(*pair->durable));
  return contest;
}

void register_size(std::uint64_t entries) {
  const std::string size = std::string(1, '/').append(std::to_string(entries));
  register_contest("point" + size, kRounds, [=] {
    return compare(pair_of(entries), windows(0, 4000),
                   [](const auto& index, const auto& boxes) { return ask_windows(index, boxes); });
  });
  // A window of a hundred-thousandth of the area, and one with about a thousand hits.
  register_contest("window 1e-5" + size, kRounds, [=] {
    return compare(pair_of(entries), windows(3.2e-3, 2000),
                   [](const auto& index, const auto& boxes) { return ask_windows(index, boxes); });
  });
  register_contest("window of 1000 hits" + size, kRounds, [=] {
    return compare(pair_of(entries), windows(std::sqrt(1000.0 / double(entries)), 400),
                   [](const auto& index, const auto& boxes) { return ask_windows(index, boxes); });
  });
  for (const std::uint64_t k : {1, 10, 100}) {
    register_contest(std::string("nearest ").append(std::to_string(k)) + size, kRounds, [=] {
      return compare(pair_of(entries), windows(0, 1000), [k](const auto& index, const auto& boxes) {
        return ask_nearest(index, boxes, k);
      });
    });
  }
  register_contest("insert" + size, kRounds, [=] { return compare_inserts(entries); });
}

}  // namespace
}  // namespace xtree::bench

int main(int count, char** arguments) {
  for (const std::uint64_t entries : {100'000, 1'000'000, 10'000'000}) {
    xtree::bench::register_size(entries);
  }
  return xtree::bench::run_contests(count, arguments);
}
