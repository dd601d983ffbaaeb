// Planted faults: mistakes that the engine makes on demand, so that its tests can be tested.
#pragma once

#include <cstdint>
#ifdef XTREE_PLANTS
#include <span>
#include <string_view>
#endif

namespace xtree::platform {

// One at a time, by the name that XTREE_PLANT holds in a build with XTREE_PLANTS. Each is the
// absence of one step of the argument in design/recovery.md, or for links in design/concurrency.md;
// tests/harness proves that each is caught.
enum class Plant : std::uint8_t {
  none,
  // The log.
  ack_before_sync,           // writers return while the log is not synced
  eventual_not_logged,       // `eventual` writes are treated as `none`
  log_directory_not_synced,  // a log file is used before its name is durable
  log_header_early,          // a file's header goes out before what it vouches for is synced
  roll_without_sync,         // the next file vouches for groups that are not synced
  group_unchecked,           // a group's payload is believed without its checksum
  group_unbound,             // a group of another file or life is believed
  block_rewritten,           // a block that was synced is written again
  addition_unchecked,        // an addition to a group is believed without its checksum
  synced_block_filled,       // additions go on in a block that was synced
  unsynced_passed_over,      // a group is written durably behind one that is not synced
  torn_tail_kept,            // the log goes on behind a torn group
  carry_forgotten,           // unproven groups are not copied into the next life's file
  batch_split,               // a batch goes into two groups
  released_before_flip,      // the log that the checkpoint replaces goes before it is there
  // The checkpoint.
  segments_not_synced,
  segments_directory_not_synced,
  table_not_synced,
  table_directory_not_synced,
  manifest_not_synced,
  manifest_directory_not_synced,
  flip_not_synced,
  one_superblock_slot,       // both generations use the same slot
  both_slots_written,        // the other slot is written again under the same sync
  superblock_unchecked,      // a slot is believed without its checksum
  copy_not_synced,           // a superblock is renamed into place before its content is durable
  rename_not_synced,         // and its new name is not made durable
  superblock_not_confirmed,  // an open believes a superblock that only the cache may hold
  parent_not_synced,         // the new database's own name is not made durable
  sector_written_again,      // a checkpoint goes on in the last sector of the one before
  segments_gone_before_flip, // segments that only the newest checkpoint needs go with the next one
  move_forgotten,            // the table goes on naming the segment that was emptied
  readers_not_told,          // and so do those who read
  change_forgotten,          // one changed node is not written
  freed_handles_forgotten,   // the table does not learn that a node is gone
  // Opening.
  allocator_forgets,         // images that are in use count as garbage
  segment_numbers_forgotten, // a new segment gets the number of another one
  epoch_forgotten,           // epochs begin again at the last start
  tag_not_bumped,            // a handle's next life has the NodeID of the one before
  // Links between frames.
  link_not_closed,           // a version that is superseded or ended keeps its links
  link_not_renewed,          // a child's new version does not go into its parent's link
  // Versions.
  retained_slot_reused,      // a version goes, and its slot with it, that a snapshot holds
  // Growth in place.
  entry_seen_early,          // a reader counts entries that are younger than its epoch
  cut_grown,                 // a version that a checkpoint is about to write gets entries in place
  // Eviction.
  evicted_while_changed,     // a node goes that no checkpoint has
  evicted_beside_versions,   // a node goes whose older versions are held
  evicted_while_growing,     // a leaf goes while somebody needs to know which entries came late
  link_left_open,            // readers may fill in the link to a frame that goes
  // Errors.
  failed_sync_forgotten,     // a sync that failed does not poison
};

#ifdef XTREE_PLANTS
bool planted(Plant plant) noexcept;
// The enumerators' names, in their order; the first is empty.
std::span<const std::string_view> plant_names() noexcept;
#else
// Costs nothing: the compiler drops what depends on it.
constexpr bool planted(Plant) noexcept { return false; }
#endif

}  // namespace xtree::platform
