// Field: stores side by side, each in a directory of its own, that take turns at the same work.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "durable/store.h"

namespace bench {

enum class Way : std::uint8_t { one_by_one, asynchronous, batches };

// Asynchronous writes on their way at a time, and items of a batch.
inline constexpr std::size_t kInFlight = 1024;
inline constexpr std::size_t kBatch = 1000;

// A store that is being measured. Its directory is emptied at both ends of its life.
class Runner {
 public:
  Runner(const Contestant& contestant, std::string directory, Promise promise);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  [[nodiscard]] const char* name() const { return contestant_.name; }
  [[nodiscard]] Store& store() { return *store_; }
  [[nodiscard]] std::uint64_t inserted() const { return inserted_; }
  // Goes on with a new store, without an item.
  void begin_empty();
  // Inserts in this way from so many threads for some time, and returns how many per second.
  double run(Way way, unsigned writers, double seconds);
  // The next item, which then counts as inserted.
  Item take() { return item_of(inserted_++); }
  // Closes the store, opens it again, and ends the program unless all that was acknowledged is
  // there, and nothing else.
  void check();

 private:
  Contestant contestant_;
  std::string directory_;
  Promise promise_;
  std::unique_ptr<Store> store_;
  std::uint64_t inserted_ = 0;
};

// One number for each runner and round, and what follows from them.
class Rounds {
 public:
  explicit Rounds(std::size_t runners) : values_(runners) {}

  void add(std::size_t runner, double value) { values_[runner].push_back(value); }
  [[nodiscard]] double median(std::size_t runner) const;
  // The median over the rounds of how many times the other's number a runner's is: a machine that
  // others use as well changes from round to round more than stores differ.
  [[nodiscard]] double ratio(std::size_t runner, std::size_t other) const;

 private:
  std::vector<std::vector<double>> values_;
};

}  // namespace bench
