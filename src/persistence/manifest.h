// The manifest: all that one checkpoint consists of, in one small file that is never changed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "persistence/node_id.h"
#include "persistence/segment_allocator.h"
#include "persistence/superblock.h"
#include "persistence/table_file.h"
#include "xtree/platform.h"

namespace xtree::persistence {

// What a checkpoint says beside the table.
struct Checkpoint {
  std::uint64_t generation = 0;      // counts superblock flips; 0 before the first
  std::uint64_t epoch = 0;           // the state that it holds
  std::uint64_t next_lsn = 1;        // the first operation that it does not hold
  std::uint64_t log_file = 0;        // where in the log that operation's group begins
  std::uint64_t log_offset = 0;
  std::uint64_t log_generation = 0;  // the recovery generation in which that part was written
  NodeId catalog;                    // the object that lists everything else
  friend bool operator==(const Checkpoint&, const Checkpoint&) noexcept = default;
};
static_assert(sizeof(Checkpoint) == 56);

// A base and its deltas: more are folded into a new base.
inline constexpr std::size_t kMaxTableFiles = 17;

struct Manifest {
  Checkpoint checkpoint;
  std::uint64_t next_table = 1;    // numbers that no file has had yet
  std::uint32_t next_segment = 1;
  std::vector<SegmentInfo> segments;       // by number
  std::vector<TableFileInfo> table_files;  // in the order in which they apply
};

// The file's bytes; `superblock` is what has to say so.
std::vector<std::byte> encode_manifest(const Manifest& manifest, Superblock& superblock);
// `path` is for errors.
Result<Manifest> decode_manifest(std::span<const std::byte> bytes, const Superblock& superblock,
                                 std::string_view path);

// What a superblock would have to say of the manifest of this generation, by the checksum in it.
Result<Superblock> superblock_of_manifest(FileSystem& files, std::string_view directory,
                                          std::uint64_t generation);

Result<Manifest> read_manifest(FileSystem& files, std::string_view directory,
                               const Superblock& superblock);

}  // namespace xtree::persistence
