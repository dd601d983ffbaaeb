// Contest: all peers do all works on one data set, in turns.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tree/chores.h"
#include "tree/contestants.h"
#include "tree/ledger.h"
#include "tree/stage.h"

namespace bench {

struct ContestOptions {
  int repetitions = 3;
  // A peer that has taken this long with a data set is not asked to do it all again.
  double patience_seconds = 20;
  std::vector<std::string> rows;   // parts of names of works; empty means all
  std::vector<std::string> peers;  // the same of peers
};

// Whether a name has one of the parts; every name has one of none.
bool matches(const std::string& name, const std::vector<std::string>& parts);

// All works there are.
inline constexpr const char* kContestWorks[] = {
    "insert",      "insert batches", "bulk",  "window 1e-6", "window 1e-4",
    "window 1e-2", "count 1e-2",     "point", "nearest 1",   "nearest 10",
    "nearest 100", "update",         "erase", "erased 1e-4", "mixed 90/10"};

// What is to be done with a data set.
enum class Extent : std::uint8_t {
  queries,     // build, and ask everything
  deliveries,  // only build, also in batches
  chores,      // all that, and change the tree in every way
};

template <class Geometry>
class Contest {
 public:
  Contest(std::string distribution, Entries<Geometry> entries, Extent extent,
          const ContestOptions& options, Ledger& ledger)
      : data_{Geometry::kDimensions, kIsPoint<Geometry> ? "points" : "boxes",
              std::move(distribution), entries.size()},
        stage_(std::move(entries)),
        extent_(extent),
        options_(options),
        ledger_(ledger) {}

  void run() {
    std::vector<Subject<Geometry>> subjects = contestants<Geometry>();
    std::erase_if(subjects, [&](const auto& subject) {
      return !matches(subject.name, options_.peers) ||
             (data_.distribution == to_string(Distribution::equal) && !subject.bears_equals);
    });
    std::vector<double> spent(subjects.size());
    for (int repetition = 0; repetition < options_.repetitions; ++repetition) {
      std::fprintf(stderr, "%s, %d of %d:", data_.text().c_str(), repetition + 1,
                   options_.repetitions);
      for (std::size_t i = 0; i < subjects.size(); ++i) {
        // Nobody always comes after the same one.
        const std::size_t turn = (i + static_cast<std::size_t>(repetition)) % subjects.size();
        if (spent[turn] > options_.patience_seconds) continue;
        const double seconds = seconds_of([&] { take_turn(subjects[turn]); });
        spent[turn] += seconds;
        std::fprintf(stderr, " %s %.1f s,", subjects[turn].name.c_str(), seconds);
      }
      std::fprintf(stderr, "\n");
    }
  }

 private:
  using Form = typename Stage<Geometry>::Form;

  [[nodiscard]] bool wanted(const std::string& work) const { return matches(work, options_.rows); }
  void note(const std::string& work, const Subject<Geometry>& subject, double seconds) {
    ledger_.add(data_, work, subject.name, subject.build == Build::bulk, seconds);
  }
  void note(const std::string& work, const Subject<Geometry>& subject, const Pace& pace,
            double hits) {
    ledger_.add(data_, work, subject.name, subject.build == Build::bulk, pace.steady, pace.first,
                hits);
  }
  [[nodiscard]] std::string place(const std::string& work, const Subject<Geometry>& subject) const {
    return subject.name + ", " + work + " " + data_.text();
  }

  void take_turn(const Subject<Geometry>& subject) {
    const bool bulk = subject.build == Build::bulk;
    {
      const EnginePtr<Geometry> engine = subject.make();
      const double seconds =
          time_of_delivery(*engine, stage_.entries(), bulk ? Delivery::bulk : Delivery::one_by_one);
      if (wanted(bulk ? "bulk" : "insert")) note(bulk ? "bulk" : "insert", subject, seconds);
      if (extent_ != Extent::deliveries) ask_all(subject, *engine);
      if (extent_ == Extent::chores && !bulk) change(subject, *engine);
    }
    if (extent_ == Extent::queries || bulk) return;
    deliver_in_batches(subject);
    if (extent_ == Extent::chores) mix(subject);
  }

  void deliver_in_batches(const Subject<Geometry>& subject) {
    if (!wanted("insert batches")) return;
    const EnginePtr<Geometry> engine = subject.make();
    note("insert batches", subject, time_of_delivery(*engine, stage_.entries(), Delivery::batches));
  }

  void ask_all(const Subject<Geometry>& subject, Engine<Geometry>& engine) {
    static constexpr std::pair<const char*, double> kShares[] = {
        {"1e-6", 1e-6}, {"1e-4", 1e-4}, {"1e-2", 1e-2}};
    if (engine.can(Ability::window)) {
      for (const auto& [name, share] : kShares) {
        ask("window " + std::string(name), subject, engine,
            [&](Form form) -> auto& { return stage_.windows(share, form); });
      }
      ask_as(Form::count, "count 1e-2", subject, engine,
             [&](Form form) -> auto& { return stage_.windows(1e-2, form); });
      ask("point", subject, engine, [&](Form form) -> auto& { return stage_.places(form); });
    }
    if (!engine.can(Ability::nearest)) return;
    for (const std::size_t count : {1, 10, 100}) {
      const std::string work = "nearest " + std::to_string(count);
      if (!wanted(work)) continue;
      NearestExam<Geometry>& exam = stage_.nearest(count);
      note(work, subject, ask_steadily(exam, engine), static_cast<double>(count));
      exam.check(place(work, subject), stage_.entries());
    }
  }

  // One by one, and who can and was built so, all at once as well.
  template <class MakeExam>
  void ask(const std::string& work, const Subject<Geometry>& subject, Engine<Geometry>& engine,
           MakeExam&& make_exam) {
    ask_as(Form::visit, work, subject, engine, make_exam);
    if (subject.build == Build::bulk || !engine.can(Ability::at_once)) return;
    const Subject<Geometry> at_once{subject.name + " at once", subject.make};
    ask_as(Form::at_once, work, at_once, engine, make_exam);
  }
  template <class MakeExam>
  void ask_as(Form form, const std::string& work, const Subject<Geometry>& subject,
              Engine<Geometry>& engine, MakeExam&& make_exam) {
    if (!wanted(work)) return;
    WindowExam<Geometry>& exam = make_exam(form);
    const Pace pace = ask_steadily(exam, engine);
    exam.check(place(work, subject), subject.spare);
    note(work, subject, pace, exam.mean_hits());
  }

  void change(const Subject<Geometry>& subject, Engine<Geometry>& engine) {
    if (engine.can(Ability::update) && wanted("update")) {
      const Movement<Geometry>& movement = this->movement();
      note("update", subject, movement.time(engine, false));
      movement.time(engine, true);
      // All are back where they were.
      stage_.windows(1e-4).ask(engine);
      stage_.windows(1e-4).check(place("update", subject), subject.spare);
    }
    if (!engine.can(Ability::erase) || !wanted("erase")) return;
    if (!rest_) {
      halves_ = halves_of<Geometry>(stage_.entries());
      rest_ = std::make_unique<Stage<Geometry>>(halves_.second);
    }
    note("erase", subject, time_of_erase(engine, halves_.first));
    WindowExam<Geometry>& exam = rest_->windows(1e-4);
    note("erased 1e-4", subject, ask_steadily(exam, engine), exam.mean_hits());
    exam.check(place("erase", subject), subject.spare);
    if (subject.name != "xtree") return;
    // Beside a tree that never held the others.
    const Subject<Geometry> fresh{"xtree fresh", subject.make};
    const EnginePtr<Geometry> built = build(fresh, halves_.second);
    note("erased 1e-4", fresh, ask_steadily(exam, *built), exam.mean_hits());
  }

  void mix(const Subject<Geometry>& subject) {
    const EnginePtr<Geometry> engine = subject.make();
    if (!engine->can(Ability::window) || !wanted("mixed 90/10")) return;
    if (!mixture_) {
      const double side = side_for_share<Geometry>(stage_.entries(), 1e-5, kSeed);
      mixture_ = std::make_unique<Mixture<Geometry>>(stage_.entries(), side, kSeed);
    }
    engine->insert(mixture_->held());
    note("mixed 90/10", subject, mixture_->time(*engine, place("mixed", subject), subject.spare));
  }

  // By a tenth of the distance between neighbours.
  const Movement<Geometry>& movement() {
    if (!movement_) {
      const double reach = 0.1 * std::pow(static_cast<double>(stage_.entries().size()),
                                          -1.0 / Geometry::kDimensions);
      movement_ = std::make_unique<Movement<Geometry>>(stage_.entries(), reach, kSeed);
    }
    return *movement_;
  }

  static constexpr std::uint64_t kSeed = 5;

  DataName data_;
  Stage<Geometry> stage_;
  Extent extent_;
  const ContestOptions& options_;
  Ledger& ledger_;
  std::pair<Entries<Geometry>, Entries<Geometry>> halves_;
  std::unique_ptr<Stage<Geometry>> rest_;
  std::unique_ptr<Movement<Geometry>> movement_;
  std::unique_ptr<Mixture<Geometry>> mixture_;
};

}  // namespace bench
