// Interleaving: runs the steps of several threads in every order there is, one after the other.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <semaphore>
#include <thread>
#include <utility>
#include <vector>

namespace xtree::test {

// What one thread does, step by step. Steps are calls of the code under test.
using Steps = std::vector<std::function<void()>>;

// Threads that each run a step when they are told to, and wait otherwise. They are threads, not
// turns of one thread, because the code under test tells threads apart.
class Actors {
 public:
  explicit Actors(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) actors_.push_back(std::make_unique<Actor>());
  }

  // Runs the step in the actor's thread and waits for its end.
  void run(std::size_t actor, const std::function<void()>& step) {
    actors_[actor]->step = &step;
    actors_[actor]->begin.release();
    actors_[actor]->end.acquire();
  }

 private:
  struct Actor {
    Actor() : thread([this] { work(); }) {}
    ~Actor() {
      step = nullptr;
      begin.release();
      thread.join();
    }
    void work() {
      for (;;) {
        begin.acquire();
        if (step == nullptr) return;
        (*step)();
        end.release();
      }
    }
    const std::function<void()>* step = nullptr;
    std::binary_semaphore begin{0};
    std::binary_semaphore end{0};
    std::thread thread;
  };
  std::vector<std::unique_ptr<Actor>> actors_;
};

// Calls `set_up` for the steps of a fresh scenario, runs them in one order, and so on for every
// order in which they can be merged. Returns how many there were; ends early when `failed` says so.
inline std::size_t run_every_order(std::size_t count,
                                   const std::function<std::vector<Steps>()>& set_up,
                                   const std::function<bool()>& failed) {
  Actors actors(count);
  std::size_t orders = 0;
  // Which actor takes each step: an odometer that skips what is impossible.
  std::vector<std::size_t> choices;
  do {
    const std::vector<Steps> scenario = set_up();
    std::vector<std::size_t> next(count, 0);
    for (std::size_t at = 0;; ++at) {
      if (at == choices.size()) {
        std::size_t actor = 0;
        while (actor < count && next[actor] == scenario[actor].size()) ++actor;
        if (actor == count) break;  // all are through
        choices.push_back(actor);
      }
      actors.run(choices[at], scenario[choices[at]][next[choices[at]]++]);
    }
    ++orders;
    // The last step for which there is another actor with something left to do.
    while (!choices.empty()) {
      const std::size_t last = choices.back();
      choices.pop_back();
      --next[last];
      std::size_t other = last + 1;
      while (other < count && next[other] == scenario[other].size()) ++other;
      if (other == count) continue;
      choices.push_back(other);
      break;
    }
  } while (!choices.empty() && !failed());
  return orders;
}

}  // namespace xtree::test
