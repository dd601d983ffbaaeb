// Bulk loads by number of threads, beside the fastest peer that packs a tree and in both modes.
//
//   --entries=N          1000000
//   --repetitions=N      of each measurement, of which the best counts (5)
//
// Times are wall clock, since threads are the question, and beside it the processor time of all
// threads together, which tells what sharing costs on a machine that has other work. Of loads into
// a database there is also the time to the first sync of nodes: what comes then is the disk's work.
#include <xtree/database.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <thread>

#include "resolve/scratch_directory.h"
#include "support/stopwatch.h"
#include "support/sync_clock.h"
#include "tree/engines.h"

namespace bench {
namespace {

struct Settings {
  std::size_t entries = 1'000'000;
  int repetitions = 5;
};

struct Seconds {
  double wall = std::numeric_limits<double>::infinity();
  double processor = std::numeric_limits<double>::infinity();
  double to_sync = std::numeric_limits<double>::infinity();  // in a database
};

// The best of some loads, each into what `prepare` makes off the clock.
template <class Prepare, class Load>
Seconds best_of(int repetitions, Prepare&& prepare, Load&& load) {
  Seconds best;
  for (int i = 0; i < repetitions; ++i) {
    auto target = prepare();
    const auto begun = std::chrono::steady_clock::now();
    const double processor = seconds_of([&] { load(*target); });
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begun;
    best.wall = std::min(best.wall, wall.count());
    best.processor = std::min(best.processor, processor);
    if constexpr (requires { target->files; }) {
      best.to_sync = std::min(best.to_sync, target->files.seconds());
    }
  }
  return best;
}

void print(const char* what, const char* who, unsigned threads, const Seconds& seconds,
           std::size_t entries, const Seconds& alone, const Seconds& peer) {
  const double ns = 1e9 / static_cast<double>(entries);
  const double speedup = alone.wall / seconds.wall;
  std::printf("%-10s %-14s %8u %8.1f %8.1f %8.2f %8.2f %8.2f", what, who, threads,
              seconds.wall * ns, seconds.processor * ns, speedup, speedup / threads,
              peer.wall / seconds.wall);
  if (seconds.to_sync < std::numeric_limits<double>::infinity()) {
    std::printf(" %8.1f", seconds.to_sync * ns);
  }
  std::printf("\n");
}

// 1, 2, 4 and so on, and at last one for each processor.
std::vector<unsigned> thread_counts() {
  const unsigned all = std::max(1u, std::thread::hardware_concurrency());
  std::vector<unsigned> counts;
  for (unsigned threads = 1; threads < all; threads *= 2) counts.push_back(threads);
  counts.push_back(all);
  return counts;
}

template <class Geometry>
using IndexOf = xtree::Index<Geometry::kDimensions, std::uint64_t, double,
                             kIsPoint<Geometry> ? xtree::Shape::points : xtree::Shape::boxes>;

// A database of its own for each load, which ends with its last checkpoint off the clock.
template <class Geometry>
struct DurableTarget {
  xtree::bench::ScratchDirectory directory;
  SyncClock files;
  xtree::Database database =
      xtree::Database::open(directory.path(), {.file_system = &files}).value();
  IndexOf<Geometry> index =
      database
          .template index<Geometry::kDimensions, std::uint64_t, double,
                          kIsPoint<Geometry> ? xtree::Shape::points : xtree::Shape::boxes>("bench")
          .value();
};

template <class Geometry>
void compare(const char* what, const Settings& settings) {
  const auto entries = make_entries<Geometry>(Distribution::uniform, settings.entries, 1);
  const Seconds boost = best_of(
      settings.repetitions,
      [&] {
        EnginePtr<Geometry> engine = make_boost_rstar<Geometry>();
        engine->prepare(entries);
        return engine;
      },
      [](Engine<Geometry>& engine) { engine.load(); });
  print(what, "boost packed", 1, boost, entries.size(), boost, boost);
  Seconds alone;
  for (const unsigned threads : thread_counts()) {
    const Seconds seconds = best_of(
        settings.repetitions, [] { return std::make_unique<IndexOf<Geometry>>(); },
        [&](auto& index) { index.bulk_load(entries, {.threads = threads}).value(); });
    if (threads == 1) alone = seconds;
    print(what, "xtree", threads, seconds, entries.size(), alone, boost);
  }
  for (const unsigned threads : thread_counts()) {
    const Seconds seconds = best_of(
        settings.repetitions, [] { return std::make_unique<DurableTarget<Geometry>>(); },
        [&](auto& target) {
          target.files.start();
          target.index.bulk_load(entries, {.threads = threads}).value();
        });
    print(what, "xtree durable", threads, seconds, entries.size(), alone, boost);
  }
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
  std::printf("%-10s %-14s %8s %8s %8s %8s %8s %8s %8s\n", "2-D", "who", "threads", "ns", "cpu ns",
              "speedup", "per core", "x boost", "to sync");
  compare<xtree::Box<2>>("boxes", settings);
  compare<xtree::Point<2>>("points", settings);
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run(argc, argv); }
