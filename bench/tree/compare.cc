// XTree beside everybody whom Debian packages: all works, on many kinds of data, in one process.
// Prints tables, writes bench/results/; see bench/README.md.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <type_traits>
#include <vector>

#include "support/machine.h"
#include "support/memory.h"
#include "tree/contest.h"
#include "tree/contest_aims.h"

namespace bench {

bool matches(const std::string& name, const std::vector<std::string>& parts) {
  if (parts.empty()) return true;
  for (const std::string& part : parts) {
    if (name.find(part) != std::string::npos) return true;
  }
  return false;
}

namespace {

constexpr std::uint64_t kSeed = 7;

struct Settings : ContestOptions {
  bool quick = false;
  std::vector<std::string> data;  // parts of names of data sets; empty means all
  std::string cities = "data/cities.csv";
  std::string results = "bench/results";

  [[nodiscard]] std::size_t scaled(std::size_t entries) const {
    return quick ? entries / 20 : entries;
  }
  [[nodiscard]] bool wants(const std::string& name) const { return matches(name, data); }
  // Whether anything is wanted for which trees have to be built.
  [[nodiscard]] bool wants_contests() const {
    for (const char* work : kContestWorks) {
      if (matches(work, rows)) return true;
    }
    return false;
  }
};

template <class Geometry>
std::string data_text(const std::string& distribution) {
  return DataName{Geometry::kDimensions, kIsPoint<Geometry> ? "points" : "boxes", distribution, 0}
      .text();
}

template <class Geometry>
void hold_contest(const Settings& settings, Ledger& ledger, Distribution distribution,
                  std::size_t count, Extent extent) {
  const std::string name = to_string(distribution);
  if (!settings.wants(data_text<Geometry>(name))) return;
  Contest<Geometry>(name, make_entries<Geometry>(distribution, count, kSeed), extent, settings,
                    ledger)
      .run();
}

template <class Geometry>
void hold_city_contest(const Settings& settings, Ledger& ledger) {
  if (!settings.wants(data_text<Geometry>("cities"))) return;
  Entries<Geometry> entries = city_entries<Geometry>(settings.cities, kSeed);
  if (entries.empty()) give_up(settings.cities + ": no cities here");
  Contest<Geometry>("cities", std::move(entries), Extent::queries, settings, ledger).run();
}

template <class Geometry>
void hold_contests(const Settings& settings, Ledger& ledger, std::size_t count) {
  for (const Distribution distribution :
       {Distribution::uniform, Distribution::clustered, Distribution::correlated}) {
    const bool chores =
        Geometry::kDimensions == 2 && !kIsPoint<Geometry> && distribution == Distribution::uniform;
    hold_contest<Geometry>(settings, ledger, distribution, count,
                           chores ? Extent::chores : Extent::queries);
  }
}

// What an insert costs as the tree grows, for those that are fast enough to be waited for.
void grow(const Settings& settings, Ledger& ledger) {
  using Geometry = xtree::Box<2>;
  for (const char* growth : {"growth", "growth sorted"}) {
    if (!settings.wants(data_text<Geometry>(growth))) continue;
    Settings few = settings;
    if (few.peers.empty()) few.peers = {"xtree", "boost rstar", "boost linear", "boost packed"};
    const bool sorted = std::string(growth) == "growth sorted";
    for (const std::size_t count : {10'000, 100'000, 1'000'000, 10'000'000}) {
      const auto distribution = sorted ? Distribution::sorted : Distribution::uniform;
      Contest<Geometry>(growth, make_entries<Geometry>(distribution, settings.scaled(count), kSeed),
                        Extent::deliveries, few, ledger)
          .run();
    }
  }
}

template <class Geometry>
void weigh(const Settings& settings, Ledger& ledger) {
  if (!matches("memory", settings.rows) || !settings.wants(data_text<Geometry>("uniform"))) return;
  const auto entries =
      make_entries<Geometry>(Distribution::uniform, settings.scaled(1'000'000), kSeed);
  for (const Subject<Geometry>& subject : contestants<Geometry>()) {
    if (!matches(subject.name, settings.peers)) continue;
    const double growth = resident_growth([&](const auto& built) {
      const EnginePtr<Geometry> engine = build(subject, entries);
      built();
    });
    ledger.add_footprint({{Geometry::kDimensions, kIsPoint<Geometry> ? "points" : "boxes",
                           "uniform", entries.size()},
                          subject.name,
                          growth / static_cast<double>(entries.size())});
  }
}

// Points of floats, which only XTree is asked for.
void weigh_floats(const Settings& settings, Ledger& ledger) {
  if (!matches("memory", settings.rows) || !settings.wants("2-D points of floats")) return;
  const auto entries =
      make_entries<xtree::Point<2>>(Distribution::uniform, settings.scaled(1'000'000), kSeed);
  const double growth = resident_growth([&](const auto& built) {
    xtree::PointIndex<2, std::uint64_t, float> index;
    for (const auto& entry : entries) {
      index.insert({entry.geometry[0], entry.geometry[1]}, entry.value).value();
    }
    built();
  });
  ledger.add_footprint({{2, "points", "of floats", entries.size()},
                        "xtree",
                        growth / static_cast<double>(entries.size())});
}

void hold_all(const Settings& settings, Ledger& ledger) {
  // First, while no allocator has anything left over that a tree could move into.
  weigh<xtree::Box<2>>(settings, ledger);
  weigh<xtree::Point<2>>(settings, ledger);
  weigh_floats(settings, ledger);
  if (!settings.wants_contests()) return;
  const std::size_t many = settings.scaled(1'000'000);
  const std::size_t fewer = settings.scaled(200'000);
  hold_contests<xtree::Box<2>>(settings, ledger, many);
  hold_contests<xtree::Point<2>>(settings, ledger, many);
  hold_city_contest<xtree::Box<2>>(settings, ledger);
  hold_city_contest<xtree::Point<2>>(settings, ledger);
  hold_contests<xtree::Box<3>>(settings, ledger, many);
  hold_contests<xtree::Point<3>>(settings, ledger, many);
  hold_contests<xtree::Box<8>>(settings, ledger, fewer);
  hold_contests<xtree::Point<8>>(settings, ledger, fewer);
  hold_contests<xtree::Box<16>>(settings, ledger, fewer);
  hold_contests<xtree::Point<16>>(settings, ledger, fewer);
  for (const Distribution distribution :
       {Distribution::hilbert, Distribution::sorted, Distribution::equal}) {
    hold_contest<xtree::Box<2>>(settings, ledger, distribution, many, Extent::deliveries);
    hold_contest<xtree::Point<2>>(settings, ledger, distribution, many, Extent::deliveries);
  }
  grow(settings, ledger);
}

int run(int argc, char** argv) {
  Settings settings;
  CLI::App app("XTree beside other spatial indexes");
  app.add_flag("--quick", settings.quick, "A twentieth of the entries");
  app.add_option("--rows", settings.rows,
                 "Only works with one of these in their names, as in 'insert' or 'window'");
  app.add_option("--data", settings.data,
                 "Only data with one of these in their names, as in '2-D boxes' or 'clustered'");
  app.add_option("--peers", settings.peers, "Only peers with one of these in their names");
  app.add_option("--repetitions", settings.repetitions, "Of everything; medians count")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--patience", settings.patience_seconds,
                 "Seconds for a peer and a data set, after which it is not repeated")
      ->capture_default_str();
  app.add_option("--cities", settings.cities, "The file of cities")->capture_default_str();
  app.add_option("--results", settings.results, "Where results.json and results.csv go")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  for (const auto& [name, value] : describe_machine()) {
    std::printf("%-18s %s\n", name.c_str(), value.c_str());
  }
  Ledger ledger;
  hold_all(settings, ledger);
  ledger.print_tables();
  ledger.print_footprints();
  print_aims(contest_aims(), ledger.times());
  if (!ledger.write(settings.results, settings.repetitions)) {
    give_up(settings.results + ": cannot write the results");
  }
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run(argc, argv); }
