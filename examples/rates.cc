#include "rates.h"

#include <chrono>
#include <cstdio>
#include <random>

#include "checks.h"

namespace {

constexpr std::size_t kStrictInserts = 2000;  // each waits for the disk
constexpr std::size_t kWindows = 20000;
constexpr std::size_t kNearest = 20000;
constexpr std::uint64_t kNeighbours = 10;

// Runs the work, and tells how many of its steps it would do in a second.
template <class Work>
double rate_of(std::size_t steps, Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  return static_cast<double>(steps) / took.count();
}

void insert_each(CityIndex& index, const std::vector<CityIndex::Entry>& cities, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) take(index.insert(cities[i].geometry, cities[i].value));
}

struct Answers {
  double windows_per_second = 0;
  double nearest_per_second = 0;
  std::uint64_t hits = 0;  // of all windows together
  double distances = 0;    // of all neighbours together
};

// The questions are the same for every index: windows of a degree around cities, and neighbours of
// places that lie beside cities.
Answers ask(const CityIndex& index, const std::vector<CityIndex::Entry>& cities) {
  Answers answers;
  std::mt19937_64 random(20);
  std::uniform_int_distribution<std::size_t> any(0, cities.size() - 1);
  answers.windows_per_second = rate_of(kWindows, [&] {
    for (std::size_t i = 0; i < kWindows; ++i) {
      const xtree::Point<2>& centre = cities[any(random)].geometry;
      const xtree::Box<2> window({centre[0] - 0.5, centre[1] - 0.5},
                                 {centre[0] + 0.5, centre[1] + 0.5});
      take(index.for_each(xtree::intersects(window), [&](const auto&) { ++answers.hits; }));
    }
  });
  answers.nearest_per_second = rate_of(kNearest, [&] {
    for (std::size_t i = 0; i < kNearest; ++i) {
      const xtree::Point<2>& city = cities[any(random)].geometry;
      const xtree::Point<2> place{city[0] + 0.01, city[1] - 0.01};
      take(index.for_each(xtree::nearest(place, kNeighbours),
                          [&](const auto& hit) { answers.distances += hit.distance; }));
    }
  });
  return answers;
}

void print_row(const char* work, double in_memory, double durable) {
  std::printf("  %-38s %12.0f %12.0f\n", work, in_memory, durable);
}

}  // namespace

void compare_modes(xtree::Database& database, const CityIndex& loaded, double durable_batch_rate,
                   const std::vector<CityIndex::Entry>& cities) {
  CityIndex cache;
  const double memory_insert =
      rate_of(cities.size(), [&] { insert_each(cache, cities, cities.size()); });
  CityIndex bulk_cache;
  const double memory_bulk = rate_of(cities.size(), [&] { take(bulk_cache.bulk_load(cities)); });

  auto strict = take(database.index<2, City, double, xtree::Shape::points>("strict"));
  const double durable_insert =
      rate_of(kStrictInserts, [&] { insert_each(strict, cities, kStrictInserts); });
  auto bulk = take(database.index<2, City, double, xtree::Shape::points>("bulk"));
  const double durable_bulk = rate_of(cities.size(), [&] { take(bulk.bulk_load(cities)); });

  const Answers in_memory = ask(cache, cities);
  const Answers durable = ask(loaded, cities);
  const Answers in_memory_bulk = ask(bulk_cache, cities);
  const Answers durable_bulk_loaded = ask(bulk, cities);

  std::printf("  %-38s %12s %12s\n", "per second, one thread", "in memory", "durable");
  print_row("insert, one by one (durable: strict)", memory_insert, durable_insert);
  std::printf("  %-38s %12s %12.0f\n", "insert, batches of 1,000 (strict)", "-",
              durable_batch_rate);
  print_row("bulk load", memory_bulk, durable_bulk);
  print_row("window of one degree, inserted", in_memory.windows_per_second,
            durable.windows_per_second);
  print_row("window of one degree, bulk loaded", in_memory_bulk.windows_per_second,
            durable_bulk_loaded.windows_per_second);
  print_row("nearest ten, inserted", in_memory.nearest_per_second, durable.nearest_per_second);
  print_row("nearest ten, bulk loaded", in_memory_bulk.nearest_per_second,
            durable_bulk_loaded.nearest_per_second);

  for (const Answers* other : {&durable, &in_memory_bulk, &durable_bulk_loaded}) {
    check(other->hits == in_memory.hits, "the windows have %llu hits in one index, %llu in another",
          static_cast<unsigned long long>(in_memory.hits),
          static_cast<unsigned long long>(other->hits));
    // The sums run over the same distances in the same order, so they are the same to the last bit.
    check(other->distances == in_memory.distances, "the nearest differ between two indexes");
  }
}
