// What readers and snapshots cost each other and the writer.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "contest_benchmark.h"
#include "process_figures.h"
#include "scratch_directory.h"
#include "support/random.h"
#include "xtree/database.h"

namespace xtree::bench {
namespace {

constexpr std::uint64_t kEntries = 1'000'000;
constexpr double kWindowSide = 0.01;  // some hundred hits
constexpr auto kSlice = std::chrono::milliseconds(60);
constexpr int kRounds = 15;

Box<2> small_box(test::Random& random, double side) {
  const double x = random.unit() * (1 - side);
  const double y = random.unit() * (1 - side);
  return {{x, y}, {x + side, y + side}};
}

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().message());
    std::exit(1);
  }
  return std::move(result).value();
}

void must(const Result<void>& result) {
  if (result) return;
  std::fprintf(stderr, "%s\n", result.error().message());
  std::exit(1);
}

// One database with an index of a million boxes, which writers change without growing it.
class Scene {
 public:
  Scene() {
    Options options;
    options.durability = Durability::none;
    options.background_checkpoints = false;
    database_.emplace(must(Database::open(directory_.path(), options)));
    index_.emplace(must(database_->index<2>("boxes")));
    test::Random random(1);
    std::vector<Entry<2>> entries(kEntries);
    for (std::uint64_t i = 0; i < kEntries; ++i) entries[i] = {small_box(random, 1e-4), i};
    must(index_->bulk_load(entries));
  }

  Database& database() { return *database_; }
  Index<2>& index() { return *index_; }

 private:
  ScratchDirectory directory_;
  std::optional<Database> database_;
  std::optional<Index<2>> index_;
};

Scene& scene() {
  static Scene the_scene;
  return the_scene;
}

// Another database just like it: who reads there shares the machine with a writer, and nothing
// else.
Scene& elsewhere() {
  static Scene another_scene;
  return another_scene;
}

// What threads did in one slice, for each second of their own processor time: a machine that others
// use as well gives them more or less of it, and none of these threads ever waits.
struct Rates {
  double queries = 0;
  double writes = 0;
};

// Runs work that counts what it does, and adds its rate per second to a sum.
template <class Work>
void add_rate(std::atomic<double>& sum, Work work) {
  const double begin = thread_ns();
  const auto done = static_cast<double>(work());
  sum.fetch_add(1e9 * done / (thread_ns() - begin));
}

std::uint64_t read_until(const std::atomic<bool>& stop, Scene& scene, std::uint64_t seed) {
  test::Random random(seed);
  std::uint64_t queries = 0;
  std::uint64_t hits = 0;
  for (; !stop.load(std::memory_order_relaxed); ++queries) {
    must(scene.index().for_each(intersects(small_box(random, kWindowSide)),
                                [&](const auto& hit) { hits += hit.value; }));
  }
  bench::keep(hits);
  return queries;
}

// Inserts and takes out again what it inserted a thousand writes ago.
std::uint64_t write_until(const std::atomic<bool>& stop, test::Random& random) {
  std::deque<Box<2>> mine;
  std::uint64_t writes = 0;
  while (!stop.load(std::memory_order_relaxed)) {
    mine.push_back(small_box(random, 1e-4));
    must(scene().index().insert(mine.back(), kEntries));
    ++writes;
    if (mine.size() <= 1000) continue;
    must(scene().index().erase(mine.front(), kEntries));
    ++writes;
    mine.pop_front();
  }
  for (const Box<2>& box : mine) must(scene().index().erase(box, kEntries));
  return writes;
}

Rates run_slice(int readers, bool writer, Scene& read = scene()) {
  static test::Random random(99);
  std::atomic<bool> stop = false;
  std::atomic<double> queries = 0;
  std::atomic<double> writes = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < readers; ++i) {
    threads.emplace_back([&, seed = random.next()] {
      add_rate(queries, [&] { return read_until(stop, read, seed); });
    });
  }
  if (writer) {
    threads.emplace_back([&] { add_rate(writes, [&] { return write_until(stop, random); }); });
  }
  std::this_thread::sleep_for(kSlice);
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  return {queries.load() / std::max(readers, 1), writes.load()};
}

// Contests of rates: a turn runs a slice, and what counts is the time that one operation took.
// A rate's ratio is the reciprocal of the time's.
struct Measured {
  const char* name;
  int readers;
  bool writer;
  double Rates::*rate;
  bool read_elsewhere = false;
};

Contest rates(const std::vector<Measured>& parts, std::shared_ptr<const void> held = nullptr) {
  Contest contest;
  if (held) contest.keep(std::move(held));
  for (const Measured& part : parts) {
    contest.add_timed(part.name, [part] {
      return 1e9 / std::max(run_slice(part.readers, part.writer,
                                      part.read_elsewhere ? elsewhere() : scene()).*
                                part.rate,
                            1e-9);
    });
  }
  return contest;
}

// A thousand snapshots, each of another state.
std::shared_ptr<std::vector<Snapshot>> thousand_snapshots() {
  auto snapshots = std::make_shared<std::vector<Snapshot>>();
  test::Random random(5);
  for (int i = 0; i < 1000; ++i) {
    snapshots->push_back(scene().database().snapshot());
    const Box<2> box = small_box(random, 1e-4);
    must(scene().index().insert(box, kEntries));
    must(scene().index().erase(box, kEntries));
  }
  return snapshots;
}

// Turns of both kinds, with the snapshots open and closed.
Contest beside_snapshots(int readers, bool writer, double Rates::*rate) {
  const auto held = std::make_shared<std::shared_ptr<std::vector<Snapshot>>>();
  const auto turn = [=] { return 1e9 / std::max(run_slice(readers, writer).*rate, 1e-9); };
  Contest contest;
  contest.keep(held);
  contest.add_timed("no snapshot", [=] {
    held->reset();
    return turn();
  });
  contest.add_timed("1,000 snapshots open", [=] {
    *held = thousand_snapshots();
    return turn();
  });
  return contest;
}

Contest open_and_close() {
  constexpr int kPerTurn = 20'000;
  Contest contest;
  contest.add("open and close", kPerTurn, [] {
    for (int i = 0; i < kPerTurn; ++i) bench::keep(scene().database().snapshot().epoch());
  });
  const auto held = std::make_shared<std::shared_ptr<std::vector<Snapshot>>>();
  contest.keep(held);
  contest.add("open and close beside 1,000 open ones", kPerTurn, [=] {
    if (!*held) *held = thousand_snapshots();
    for (int i = 0; i < kPerTurn; ++i) bench::keep(scene().database().snapshot().epoch());
  });
  return contest;
}

void print_held(const char* when) {
  const DatabaseStats stats = must(scene().database().stats());
  std::printf("  %-44s %10llu versions %12llu bytes, %llu open, oldest epoch %llu\n", when,
              static_cast<unsigned long long>(stats.versions_held),
              static_cast<unsigned long long>(stats.version_bytes),
              static_cast<unsigned long long>(stats.snapshots),
              static_cast<unsigned long long>(stats.oldest_snapshot));
}

// What one snapshot holds: nothing, then what changed since, then nothing.
Contest memory_held() {
  test::Random random(17);
  print_held("no snapshot");
  {
    const Snapshot snapshot = scene().database().snapshot();
    print_held("one snapshot, nothing changed");
    std::vector<Box<2>> boxes;
    for (int i = 0; i < 1000; ++i) {
      boxes.push_back(small_box(random, 1e-4));
      must(scene().index().insert(boxes.back(), kEntries));
    }
    print_held("one snapshot, 1,000 inserts later");
    for (const Box<2>& box : boxes) must(scene().index().erase(box, kEntries));
    print_held("one snapshot, the same taken out again");
  }
  print_held("snapshot closed");
  return Contest();
}

void register_all() {
  register_contest("snapshots: time", kRounds, open_and_close);
  register_contest("snapshots: memory", 1, memory_held);
  register_contest("readers: ns per query and thread", kRounds, [] {
    return rates({{"1 reader", 1, false, &Rates::queries},
                  {"2 readers", 2, false, &Rates::queries},
                  {"4 readers", 4, false, &Rates::queries}});
  });
  register_contest("2 readers, beside a writer: ns per query", kRounds, [] {
    return rates({{"no writer", 2, false, &Rates::queries},
                  {"writer flat out", 2, true, &Rates::queries},
                  {"writer flat out in another database", 2, true, &Rates::queries, true}});
  });
  register_contest("writer, beside readers: ns per write", kRounds, [] {
    return rates({{"no readers", 0, true, &Rates::writes},
                  {"1 reader", 1, true, &Rates::writes},
                  {"2 readers", 2, true, &Rates::writes},
                  {"3 readers", 3, true, &Rates::writes},
                  {"1 reader of another database", 1, true, &Rates::writes, true},
                  {"2 readers of another database", 2, true, &Rates::writes, true},
                  {"3 readers of another database", 3, true, &Rates::writes, true}});
  });
  register_contest("2 readers beside snapshots: ns per query", kRounds,
                   [] { return beside_snapshots(2, false, &Rates::queries); });
  register_contest("writer beside snapshots: ns per write", kRounds,
                   [] { return beside_snapshots(0, true, &Rates::writes); });
}

}  // namespace
}  // namespace xtree::bench

int main(int count, char** arguments) {
  xtree::bench::register_all();
  return xtree::bench::run_contests(count, arguments);
}
