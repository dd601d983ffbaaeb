// Lane: a random stream of writes on a database together with what it must hold after each.
#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "support/random.h"
#include "xtree/database.h"

namespace xtree::test {

// Geometry follows from `key`, so that an entry is two numbers and a state is cheap to keep.
struct LaneEntry {
  std::uint32_t key = 0;
  std::uint64_t value = 0;
  friend auto operator<=>(const LaneEntry&, const LaneEntry&) = default;
};

// Where an entry's value in the shared index says which lane put it there.
inline constexpr int kLaneShift = 56;

// Boxes and points are indexes of the lane's own; the shared index holds entries of every lane. The
// index of points comes and goes. `number` is a named value that every batch writes.
enum class Target : std::uint8_t { boxes, points, shared };

struct LaneState {
  std::vector<LaneEntry> entries[3];
  bool has_points = false;
  std::uint64_t number = 0;

  std::vector<LaneEntry>& of(Target target) { return entries[static_cast<int>(target)]; }
  [[nodiscard]] const std::vector<LaneEntry>& of(Target target) const {
    return entries[static_cast<int>(target)];
  }
};

struct LaneOperation {
  enum Kind : std::uint8_t { insert, erase, update, clear } kind;
  Target target;
  LaneEntry entry;
  std::uint32_t to = 0;  // the key that an update moves the entry to
};

// One call on the database, which a crash must leave either done or not begun.
struct LaneStep {
  enum Kind : std::uint8_t { batch, single, bulk_load, create, drop, checkpoint } kind;
  std::vector<LaneOperation> operations;
  std::uint64_t number = 0;
};

struct LaneMix {
  bool structure = true;  // also makes and drops indexes, and loads in bulk
  std::uint64_t checkpoints = 60;  // one step in so many is a checkpoint; 0 means none
  std::size_t most = 400;          // entries of one index
};

// The same state, random numbers and mix give the same step.
[[nodiscard]] LaneStep next_step(const LaneState& state, Random& random, const LaneMix& mix,
                                 std::uint64_t lane);
void apply_step(LaneState& state, const LaneStep& step);

// The lane's objects in an open database.
class Lane {
 public:
  // Makes the indexes that are always there, if they are not.
  static Result<Lane> open(Database& db, std::uint64_t number);

  Result<void> execute(const LaneStep& step);
  // Only for a step that is a batch.
  Result<Token> execute_async(const LaneStep& step);
  Result<void> wait(Token token) { return db_->wait(token); }

  // What differs between the database and `state`; nothing when they agree. An error when the
  // database could not be read.
  Result<std::optional<std::string>> difference(const LaneState& state);
  // The same for a snapshot of the database; indexes are found in `db` all the same.
  Result<std::optional<std::string>> difference(const LaneState& state, const Snapshot& snapshot);

 private:
  using Boxes = Index<2>;
  using Points = PointIndex<3, std::uint32_t, float>;

  Lane(Database& db, std::uint64_t number, Boxes boxes, Boxes shared)
      : db_(&db), number_(number), boxes_(std::move(boxes)), shared_(std::move(shared)) {}

  template <class F>
  auto with_target(const LaneOperation& operation, F&& to_do);
  Result<bool> find_points();
  Result<void> prepare(const LaneStep& step);
  Result<Batch> batch_of(const LaneStep& step);

  Database* db_;
  std::uint64_t number_;
  Boxes boxes_;
  Boxes shared_;
  std::optional<Points> points_;
};

}  // namespace xtree::test
