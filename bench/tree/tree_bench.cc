// XTree beside Boost.Geometry's rstar, in one process and interleaved: the rows that XTree
// promises. All options of Google Benchmark, and
//
//   --quick              a twentieth of the entries
//   --repetitions=N      of each measurement, of which the median counts (5)
#include <benchmark/benchmark.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "support/memory.h"
#include "tree/aims.h"
#include "tree/chores.h"
#include "tree/engines.h"
#include "tree/stage.h"

namespace bench {
namespace {

struct Settings {
  std::size_t low_dimensional = 1'000'000;
  std::size_t high_dimensional = 200'000;
  int repetitions = 5;
};

// Rows under way: what has been registered, and the aims for it.
struct Programme {
  Settings settings;
  std::vector<Aim> aims;

  // `work` returns the seconds for one operation.
  void add(const std::string& row, const std::string& who, std::function<double()> work) const {
    benchmark::RegisterBenchmark((row + "/" + who).c_str(),
                                 [work = std::move(work)](benchmark::State& state) {
                                   for (auto _ : state) state.SetIterationTime(work());
                                 })
        ->Iterations(1)
        ->UseManualTime()
        ->Repetitions(settings.repetitions)
        ->ReportAggregatesOnly();
  }
  void aim(const std::string& row, const std::string& ours, const std::string& peer, double ratio) {
    aims.push_back({row, ours, peer, ratio});
  }
};

template <class Geometry>
using Subjects = std::vector<Subject<Geometry>>;

constexpr std::uint64_t kSeed = 1;

template <class Geometry>
Subject<Geometry> xtree_subject(Build build = Build::one_by_one) {
  return {build == Build::bulk ? "xtree bulk" : "xtree", make_xtree<Geometry>, build};
}
template <class Geometry>
Subject<Geometry> boost_subject(Build build = Build::one_by_one) {
  return {build == Build::bulk ? "boost packed" : "boost rstar", make_boost_rstar<Geometry>, build};
}

// Data sets are made when the first benchmark that needs them runs.
template <class Geometry>
using StageOf = std::function<Stage<Geometry>&()>;

template <class Geometry>
StageOf<Geometry> lazy_stage(Distribution distribution, std::size_t count) {
  auto stage = std::make_shared<std::unique_ptr<Stage<Geometry>>>();
  return [=]() -> Stage<Geometry>& {
    if (!*stage) {
      *stage =
          std::make_unique<Stage<Geometry>>(make_entries<Geometry>(distribution, count, kSeed));
    }
    return **stage;
  };
}

template <class Geometry>
void add_delivery(const Programme& programme, const std::string& row,
                  const Subject<Geometry>& subject, const StageOf<Geometry>& stage,
                  Delivery delivery) {
  programme.add(row, subject.name, [=] {
    const EnginePtr<Geometry> engine = subject.make();
    return time_of_delivery(*engine, stage().entries(), delivery);
  });
}

// Asks once off the clock and checks the answers before the first measurement.
template <class Exam, class Ask>
std::function<double()> checked(Exam exam, Ask ask) {
  auto done = std::make_shared<bool>(false);
  return [=] {
    if (!*done) exam();
    *done = true;
    return ask();
  };
}

template <class Geometry>
void add_windows(const Programme& programme, const std::string& row,
                 const Subject<Geometry>& subject, const StageOf<Geometry>& stage,
                 std::function<WindowExam<Geometry>&()> exam) {
  programme.add(row, subject.name,
                checked(
                    [=] {
                      exam().ask(stage().engine(subject));
                      exam().check(row + ", " + subject.name, subject.spare);
                    },
                    [=] { return exam().ask(stage().engine(subject)); }));
}

template <class Geometry>
void add_nearest(const Programme& programme, const std::string& row,
                 const Subject<Geometry>& subject, const StageOf<Geometry>& stage,
                 std::size_t count) {
  programme.add(row, subject.name,
                checked(
                    [=] {
                      NearestExam<Geometry>& exam = stage().nearest(count);
                      exam.ask(stage().engine(subject));
                      exam.check(row + ", " + subject.name, stage().entries());
                    },
                    [=] { return stage().nearest(count).ask(stage().engine(subject)); }));
}

std::string share_name(double share) {
  return share == 1e-6 ? "1e-6" : share == 1e-4 ? "1e-4" : "1e-2";
}

template <class Geometry>
void add_queries(Programme& programme, const std::string& where, const Subjects<Geometry>& subjects,
                 const StageOf<Geometry>& stage) {
  for (const Subject<Geometry>& subject : subjects) {
    for (const double share : {1e-6, 1e-4, 1e-2}) {
      add_windows<Geometry>(programme, "window " + share_name(share) + " " + where, subject, stage,
                            [=]() -> WindowExam<Geometry>& { return stage().windows(share); });
    }
    add_windows<Geometry>(programme, "count 1e-2 " + where, subject, stage,
                          [=]() -> WindowExam<Geometry>& {
                            return stage().windows(1e-2, WindowExam<Geometry>::Form::count);
                          });
    add_windows<Geometry>(programme, "point " + where, subject, stage,
                          [=]() -> WindowExam<Geometry>& { return stage().places(); });
    for (const std::size_t count : {1, 10, 100}) {
      add_nearest(programme, "nearest " + std::to_string(count) + " " + where, subject, stage,
                  count);
    }
  }
}

// The aims for windows, points and neighbours in two or three dimensions.
void add_low_aims(Programme& programme, const std::string& where) {
  for (const char* query : {"window 1e-6 ", "window 1e-4 ", "window 1e-2 ", "count 1e-2 "}) {
    programme.aim(query + where, "xtree", "boost rstar", 4);
    programme.aim(query + where, "xtree", "boost packed", 1.5);
    programme.aim(query + where, "xtree bulk", "boost packed", 1);
  }
  programme.aim("point " + where, "xtree", "boost rstar", 3);
  programme.aim("point " + where, "xtree", "boost packed", 3);
  for (const char* query : {"nearest 1 ", "nearest 10 ", "nearest 100 "}) {
    programme.aim(query + where, "xtree", "boost rstar", 3);
    programme.aim(query + where, "xtree bulk", "boost packed", 1);
  }
}

template <int D>
void add_low_dimensions(Programme& programme) {
  using Geometry = xtree::Box<D>;
  const std::string where = std::to_string(D) + "-D boxes";
  const auto stage =
      lazy_stage<Geometry>(Distribution::uniform, programme.settings.low_dimensional);
  for (const auto& subject : {xtree_subject<Geometry>(), boost_subject<Geometry>()}) {
    add_delivery(programme, "insert " + where, subject, stage, Delivery::one_by_one);
    add_delivery(programme, "insert batches " + where, subject, stage, Delivery::batches);
  }
  for (const auto& subject :
       {xtree_subject<Geometry>(Build::bulk), boost_subject<Geometry>(Build::bulk)}) {
    add_delivery(programme, "bulk " + where, subject, stage, Delivery::bulk);
  }
  add_queries<Geometry>(programme, where,
                        {xtree_subject<Geometry>(), xtree_subject<Geometry>(Build::bulk),
                         boost_subject<Geometry>(), boost_subject<Geometry>(Build::bulk)},
                        stage);
  programme.aim("insert " + where, "xtree", "boost rstar", 10);
  programme.aim("insert batches " + where, "xtree", "boost rstar", 15);
  programme.aim("bulk " + where, "xtree bulk", "boost packed", 1.3);
  add_low_aims(programme, where);
}

template <int D>
void add_high_dimensions(Programme& programme, Distribution distribution) {
  using Geometry = xtree::Point<D>;
  const std::string where = std::to_string(D) + "-D points " + to_string(distribution);
  const auto stage = lazy_stage<Geometry>(distribution, programme.settings.high_dimensional);
  const Subject<Geometry> flat{"flat scan", make_flat_scan<Geometry>};
  for (const auto& subject : {xtree_subject<Geometry>(), boost_subject<Geometry>()}) {
    add_delivery(programme, "insert " + where, subject, stage, Delivery::one_by_one);
  }
  add_queries<Geometry>(programme, where,
                        {xtree_subject<Geometry>(), boost_subject<Geometry>(), flat}, stage);
  programme.aim("insert " + where, "xtree", "boost rstar", 8);
  for (const char* query : {"window 1e-6 ", "window 1e-4 ", "window 1e-2 ", "point ", "nearest 1 ",
                            "nearest 10 ", "nearest 100 "}) {
    programme.aim(query + where, "xtree", "boost rstar", 10);
    programme.aim(query + where, "xtree", "flat scan", 1 / 1.1);
  }
}

void add_sorted(Programme& programme) {
  using Geometry = xtree::Box<2>;
  for (const auto& [distribution, ratio] :
       {std::pair(Distribution::hilbert, 15.0), std::pair(Distribution::sorted, 10.0),
        std::pair(Distribution::equal, 1.0)}) {
    const std::string row = std::string("insert ") + to_string(distribution) + " 2-D boxes";
    const auto stage = lazy_stage<Geometry>(distribution, programme.settings.low_dimensional);
    for (const auto& subject : {xtree_subject<Geometry>(), boost_subject<Geometry>()}) {
      add_delivery(programme, row, subject, stage, Delivery::one_by_one);
    }
    programme.aim(row, "xtree", "boost rstar", ratio);
  }
}

template <class Geometry>
void add_erase(Programme& programme, const StageOf<Geometry>& stage) {
  using Halves = std::pair<Entries<Geometry>, Entries<Geometry>>;
  struct Erased {
    Halves halves;
    std::unique_ptr<Stage<Geometry>> rest;
    EnginePtr<Geometry> engine;
  };
  auto state = std::make_shared<Erased>();
  const auto prepare = [=] {
    if (state->rest) return;
    state->halves = halves_of<Geometry>(stage().entries());
    state->rest = std::make_unique<Stage<Geometry>>(state->halves.second);
  };
  for (const auto& subject : {xtree_subject<Geometry>(), boost_subject<Geometry>()}) {
    programme.add("erase half 2-D boxes", subject.name, [=] {
      prepare();
      EnginePtr<Geometry> engine = build(subject, stage().entries());
      const double seconds = time_of_erase(*engine, state->halves.first);
      return seconds;
    });
    for (const bool fresh : {false, true}) {
      auto engine = std::make_shared<EnginePtr<Geometry>>();
      programme.add("window 1e-4 after erase", subject.name + (fresh ? " fresh" : ""), [=] {
        prepare();
        // The exam's entries are numbered as in the whole set, which the answers' sums show.
        WindowExam<Geometry>& exam = state->rest->windows(1e-4);
        if (!*engine) {
          *engine = build(subject, fresh ? state->rest->entries() : stage().entries());
          if (!fresh) (*engine)->erase(state->halves.first);
          exam.ask(**engine);
          exam.check("window after erase, " + subject.name);
        }
        return exam.ask(**engine);
      });
    }
  }
  programme.aim("erase half 2-D boxes", "xtree", "boost rstar", 2.5);
  programme.aim("window 1e-4 after erase", "xtree", "xtree fresh", 0.95);
  programme.aim("window 1e-4 after erase", "xtree", "boost rstar", 4);
}

// Objects move by a tenth of the distance between neighbours.
template <class Geometry>
void add_update(Programme& programme, const StageOf<Geometry>& stage) {
  auto movement = std::make_shared<std::unique_ptr<Movement<Geometry>>>();
  for (const auto& subject : {xtree_subject<Geometry>(), boost_subject<Geometry>()}) {
    auto engine = std::make_shared<EnginePtr<Geometry>>();
    auto back = std::make_shared<bool>(false);
    programme.add("update 2-D boxes", subject.name, [=] {
      const Entries<Geometry>& entries = stage().entries();
      if (!*movement) {
        const double reach = 0.1 / std::sqrt(static_cast<double>(entries.size()));
        *movement = std::make_unique<Movement<Geometry>>(entries, reach, kSeed);
      }
      const bool first = !*engine;
      if (first) *engine = build(subject, entries);
      const double seconds = (*movement)->time(**engine, *back);
      if (first) {
        Stage<Geometry> moved((*movement)->there());
        moved.windows(1e-4).ask(**engine);
        moved.windows(1e-4).check("window after update, " + subject.name);
      }
      *back = !*back;
      return seconds;
    });
  }
  programme.aim("update 2-D boxes", "xtree", "boost rstar", 4);
}

template <class Geometry>
void add_mixture(Programme& programme, const StageOf<Geometry>& stage) {
  auto mixture = std::make_shared<std::unique_ptr<Mixture<Geometry>>>();
  for (const auto& subject : {xtree_subject<Geometry>(), boost_subject<Geometry>()}) {
    programme.add("mixed 90/10 2-D boxes", subject.name, [=] {
      if (!*mixture) {
        const double side = side_for_share<Geometry>(stage().entries(), 1e-5, kSeed);
        *mixture = std::make_unique<Mixture<Geometry>>(stage().entries(), side, kSeed);
      }
      EnginePtr<Geometry> engine = build(subject, (*mixture)->held());
      return (*mixture)->time(*engine, subject.name);
    });
  }
  programme.aim("mixed 90/10 2-D boxes", "xtree", "boost rstar", 3);
}

// Neighbours in the plane and in space among points, where the k-d trees are at home.
template <int D>
void add_points(Programme& programme) {
  using Geometry = xtree::Point<D>;
  const std::string where = std::to_string(D) + "-D points";
  const auto stage =
      lazy_stage<Geometry>(Distribution::uniform, programme.settings.low_dimensional);
  add_queries<Geometry>(programme, where,
                        {xtree_subject<Geometry>(), xtree_subject<Geometry>(Build::bulk),
                         boost_subject<Geometry>(), boost_subject<Geometry>(Build::bulk)},
                        stage);
  add_low_aims(programme, where);
}

void add_rows(Programme& programme) {
  add_low_dimensions<2>(programme);
  add_low_dimensions<3>(programme);
  add_points<2>(programme);
  add_points<3>(programme);
  for (const Distribution distribution : {Distribution::uniform, Distribution::clustered}) {
    add_high_dimensions<8>(programme, distribution);
    add_high_dimensions<16>(programme, distribution);
  }
  add_sorted(programme);
  const auto stage =
      lazy_stage<xtree::Box<2>>(Distribution::uniform, programme.settings.low_dimensional);
  add_erase<xtree::Box<2>>(programme, stage);
  add_update<xtree::Box<2>>(programme, stage);
  add_mixture<xtree::Box<2>>(programme, stage);
}

// Prints as usual, and keeps the medians.
class MedianKeeper : public benchmark::ConsoleReporter {
 public:
  explicit MedianKeeper(Times& times) : ConsoleReporter(OO_Tabular), times_(times) {}

  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs) {
      if (run.aggregate_name != "median" && run.run_type == Run::RT_Aggregate) continue;
      const std::string& name = run.run_name.function_name;
      const std::size_t slash = name.rfind('/');
      times_[name.substr(0, slash)][name.substr(slash + 1)] =
          run.real_accumulated_time / static_cast<double>(std::max<int64_t>(1, run.iterations));
    }
  }

 private:
  Times& times_;
};

template <class Geometry>
void print_bytes(const Subject<Geometry>& subject, const Entries<Geometry>& entries, double aim) {
  const double growth = resident_growth([&](const auto& built) {
    const EnginePtr<Geometry> engine = build(subject, entries);
    built();
  });
  std::printf("%-30s %-12s %8.1f%s\n", "bytes per entry, 2-D boxes", subject.name.c_str(),
              growth / static_cast<double>(entries.size()),
              aim == 0 ? "" : ("   aim at most " + std::to_string(static_cast<int>(aim))).c_str());
}

void print_memory(const Settings& settings) {
  using Geometry = xtree::Box<2>;
  const auto entries =
      make_entries<Geometry>(Distribution::uniform, settings.low_dimensional, kSeed);
  print_bytes(xtree_subject<Geometry>(), entries, 58);
  print_bytes(boost_subject<Geometry>(), entries, 0);
  print_bytes(xtree_subject<Geometry>(Build::bulk), entries, 42);
  print_bytes(boost_subject<Geometry>(Build::bulk), entries, 0);
}

// Takes our own options from the command line; the rest is Google Benchmark's.
Settings take_settings(std::vector<char*>& arguments) {
  Settings settings;
  std::erase_if(arguments, [&](const char* argument) {
    constexpr const char* kRepetitions = "--repetitions=";
    if (std::strcmp(argument, "--quick") == 0) {
      settings.low_dimensional /= 20;
      settings.high_dimensional /= 20;
      return true;
    }
    if (std::strncmp(argument, kRepetitions, std::strlen(kRepetitions)) == 0) {
      settings.repetitions = std::max(1, std::atoi(argument + std::strlen(kRepetitions)));
      return true;
    }
    return false;
  });
  return settings;
}

int run(int argc, char** argv) {
  std::vector<char*> arguments(argv, argv + argc);
  Programme programme{take_settings(arguments), {}};
  char interleave[] = "--benchmark_enable_random_interleaving=true";
  arguments.insert(arguments.begin() + 1, interleave);
  int count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 1;

  // While no allocator has anything left over that a tree could move into.
  print_memory(programme.settings);
  add_rows(programme);
  Times times;
  MedianKeeper reporter(times);
  benchmark::RunSpecifiedBenchmarks(&reporter);
  print_aims(programme.aims, times);
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run(argc, argv); }
