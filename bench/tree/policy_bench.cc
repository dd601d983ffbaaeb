// Split policies in one tree: the same nodes, kernels and queries, but another choice of subtrees
// and another split: the R*-tree's, the revised R*-tree's, the X-tree's by the letter, and ours.
// Points in 4, 8 and 16 dimensions, uniform and clustered, and boxes so large that they overlap.
// All options of Google Benchmark, and
//
//   --entries=N          in each tree (100000)
//
// Times are processor time. The counters of a query are means: leaves, and directory nodes, of
// which a supernode counts as often as it is longer than others. Answers are compared with brute
// force before they are timed.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "index/split_policy.h"
#include "support/questions.h"
#include "tree/policies/letter_policy.h"
#include "tree/policies/planted.h"
#include "tree/policies/rrstar_policy.h"
#include "tree/policies/rstar_policy.h"

namespace bench {
namespace {

constexpr std::uint64_t kSeed = 1;
constexpr std::size_t kQuestions = 1000;
constexpr std::size_t kChecked = 25;
constexpr std::size_t kNeighbours = 10;
constexpr double kWindowShare = 1e-4;
constexpr std::size_t kLeastPasses = 3;
constexpr double kLeastSeconds = 0.2;

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "policy_bench: %s\n", what.c_str());
  std::exit(1);
}

// Uniform boxes with sides up to 0.3 of the space, which no cut keeps apart.
template <int D>
Entries<xtree::Box<D>> large_boxes(std::size_t count) {
  Random random(kSeed);
  Entries<xtree::Box<D>> entries(count);
  for (auto& entry : entries) {
    for (int i = 0; i < D; ++i) {
      entry.geometry.min[i] = random.unit();
      entry.geometry.max[i] = entry.geometry.min[i] + random.between(0, 0.3);
    }
  }
  number<xtree::Box<D>>(entries);
  return entries;
}

// A data set and what it is asked.
template <class Geometry>
struct Questions {
  using Point = xtree::Point<Geometry::kDimensions>;

  explicit Questions(Entries<Geometry> of)
      : entries(std::move(of)),
        places(make_places<Geometry>(entries, kQuestions, kSeed + 1)) {
    const double side = side_for_share<Geometry>(entries, kWindowShare, kSeed);
    windows = make_windows<Geometry>(entries, side, kQuestions, kSeed + 2);
    targets = make_targets<Geometry>(entries, side / 2, kQuestions, kSeed + 3);
  }

  Entries<Geometry> entries;
  std::vector<Point> places;  // in entries
  std::vector<xtree::Box<Geometry::kDimensions>> windows;
  std::vector<Point> targets;
};

template <class Geometry, class Policy>
void check(const Planted<Geometry, Policy>& tree, const Questions<Geometry>& questions,
           const std::string& name) {
  for (std::size_t i = 0; i < kChecked; ++i) {
    if (tree.window(questions.windows[i]) !=
        brute_window<Geometry>(questions.entries, questions.windows[i])) {
      give_up("a window has another answer than brute force: " + name);
    }
    const auto found = tree.nearest(questions.targets[i], kNeighbours);
    const auto squares =
        brute_nearest<Geometry>(questions.entries, questions.targets[i], kNeighbours);
    bool same = found.size() == squares.size();
    for (std::size_t j = 0; same && j < found.size(); ++j) {
      same = std::abs(found[j] - std::sqrt(squares[j])) <= 1e-12;
    }
    if (!same) give_up("others are nearest than brute force says: " + name);
  }
}

// Times `ask(i, accesses)` for every question, after it has counted what each reads: the median of
// some passes over all questions.
template <class Ask>
void time_questions(benchmark::State& state, Ask&& ask) {
  Accesses accesses;
  for (std::size_t i = 0; i < kQuestions; ++i) ask(i, &accesses);
  const auto mean = [](std::uint64_t sum) {
    return static_cast<double>(sum) / static_cast<double>(kQuestions);
  };
  state.counters["leaves"] = mean(accesses.leaves);
  state.counters["directories"] = mean(accesses.directories);
  for (auto _ : state) {
    const Stopwatch watch;
    std::vector<double> times;
    while (times.size() < kLeastPasses || watch.seconds() < kLeastSeconds) {
      times.push_back(seconds_of([&] {
        for (std::size_t i = 0; i < kQuestions; ++i) ask(i, nullptr);
      }));
    }
    state.SetIterationTime(median(times) / static_cast<double>(kQuestions));
  }
}

// What the benchmarks that run one after the other share: only one tree and its data are there at a
// time.
struct Ground {
  std::string name;
  std::shared_ptr<void> held;

  // What `make` made under this name; anything else is given up first.
  template <class T, class Make>
  T& get(const std::string& wanted, Make&& make) {
    if (name != wanted) {
      held.reset();
      held = std::make_shared<T>(make());
      name = wanted;
    }
    return *static_cast<T*>(held.get());
  }
};

template <class Geometry, class Policy>
class Rows {
 public:
  using Box = xtree::Box<Geometry::kDimensions>;

  Rows(std::string name, std::function<const Questions<Geometry>&()> questions,
       std::shared_ptr<Ground> ground)
      : name_(std::move(name)),
        questions_(std::move(questions)),
        ground_(std::move(ground)) {}

  void add() const {
    const auto row = [this](const char* what, auto work) {
      benchmark::RegisterBenchmark((name_ + "/" + what).c_str(), work)
          ->Iterations(1)
          ->UseManualTime()
          ->Unit(benchmark::kMicrosecond);
    };
    row("insert", [rows = *this](benchmark::State& state) { rows.insert(state); });
    row("point", [rows = *this](benchmark::State& state) {
      const auto& places = rows.questions_().places;
      time_questions(state, [&, &tree = rows.tree()](std::size_t i, Accesses* accesses) {
        benchmark::DoNotOptimize(tree.window(Box(places[i]), accesses));
      });
    });
    row("window", [rows = *this](benchmark::State& state) {
      const auto& windows = rows.questions_().windows;
      time_questions(state, [&, &tree = rows.tree()](std::size_t i, Accesses* accesses) {
        benchmark::DoNotOptimize(tree.window(windows[i], accesses));
      });
    });
    row("nearest", [rows = *this](benchmark::State& state) {
      const auto& targets = rows.questions_().targets;
      time_questions(state, [&, &tree = rows.tree()](std::size_t i, Accesses* accesses) {
        benchmark::DoNotOptimize(tree.nearest(targets[i], kNeighbours, accesses));
      });
    });
  }

 private:
  using Tree = std::unique_ptr<Planted<Geometry, Policy>>;

  [[nodiscard]] const Planted<Geometry, Policy>& tree() const {
    return *ground_->get<Tree>(name_, [this] {
      const Questions<Geometry>& questions = questions_();
      auto tree = std::make_unique<Planted<Geometry, Policy>>(questions.entries);
      check(*tree, questions, name_);
      return tree;
    });
  }

  void insert(benchmark::State& state) const {
    const Questions<Geometry>& questions = questions_();
    const double entries = static_cast<double>(questions.entries.size());
    for (auto _ : state) state.SetIterationTime(tree().insert_seconds() / entries);
    const TreeFigures figures = tree().figures(questions.places);
    state.counters["leaf nodes"] = static_cast<double>(figures.leaves);
    state.counters["directory nodes"] = static_cast<double>(figures.directories);
    state.counters["supernodes"] = static_cast<double>(figures.supernodes);
    state.counters["their lengths"] = static_cast<double>(figures.supernode_lengths);
    state.counters["height"] = figures.height;
    state.counters["overlap %"] = 100 * figures.overlap;
  }

  std::string name_;
  std::function<const Questions<Geometry>&()> questions_;
  std::shared_ptr<Ground> ground_;
};

// The rows of one data set.
template <class Geometry, class Make>
void add_data(const std::string& name, Make make, const std::shared_ptr<Ground>& data,
              const std::shared_ptr<Ground>& trees) {
  constexpr int D = Geometry::kDimensions;
  const std::string where = std::to_string(D) + "-D " + name;
  const auto questions = [=]() -> const Questions<Geometry>& {
    return data->get<Questions<Geometry>>(where, [&] { return Questions<Geometry>(make()); });
  };
  Rows<Geometry, RStarPolicy<D>>(where + "/R*", questions, trees).add();
  Rows<Geometry, RRStarPolicy<D>>(where + "/RR*", questions, trees).add();
  Rows<Geometry, LetterPolicy<D>>(where + "/X by the letter", questions, trees).add();
  Rows<Geometry, xtree::index::DefaultSplitPolicy<double>>(where + "/ours", questions, trees).add();
}

template <int D>
void add_dimension(std::size_t entries, const std::shared_ptr<Ground>& data,
                   const std::shared_ptr<Ground>& trees) {
  using Point = xtree::Point<D>;
  for (const Distribution distribution : {Distribution::uniform, Distribution::clustered}) {
    add_data<Point>(
        to_string(distribution), [=] { return make_entries<Point>(distribution, entries, kSeed); },
        data, trees);
  }
  add_data<xtree::Box<D>>(
      "large boxes", [=] { return large_boxes<D>(entries); }, data, trees);
}

int run(int argc, char** argv) {
  constexpr const char* kEntries = "--entries=";
  std::size_t entries = 100'000;
  std::vector<char*> arguments(argv, argv + argc);
  std::erase_if(arguments, [&](const char* argument) {
    if (std::strncmp(argument, kEntries, std::strlen(kEntries)) != 0) return false;
    entries = std::strtoull(argument + std::strlen(kEntries), nullptr, 10);
    return true;
  });
  if (entries < kNeighbours) give_up("--entries is too small");
  int count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 1;
  const auto data = std::make_shared<Ground>();
  const auto trees = std::make_shared<Ground>();
  add_dimension<4>(entries, data, trees);
  add_dimension<8>(entries, data, trees);
  add_dimension<16>(entries, data, trees);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run(argc, argv); }
