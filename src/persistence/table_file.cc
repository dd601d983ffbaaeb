#include "persistence/table_file.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "persistence/committed_file.h"
#include "persistence/frame.h"
#include "persistence/superblock.h"
#include "platform/check.h"
#include "platform/crc32c.h"

namespace xtree::persistence {

namespace {

constexpr char kMagic[8] = {'X', 'T', 'R', 'E', 'E', 'T', 'B', '\n'};

// design/file_format.md, "Table files".
struct Header {
  char magic[8];
  std::uint32_t format;
  std::uint32_t checksum;  // of the header, with this field zero
  std::uint64_t number;
  std::uint64_t entries;
};
static_assert(sizeof(Header) == 32 && offsetof(Header, number) == 16);

// Behind the entries of a block.
struct Trailer {
  std::uint64_t index;
  std::uint32_t entries;
  // Of the block before this field, seeded with the checksum before it in the file. So each one
  // vouches for all that precedes it, and the last one for the whole file.
  std::uint32_t checksum;
};
static_assert(sizeof(Trailer) == 16 && offsetof(Trailer, checksum) == 12);
static_assert(kTableBlockEntries * sizeof(TableEntry) + sizeof(Trailer) == 64 * 1024);

std::uint32_t checksum_of(Header header) noexcept {
  header.checksum = 0;
  return platform::crc32c(std::as_bytes(std::span(&header, 1)));
}

// `block` without the trailer's last field.
std::uint32_t checksum_of(std::span<const std::byte> block, std::uint32_t before) noexcept {
  return platform::crc32c(block.first(block.size() - sizeof(Trailer::checksum)), before);
}

std::size_t entries_of_block(std::uint64_t entries, std::uint64_t index) noexcept {
  return static_cast<std::size_t>(
      std::min<std::uint64_t>(kTableBlockEntries, entries - index * kTableBlockEntries));
}

std::uint64_t offset_of_block(std::uint64_t index) noexcept {
  return sizeof(Header) + index * (kTableBlockEntries * sizeof(TableEntry) + sizeof(Trailer));
}

// Once the first block is right, so much is reserved at most, whatever the file says that it holds:
// address space, not yet memory.
constexpr std::uint64_t kMostReservedEntries = std::uint64_t{1} << 22;

// Room for one block, as wide as a full one.
using Buffer = std::vector<std::byte>;

Buffer make_buffer() {
  return Buffer(kTableBlockEntries * sizeof(TableEntry) + sizeof(Trailer));
}

// What is wrong with a header, or null.
const char* what_is_wrong(const Header& header, const TableFileInfo& info) noexcept {
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0 ||
      header.checksum != checksum_of(header)) {
    return "the header of a table file is damaged";
  }
  if (header.format == 0 || header.number != info.number || header.entries != info.entries) {
    return "this is not the table file that the manifest names";
  }
  return nullptr;
}

// Reads a file block by block. Damage ends it, or is told to who asked for it.
class TableReader {
 public:
  TableReader(File& file, std::string_view path, const TableFileInfo& info,
              std::vector<TableEntry>& entries, const TableDamage& damaged)
      : file_(file), path_(path), info_(info), entries_(entries), damaged_(damaged) {}

  Result<void> read_header();
  Result<void> read_block(std::uint64_t index);
  Result<void> finish();

 private:
  Result<void> damage(std::uint64_t offset, const char* text);
  Result<void> append_block(std::span<const std::byte> block, std::uint64_t index);

  File& file_;
  const std::string_view path_;
  const TableFileInfo& info_;
  std::vector<TableEntry>& entries_;
  const TableDamage& damaged_;
  Buffer buffer_ = make_buffer();
  bool whole_ = true;
  // What the next block's checksum continues: what the one before has, and what it should have.
  // They differ behind damage, and then the next block tells which of them is right.
  std::uint32_t stored_ = 0;
  std::uint32_t computed_ = 0;
};

Result<void> TableReader::damage(std::uint64_t offset, const char* text) {
  whole_ = false;
  if (!damaged_) return corruption(path_, static_cast<std::int64_t>(offset), text);
  damaged_(offset, text);
  return {};
}

Result<void> TableReader::read_header() {
  Header header;
  XTREE_TRY(read_committed(file_, path_, 0, std::as_writable_bytes(std::span(&header, 1))));
  stored_ = header.checksum;
  computed_ = checksum_of(header);
  if (stored_ == computed_ && header.format > kFormatVersion &&
      std::memcmp(header.magic, kMagic, sizeof kMagic) == 0) {
    return Error(ErrorCode::newer_format, std::string(path_).c_str(),
                 "written by a newer version of the library");
  }
  const char* wrong = what_is_wrong(header, info_);
  return wrong == nullptr ? Result<void>() : damage(0, wrong);
}

Result<void> TableReader::read_block(std::uint64_t index) {
  const std::size_t body = entries_of_block(info_.entries, index) * sizeof(TableEntry);
  const auto block = std::span(buffer_).first(body + sizeof(Trailer));
  XTREE_TRY(read_committed(file_, path_, offset_of_block(index), block));
  Trailer trailer;
  std::memcpy(&trailer, block.data() + body, sizeof trailer);
  const std::uint32_t from_stored = checksum_of(block, stored_);
  computed_ = stored_ == computed_ ? from_stored : checksum_of(block, computed_);
  if (trailer.checksum == from_stored) computed_ = from_stored;
  stored_ = trailer.checksum;
  if (stored_ != computed_ || trailer.index != index ||
      trailer.entries * sizeof(TableEntry) != body) {
    return damage(offset_of_block(index), "a block of the table file is damaged");
  }
  return append_block(block, index);
}

// Copies a block whose checksum is right to the end of the entries.
Result<void> TableReader::append_block(std::span<const std::byte> block, std::uint64_t index) {
  if (entries_.empty()) {
    entries_.reserve(static_cast<std::size_t>(std::min(info_.entries, kMostReservedEntries)));
  }
  const std::size_t first = entries_.size();
  const std::size_t count = (block.size() - sizeof(Trailer)) / sizeof(TableEntry);
  entries_.resize(first + count);
  std::memcpy(&entries_[first], block.data(), count * sizeof(TableEntry));
  for (std::size_t i = first; i < entries_.size(); ++i) {
    if (!is_valid(entries_[i]) ||
        (i > 0 && entries_[i].id.handle() <= entries_[i - 1].id.handle())) {
      entries_.resize(first);
      return damage(offset_of_block(index) + (i - first) * sizeof(TableEntry),
                    "an entry of the table is impossible");
    }
  }
  return {};
}

Result<void> TableReader::finish() {
  if (!whole_ || stored_ == info_.checksum) return {};
  return damage(0, "the table file is not the one that the manifest names");
}

}  // namespace

bool is_valid(const TableEntry& entry) noexcept {
  if (entry.id.tag() == 0) return false;
  if (!entry.address) {
    return entry.address == DiskAddress{} && entry.checksum == 0 && entry.bytes == 0;
  }
  return entry.bytes >= kFrameAlignment && entry.bytes % kFrameAlignment == 0 &&
         entry.bytes <= kMaxFrameBytes && entry.address.packed_bytes() < entry.bytes &&
         entry.address.offset() + entry.stored_bytes() <= kMaxSegmentBytes;
}

std::uint64_t table_file_bytes(std::uint64_t entries) noexcept {
  const std::uint64_t blocks = (entries + kTableBlockEntries - 1) / kTableBlockEntries;
  return sizeof(Header) + entries * sizeof(TableEntry) + blocks * sizeof(Trailer);
}

Result<TableFileInfo> write_table_file(File& file, std::uint64_t number,
                                       std::span<const TableEntry> entries, Pacer& pacer) {
  Header header = {};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.format = kFormatVersion;
  header.number = number;
  header.entries = entries.size();
  header.checksum = checksum_of(header);
  XTREE_TRY(file.write_at(0, std::as_bytes(std::span(&header, 1))));
  Buffer buffer = make_buffer();
  std::uint32_t checksum = header.checksum;
  for (std::uint64_t index = 0; index * kTableBlockEntries < entries.size(); ++index) {
    const std::size_t count = entries_of_block(entries.size(), index);
    const std::size_t body = count * sizeof(TableEntry);
    const auto block = std::span(buffer).first(body + sizeof(Trailer));
    std::memcpy(block.data(), &entries[index * kTableBlockEntries], body);
    Trailer trailer{index, static_cast<std::uint32_t>(count), 0};
    std::memcpy(block.data() + body, &trailer, sizeof trailer);
    trailer.checksum = checksum = checksum_of(block, checksum);
    std::memcpy(block.data() + body, &trailer, sizeof trailer);
    XTREE_TRY(pacer.write(file, offset_of_block(index), block));
  }
  return TableFileInfo{number, entries.size(), table_file_bytes(entries.size()), checksum, 0};
}

Result<void> read_table_file(FileSystem& files, std::string_view path, const TableFileInfo& info,
                             std::vector<TableEntry>& entries, const TableDamage& damaged) {
  entries.clear();
  auto file = open_committed(files, path, OpenMode::read);
  if (!file) return file.error();
  const auto size = (*file)->size();
  if (!size) return size.error();
  if (info.entries > kMaxTableEntries || info.bytes != table_file_bytes(info.entries) ||
      *size != info.bytes) {
    return corruption(path, static_cast<std::int64_t>(*size),
                      "the table file has another size than the manifest says");
  }
  TableReader reader(**file, path, info, entries, damaged);
  XTREE_TRY(reader.read_header());
  for (std::uint64_t index = 0; index * kTableBlockEntries < info.entries; ++index) {
    XTREE_TRY(reader.read_block(index));
  }
  return reader.finish();
}

void merge_table(std::vector<TableEntry>& table, std::span<const TableEntry> changes) {
  const auto by_handle = [](const TableEntry& a, const TableEntry& b) {
    return a.id.handle() < b.id.handle();
  };
  const std::size_t old_size = table.size();
  std::size_t from = 0;
  for (const TableEntry& change : changes) {
    const auto end = table.begin() + static_cast<std::ptrdiff_t>(old_size);
    const auto place = std::lower_bound(table.begin() + static_cast<std::ptrdiff_t>(from), end,
                                        change, by_handle);
    from = static_cast<std::size_t>(place - table.begin());
    if (place != end && place->id.handle() == change.id.handle()) {
      *place = change;
    } else {
      table.push_back(change);
    }
  }
  // New handles mostly follow the old ones, and then there is nothing to do.
  if (old_size != 0 && table.size() != old_size &&
      !by_handle(table[old_size - 1], table[old_size])) {
    std::inplace_merge(table.begin(), table.begin() + static_cast<std::ptrdiff_t>(old_size),
                       table.end(), by_handle);
  }
}

}  // namespace xtree::persistence
