// GroupSleepers: where writers sleep until their group is done, and how so many of them are woken.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <utility>

namespace xtree::persistence {

// To wake a thread takes several microseconds, and more where its processor has gone to rest. So
// who ends a group wakes the first few of its sleepers, and these help to wake the others, a lane
// each. These first few stay awake while a short sync runs, if they are told to: then no processor
// has to be called back from rest before it can call others.
//
// Groups have numbers in their order. At most kGroups that follow one another may have sleepers at
// a time. Functions that end in `locked` are called under one mutex, the others without it.
class GroupSleepers {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kGroups = 4;

  // Where a writer sleeps; the same for all the time that it sleeps for the same group.
  struct Place {
    std::uint64_t group = 0;
    std::size_t lane = 0;
    std::uint32_t word = 0;  // of the lane, while there is no reason to wake
  };

  // The writer will sleep until its group is ended, or it is woken alone.
  void take_place_locked(Place& place, std::uint64_t group) noexcept {
    Group& sleepers = groups_[group % kGroups];
    if (place.group != group) place = {.group = group, .lane = lane_of(sleepers.count++)};
    // It changes under the mutex.
    place.word = sleepers.lanes[place.lane].load(std::memory_order_relaxed);
  }
  // Who is among the first looks for so long whether it is woken before it falls asleep.
  void sleep(const Place& place, Clock::duration watch) noexcept;

  // Nobody falls asleep for this group any more. Whether somebody has, and `wake` is to be called.
  [[nodiscard]] bool end_locked(std::uint64_t group) noexcept;
  void wake(std::uint64_t group) noexcept {
    groups_[group % kGroups].lanes[0].notify_all();
    wake_lanes(groups_[group % kGroups]);
  }
  // Wakes one, if anybody sleeps.
  void wake_one_locked(std::uint64_t group) noexcept;

 private:
  static constexpr std::size_t kLanes = 4;
  static constexpr std::size_t kFirst = 3;  // that sleep on lane 0, one to wake each other lane
  // Where a processor is lent for so long, others have work for all of them. Then nobody watches
  // for some time: who is called back from sleep goes before others, who lent it waits for them.
  static constexpr std::chrono::milliseconds kLongYield{1};
  static constexpr std::chrono::seconds kRest{1};

  struct alignas(64) Group {
    std::array<std::atomic<std::uint32_t>, kLanes> lanes = {};  // a change means to wake
    // A bit for each lane whose word has changed and whose sleepers nobody has set out to wake.
    std::atomic<std::uint32_t> unwoken = 0;
    std::size_t count = 0;  // of places; guarded by the mutex
  };

  static constexpr std::size_t lane_of(std::size_t number) noexcept {
    return number < kFirst ? 0 : 1 + (number - kFirst) % (kLanes - 1);
  }

  static void wake_lanes(Group& sleepers) noexcept;
  void watch(const std::atomic<std::uint32_t>& lane, std::uint32_t word,
             Clock::duration time) noexcept;

  std::array<Group, kGroups> groups_;
  std::atomic<Clock::time_point> rest_end_ = Clock::time_point();  // nobody watches before
};

// Acquire: what was done for the group before it was ended.
inline void GroupSleepers::sleep(const Place& place, Clock::duration watch) noexcept {
  Group& sleepers = groups_[place.group % kGroups];
  if (place.lane == 0 && watch.count() != 0) this->watch(sleepers.lanes[0], place.word, watch);
  sleepers.lanes[place.lane].wait(place.word, std::memory_order_acquire);
  wake_lanes(sleepers);
}

inline void GroupSleepers::watch(const std::atomic<std::uint32_t>& lane, std::uint32_t word,
                                 Clock::duration time) noexcept {
  auto now = Clock::now();
  if (now < rest_end_.load(std::memory_order_relaxed)) return;
  const auto end = now + time;
  while (lane.load(std::memory_order_relaxed) == word && now < end) {
    std::this_thread::yield();
    const auto before = std::exchange(now, Clock::now());
    if (now - before < kLongYield) continue;
    rest_end_.store(now + kRest, std::memory_order_relaxed);
    return;
  }
}

// Who ended the group does it last, so no lane waits for a sleeper of the first one to help.
// Acquire pairs with `end_locked`: a lane's word has changed before anybody looks for sleepers.
inline void GroupSleepers::wake_lanes(Group& sleepers) noexcept {
  std::uint32_t lanes = sleepers.unwoken.load(std::memory_order_relaxed);
  while (lanes != 0) {
    const auto lane = static_cast<std::size_t>(std::countr_zero(lanes));
    if (sleepers.unwoken.compare_exchange_weak(lanes, lanes & (lanes - 1),
                                               std::memory_order_acquire,
                                               std::memory_order_relaxed)) {
      sleepers.lanes[lane].notify_all();
      lanes = sleepers.unwoken.load(std::memory_order_relaxed);
    }
  }
}

// Words change sequentially consistently, as notifying begins with a look whether anybody sleeps.
// The first lane's comes last: who sees its change sees the bits of the others.
inline bool GroupSleepers::end_locked(std::uint64_t group) noexcept {
  Group& sleepers = groups_[group % kGroups];
  if (sleepers.count == 0) return false;
  std::uint32_t unwoken = 0;
  for (std::size_t lane = 1; lane < kLanes && sleepers.count >= kFirst + lane; ++lane) {
    sleepers.lanes[lane].fetch_add(1, std::memory_order_seq_cst);
    unwoken |= std::uint32_t{1} << lane;
  }
  if (unwoken != 0) sleepers.unwoken.fetch_or(unwoken, std::memory_order_release);
  sleepers.lanes[0].fetch_add(1, std::memory_order_seq_cst);
  sleepers.count = 0;
  return true;
}

// The first to take a place sleeps on the first lane, or is awake and will see the change.
inline void GroupSleepers::wake_one_locked(std::uint64_t group) noexcept {
  std::atomic<std::uint32_t>& lane = groups_[group % kGroups].lanes[0];
  lane.fetch_add(1, std::memory_order_seq_cst);
  lane.notify_one();
}

}  // namespace xtree::persistence
