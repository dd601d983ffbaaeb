// A small machine with several processors whose every run is tried: a model checker for protocols
// of a dozen steps.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <unordered_set>
#include <vector>

namespace xtree::test {

// Processors have store buffers, as those of the real world do: a store becomes visible to others
// at any later time, in order, and a load may overtake it. A protocol that needs a barrier fails
// here without one. All other reordering is the compiler's, and what atomics forbid.
class Machine {
 public:
  static constexpr std::size_t kWords = 40;
  static constexpr std::size_t kProcessors = 3;
  static constexpr std::uint8_t kDone = 255;

  struct Store {
    std::uint64_t word;
    std::uint64_t value;
  };
  struct Processor {
    std::uint64_t step = 0;  // where its program stands
    std::array<std::uint64_t, 6> reg = {};
    std::uint64_t pending = 0;
    std::array<Store, 6> buffer = {};
  };
  // All of it is plain words, so a state's bytes are its name.
  struct State {
    std::array<std::uint64_t, kWords> memory = {};
    std::array<Processor, kProcessors> processors = {};
  };

  // What a step of a program may do: one access to memory, and anything with its registers.
  class Cpu {
   public:
    Cpu(State& state, std::size_t number, std::string& wrong) noexcept
        : state_(state),
          self_(state.processors[number]),
          wrong_(wrong) {}

    [[nodiscard]] std::uint64_t step() const noexcept { return self_.step; }
    [[nodiscard]] std::uint64_t& reg(std::size_t i) noexcept { return self_.reg[i]; }
    void go(std::uint64_t step) noexcept { self_.step = step; }
    void done() noexcept { self_.step = kDone; }

    [[nodiscard]] std::uint64_t load(std::size_t word) const noexcept {
      for (std::size_t i = self_.pending; i-- > 0;) {
        if (self_.buffer[i].word == word) return self_.buffer[i].value;
      }
      return state_.memory[word];
    }
    void store(std::size_t word, std::uint64_t value) {
      if (self_.pending == self_.buffer.size()) drain_one(state_, self_);
      self_.buffer[self_.pending++] = {word, value};
    }
    // Read-modify-writes are full barriers.
    std::uint64_t exchange(std::size_t word, std::uint64_t value) noexcept {
      drain(self_);
      return std::exchange(state_.memory[word], value);
    }
    std::uint64_t add(std::size_t word, std::uint64_t value) noexcept {
      drain(self_);
      return state_.memory[word] += value;
    }
    std::uint64_t fetch_or(std::size_t word, std::uint64_t bits) noexcept {
      drain(self_);
      return std::exchange(state_.memory[word], state_.memory[word] | bits);
    }
    bool compare_exchange(std::size_t word, std::uint64_t expected, std::uint64_t value) noexcept {
      drain(self_);
      if (state_.memory[word] != expected) return false;
      state_.memory[word] = value;
      return true;
    }
    // One processor's part in a process barrier: it passes a barrier just now, wherever it stands.
    void interrupt(std::size_t number) noexcept { drain(state_.processors[number]); }

    void wrong(const char* what) { wrong_ = what; }

   private:
    void drain(Processor& processor) noexcept {
      while (processor.pending != 0) drain_one(state_, processor);
    }
    State& state_;
    Processor& self_;
    std::string& wrong_;
  };
  using Program = std::function<void(Cpu&)>;

  struct Outcome {
    std::size_t states = 0;
    std::string wrong;  // what a program complained of in some run; empty if in none
  };

  // Tries every order in which the programs' steps and their buffered stores can happen. A program
  // that waits takes a step that changes nothing; if all that are not done do so, that is wrong.
  static Outcome run(const State& start, const std::vector<Program>& programs) {
    Outcome outcome;
    std::unordered_set<std::string> seen;
    std::vector<State> ahead{start};
    seen.insert(name(start));
    const auto meet = [&](const State& state) {
      if (seen.insert(name(state)).second) ahead.push_back(state);
    };
    while (!ahead.empty() && outcome.wrong.empty()) {
      const State state = ahead.back();
      ahead.pop_back();
      const std::string here = name(state);
      bool is_over = true;
      bool is_stuck = true;
      for (std::size_t i = 0; i < programs.size(); ++i) {
        if (state.processors[i].step != kDone) {
          State next = state;
          Cpu cpu(next, i, outcome.wrong);
          programs[i](cpu);
          is_over = false;
          is_stuck = is_stuck && name(next) == here;
          meet(next);
        }
        if (state.processors[i].pending != 0) {
          State next = state;
          drain_one(next, next.processors[i]);
          is_stuck = false;
          meet(next);
        }
      }
      if (is_stuck && !is_over) outcome.wrong = "nobody can go on";
    }
    outcome.states = seen.size();
    return outcome;
  }

 private:
  static void drain_one(State& state, Processor& processor) noexcept {
    state.memory[processor.buffer[0].word] = processor.buffer[0].value;
    --processor.pending;
    for (std::size_t i = 0; i < processor.pending; ++i)
      processor.buffer[i] = processor.buffer[i + 1];
    processor.buffer[processor.pending] = {};
  }
  static std::string name(const State& state) {
    return {reinterpret_cast<const char*>(&state), sizeof(state)};
  }
};

}  // namespace xtree::test
