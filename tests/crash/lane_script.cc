#include "crash/lane.h"

#include <algorithm>

namespace xtree::test {
namespace {

LaneEntry random_entry(Random& random, Target target, std::uint64_t lane) {
  LaneEntry entry;
  entry.key = static_cast<std::uint32_t>(random.below(1 << 16));
  entry.value = random.below(1 << 24);
  if (target == Target::shared) entry.value |= lane << kLaneShift;
  return entry;
}

// Grows the lane up to its bound and keeps it there; some operations find nothing to do.
LaneOperation random_operation(const LaneState& state, Random& random, const LaneMix& mix,
                               std::uint64_t lane) {
  const Target target = static_cast<Target>(random.below(3));
  const auto& entries = state.of(target);
  const std::uint64_t choice = random.below(100);
  LaneOperation operation{LaneOperation::insert, target, random_entry(random, target, lane)};
  if (target == Target::points && !state.has_points) {
    operation.target = Target::boxes;
    return operation;
  }
  if (choice == 0 && target != Target::shared) {
    operation.kind = LaneOperation::clear;
    return operation;
  }
  const bool full = entries.size() >= mix.most;
  if (!full && choice < 60) return operation;
  if (!entries.empty() && !random.one_in(10)) {
    operation.entry = entries[random.below(entries.size())];
  }
  if (!full && choice < 64) return operation;  // a second entry like one that is there
  operation.kind = full || choice < 85 ? LaneOperation::erase : LaneOperation::update;
  operation.to = static_cast<std::uint32_t>(random.below(1 << 16));
  return operation;
}

void apply_operation(LaneState& state, const LaneOperation& operation) {
  auto& entries = state.of(operation.target);
  const auto found = std::find(entries.begin(), entries.end(), operation.entry);
  switch (operation.kind) {
    case LaneOperation::insert:
      entries.push_back(operation.entry);
      return;
    case LaneOperation::erase:
      if (found != entries.end()) entries.erase(found);
      return;
    case LaneOperation::update:
      if (found != entries.end()) found->key = operation.to;
      return;
    case LaneOperation::clear:
      entries.clear();
      return;
  }
}

}  // namespace

LaneStep next_step(const LaneState& state, Random& random, const LaneMix& mix,
                   std::uint64_t lane) {
  LaneStep step{LaneStep::batch, {}, state.number + 1};
  const std::uint64_t choice = random.below(100);
  if (mix.checkpoints != 0 && random.one_in(mix.checkpoints)) {
    step.kind = LaneStep::checkpoint;
  } else if (mix.structure && choice < 3) {
    step.kind = state.has_points ? LaneStep::drop : LaneStep::create;
  } else if (mix.structure && choice < 6) {
    step.kind = LaneStep::bulk_load;
    const std::size_t room = mix.most - std::min(mix.most, state.of(Target::boxes).size());
    for (std::size_t i = random.below(room / 2 + 2); i > 0; --i) {
      step.operations.push_back({LaneOperation::insert, Target::boxes,
                                 random_entry(random, Target::boxes, lane)});
    }
  } else {
    step.kind = choice < 50 ? LaneStep::single : LaneStep::batch;
    const std::uint64_t count = step.kind == LaneStep::single ? 1
                                : random.one_in(40)           ? random.below(300)
                                                              : random.between(1, 12);
    for (std::uint64_t i = 0; i < count; ++i) {
      step.operations.push_back(random_operation(state, random, mix, lane));
    }
  }
  return step;
}

void apply_step(LaneState& state, const LaneStep& step) {
  for (const LaneOperation& operation : step.operations) apply_operation(state, operation);
  if (step.kind == LaneStep::batch) state.number = step.number;
  if (step.kind == LaneStep::create) state.has_points = true;
  if (step.kind == LaneStep::drop) {
    state.has_points = false;
    state.of(Target::points).clear();
  }
}

}  // namespace xtree::test
