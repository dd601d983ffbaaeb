// Options with every default in sight.
#pragma once

#include <cstddef>
#include <cstdint>

#include "xtree/config.h"

namespace xtree {

enum class Mode : std::uint8_t {
  in_memory,  // no files, no threads but those that a bulk load is asked to use, no locks, no
              // system calls but for memory; one writer or many readers at a time
  durable,    // crash recovery, snapshots, readers that never wait
};

// What an index stores for each entry's geometry.
enum class Shape : std::uint8_t {
  boxes,   // a box: 2 * D scalars
  points,  // a point: D scalars
};

// How the nodes of a durable index lie in its files. In memory they are as they always are, so only
// loading a node and writing it at a checkpoint take longer. What each of them saves and costs:
// design/file_format.md, "Packed images".
enum class Compression : std::uint8_t {
  none,
  lz4,   // quick
  zstd,  // smaller
};

// Whether this build of the library can. An index is packed at all only if the library was built
// with LZ4 or Zstandard.
[[nodiscard]] XTREE_EXPORT bool is_supported(Compression compression) noexcept;

// How `nearest` measures the way between a target and an entry, from the gaps between their boxes:
// how far they lie apart on each axis, 0 where they overlap.
enum class Metric : std::uint8_t {
  euclidean,  // the square root of the sum of the gaps' squares
  manhattan,  // the sum of the gaps
  chebyshev,  // the greatest gap
};

// What survives once a write has returned.
enum class Durability : std::uint8_t {
  strict,    // survives power loss: the log is synced before the call returns
  balanced,  // the same promise; the group may wait up to `group_window_us` to fill
  eventual,  // survives a crash of the process; power loss may take the last `sync_interval_ms`
  none,      // survives from the last checkpoint on: it is not logged
};

class FileSystem;

struct Options {
  // Make the directory and an empty database where there is none.
  bool create_if_missing = true;
  // What a write promises when it does not say otherwise.
  Durability durability = Durability::strict;
  // `balanced`: the longest that a group waits for company, in microseconds.
  std::uint32_t group_window_us = 200;
  // `eventual`: the longest between two syncs of the log, in milliseconds.
  std::uint32_t sync_interval_ms = 100;
  // A checkpoint starts when the log behind the last one has grown by this much, or to three times
  // the bytes of all nodes, if that is more; but by eight times this much at the latest, which
  // bounds what an open after a crash has to do: it replays 1.7 million boxes a second into a large
  // index, three million into a small one.
  std::uint64_t checkpoint_log_bytes = std::uint64_t{64} << 20;
  // Checkpoints replace nodes by writing them anew, which leaves garbage in the segment files. When
  // it is more than `compaction_steady_percent` of them, checkpoints also move the nodes that are
  // left in the emptiest segments, so that these can be removed: as many bytes as
  // `compaction_bytes_per_second` allows for the time since the last checkpoint, or, when the
  // garbage is more than `compaction_urgent_percent`, as many as it takes to get below that. Up to
  // 1 MiB of garbage is let be. The default for bytes takes less than a tenth of one core.
  std::uint32_t compaction_steady_percent = 20;
  std::uint32_t compaction_urgent_percent = 30;
  std::uint64_t compaction_bytes_per_second = std::uint64_t{32} << 20;
  // The memory that nodes may take; 0 is no limit. Beyond it, nodes that have not been used for
  // long are taken out of memory, and read again when they are needed. Not counted are 40 bytes for
  // each node of the database, up to 64 nodes that a window brings into memory at once, and a few
  // MiB for the database itself. Nodes that no checkpoint has
  // yet cannot be taken out, nor what open snapshots hold: a checkpoint starts when changed nodes
  // take a quarter of the limit, but no less than 1 MiB, and writers wait for it when they have
  // changed as much again. A bulk load, an index that is verified, a join and a nearest query may
  // go beyond the limit until they end.
  std::uint64_t cache_bytes = 0;
  // The size to which log files are written before they are used, and at which the next one starts.
  // The first ones of a log are smaller, and so are all that hold small writes whose sync is waited
  // for without `background_checkpoints`: 1 MiB.
  std::uint64_t log_file_bytes = std::uint64_t{16} << 20;
  // End snapshots that are open for longer, in milliseconds: what they held is given back, and
  // queries on them fail with `limit_exceeded`. Looked at when something is written, and by
  // `stats`. 0: never.
  std::uint64_t max_snapshot_age_ms = 0;
  // Let a thread of the database take checkpoints, and another one make log files ready before they
  // are needed. Without it only `checkpoint` and `close` take checkpoints, and writers make the
  // files of the log themselves.
  bool background_checkpoints = true;
  // Where the files live; null means the operating system's. It must outlive the database.
  FileSystem* file_system = nullptr;
};

struct BulkLoadOptions {
  // Threads that load together, the caller's among them; 0 means one for each processor. They end
  // with the call. The tree does not depend on how many there are, nor does anything but time
  // when the system refuses to start one.
  std::uint32_t threads = 1;
  // How much of a leaf's room is used, 0.5 to 1. Full leaves make the smallest tree and the fastest
  // queries, but the first insertion into each of them splits it: leave some room when many
  // insertions are to follow. Of no effect on an index that is not empty.
  double fill = 1;
};

struct IndexOptions {
  Mode mode = Mode::durable;
  // Of a durable index that is made; one that is there keeps its own. `unsupported` when the
  // library was built without it.
  Compression compression = Compression::none;
};

}  // namespace xtree
