// Stage: a data set, the engines that hold it, and the exams on it, each made when first asked for.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "tree/engine.h"
#include "tree/exam.h"

namespace bench {

enum class Build : std::uint8_t { one_by_one, bulk };

// An engine by name, and how it comes to its entries.
template <class Geometry>
struct Subject {
  std::string name;
  EnginePtr<Geometry> (*make)();
  Build build = Build::one_by_one;
  // See WindowExam::check.
  unsigned spare = 0;
  // False of a tree that fails when very many entries are equal.
  bool bears_equals = true;
};

template <class Geometry>
EnginePtr<Geometry> build(const Subject<Geometry>& subject, const Entries<Geometry>& entries) {
  EnginePtr<Geometry> engine = subject.make();
  if (subject.build == Build::bulk) {
    engine->prepare(entries);
    engine->load();
  } else {
    engine->insert(entries);
  }
  return engine;
}

template <class Geometry>
class Stage {
 public:
  static constexpr int kDimensions = Geometry::kDimensions;
  using Form = typename WindowExam<Geometry>::Form;

  explicit Stage(Entries<Geometry> entries) : entries_(std::move(entries)) {}

  [[nodiscard]] const Entries<Geometry>& entries() const { return entries_; }

  Engine<Geometry>& engine(const Subject<Geometry>& subject) {
    EnginePtr<Geometry>& engine = engines_[subject.name];
    if (!engine) engine = build(subject, entries_);
    return *engine;
  }

  // Windows that hold this share of the entries.
  WindowExam<Geometry>& windows(double share, Form form = Form::visit) {
    auto& exam = windows_[{share, form}];
    if (!exam) {
      const double hits = share * static_cast<double>(entries_.size());
      exam = std::make_unique<WindowExam<Geometry>>(
          entries_,
          make_windows<Geometry>(entries_, side_of(share), question_count(kDimensions, hits),
                                 kSeed),
          form);
    }
    return *exam;
  }
  // Windows that are places in entries.
  WindowExam<Geometry>& places(Form form = Form::visit) {
    auto& exam = places_[form];
    if (!exam) {
      std::vector<xtree::Box<kDimensions>> windows;
      for (const auto& place :
           make_places<Geometry>(entries_, question_count(kDimensions, 1), kSeed)) {
        windows.emplace_back(place);
      }
      exam = std::make_unique<WindowExam<Geometry>>(entries_, std::move(windows), form);
    }
    return *exam;
  }
  NearestExam<Geometry>& nearest(std::size_t count) {
    auto& exam = nearest_[count];
    if (!exam) {
      const std::size_t questions = question_count(kDimensions, 20.0 * static_cast<double>(count));
      exam = std::make_unique<NearestExam<Geometry>>(
          entries_, make_targets<Geometry>(entries_, side_of(0), questions, kSeed), count);
    }
    return *exam;
  }

 private:
  static constexpr std::uint64_t kSeed = 3;

  double side_of(double share) {
    const auto [place, is_new] = sides_.try_emplace(share, 0);
    if (is_new) place->second = side_for_share<Geometry>(entries_, share, kSeed);
    return place->second;
  }

  Entries<Geometry> entries_;
  std::map<std::string, EnginePtr<Geometry>> engines_;
  std::map<double, double> sides_;
  std::map<std::pair<double, Form>, std::unique_ptr<WindowExam<Geometry>>> windows_;
  std::map<Form, std::unique_ptr<WindowExam<Geometry>>> places_;
  std::map<std::size_t, std::unique_ptr<NearestExam<Geometry>>> nearest_;
};

}  // namespace bench
