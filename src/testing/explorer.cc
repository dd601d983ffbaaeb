#include "testing/explorer.h"

#include <algorithm>
#include <span>
#include <utility>

#include "platform/check.h"
#include "testing/state_check.h"

namespace xtree::testing {
namespace {

// Deeper lives are explored less densely: there are more of them.
CrashPlans plans_for(const ExplorerLimits& limits, std::size_t depth) {
  if (depth == 0) return {limits.exhaustive_units, limits.samples};
  return {std::min<std::size_t>(limits.exhaustive_units, 3), limits.samples / 3};
}

std::size_t lives_behind(std::size_t lives, std::size_t depth) {
  return depth == 0 ? lives : std::min<std::size_t>(lives, 1);
}

// The unit that an event added, when it added one.
std::size_t newest_of(std::span<const Unit> units, const Event& event) {
  switch (event.kind) {
    case EventKind::write:
    case EventKind::truncate: {
      std::size_t newest = CrashPlans::kNone;
      for (std::size_t i = 0; i < units.size(); ++i) {
        if (units[i].kind != Unit::Kind::name && units[i].node == event.node) newest = i;
      }
      return newest;
    }
    case EventKind::make_file:
    case EventKind::make_directory:
    case EventKind::remove:
    case EventKind::rename: return units.size() - 1;
    default: return CrashPlans::kNone;
  }
}

// What a process sees: everything that was done, durable or not.
DiskImage visible_image(const CrashModel& model) {
  const std::vector<Unit> units = model.units();
  return model.build(units, std::vector<Fate>(units.size()));
}

}  // namespace

ExplorerLimits limits_for(Workload workload) noexcept {
  ExplorerLimits limits;
  if (workload == Workload::supernodes) {
    limits = {.exhaustive_units = 1, .samples = 3, .max_depth = 1, .power_lives = 1,
              .process_lives = 1, .points_one_in = 40};
  }
  return limits;
}

std::optional<Case> Explorer::explore(const Script& script) {
  seen_.clear();
  const Fingerprint nothing = Content().fingerprint();
  return explore_life({CrashModel(), DiskImage(), Content(), {{nothing}, {nothing}}, {}}, script);
}

std::optional<Case> Explorer::explore_life(const Start& start, const Script& script) {
  const std::size_t depth = start.earlier.size();
  ++counts_.lives;
  counts_.deepest = std::max<std::uint64_t>(counts_.deepest, depth);
  const Life life = live(start.image, start.model.next_node(), script, start.base);
  Scene scene{start, script, life, Oracle(start.base, start.before_open, script, life),
              start.model, plans_for(limits_, depth), 0, {}, {}};
  scene.power.room = depth < limits_.max_depth ? lives_behind(limits_.power_lives, depth) : 0;
  scene.process.room = depth < limits_.max_depth ? lives_behind(limits_.process_lives, depth) : 0;
  if (life.failure) {
    Case failed{start.earlier, true, life.failure->message()};
    failed.lives.push_back({script, Death::power, life.trace.events.size(), {}});
    return failed;
  }
  if (auto failed = explore_points(scene)) return failed;
  for (const Reservoir* reservoir : {&scene.power, &scene.process}) {
    for (const Candidate& candidate : reservoir->kept) {
      if (stopped_) return std::nullopt;
      if (auto failed = go_on(scene, candidate)) return failed;
    }
  }
  return std::nullopt;
}

std::optional<Case> Explorer::explore_points(Scene& scene) {
  for (const Event& event : scene.life.trace.events) {
    scene.model.apply(event);
    ++scene.events;
    if (limits_.points_one_in > 1 && !random_.one_in(limits_.points_one_in)) continue;
    ++counts_.crash_points;
    const std::vector<Unit> units = scene.model.units();
    const std::size_t newest = newest_of(units, event);
    if (auto failed = explore_point(scene, units, newest)) return failed;
    // A new promise makes states wrong that were right a moment ago.
    const bool promised =
        scene.oracle.promise(scene.events) != scene.oracle.promise(scene.events - 1);
    if (promised && newest != CrashPlans::kNone) {
      if (auto failed = explore_point(scene, units, CrashPlans::kNone)) return failed;
    }
    if (stopped_) return std::nullopt;
  }
  return std::nullopt;
}

std::optional<Case> Explorer::explore_point(Scene& scene, std::span<const Unit> units,
                                            std::size_t newest) {
  std::optional<Case> failed =
      look_at(scene, Death::process, scene.model.build(units, std::vector<Fate>(units.size())), {});
  if (failed) return failed;
  if (units.empty()) return look_at(scene, Death::power, scene.model.build({}, {}), {});
  scene.plans.for_each(units, newest, random_, [&](std::span<const Fate> fates) {
    if (failed || stopped_) return;
    failed = look_at(scene, Death::power, scene.model.build(units, fates), fates);
  });
  return failed;
}

std::optional<Case> Explorer::look_at(Scene& scene, Death death, const DiskImage& image,
                                      std::span<const Fate> fates) {
  ++counts_.states;
  stopped_ = stopped_ || stop_.should_stop(counts_);
  const std::uint64_t distinct_before = counts_.distinct;
  const Outcome& outcome = outcome_of(image);
  const std::vector<Fingerprint>& allowed = scene.oracle.allowed(scene.events, death);
  if (!outcome.content ||
      !std::binary_search(allowed.begin(), allowed.end(), *outcome.content)) {
    return make_case(scene, death, fates, outcome, allowed);
  }
  if (death == Death::process || counts_.distinct != distinct_before) {
    consider(scene, death, fates, *outcome.content);
  }
  return std::nullopt;
}

const Explorer::Outcome& Explorer::outcome_of(const DiskImage& image) {
  const auto [place, is_new] = seen_.try_emplace(image.hash());
  if (!is_new) return place->second;
  ++counts_.distinct;
  const auto content = recover_content(image);
  if (content) {
    place->second.content = *content;
  } else {
    place->second.error = content.error().message();
  }
  return place->second;
}

void Explorer::consider(Scene& scene, Death death, std::span<const Fate> fates,
                        const Fingerprint& content) {
  Reservoir& reservoir = death == Death::process ? scene.process : scene.power;
  if (reservoir.room == 0) return;
  std::size_t place = reservoir.kept.size();
  if (place == reservoir.room) {
    place = random_.below(reservoir.seen + 1);
  } else {
    reservoir.kept.emplace_back();
  }
  ++reservoir.seen;
  if (place >= reservoir.room) return;
  reservoir.kept[place] = {death, scene.events, {fates.begin(), fates.end()}, content,
                           scene.oracle.before_next_open(scene.events, death)};
}

Case Explorer::make_case(const Scene& scene, Death death, std::span<const Fate> fates,
                         const Outcome& outcome, const std::vector<Fingerprint>& allowed) {
  Case failed{scene.start.earlier, false, outcome.error};
  failed.lives.push_back({scene.script, death, scene.events, {fates.begin(), fates.end()}});
  if (outcome.content) {
    failed.message = describe_difference(scene.oracle, *outcome.content, allowed);
  }
  return failed;
}

// The next life begins on what the crash left; after the death of a process, with everything that
// was on its way to the disk still on its way.
std::optional<Case> Explorer::go_on(const Scene& scene, const Candidate& candidate) {
  Start next{scene.start.model, {}, {}, candidate.before_open, scene.start.earlier};
  for (std::size_t i = 0; i < candidate.events; ++i) next.model.apply(scene.life.trace.events[i]);
  if (candidate.death == Death::power) {
    next.image = next.model.build(next.model.units(), candidate.fates);
    next.model = CrashModel(next.image);
  } else {
    next.image = visible_image(next.model);
  }
  auto base = scene.oracle.content_of(candidate.content);
  // Until the next life has shown what it found, what the one before may leave is right; the state
  // that was found comes from there too.
  if (!base && scene.start.base.fingerprint() == candidate.content) base = scene.start.base;
  if (!base) return std::nullopt;
  next.base = std::move(*base);
  next.earlier.push_back({scene.script, candidate.death, candidate.events, candidate.fates});
  const Script script = make_follow_up(next.base, next.earlier.size(), random_);
  return explore_life(next, script);
}

Result<std::optional<std::string>> replay_case(const Case& failed) {
  const Error misfit(ErrorCode::invalid_argument, "case", "it does not fit this engine's calls");
  CrashModel model;
  DiskImage image;
  Content base;
  BeforeOpen before_open{{base.fingerprint()}, {base.fingerprint()}};
  for (const CaseLife& one : failed.lives) {
    const bool is_last = &one == &failed.lives.back();
    const Life life = live(image, model.next_node(), one.script, base);
    if (life.failure) return std::optional<std::string>(life.failure->message());
    if (is_last && failed.fails_alive) return std::optional<std::string>();
    if (one.events > life.trace.events.size()) return misfit;
    for (std::size_t i = 0; i < one.events; ++i) model.apply(life.trace.events[i]);
    const std::vector<Unit> units = model.units();
    if (one.death == Death::power && one.fates.size() != units.size()) return misfit;
    image = one.death == Death::power ? model.build(units, one.fates) : visible_image(model);
    Oracle oracle(base, before_open, one.script, life);
    const std::vector<Fingerprint> allowed = oracle.allowed(one.events, one.death);
    const auto content = recover_content(image);
    if (!content) return std::optional<std::string>(content.error().message());
    if (!std::binary_search(allowed.begin(), allowed.end(), *content)) {
      return std::optional(describe_difference(oracle, *content, allowed));
    }
    if (one.death == Death::power) model = CrashModel(image);
    auto next_base = oracle.content_of(*content);
    if (next_base) base = std::move(*next_base);
    before_open = oracle.before_next_open(one.events, one.death);
  }
  return std::optional<std::string>();
}

}  // namespace xtree::testing
