#include "testing/minimise.h"

#include <algorithm>
#include <utility>

namespace xtree::testing {
namespace {

// Bounds of the search: states in one exploration of a shorter script, and in all of them.
constexpr std::uint64_t kStatesPerTry = 60000;
constexpr std::uint64_t kStatesInAll = 600000;

class Budget final : public StopSignal {
 public:
  [[nodiscard]] bool is_spent() const noexcept { return spent_ >= kStatesInAll; }
  bool should_stop(const ExplorerCounts& counts) override {
    ++spent_;
    return is_spent() || counts.states >= kStatesPerTry;
  }

 private:
  std::uint64_t spent_ = 0;
};

// Whether the case still fails, and with which message.
bool fails(Case& tried) {
  const auto result = replay_case(tried);
  if (!result || !*result) return false;
  tried.message = **result;
  return true;
}

// Looks for a failure of a script that begins on an empty disk.
std::optional<Case> search(const Script& script, std::size_t lives, std::uint64_t seed,
                           Budget& budget) {
  ExplorerLimits limits;
  limits.max_depth = lives - 1;
  return Explorer(seed, limits, budget).explore(script);
}

void shorten_scripts(Case& failed, std::uint64_t seed, Budget& budget) {
  for (std::size_t i = 0; i < failed.lives.front().script.size() && !budget.is_spent();) {
    Script shorter = failed.lives.front().script;
    shorter.erase(shorter.begin() + static_cast<std::ptrdiff_t>(i));
    if (!fits(shorter, Content())) {
      ++i;
      continue;
    }
    auto found = search(shorter, failed.lives.size(), seed, budget);
    if (!found || found->lives.size() > failed.lives.size()) {
      ++i;
      continue;
    }
    failed = std::move(*found);
    i = std::min(i, failed.lives.front().script.size());
  }
}

// What did not happen before the crash need not be in the script.
void drop_unused_steps(Case& failed) {
  for (std::size_t life = 0; life < failed.lives.size(); ++life) {
    while (!failed.lives[life].script.empty()) {
      Case tried = failed;
      tried.lives[life].script.pop_back();
      if (!fails(tried)) break;
      failed = std::move(tried);
    }
  }
}

// Fates become "kept", the least harmful, or else "lost", the plainest.
void simplify_fates(Case& failed) {
  constexpr Fate kPlain[] = {{Loss::kept, true, 0}, {Loss::lost, false, 0}};
  for (std::size_t life = 0; life < failed.lives.size(); ++life) {
    for (std::size_t i = 0; i < failed.lives[life].fates.size(); ++i) {
      for (const Fate& plain : kPlain) {
        if (failed.lives[life].fates[i] == plain) break;
        Case tried = failed;
        tried.lives[life].fates[i] = plain;
        if (!fails(tried)) continue;
        failed = std::move(tried);
        break;
      }
    }
  }
}

}  // namespace

Case minimise(Case failed, std::uint64_t seed) {
  Budget budget;
  shorten_scripts(failed, seed, budget);
  drop_unused_steps(failed);
  simplify_fates(failed);
  return failed;
}

}  // namespace xtree::testing
