// Asks the tree or a flat scan of the same points the same questions, each of them within one call
// of `answer`, so that a tool can count the instructions that it takes.
//
//   flat_work ENGINE DIMENSIONS DISTRIBUTION ENTRIES
//
// Prints a line for each question: its name, and what sums up the answers.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#include "support/questions.h"
#include "tree/engines.h"

extern "C" [[gnu::noinline]] void answer(const std::function<void()>& ask);
extern "C" void answer(const std::function<void()>& ask) { ask(); }

namespace bench {
namespace {

constexpr std::uint64_t kSeed = 1;
constexpr std::size_t kQuestions = 20;

template <int D>
int ask_all(const char* engine_name, Distribution distribution, std::size_t count) {
  using Geometry = xtree::Point<D>;
  const auto entries = make_entries<Geometry>(distribution, count, kSeed);
  const bool flat = std::strcmp(engine_name, "flat") == 0;
  const auto engine = flat ? make_flat_scan<Geometry>() : make_xtree<Geometry>();
  engine->insert(entries);
  for (const double share : {1e-6, 1e-4, 1e-2, 0.3}) {
    const double side = side_for_share<Geometry>(entries, share, kSeed);
    const auto windows = make_windows<Geometry>(entries, side, kQuestions, kSeed);
    std::vector<Answer> answers(windows.size());
    answer([&] { engine->windows(windows, answers); });
    Answer all;
    for (const Answer& one : answers) {
      all.hits += one.hits;
      all.sum += one.sum;
    }
    std::printf("window %g: %zu hits, %zu\n", share, static_cast<std::size_t>(all.hits),
                static_cast<std::size_t>(all.sum));
  }
  const auto targets = make_places<Geometry>(make_entries<Geometry>(distribution, kQuestions, 2),
                                             kQuestions, kSeed);
  for (const std::size_t k : {1, 10, 100, 1000}) {
    // The tree's neighbours come in order, the scan's do not, which of many tells.
    if (20 * k > count) break;
    std::vector<std::uint64_t> ids(targets.size() * k);
    answer([&] { engine->nearest(targets, k, ids); });
    std::uint64_t sum = 0;
    for (const std::uint64_t id : ids) sum += id;
    std::printf("nearest %zu: %zu\n", k, static_cast<std::size_t>(sum));
  }
  return 0;
}

int run(int count, char** arguments) {
  if (count != 5) return 2;
  const Distribution distribution = std::strcmp(arguments[3], "clustered") == 0
                                        ? Distribution::clustered
                                        : Distribution::uniform;
  const auto entries = static_cast<std::size_t>(std::atol(arguments[4]));
  switch (std::atoi(arguments[2])) {
    case 8: return ask_all<8>(arguments[1], distribution, entries);
    case 16: return ask_all<16>(arguments[1], distribution, entries);
    default: return 2;
  }
}

}  // namespace
}  // namespace bench

int main(int count, char** arguments) { return bench::run(count, arguments); }
