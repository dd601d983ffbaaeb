// The superblock: the one place that says which checkpoint holds, and whose change commits one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "xtree/platform.h"

namespace xtree::persistence {

// Raised when a reader of the version before would misread a file of this directory.
inline constexpr std::uint32_t kFormatVersion = 1;

// Names one checkpoint's manifest, and so everything else of that checkpoint.
struct Superblock {
  std::uint64_t generation = 0;
  std::uint64_t manifest_bytes = 0;
  std::uint32_t manifest_checksum = 0;
};

inline constexpr std::size_t kSuperblockBytes = 4096;
// Where the slots lie: even generations use the first, odd ones the second. They are this far apart
// so that no device writes both when it is asked to write one.
inline constexpr std::array<std::uint64_t, 2> kSuperblockOffsets = {0, std::uint64_t{64} << 10};

// The checkpoints that a superblock file vouches for. `older` is the one before `newest`; it is
// there for the case that `newest` gets lost.
struct Superblocks {
  Superblock newest;
  std::optional<Superblock> older;
};

std::array<std::byte, kSuperblockBytes> encode_superblock(const Superblock& superblock) noexcept;

// A slot as it was found. `empty` is one that was never written.
struct SuperblockSlot {
  enum State : std::uint8_t { valid, empty, damaged } state = empty;
  Superblock superblock;
};
using SuperblockSlots = std::array<SuperblockSlot, kSuperblockOffsets.size()>;

// Both slots, each for itself; `not_found` when there is no superblock file, and `newer_format`
// when a slot says so.
Result<SuperblockSlots> read_superblock_slots(FileSystem& files, std::string_view directory);

// `not_found` when there is no superblock file, `newer_format` when a slot says so, `corruption`
// when neither slot is valid.
Result<Superblocks> read_superblocks(FileSystem& files, std::string_view directory);

// Writes a new file beside the superblock, with these slots in it; it replaces nothing yet.
Result<std::unique_ptr<File>> write_superblock_copy(
    FileSystem& files, std::string_view directory, const Superblock& newest,
    const std::optional<Superblock>& older = std::nullopt);
// Syncs the copy and puts it in the superblock's place, at once and for good. When this fails,
// either file may be there after a crash.
Result<void> install_superblock_copy(FileSystem& files, std::string_view directory, File& copy);

// Overwrites the older of the two slots, and syncs it: the commit point of a checkpoint. When this
// fails, either checkpoint may be there after a crash.
Result<void> flip_superblock(FileSystem& files, std::string_view directory, const Superblock& next);

}  // namespace xtree::persistence
