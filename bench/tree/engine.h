// Engine: one interface for all trees. Its calls take whole batches, and each engine's loop over a
// batch is compiled together with the tree, so that nothing between the two is on the clock.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>

#include "support/brute_force.h"
#include "support/data_set.h"

namespace bench {

// What an engine may be able to do.
enum class Ability : std::uint8_t { insert, load, erase, update, window, at_once, nearest };

template <class Geometry>
class Engine {
 public:
  static constexpr int kDimensions = Geometry::kDimensions;
  using Entry = bench::Entry<Geometry>;
  using Window = xtree::Box<kDimensions>;
  using Place = xtree::Point<kDimensions>;

  Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  virtual ~Engine() = default;

  [[nodiscard]] virtual bool can(Ability ability) const = 0;

  virtual void insert(std::span<const Entry> entries) = 0;
  // Adds them in batches of this many, by whatever the tree offers for that.
  virtual void insert_batches(std::span<const Entry> entries, std::size_t batch) = 0;
  // Brings entries into the form that `load` takes, off the clock.
  virtual void prepare(std::span<const Entry> entries) = 0;
  // Builds the tree from what was prepared.
  virtual void load() = 0;
  virtual void erase(std::span<const Entry> entries) = 0;
  virtual void update(std::span<const Entry> entries, std::span<const Geometry> to) = 0;

  // Looks at every hit's number; `answers` has a place for each window.
  virtual void windows(std::span<const Window> windows, std::span<Answer> answers) = 0;
  // The same, but asked all at once.
  virtual void windows_at_once(std::span<const Window> windows, std::span<Answer> answers) = 0;
  // Only counts the hits.
  virtual void counts(std::span<const Window> windows, std::span<Answer> answers) = 0;
  // Leaves the numbers of `count` entries for each target in `ids`, in any order.
  virtual void nearest(std::span<const Place> targets, std::size_t count,
                       std::span<std::uint64_t> ids) = 0;
  // Asks the windows, in equal parts between the inserts.
  virtual void mix(std::span<const Entry> entries, std::span<const Window> windows,
                   std::span<Answer> answers) = 0;
};

template <class Geometry>
using EnginePtr = std::unique_ptr<Engine<Geometry>>;

// Ends the program: a tree that fails or answers wrongly has no speed.
[[noreturn]] inline void give_up(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

template <class E>
concept Inserts = requires(E& engine, typename E::Entry entry) { engine.insert_one(entry); };
template <class E>
concept Loads = requires(E& engine) { engine.load_prepared(); };
template <class E>
concept Erases = requires(E& engine, typename E::Entry entry) { engine.erase_one(entry); };
template <class E>
concept Updates =
    requires(E& engine, typename E::Entry entry) { engine.update_one(entry, entry.geometry); };
template <class E>
concept AnswersWindows = requires(E& engine, typename E::Window window, Answer answer) {
  engine.window_one(window, answer);
};
template <class E>
concept AnswersAtOnce = requires(E& engine, std::span<const typename E::Window> windows,
                                 std::span<Answer> answers) {
  engine.ask_at_once(windows, answers);
};
template <class E>
concept FindsNearest = requires(E& engine, typename E::Place place, std::uint64_t* ids) {
  engine.nearest_one(place, 1, ids);
};

// The loops, for an engine `Self` that has some of
//
//   insert_one(entry), add_batch(span of entries), prepare_load(span of entries) and
//   load_prepared(), erase_one(entry), which is true when the entry was there, update_one(entry,
//   to), window_one(window, answer), ask_at_once(span of windows, span of answers),
//   count_one(window, answer), nearest_one(target, count, ids)
template <class Self, class Geometry>
class EngineLoops : public Engine<Geometry> {
 public:
  using Base = Engine<Geometry>;
  using typename Base::Entry;
  using typename Base::Place;
  using typename Base::Window;

  [[nodiscard]] bool can(Ability ability) const final {
    switch (ability) {
      case Ability::insert: return Inserts<Self>;
      case Ability::load: return Loads<Self>;
      case Ability::erase: return Erases<Self>;
      case Ability::update: return Updates<Self> || (Erases<Self> && Inserts<Self>);
      case Ability::window: return AnswersWindows<Self>;
      case Ability::at_once: return AnswersAtOnce<Self>;
      case Ability::nearest: return FindsNearest<Self>;
    }
    return false;
  }

  void insert(std::span<const Entry> entries) final {
    if constexpr (Inserts<Self>) {
      for (const Entry& entry : entries) self().insert_one(entry);
    }
  }
  void insert_batches(std::span<const Entry> entries, std::size_t batch) final {
    if constexpr (requires(Self& engine) { engine.add_batch(entries); }) {
      for (std::size_t i = 0; i < entries.size(); i += batch) {
        self().add_batch(entries.subspan(i, std::min(batch, entries.size() - i)));
      }
    } else {
      insert(entries);
    }
  }
  void prepare(std::span<const Entry> entries) final {
    if constexpr (Loads<Self>) self().prepare_load(entries);
  }
  void load() final {
    if constexpr (Loads<Self>) self().load_prepared();
  }
  void erase(std::span<const Entry> entries) final {
    if constexpr (Erases<Self>) {
      for (const Entry& entry : entries) require(self().erase_one(entry));
    }
  }
  void update(std::span<const Entry> entries, std::span<const Geometry> to) final {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if constexpr (Updates<Self>) {
        require(self().update_one(entries[i], to[i]));
      } else if constexpr (Erases<Self> && Inserts<Self>) {
        require(self().erase_one(entries[i]));
        self().insert_one(Entry{to[i], entries[i].value});
      }
    }
  }

  void windows(std::span<const Window> windows, std::span<Answer> answers) final {
    if constexpr (AnswersWindows<Self>) {
      for (std::size_t i = 0; i < windows.size(); ++i) {
        answers[i] = {};
        self().window_one(windows[i], answers[i]);
      }
    }
  }
  void windows_at_once(std::span<const Window> windows, std::span<Answer> answers) final {
    if constexpr (AnswersAtOnce<Self>) self().ask_at_once(windows, answers);
  }
  void counts(std::span<const Window> windows, std::span<Answer> answers) final {
    if constexpr (requires(Self& engine) { engine.count_one(windows[0], answers[0]); }) {
      for (std::size_t i = 0; i < windows.size(); ++i) {
        answers[i] = {};
        self().count_one(windows[i], answers[i]);
      }
    } else {
      this->windows(windows, answers);
    }
  }
  void nearest(std::span<const Place> targets, std::size_t count,
               std::span<std::uint64_t> ids) final {
    if constexpr (FindsNearest<Self>) {
      for (std::size_t i = 0; i < targets.size(); ++i) {
        self().nearest_one(targets[i], count, ids.data() + i * count);
      }
    }
  }
  void mix(std::span<const Entry> entries, std::span<const Window> windows,
           std::span<Answer> answers) final {
    const std::size_t part = windows.size() / entries.size();
    for (std::size_t i = 0; i < entries.size(); ++i) {
      insert(entries.subspan(i, 1));
      this->windows(windows.subspan(i * part, part), answers.subspan(i * part, part));
    }
  }

 private:
  Self& self() { return static_cast<Self&>(*this); }
  static void require(bool found) {
    if (!found) give_up("an entry that was inserted is not there");
  }
};

}  // namespace bench
