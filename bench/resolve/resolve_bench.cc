// What it costs to get from a NodeID to its node, beside a plain pointer and a bare array.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <numeric>
#include <thread>

#include "contest_benchmark.h"
#include "process_figures.h"
#include "resolution.h"
#include "walks.h"

namespace xtree::bench {
namespace {

constexpr int kRounds = 41;
std::uint64_t steps_for(std::uint64_t links) { return links <= 10'000 ? 1'000'000 : 100'000; }

// The same walks through handles of one shard and of all 64.
Contest sharded(std::uint64_t handles, bool one_by_one) {
  const auto one = std::make_shared<HandleWorld>(handles, 1);
  const auto all = std::make_shared<HandleWorld>(handles, persistence::kShards);
  Contest contest;
  contest.keep(one);
  contest.keep(all);
  const auto at = std::make_shared<const Link*[]>(2);
  const std::vector<std::uint32_t> order = HandleWorld::shuffled(handles, 3);
  at[0] = one->ring(order);
  at[1] = all->ring(order);
  const std::uint64_t steps = steps_for(handles);
  for (std::size_t i = 0; i < 2; ++i) {
    const HandleWorld* world = i == 0 ? one.get() : all.get();
    const char* name = i == 0 ? "1 shard" : "64 shards";
    if (one_by_one) {
      contest.add(name, steps, [=] { at[i] = walk_ids(world->table().reader(), at[i], steps); });
    } else {
      const std::size_t count = std::min<std::size_t>(handles, 64 * 1024);
      const std::size_t passes = 256 * 1024 / count;
      contest.add(name, count * passes, [=] {
        for (std::size_t pass = 0; pass < passes; ++pass) {
          keep(visit_ids(world->table().reader(), world->ids().data(), count));
        }
      });
    }
  }
  return contest;
}

// Handles given out and taken back, by threads that share a table: nanoseconds of a thread's own
// time for each of the two.
double allocate_and_free(ObjectTable& table, int threads) {
  constexpr std::size_t kHeld = 1000;
  constexpr std::size_t kPasses = 500;
  std::vector<std::thread> running;
  std::vector<double> ns(static_cast<std::size_t>(threads));
  std::atomic<int> waiting = threads;
  for (double& mine : ns) {
    running.emplace_back([&] {
      ObjectTable::Allocator handles = table.lease();
      std::vector<NodeId> held(kHeld);
      const auto pass = [&] {
        for (NodeId& id : held) id = handles.allocate();
        for (const NodeId id : held) handles.free(id);
      };
      pass();
      waiting.fetch_sub(1);
      while (waiting.load() != 0) std::this_thread::yield();
      const double begin = thread_ns();
      for (std::size_t i = 0; i < kPasses; ++i) pass();
      mine = (thread_ns() - begin) / (2 * kHeld * kPasses);
    });
  }
  for (std::thread& thread : running) thread.join();
  return std::accumulate(ns.begin(), ns.end(), 0.0) / threads;
}

Contest allocation() {
  Contest contest;
  for (const int threads : {1, 2, 4}) {
    // A new table each time: tags run out in the end, and shards stay active.
    contest.add_timed(std::to_string(threads) + " threads", [=] {
      auto table = ObjectTable::create();
      if (!table) std::abort();
      return allocate_and_free(*table, threads);
    });
  }
  return contest;
}

// Memory for each live handle, frames not counted: what the process grew by.
Contest memory(std::uint64_t handles) {
  const std::size_t before = resident_bytes();
  auto table = ObjectTable::create();
  if (!table) std::abort();
  ObjectTable::Allocator allocator = table->lease();
  persistence::TableEntry entry;
  entry.bytes = 64;
  entry.address.segment = 1;
  alignas(64) static FrameHeader frame{};
  for (std::uint64_t i = 0; i < handles; ++i) {
    entry.id = allocator.allocate();
    table->set_frame(entry.id, &frame);
    table->set_on_disk(entry);
  }
  const double bytes = static_cast<double>(resident_bytes() - before);
  std::printf("  %.2f bytes for each of %llu live handles with a place on disk\n",
              bytes / static_cast<double>(handles), static_cast<unsigned long long>(handles));
  return Contest();
}

void register_size(std::uint64_t handles) {
  for (const Walk& walk : kWalks) {
    const std::string name = std::string(walk.name).append(1, '/').append(std::to_string(handles));
    register_contest(name, kRounds, [=] { return walk_contest(handles, walk); });
  }
}

void register_all(bool large) {
  std::vector<std::uint64_t> sizes{1'000, 100'000, 1'000'000, 10'000'000};
  if (large) sizes.push_back(50'000'000);
  for (const std::uint64_t handles : sizes) register_size(handles);
  for (const std::uint64_t handles : {256, 100'000}) {
    const std::string size = std::string(1, '/').append(std::to_string(handles));
    register_contest("shards, dependent" + size, kRounds, [=] { return sharded(handles, true); });
    register_contest("shards, independent" + size, kRounds,
                     [=] { return sharded(handles, false); });
  }
  register_contest("allocate or free", kRounds, allocation);
  register_contest("memory", 1, [=] { return memory(large ? 50'000'000 : 1'000'000); });
}

}  // namespace
}  // namespace xtree::bench

// With --large, 50 million handles as well; they take 4 GiB.
int main(int count, char** arguments) {
  const auto is_large = [](const char* argument) { return std::strcmp(argument, "--large") == 0; };
  char** const end = std::remove_if(arguments + 1, arguments + count, is_large);
  const bool large = end != arguments + count;
  xtree::bench::register_all(large);
  count = static_cast<int>(end - arguments);
  return xtree::bench::run_contests(count, arguments);
}
