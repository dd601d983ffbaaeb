// Contest: several ways to do the same work, timed in turns.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace xtree::bench {

// The middle of some values; of an even number, the upper of the two.
[[nodiscard]] inline double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Keeps a value from being optimised away, and its computation from being moved.
template <class T>
inline void keep(const T& value) {
  asm volatile("" : : "r"(value) : "memory");
}

// A machine that others use as well grows slower and faster by the second. So the contestants run
// in short turns, in an order that rotates, and what counts is the median over the rounds: of each
// one's time, and of its ratio to the first one's time in the same round.
//
//   Contest contest;
//   contest.add("raw", 1000, [&] { chase_pointers(1000); });
//   contest.add("table", 1000, [&] { chase_ids(1000); });
//   for (int i = 0; i < 31; ++i) contest.round();
//   contest.ns(1), contest.ratio(1)
class Contest {
 public:
  // `run` does so many operations in one turn, a millisecond's worth or so.
  void add(std::string name, std::uint64_t operations, std::function<void()> run) {
    contestants_.push_back(
        {std::move(name), static_cast<double>(operations), std::move(run), nullptr, {}});
  }
  // One that says itself how many nanoseconds an operation of its turn took.
  void add_timed(std::string name, std::function<double()> run) {
    contestants_.push_back({std::move(name), 0, nullptr, std::move(run), {}});
  }
  // Keeps something alive for as long as the contest, such as the data that is worked on.
  void keep(std::shared_ptr<const void> thing) { kept_.push_back(std::move(thing)); }

  void round() {
    for (std::size_t i = 0; i < contestants_.size(); ++i) {
      Contestant& contestant = contestants_[(i + rounds_) % contestants_.size()];
      contestant.ns.push_back(contestant.run_timed ? contestant.run_timed() : time(contestant));
    }
    ++rounds_;
  }

  [[nodiscard]] std::size_t size() const noexcept { return contestants_.size(); }
  [[nodiscard]] const std::string& name(std::size_t i) const { return contestants_[i].name; }
  // Nanoseconds for one operation, and how many times those of the first contestant.
  [[nodiscard]] double ns(std::size_t i) const { return median(contestants_[i].ns); }
  [[nodiscard]] double ratio(std::size_t i) const {
    std::vector<double> ratios;
    for (std::size_t r = 0; r < contestants_[i].ns.size(); ++r) {
      ratios.push_back(contestants_[i].ns[r] / contestants_[0].ns[r]);
    }
    return median(std::move(ratios));
  }
  // Operations of one turn.
  [[nodiscard]] double operations(std::size_t i) const { return contestants_[i].operations; }
  // Runs one contestant's turn without looking at the clock.
  void turn(std::size_t i) {
    if (contestants_[i].run) contestants_[i].run();
  }

 private:
  struct Contestant {
    std::string name;
    double operations;
    std::function<void()> run;
    std::function<double()> run_timed;  // instead of `run`
    std::vector<double> ns;             // by round
  };

  static double time(const Contestant& contestant) {
    const auto begin = std::chrono::steady_clock::now();
    contestant.run();
    const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - begin;
    return taken.count() / contestant.operations;
  }

  std::vector<Contestant> contestants_;
  std::vector<std::shared_ptr<const void>> kept_;
  std::size_t rounds_ = 0;
};

}  // namespace xtree::bench
