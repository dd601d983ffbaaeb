#include "resolution.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "walks.h"

namespace xtree::bench {
namespace {

constexpr std::size_t kChildren = 64;
constexpr std::size_t kHotLinks = 128;  // 16 KiB of frames: the innermost cache

std::uint64_t steps_for(std::uint64_t links) { return links <= 10'000 ? 1'000'000 : 100'000; }

// The last world, so that the contests over one table share it.
std::shared_ptr<HandleWorld> world_of(std::uint64_t handles) {
  static std::shared_ptr<HandleWorld> last;
  if (!last || last->ids().size() != handles) {
    last.reset();
    last = std::make_shared<HandleWorld>(handles);
  }
  return last;
}

// Some of the world's links, or all of them, in random order.
std::vector<std::uint32_t> choose(const HandleWorld& world, std::size_t links) {
  std::vector<std::uint32_t> numbers = HandleWorld::shuffled(world.ids().size(), 3);
  if (links < numbers.size()) numbers.resize(links);
  return numbers;
}

Contest dependent(std::uint64_t handles, std::size_t links) {
  const auto world = world_of(handles);
  const auto numbers = choose(*world, links);
  const Link* start = world->ring(numbers);
  const std::uint64_t steps = steps_for(numbers.size());
  const auto at = std::make_shared<const Link*[]>(4);
  for (int i = 0; i < 4; ++i) at[i] = start;
  Contest contest;
  contest.keep(world);
  contest.add("pointer", steps, [=] { at[0] = walk_pointers(at[0], steps); });
  contest.add("through a swizzled reference", steps,
              [=] { at[1] = walk_links(at[1], steps); });
  contest.add("bare array of words", steps,
              [=] { at[2] = walk_words(world->words(), at[2], steps); });
  contest.add("NodeID, table, verified", steps,
              [=] { at[3] = walk_ids(world->table().reader(), at[3], steps); });
  return contest;
}

// What is asked for, in the three forms.
struct Questions {
  std::vector<std::uint32_t> numbers;
  std::vector<NodeId> ids;
  std::vector<const Link*> links;
};

Contest independent(std::uint64_t handles, std::size_t count, bool neighbours) {
  const auto world = world_of(handles);
  const auto asked = std::make_shared<Questions>();
  asked->numbers = choose(*world, count);
  const std::size_t whole = asked->numbers.size() / kChildren * kChildren;
  asked->numbers.resize(whole);
  // Children that a bulk load made have handles one after the other.
  for (std::size_t i = 0; neighbours && i < whole; ++i) {
    const std::size_t child = i % kChildren;
    const std::size_t first = asked->numbers[i - child] / kChildren * kChildren;
    asked->numbers[i] = static_cast<std::uint32_t>(std::min(first, whole - kChildren) + child);
  }
  for (const std::uint32_t number : asked->numbers) {
    asked->ids.push_back(world->ids()[number]);
    asked->links.push_back(world->link(number));
  }
  // Every turn goes on where the last one ended.
  const std::size_t per_turn = std::min<std::size_t>(whole, 64 * 1024);
  const std::size_t passes = std::max<std::size_t>(1, 64 * 1024 / per_turn);
  const auto add = [&](Contest& contest, const char* name, auto visit) {
    contest.add(name, per_turn * passes, [=, first = std::size_t{0}]() mutable {
      for (std::size_t i = 0; i < passes; ++i) keep(visit(first));
      first = first + 2 * per_turn <= whole ? first + per_turn : 0;
    });
  };
  Contest contest;
  contest.keep(world);
  add(contest, "pointer",
      [=](std::size_t first) { return visit_pointers(&asked->links[first], per_turn); });
  add(contest, "pointer, a node's children at a time", [=](std::size_t first) {
    return visit_child_pointers(&asked->links[first], per_turn, kChildren);
  });
  add(contest, "bare array of words", [=](std::size_t first) {
    return visit_words(world->words(), &asked->numbers[first], per_turn);
  });
  add(contest, "NodeID, one by one", [=](std::size_t first) {
    return visit_ids(world->table().reader(), &asked->ids[first], per_turn);
  });
  add(contest, "NodeID, a node's children at a time", [=](std::size_t first) {
    return visit_children(world->table().reader(), &asked->ids[first], per_turn, kChildren);
  });
  add(contest, "NodeID, batches in a pipeline", [=](std::size_t first) {
    return visit_in_pipeline(world->table().reader(), &asked->ids[first], per_turn);
  });
  return contest;
}

}  // namespace

Contest walk_contest(std::uint64_t handles, const Walk& walk) {
  const std::size_t links = walk.hot ? kHotLinks : handles;
  return walk.dependent ? dependent(handles, links) : independent(handles, links, walk.tree_order);
}

}  // namespace xtree::bench
