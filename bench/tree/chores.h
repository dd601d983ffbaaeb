// Chores: the works that change a tree, timed in seconds for each operation, with their results
// checked.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/random.h"
#include "tree/stage.h"

namespace bench {

// How the entries are handed over.
enum class Delivery : std::uint8_t { one_by_one, batches, bulk };

inline constexpr std::size_t kBatchEntries = 1000;

template <class Geometry>
double time_of_delivery(Engine<Geometry>& engine, const Entries<Geometry>& entries,
                        Delivery delivery) {
  if (delivery == Delivery::bulk) engine.prepare(entries);
  const double seconds = seconds_of([&] {
    switch (delivery) {
      case Delivery::one_by_one: return engine.insert(entries);
      case Delivery::batches: return engine.insert_batches(entries, kBatchEntries);
      case Delivery::bulk: return engine.load();
    }
  });
  return seconds / static_cast<double>(entries.size());
}

// Every second entry, which is no particular one where the order is random.
template <class Geometry>
std::pair<Entries<Geometry>, Entries<Geometry>> halves_of(const Entries<Geometry>& entries) {
  std::pair<Entries<Geometry>, Entries<Geometry>> halves;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    (i % 2 == 0 ? halves.first : halves.second).push_back(entries[i]);
  }
  return halves;
}

// Erases half of what the engine holds.
template <class Geometry>
double time_of_erase(Engine<Geometry>& engine, const Entries<Geometry>& half) {
  return seconds_of([&] { engine.erase(half); }) / static_cast<double>(half.size());
}

// Entries that go to and fro between their places and others close by.
template <class Geometry>
class Movement {
 public:
  Movement(const Entries<Geometry>& entries, double reach, std::uint64_t seed)
      : here_(entries),
        there_(entries) {
    Random random(seed);
    for (auto& entry : there_) {
      for (int i = 0; i < Geometry::kDimensions; ++i) {
        const double step = random.between(-reach, reach);
        if constexpr (kIsPoint<Geometry>) {
          entry.geometry[i] += step;
        } else {
          // Both ends by the same, though rounding may change the box's size a little.
          entry.geometry.min[i] += step;
          entry.geometry.max[i] += step;
        }
      }
    }
    for (const auto& entry : here_) places_here_.push_back(entry.geometry);
    for (const auto& entry : there_) places_there_.push_back(entry.geometry);
  }

  [[nodiscard]] const Entries<Geometry>& there() const { return there_; }

  // Moves them all, once there and the next time back.
  double time(Engine<Geometry>& engine, bool back) const {
    const Entries<Geometry>& from = back ? there_ : here_;
    const std::vector<Geometry>& to = back ? places_here_ : places_there_;
    return seconds_of([&] { engine.update(from, to); }) / static_cast<double>(from.size());
  }

 private:
  Entries<Geometry> here_;
  Entries<Geometry> there_;
  std::vector<Geometry> places_here_;
  std::vector<Geometry> places_there_;
};

// Nine windows for each insert, in a tree that holds most of the entries already.
template <class Geometry>
class Mixture {
 public:
  static constexpr std::size_t kWindowsPerInsert = 9;

  explicit Mixture(const Entries<Geometry>& entries, double side, std::uint64_t seed)
      : held_(entries.begin(), entries.end() - entries.size() / 20),
        coming_(entries.end() - entries.size() / 20, entries.end()),
        windows_(make_windows<Geometry>(entries, side, coming_.size() * kWindowsPerInsert, seed)),
        answers_(windows_.size()) {
    Random random(seed);
    for (std::size_t i = 0; i < kSampledQuestions; ++i) {
      const std::size_t question = random.below(windows_.size());
      const auto there =
          static_cast<std::ptrdiff_t>(held_.size() + question / kWindowsPerInsert + 1);
      const Entries<Geometry> then(entries.begin(), entries.begin() + there);
      sample_.emplace_back(question, brute_window<Geometry>(then, windows_[question]));
    }
  }

  [[nodiscard]] const Entries<Geometry>& held() const { return held_; }

  // The engine holds `held`.
  double time(Engine<Geometry>& engine, const std::string& who, unsigned spare = 0) {
    const double seconds = seconds_of([&] { engine.mix(coming_, windows_, answers_); });
    for (const auto& [question, right] : sample_) {
      check_answer(answers_[question], right, spare, who);
    }
    return seconds / static_cast<double>(windows_.size() + coming_.size());
  }

 private:
  Entries<Geometry> held_;
  Entries<Geometry> coming_;
  std::vector<xtree::Box<Geometry::kDimensions>> windows_;
  std::vector<Answer> answers_;
  std::vector<std::pair<std::size_t, Answer>> sample_;
};

}  // namespace bench
