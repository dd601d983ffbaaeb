// Compiled only with XTREE_PLANTS.
#include "platform/plant.h"

#include <cstdlib>
#include <iterator>
#include <string_view>

#include "platform/check.h"

namespace xtree::platform {
namespace {

// In the order of the enumerators.
constexpr std::string_view kNames[] = {"",
                                       "ack_before_sync",
                                       "eventual_not_logged",
                                       "log_directory_not_synced",
                                       "log_header_early",
                                       "roll_without_sync",
                                       "group_unchecked",
                                       "group_unbound",
                                       "block_rewritten",
                                       "addition_unchecked",
                                       "synced_block_filled",
                                       "unsynced_passed_over",
                                       "torn_tail_kept",
                                       "carry_forgotten",
                                       "batch_split",
                                       "released_before_flip",
                                       "segments_not_synced",
                                       "segments_directory_not_synced",
                                       "table_not_synced",
                                       "table_directory_not_synced",
                                       "manifest_not_synced",
                                       "manifest_directory_not_synced",
                                       "flip_not_synced",
                                       "one_superblock_slot",
                                       "both_slots_written",
                                       "superblock_unchecked",
                                       "copy_not_synced",
                                       "rename_not_synced",
                                       "superblock_not_confirmed",
                                       "parent_not_synced",
                                       "sector_written_again",
                                       "segments_gone_before_flip",
                                       "move_forgotten",
                                       "readers_not_told",
                                       "change_forgotten",
                                       "freed_handles_forgotten",
                                       "allocator_forgets",
                                       "segment_numbers_forgotten",
                                       "epoch_forgotten",
                                       "tag_not_bumped",
                                       "link_not_closed",
                                       "link_not_renewed",
                                       "retained_slot_reused",
                                       "entry_seen_early",
                                       "cut_grown",
                                       "evicted_while_changed",
                                       "evicted_beside_versions",
                                       "evicted_while_growing",
                                       "link_left_open",
                                       "failed_sync_forgotten"};
static_assert(std::size(kNames) == static_cast<std::size_t>(Plant::failed_sync_forgotten) + 1);

Plant read_environment() noexcept {
  const char* name = std::getenv("XTREE_PLANT");
  if (name == nullptr) return Plant::none;
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<Plant>(i);
  }
  // A name that nobody knows would pass for a fault that nobody catches.
  XTREE_CHECK(false);
  return Plant::none;
}

}  // namespace

bool planted(Plant plant) noexcept {
  static const Plant chosen = read_environment();
  return plant == chosen;
}

std::span<const std::string_view> plant_names() noexcept { return kNames; }

}  // namespace xtree::platform
