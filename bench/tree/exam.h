// Exams: questions with known answers. An engine answers all of them against the clock, and a
// sample is compared with what brute force found.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "support/brute_force.h"
#include "support/questions.h"
#include "support/stopwatch.h"
#include "tree/engine.h"

namespace bench {

// How many questions are compared: brute force has to look at all entries for each.
inline constexpr std::size_t kSampledQuestions = 40;

// How many windows of some hits make a batch that is neither too short for the clock nor too long
// for patience.
inline std::size_t question_count(int dimensions, double hits) {
  const double most = dimensions <= 3 ? 50000 : 400;
  return static_cast<std::size_t>(std::clamp(2e6 / std::max(1.0, hits), 200.0, most));
}

// Seconds for one question, on average.
struct Pace {
  // Of the first pass of an exam, which meets a tree that nobody has asked anything yet: its nodes,
  // and the page tables that lead to them, are in no cache.
  double first = 0;
  double steady = 0;  // of those that follow
};

// Asks all questions of an exam once, and then again until that has taken long enough for the
// clock.
template <class Exam, class AnyEngine>
Pace ask_steadily(Exam& exam, AnyEngine& engine) {
  constexpr double kLongEnough = 0.02;
  Pace pace{.first = exam.ask(engine)};
  int passes = 0;
  const Stopwatch watch;
  do {
    pace.steady += exam.ask(engine);
    ++passes;
  } while (watch.seconds() < kLongEnough);
  pace.steady /= passes;
  return pace;
}

// Ends the program if the answer is wrong. An engine that rounds coordinates outward may find up to
// `spare` in a thousand too much, and then sums say nothing.
inline void check_answer(const Answer& given, const Answer& right, unsigned spare,
                         const std::string& who) {
  const bool is_right = spare == 0 ? given == right : given.hits >= right.hits;
  if (!is_right || given.hits > right.hits + (right.hits * spare + 999) / 1000) {
    give_up(who + ": a window has " + std::to_string(right.hits) + " hits, found " +
            std::to_string(given.hits));
  }
}

template <class Geometry>
class WindowExam {
 public:
  using Window = typename Engine<Geometry>::Window;

  enum class Form : std::uint8_t { visit, count, at_once };

  WindowExam(const Entries<Geometry>& entries, std::vector<Window> windows, Form form = Form::visit)
      : form_(form),
        windows_(std::move(windows)),
        answers_(windows_.size()) {
    for (std::size_t i = 0; i < std::min(kSampledQuestions, windows_.size()); ++i) {
      expected_.push_back(brute_window<Geometry>(entries, windows_[i]));
    }
  }

  // Returns the seconds that one question took, on average.
  double ask(Engine<Geometry>& engine) {
    const double seconds = seconds_of([&] {
      switch (form_) {
        case Form::visit: return engine.windows(windows_, answers_);
        case Form::count: return engine.counts(windows_, answers_);
        case Form::at_once: return engine.windows_at_once(windows_, answers_);
      }
    });
    return seconds / static_cast<double>(windows_.size());
  }

  // Ends the program if the last answers are wrong.
  void check(const std::string& who, unsigned spare = 0) const {
    for (std::size_t i = 0; i < expected_.size(); ++i) {
      Answer right = expected_[i];
      if (form_ == Form::count) right.sum = answers_[i].sum;  // nobody has to sum
      check_answer(answers_[i], right, spare, who);
    }
  }

  // Hits of all windows of the last batch together, to each window.
  [[nodiscard]] double mean_hits() const {
    std::uint64_t hits = 0;
    for (const Answer& answer : answers_) hits += answer.hits;
    return static_cast<double>(hits) / static_cast<double>(answers_.size());
  }

 private:
  Form form_;
  std::vector<Window> windows_;
  std::vector<Answer> answers_;
  std::vector<Answer> expected_;
};

template <class Geometry>
class NearestExam {
 public:
  using Place = typename Engine<Geometry>::Place;

  NearestExam(const Entries<Geometry>& entries, std::vector<Place> targets, std::size_t count)
      : count_(std::min(count, entries.size())),
        targets_(std::move(targets)),
        ids_(targets_.size() * count_) {
    for (std::size_t i = 0; i < std::min(kSampledQuestions, targets_.size()); ++i) {
      expected_.push_back(brute_nearest<Geometry>(entries, targets_[i], count_));
    }
  }

  // Returns the seconds that one question took, on average.
  double ask(Engine<Geometry>& engine) {
    const double seconds = seconds_of([&] { engine.nearest(targets_, count_, ids_); });
    return seconds / static_cast<double>(targets_.size());
  }

  // Ends the program if the last answers are wrong: which of several entries at the same distance
  // were found is free, and engines may round sums of squares in different orders.
  void check(const std::string& who, const Entries<Geometry>& entries) const {
    for (std::size_t i = 0; i < expected_.size(); ++i) {
      std::vector<double> found;
      for (std::size_t j = 0; j < count_; ++j) {
        const std::uint64_t id = ids_[i * count_ + j];
        if (id >= entries.size()) give_up(who + ": an entry is found that does not exist");
        found.push_back(squared_distance(as_box(entries[id].geometry), targets_[i]));
      }
      std::sort(found.begin(), found.end());
      for (std::size_t j = 0; j < count_; ++j) {
        const double right = expected_[i][j];
        if (std::abs(found[j] - right) > 1e-9 * right) {
          give_up(who + ": neighbour " + std::to_string(j) + " should be at distance " +
                  std::to_string(std::sqrt(right)) + ", is at " +
                  std::to_string(std::sqrt(found[j])));
        }
      }
    }
  }

 private:
  std::size_t count_;
  std::vector<Place> targets_;
  std::vector<std::uint64_t> ids_;
  std::vector<std::vector<double>> expected_;
};

}  // namespace bench
