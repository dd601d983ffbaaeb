// Table files: the object table as checkpoints keep it, a base and the deltas that followed it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "persistence/node_id.h"
#include "persistence/pacer.h"
#include "persistence/segment_allocator.h"
#include "xtree/platform.h"

namespace xtree::persistence {

// One slot of the object table as a checkpoint knows it. An entry with no address is a free slot
// whose tag must not be given out again. On disk: design/file_format.md, "Table files".
struct TableEntry {
  NodeId id;
  DiskAddress address;
  std::uint32_t checksum = 0;  // of the image as it is stored; it stands in the image too
  std::uint32_t bytes = 0;     // of the image in memory

  // What it takes in the segment.
  [[nodiscard]] std::uint32_t stored_bytes() const noexcept {
    return address.packed_bytes() != 0 ? address.packed_bytes() : bytes;
  }
  friend bool operator==(const TableEntry&, const TableEntry&) noexcept = default;
};
static_assert(sizeof(TableEntry) == 24 && offsetof(TableEntry, address) == 8);
static_assert(offsetof(TableEntry, checksum) == 16 && offsetof(TableEntry, bytes) == 20);

// A table file as a manifest lists it: design/file_format.md, "Manifest".
struct TableFileInfo {
  std::uint64_t number = 0;
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::uint32_t checksum = 0;  // of the whole file, as the file's last block ends with it
  std::uint32_t reserved = 0;
};
static_assert(sizeof(TableFileInfo) == 32 && offsetof(TableFileInfo, checksum) == 24);

// Entries of a full block; with its trailer it takes 64 KiB.
inline constexpr std::size_t kTableBlockEntries = 2730;

// Whether an entry makes sense by itself: a NodeID that can exist, and an image where one
// can be, or no image at all.
bool is_valid(const TableEntry& entry) noexcept;

// The bytes of a file of so many entries, at most kMaxTableEntries.
inline constexpr std::uint64_t kMaxTableEntries = std::uint64_t{1} << 32;
std::uint64_t table_file_bytes(std::uint64_t entries) noexcept;

// Writes `entries`, which ascend by handle, into an empty file. Syncing it is left to the caller.
Result<TableFileInfo> write_table_file(File& file, std::uint64_t number,
                                       std::span<const TableEntry> entries, Pacer& pacer);

// Reads all of a file into `entries`, in place of what is there. Every byte is checked before it is
// used, and memory is used only for what has been checked. With `damaged`, a bad header and every
// bad block is told to it, with its offset, and reading goes on behind it.
using TableDamage = std::function<void(std::uint64_t offset, const char* text)>;
Result<void> read_table_file(FileSystem& files, std::string_view path, const TableFileInfo& info,
                             std::vector<TableEntry>& entries, const TableDamage& damaged = {});

// Puts `changes` into `table`, in place of entries of the same handle. Both ascend by handle.
void merge_table(std::vector<TableEntry>& table, std::span<const TableEntry> changes);

}  // namespace xtree::persistence
