// A random database, its files, and what it holds and held: what a repair is measured against.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/crashing_disk.h"
#include "support/random.h"
#include "xtree/database.h"

namespace xtree::test {

inline constexpr const char* kHistoryDirectory = "db";

[[nodiscard]] Options options_on(testing::SimulatedFileSystem& files);

// Entries of any of the history's indexes; those of points have equal corners.
struct PlainEntry {
  double low[2];
  double high[2];
  std::uint64_t value;
  friend auto operator<=>(const PlainEntry&, const PlainEntry&) = default;
};

// All of a database: its indexes with their entries in order, and its named values.
struct PlainState {
  std::map<std::string, std::vector<PlainEntry>> indexes;
  std::map<std::string, std::string> values;
  friend bool operator==(const PlainState&, const PlainState&) = default;
};

// What the database holds. Of the named values it finds those that a history uses.
[[nodiscard]] PlainState read_state(Database& db);

// A few lives of a database: indexes of boxes, two of them alike, and one of points; single writes,
// batches, bulk loads, indexes that are dropped and made, checkpoints, and kills. All writes are
// synced, so all of them are acknowledged.
class History {
 public:
  using State = PlainState;

  explicit History(Random& random);

  [[nodiscard]] const DirectoryImage& image() const { return image_; }
  [[nodiscard]] const State& state() const { return by_operations_.rbegin()->second; }
  // As the newest checkpoint has it.
  [[nodiscard]] const State& checkpoint_state() const { return by_operations_.begin()->second; }
  // Behind the newest checkpoint.
  [[nodiscard]] std::uint64_t operations() const { return by_operations_.rbegin()->first; }
  // After so many operations behind the checkpoint; null within a batch.
  [[nodiscard]] const State* state_after(std::uint64_t operations) const;

 private:
  void open();
  void kill_and_reopen();
  void step();
  void write_batch();
  void erase_many();
  void load(const std::string& name);
  void remake_index();
  void checkpoint();
  void acknowledged(std::uint64_t operations);
  void checkpointed();
  std::string any_index();
  PlainEntry any_entry(const std::string& name);

  Random& random_;
  std::unique_ptr<testing::SimulatedFileSystem> files_ =
      std::make_unique<testing::SimulatedFileSystem>();
  std::optional<Database> db_;
  State now_;
  std::map<std::uint64_t, State> by_operations_{{0, {}}};
  DirectoryImage image_;
};

}  // namespace xtree::test
