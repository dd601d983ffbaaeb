// What an index and a database can say about themselves.
#pragma once

#include <cstdint>

#include "xtree/config.h"
#include "xtree/geometry.h"

namespace xtree {

// One index at one moment. Bytes are of nodes, with their headers and free lanes.
struct IndexStats {
  std::uint64_t entries = 0;
  std::uint32_t height = 0;  // levels; 0 when empty, 1 when the root is a leaf
  std::uint64_t leaves = 0;
  std::uint64_t directory_nodes = 0;  // nodes above the leaves, supernodes among them
  std::uint64_t supernodes = 0;
  std::uint64_t node_bytes = 0;
  double leaf_fill = 0;  // entries to the room for them in the leaves that exist, 0 to 1
};

// A node of an index's tree, as Index::for_each_node shows it.
template <int D>
struct NodeInfo {
  std::uint32_t level = 0;  // 0 is a leaf
  std::uint32_t count = 0;  // entries of a leaf, children of a directory node
  bool supernode = false;
  Box<D, float> box;        // what the tree knows of it: all below, rounded outward to floats
};

// Where the time of an open went, in microseconds, part after part, and what it had to do.
struct OpenReport {
  std::uint64_t lock_us = 0;        // taking the directory; making a database if there is none
  std::uint64_t superblock_us = 0;
  std::uint64_t manifest_us = 0;
  std::uint64_t table_us = 0;       // reading and checking the files of the object table
  std::uint64_t segments_us = 0;    // counting what each segment holds
  std::uint64_t confirm_us = 0;     // making sure that the newest checkpoint lasts
  std::uint64_t clean_up_us = 0;    // removing files of no checkpoint
  std::uint64_t restore_us = 0;     // filling the object table in memory
  std::uint64_t catalog_us = 0;     // the list of indexes and their roots
  std::uint64_t log_scan_us = 0;    // reading and checking the log
  std::uint64_t replay_us = 0;      // applying what it holds
  std::uint64_t log_start_us = 0;   // beginning a new log file
  std::uint64_t threads_us = 0;     // what runs in the background
  std::uint64_t total_us = 0;

  std::uint64_t table_entries = 0;
  std::uint64_t segments = 0;
  std::uint64_t replayed_operations = 0;
  std::uint64_t replayed_bytes = 0;
};

// A database at one moment.
struct DatabaseStats {
  std::uint64_t epoch = 0;             // the newest published state
  std::uint64_t indexes = 0;
  std::uint64_t handles = 0;           // live NodeIDs
  std::uint64_t versions_held = 0;     // superseded node versions that a snapshot still needs
  std::uint64_t version_bytes = 0;     // the memory that those take
  std::uint64_t snapshots = 0;         // open snapshots
  std::uint64_t oldest_snapshot = 0;   // its epoch; 0 when none is open
  std::uint64_t oldest_snapshot_age_ms = 0;
  std::uint64_t resident_bytes = 0;    // memory that holds nodes, all versions together
  std::uint64_t loaded_nodes = 0;      // read from disk since the database was opened
  std::uint64_t evicted_nodes = 0;     // taken out of memory since then, for `cache_bytes`
  std::uint64_t log_bytes = 0;         // log behind the last checkpoint
  std::uint64_t checkpoint = 0;        // generation of the last checkpoint
  std::uint64_t segment_bytes = 0;     // size of the segment files
  std::uint64_t live_segment_bytes = 0;  // of the nodes in them that the last checkpoint needs
  std::uint64_t segment_bytes_written = 0;  // since the database was opened
  std::uint64_t compacted_bytes = 0;   // of nodes moved together since then

  // The share of the segment files that is garbage, 0 to 1.
  [[nodiscard]] double garbage_share() const noexcept {
    if (segment_bytes == 0) return 0;
    return 1 - static_cast<double>(live_segment_bytes) / static_cast<double>(segment_bytes);
  }
};

}  // namespace xtree
