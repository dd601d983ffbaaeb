#include "persistence/compactor.h"

#include <algorithm>

#include "platform/clock.h"
#include "platform/plant.h"

namespace xtree::persistence {
namespace {

constexpr double kPercent = 0.01;
// So little garbage does no harm, whatever its share.
constexpr std::uint64_t kIdleBytes = std::uint64_t{1} << 20;
// A budget is for so many milliseconds at the most, however long ago the last checkpoint was.
constexpr std::uint64_t kLongestBudgetMs = 60000;
// `full` leaves this share of garbage; what it moves at a time bounds the room that it takes, since
// the segments that it empties go when the checkpoint is through.
constexpr double kFullShare = 0.05;
constexpr std::uint64_t kLeastFullBudget = std::uint64_t{64} << 20;
constexpr std::uint64_t kFullBudgetPart = 8;

bool by_handle(const TableEntry& a, const TableEntry& b) noexcept {
  return a.id.handle() < b.id.handle();
}

double garbage_share(std::uint64_t total, std::uint64_t live) noexcept {
  return total == 0 ? 0 : static_cast<double>(total - live) / static_cast<double>(total);
}

}  // namespace

std::vector<std::uint32_t> choose_victims(std::vector<SegmentUse> segments,
                                          std::uint64_t fresh_bytes,
                                          const CompactionLimits& limits) {
  std::erase_if(segments, [](const SegmentUse& use) { return use.live_bytes == 0; });
  std::uint64_t total = fresh_bytes;
  std::uint64_t live = fresh_bytes;
  for (const SegmentUse& use : segments) {
    total += use.bytes;
    live += use.live_bytes;
  }
  std::ranges::sort(segments, [](const SegmentUse& a, const SegmentUse& b) {
    return a.live_bytes * b.bytes != b.live_bytes * a.bytes
               ? a.live_bytes * b.bytes < b.live_bytes * a.bytes
               : a.number < b.number;
  });
  std::vector<std::uint32_t> victims;
  if (total - live <= limits.idle_bytes) return victims;
  std::uint64_t moved = 0;
  for (const SegmentUse& use : segments) {
    const double share = garbage_share(total, live);
    if (share <= limits.steady_share) break;
    if (share <= limits.urgent_share && moved + use.live_bytes > limits.budget_bytes) break;
    moved += use.live_bytes;
    total -= use.bytes - use.live_bytes;
    victims.push_back(use.number);
  }
  std::ranges::sort(victims);
  return victims;
}

Compactor::Compactor(Storage& storage, const VersionStore& store, const Options& options) noexcept
    : storage_(storage),
      store_(store),
      limits_{.steady_share = options.compaction_steady_percent * kPercent,
              .urgent_share = options.compaction_urgent_percent * kPercent,
              .budget_bytes = 0,
              .idle_bytes = kIdleBytes},
      bytes_per_second_(options.compaction_bytes_per_second),
      looked_ms_(platform::coarse_time_ms()) {}

CompactionLimits Compactor::background_limits() noexcept {
  const std::uint64_t now_ms = platform::coarse_time_ms();
  const std::uint64_t passed_ms = std::min(now_ms - looked_ms_, kLongestBudgetMs);
  looked_ms_ = now_ms;
  CompactionLimits limits = limits_;
  limits.budget_bytes = bytes_per_second_ / 1000 * passed_ms;
  return limits;
}

CompactionLimits Compactor::full_limits() const noexcept {
  const std::uint64_t part = storage_.live_segment_bytes() / kFullBudgetPart;
  return {.steady_share = kFullShare,
          .urgent_share = 1,
          .budget_bytes = std::max(kLeastFullBudget, part),
          .idle_bytes = 0};
}

bool Compactor::has_work() const {
  return !choose_victims(storage_.segment_uses(), 0, full_limits()).empty();
}

void Compactor::choose(std::uint64_t fresh_bytes, Compaction effort) {
  victims_.clear();
  const CompactionLimits background = background_limits();
  if (effort == Compaction::none) return;
  if (effort == Compaction::background && is_paused_.load(std::memory_order_relaxed)) return;
  victims_ = choose_victims(storage_.segment_uses(), fresh_bytes,
                            effort == Compaction::full ? full_limits() : background);
  for (const std::uint32_t victim : victims_) storage_.close_segment(victim);
}

// A node that the checkpoint has written or freed is not moved. The others are as the newest
// checkpoint has them, whatever has become of them since the cut.
Result<void> Compactor::move(std::vector<TableEntry>& changes) {
  if (victims_.empty()) return {};
  std::vector<TableEntry> survivors;
  store_.for_each_on_disk([&](const TableEntry& entry) {
    if (std::ranges::binary_search(victims_, entry.address.segment) &&
        !std::ranges::binary_search(changes, entry, by_handle)) {
      survivors.push_back(entry);
    }
  });
  // In the order in which they lie there, so that the segments are read from end to end.
  std::ranges::sort(survivors, [](const TableEntry& a, const TableEntry& b) {
    return a.address.segment != b.address.segment ? a.address.segment < b.address.segment
                                                  : a.address.unit() < b.address.unit();
  });
  const auto own = static_cast<std::ptrdiff_t>(changes.size());
  std::uint64_t bytes = 0;
  for (const TableEntry& entry : survivors) {
    const auto moved = storage_.move(entry);
    if (!moved) return moved.error();
    if (*moved == entry) continue;
    bytes += entry.stored_bytes();
    const bool is_forgotten = platform::planted(platform::Plant::move_forgotten);
    changes.push_back(is_forgotten ? entry : *moved);
  }
  std::sort(changes.begin() + own, changes.end(), by_handle);
  std::inplace_merge(changes.begin(), changes.begin() + own, changes.end(), by_handle);
  moved_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  return {};
}

}  // namespace xtree::persistence
