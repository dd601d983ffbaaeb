#include "crash/lane.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace xtree::test {
namespace {

// Coordinates repeat, so that entries touch, overlap and are equal.
Box<2> box_of(std::uint32_t key) {
  const double x = key * 2654435761u % 997;
  const double y = key * 2246822519u % 991;
  return {{x, y}, {x + key % 13, y + key % 7}};
}

Point<3, float> point_of(std::uint32_t key) {
  return {key * 2654435761u % 97, key * 2246822519u % 89, key % 31};
}

std::string name_of(const char* kind, std::uint64_t lane) {
  return std::string(kind) + "-" + std::to_string(lane);
}

// A batch and direct calls, told apart by what they return.
struct IntoBatch {
  Batch& batch;
  template <class I, class G, class V> Result<void> insert(I& index, const G& at, V value) {
    batch.insert(index, at, value);
    return {};
  }
  template <class I, class G, class V> Result<void> erase(I& index, const G& at, V value) {
    batch.erase(index, at, value);
    return {};
  }
  template <class I, class G, class V>
  Result<void> update(I& index, const G& from, const G& to, V value) {
    batch.update(index, from, to, value);
    return {};
  }
  template <class I> Result<void> clear(I& index) {
    batch.clear(index);
    return {};
  }
};

struct Directly {
  template <class I, class G, class V> Result<void> insert(I& index, const G& at, V value) {
    return index.insert(at, value);
  }
  template <class I, class G, class V> Result<void> erase(I& index, const G& at, V value) {
    return without_value(index.erase(at, value));
  }
  template <class I, class G, class V>
  Result<void> update(I& index, const G& from, const G& to, V value) {
    return without_value(index.update(from, to, value));
  }
  template <class I> Result<void> clear(I& index) { return index.clear(); }
  static Result<void> without_value(const Result<bool>& result) {
    return result ? Result<void>() : Result<void>(result.error());
  }
};

template <class Changes, class Index, class Geometry, class Value>
auto change(Changes&& changes, const LaneOperation& operation, Index& index,
            const Geometry& geometry, const Geometry& to, Value value) {
  switch (operation.kind) {
    case LaneOperation::insert: return changes.insert(index, geometry, value);
    case LaneOperation::erase: return changes.erase(index, geometry, value);
    case LaneOperation::update: return changes.update(index, geometry, to, value);
    case LaneOperation::clear: break;
  }
  return changes.clear(index);
}

// Finds the entries of the answer among the expected ones by sorting both.
struct Answer {
  Box<3> box;
  std::uint64_t value;
  friend bool operator==(const Answer&, const Answer&) = default;
  friend bool operator<(const Answer& a, const Answer& b) {
    for (std::size_t i = 0; i < 3; ++i) {
      if (a.box.min[i] != b.box.min[i]) return a.box.min[i] < b.box.min[i];
      if (a.box.max[i] != b.box.max[i]) return a.box.max[i] < b.box.max[i];
    }
    return a.value < b.value;
  }
};

template <class B>
Answer answer_of(const B& box, std::uint64_t value) {
  Answer answer{{}, value};
  for (std::size_t i = 0; i < B::kDimensions; ++i) {
    answer.box.min[i] = box.min[i];
    answer.box.max[i] = box.max[i];
  }
  return answer;
}

template <class Index>
Result<std::optional<std::string>> compare(const Snapshot& snapshot, const Index& index,
                                           std::vector<Answer> expected, const char* name,
                                           std::optional<std::uint64_t> lane = {}) {
  std::vector<Answer> answers;
  std::uint64_t all = 0;
  const bool of_all_lanes = !lane.has_value();
  const std::uint64_t wanted = lane.value_or(0);
  const auto done = snapshot.for_each(index, everything(), [&](const typename Index::Hit& hit) {
    ++all;
    const std::uint64_t value = hit.value;
    if (of_all_lanes || value >> kLaneShift == wanted) {
      answers.push_back(answer_of(hit.box, value));
    }
  });
  if (!done) return done.error();
  const auto size = snapshot.size(index);
  if (!size) return size.error();
  std::sort(answers.begin(), answers.end());
  std::sort(expected.begin(), expected.end());
  std::optional<std::string> text;
  if (answers != expected) {
    text = std::string(name) + ": holds " + std::to_string(answers.size()) + " entries, not the " +
           std::to_string(expected.size()) + " expected ones";
  } else if (*size != all) {
    text = std::string(name) + ": says that it holds " + std::to_string(*size) + " entries, has " +
           std::to_string(all);
  }
  return text;
}

}  // namespace

Result<Lane> Lane::open(Database& db, std::uint64_t number) {
  auto boxes = db.index<2>(name_of("boxes", number));
  if (!boxes) return boxes.error();
  auto shared = db.index<2>("shared");
  if (!shared) return shared.error();
  return Lane(db, number, std::move(boxes).value(), std::move(shared).value());
}

// Whether the index of points is there; `points_` is its object then.
Result<bool> Lane::find_points() {
  const std::string name = name_of("points", number_);
  if (const auto there = db_->open_index(name); !there) {
    points_.reset();
    if (there.error().code() == ErrorCode::not_found) return false;
    return there.error();
  }
  auto points = db_->index<3, std::uint32_t, float, Shape::points>(name);
  if (!points) return points.error();
  points_.emplace(std::move(points).value());
  return true;
}

// Calls `to_do(index, geometry, to, value)` with the objects that the operation is about.
template <class F>
auto Lane::with_target(const LaneOperation& operation, F&& to_do) {
  const LaneEntry& entry = operation.entry;
  switch (operation.target) {
    case Target::boxes: return to_do(boxes_, box_of(entry.key), box_of(operation.to), entry.value);
    case Target::shared:
      return to_do(shared_, box_of(entry.key), box_of(operation.to), entry.value);
    case Target::points: break;
  }
  return to_do(*points_, point_of(entry.key), point_of(operation.to),
               static_cast<std::uint32_t>(entry.value));
}

Result<void> Lane::prepare(const LaneStep& step) {
  for (const LaneOperation& operation : step.operations) {
    if (operation.target != Target::points || points_) continue;
    const auto found = find_points();
    if (!found) return found.error();
    EXPECT_TRUE(*found) << "the index of points is not there";
    break;
  }
  return {};
}

Result<Batch> Lane::batch_of(const LaneStep& step) {
  if (auto prepared = prepare(step); !prepared) return prepared.error();
  Batch batch;
  for (const LaneOperation& operation : step.operations) {
    auto added = with_target(operation, [&](auto& index, const auto& at, const auto& to, auto v) {
      return change(IntoBatch{batch}, operation, index, at, to, v);
    });
    if (!added) return added.error();
  }
  batch.put(name_of("number", number_), std::to_string(step.number));
  return batch;
}

Result<void> Lane::execute(const LaneStep& step) {
  switch (step.kind) {
    case LaneStep::batch: {
      auto batch = batch_of(step);
      return batch ? db_->apply(*batch) : Result<void>(batch.error());
    }
    case LaneStep::single: {
      if (auto prepared = prepare(step); !prepared) return prepared;
      const LaneOperation& operation = step.operations.front();
      return with_target(operation, [&](auto& index, const auto& at, const auto& to, auto v) {
        return change(Directly{}, operation, index, at, to, v);
      });
    }
    case LaneStep::bulk_load: {
      std::vector<Boxes::Entry> entries;
      for (const auto& o : step.operations) entries.push_back({box_of(o.entry.key), o.entry.value});
      return boxes_.bulk_load(entries);
    }
    case LaneStep::create: {
      auto made =
          db_->index<3, std::uint32_t, float, Shape::points>(name_of("points", number_));
      if (!made) return made.error();
      points_.emplace(std::move(made).value());
      return {};
    }
    case LaneStep::drop:
      points_.reset();
      return db_->drop_index(name_of("points", number_));
    case LaneStep::checkpoint: break;
  }
  return db_->checkpoint();
}

Result<Token> Lane::execute_async(const LaneStep& step) {
  auto batch = batch_of(step);
  if (!batch) return batch.error();
  return db_->apply_async(*batch);
}

Result<std::optional<std::string>> Lane::difference(const LaneState& state) {
  return difference(state, db_->snapshot());
}

Result<std::optional<std::string>> Lane::difference(const LaneState& state,
                                                    const Snapshot& snapshot) {
  using Difference = std::optional<std::string>;
  const auto number = snapshot.get(name_of("number", number_));
  if (!number) return number.error();
  if (number->value_or("0") != std::to_string(state.number)) {
    return Difference("number: is " + number->value_or("absent") + ", should be " +
                      std::to_string(state.number));
  }
  const auto there = find_points();
  if (!there) return there.error();
  if (*there != state.has_points) {
    return Difference(*there ? "points: should not be there" : "points: should be there");
  }
  for (const Target target : {Target::boxes, Target::shared, Target::points}) {
    if (target == Target::points && !state.has_points) continue;
    std::vector<Answer> expected;
    for (const LaneEntry& entry : state.of(target)) {
      expected.push_back(target == Target::points ? answer_of(Box(point_of(entry.key)), entry.value)
                                                  : answer_of(box_of(entry.key), entry.value));
    }
    auto found = target == Target::boxes ? compare(snapshot, boxes_, std::move(expected), "boxes")
                 : target == Target::shared
                     ? compare(snapshot, shared_, std::move(expected), "shared", number_)
                     : compare(snapshot, *points_, std::move(expected), "points");
    if (!found || found->has_value()) return found;
  }
  return Difference();
}

}  // namespace xtree::test
