// Spatial joins: all pairs of boxes of two sets that intersect, by XTree's join and by a window
// query for each box, on XTree and on Boost's packed tree.
//
//   --entries=N          in each set (1000000)
//   --repetitions=N      of each measurement, of which the median counts (3)
//
// Every way has to find the same number of pairs.
#include <xtree/join.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "support/stopwatch.h"
#include "tree/engines.h"

namespace bench {
namespace {

struct Settings {
  std::size_t entries = 1'000'000;
  int repetitions = 3;
};

// One way to find the pairs, which returns how many there are.
struct Way {
  std::string name;
  std::function<std::uint64_t()> find;
};

// The first way is the one that the others are compared with.
void compare(const std::string& what, std::size_t entries, int repetitions,
             const std::vector<Way>& ways) {
  std::uint64_t expected = 0;
  double first = 0;
  for (const Way& way : ways) {
    std::vector<double> times;
    for (int i = 0; i < repetitions; ++i) {
      std::uint64_t pairs = 0;
      times.push_back(seconds_of([&] { pairs = way.find(); }));
      if (expected == 0) expected = pairs;
      if (pairs != expected || pairs == 0) give_up(way.name + " finds other pairs: " + what);
    }
    const double seconds = median(times);
    if (first == 0) first = seconds;
    std::printf("%-16s %-22s %12llu %10.1f %8.2f\n", what.c_str(), way.name.c_str(),
                static_cast<unsigned long long>(expected),
                seconds * 1e9 / static_cast<double>(entries), first / seconds);
  }
}

template <class Geometry>
std::uint64_t ask_for_each(Engine<Geometry>& engine, const std::vector<Geometry>& windows) {
  std::vector<Answer> answers(windows.size());
  engine.windows(windows, answers);
  std::uint64_t pairs = 0;
  for (const Answer& answer : answers) pairs += answer.hits;
  return pairs;
}

template <int D>
void join(const std::string& what, Distribution distribution, const Settings& settings) {
  using Geometry = xtree::Box<D>;
  const auto left = make_entries<Geometry>(distribution, settings.entries, 1);
  // Clusters have the same centres for the same seed, so the other set is the first one, moved.
  auto right = make_entries<Geometry>(distribution, settings.entries, 1);
  const double step = 0.37 / std::pow(static_cast<double>(settings.entries), 1.0 / D);
  std::vector<Geometry> windows;
  for (auto& entry : right) {
    for (int axis = 0; axis < D; ++axis) {
      entry.geometry.min[axis] += step;
      entry.geometry.max[axis] += step;
    }
    windows.push_back(entry.geometry);
  }
  EnginePtr<Geometry> boost = make_boost_rstar<Geometry>();
  EnginePtr<Geometry> ours = make_xtree<Geometry>();
  for (Engine<Geometry>* engine : {boost.get(), ours.get()}) {
    engine->prepare(left);
    engine->load();
  }
  xtree::Index<D> a;
  xtree::Index<D> b;
  a.bulk_load(left).value();
  b.bulk_load(right).value();
  std::uint64_t sum = 0;  // of the values, which so are read
  compare(what, settings.entries, settings.repetitions,
          {{"boost, windows", [&] { return ask_for_each(*boost, windows); }},
           {"xtree, windows", [&] { return ask_for_each(*ours, windows); }},
           {"xtree join",
            [&] {
              std::uint64_t pairs = 0;
              xtree::join(a, b, [&](const auto& one, const auto& other) {
                ++pairs;
                sum += one.value ^ other.value;
              }).value();
              return pairs;
            }},
           {"xtree count_pairs", [&] { return xtree::count_pairs(a, b).value(); }}});
  if (sum == 0) give_up("no values were read");
}

int run(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "--entries=", 10) == 0) {
      settings.entries = std::strtoull(argv[i] + 10, nullptr, 10);
    } else if (std::strncmp(argv[i], "--repetitions=", 14) == 0) {
      settings.repetitions = std::max(1, std::atoi(argv[i] + 14));
    } else {
      give_up(std::string("unknown option ") + argv[i]);
    }
  }
  if (settings.entries == 0) give_up("--entries wants a number");
  std::printf("%-16s %-22s %12s %10s %8s\n", "", "", "pairs", "ns/entry", "x boost");
  join<2>("2-D uniform", Distribution::uniform, settings);
  join<2>("2-D clustered", Distribution::clustered, settings);
  join<3>("3-D uniform", Distribution::uniform, settings);
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run(argc, argv); }
