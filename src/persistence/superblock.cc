#include "persistence/superblock.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <string>

#include "persistence/committed_file.h"
#include "platform/check.h"
#include "platform/crc32c.h"
#include "platform/plant.h"

namespace xtree::persistence {

namespace {

constexpr char kMagic[8] = {'X', 'T', 'R', 'E', 'E', 'S', 'B', '\n'};

// design/file_format.md, "Superblock".
struct Block {
  char magic[8];
  std::uint32_t format;
  std::uint32_t reserved0;
  std::uint64_t generation;
  std::uint64_t manifest_bytes;
  std::uint32_t manifest_checksum;
  std::byte reserved1[kSuperblockBytes - 40];
  std::uint32_t checksum;
};
static_assert(sizeof(Block) == kSuperblockBytes && offsetof(Block, generation) == 16);
static_assert(offsetof(Block, manifest_bytes) == 24 && offsetof(Block, manifest_checksum) == 32);
static_assert(offsetof(Block, checksum) == kSuperblockBytes - 4);

std::uint32_t checksum_of(const Block& block) noexcept {
  return platform::crc32c(std::as_bytes(std::span(&block, 1)).first(offsetof(Block, checksum)));
}

std::string superblock_path(std::string_view directory) {
  return std::string(directory).append("/superblock");
}

std::string copy_path(std::string_view directory) {
  return std::string(directory).append("/superblock.new");
}

std::uint64_t offset_of(std::uint64_t generation) noexcept {
  if (platform::planted(platform::Plant::one_superblock_slot)) return kSuperblockOffsets[0];
  return kSuperblockOffsets[generation % kSuperblockOffsets.size()];
}

bool is_empty(const Block& block) noexcept {
  return std::ranges::all_of(std::as_bytes(std::span(&block, 1)),
                             [](std::byte byte) { return byte == std::byte{0}; });
}

Result<SuperblockSlot> read_slot(File& file, const std::string& path, std::uint64_t offset) {
  constexpr SuperblockSlot kDamaged{SuperblockSlot::damaged, {}};
  Block block;
  const auto count = file.read_at(offset, std::as_writable_bytes(std::span(&block, 1)));
  if (!count) return count.error();
  if (*count == sizeof block && is_empty(block)) return SuperblockSlot();
  if (*count != sizeof block || std::memcmp(block.magic, kMagic, sizeof kMagic) != 0 ||
      (block.checksum != checksum_of(block) &&
       !platform::planted(platform::Plant::superblock_unchecked))) {
    return kDamaged;
  }
  if (block.format > kFormatVersion) {
    return Error(ErrorCode::newer_format, path.c_str(),
                 "written by a newer version of the library");
  }
  // A valid block in the other slot's place got there by a misdirected write.
  if (block.format == 0 || block.generation == 0 || offset_of(block.generation) != offset) {
    return kDamaged;
  }
  return SuperblockSlot{SuperblockSlot::valid,
                        {block.generation, block.manifest_bytes, block.manifest_checksum}};
}

}  // namespace

std::array<std::byte, kSuperblockBytes> encode_superblock(const Superblock& superblock) noexcept {
  Block block = {};
  std::memcpy(block.magic, kMagic, sizeof kMagic);
  block.format = kFormatVersion;
  block.generation = superblock.generation;
  block.manifest_bytes = superblock.manifest_bytes;
  block.manifest_checksum = superblock.manifest_checksum;
  block.checksum = checksum_of(block);
  std::array<std::byte, kSuperblockBytes> bytes;
  std::memcpy(bytes.data(), &block, sizeof block);
  return bytes;
}

Result<SuperblockSlots> read_superblock_slots(FileSystem& files, std::string_view directory) {
  const std::string path = superblock_path(directory);
  auto file = files.open(path, OpenMode::read);
  if (!file) return file.error();
  SuperblockSlots slots;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const auto slot = read_slot(**file, path, kSuperblockOffsets[i]);
    if (!slot) return slot.error();
    slots[i] = *slot;
  }
  return slots;
}

Result<Superblocks> read_superblocks(FileSystem& files, std::string_view directory) {
  const auto slots = read_superblock_slots(files, directory);
  if (!slots) return slots.error();
  std::optional<Superblocks> found;
  for (const SuperblockSlot& slot : *slots) {
    if (slot.state != SuperblockSlot::valid) continue;
    if (!found) {
      found = {slot.superblock, std::nullopt};
    } else if (slot.superblock.generation > found->newest.generation) {
      found = {slot.superblock, found->newest};
    } else {
      found->older = slot.superblock;
    }
  }
  if (!found) {
    return corruption(superblock_path(directory), static_cast<std::int64_t>(kSuperblockOffsets[0]),
                      "neither this slot of the superblock nor the other one is valid");
  }
  Superblocks& result = *found;
  // Generations that do not follow each other mean that a write of a slot was lost. What the older
  // one names may have been reused since.
  if (result.older && result.older->generation + 1 != result.newest.generation) {
    result.older.reset();
  }
  return result;
}

Result<std::unique_ptr<File>> write_superblock_copy(FileSystem& files, std::string_view directory,
                                                    const Superblock& newest,
                                                    const std::optional<Superblock>& older) {
  auto file = open_new(files, copy_path(directory));
  if (!file) return file;
  // The file gets its full size, so that a slot is never beyond its end.
  XTREE_TRY((*file)->truncate(kSuperblockOffsets.back() + kSuperblockBytes));
  XTREE_TRY((*file)->write_at(offset_of(newest.generation), encode_superblock(newest)));
  if (older) {
    XTREE_TRY((*file)->write_at(offset_of(older->generation), encode_superblock(*older)));
  }
  return file;
}

Result<void> install_superblock_copy(FileSystem& files, std::string_view directory, File& copy) {
  if (!platform::planted(platform::Plant::copy_not_synced)) XTREE_TRY(copy.sync());
  XTREE_TRY(files.rename(copy_path(directory), superblock_path(directory)));
  if (platform::planted(platform::Plant::rename_not_synced)) return {};
  return files.sync_directory(directory);
}

Result<void> flip_superblock(FileSystem& files, std::string_view directory,
                             const Superblock& next) {
  auto file = open_committed(files, superblock_path(directory), OpenMode::read_write);
  if (!file) return file.error();
  XTREE_TRY((*file)->write_at(offset_of(next.generation), encode_superblock(next)));
  if (platform::planted(platform::Plant::both_slots_written)) {
    std::array<std::byte, kSuperblockBytes> other;
    const auto got = (*file)->read_at(offset_of(next.generation + 1), other);
    if (!got) return got.error();
    XTREE_TRY((*file)->write_at(offset_of(next.generation + 1), other));
  }
  if (platform::planted(platform::Plant::flip_not_synced)) return {};
  return (*file)->sync();
}

}  // namespace xtree::persistence
