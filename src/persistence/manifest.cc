#include "persistence/manifest.h"

#include <cstring>
#include <string>
#include <type_traits>

#include "persistence/committed_file.h"
#include "platform/check.h"
#include "platform/crc32c.h"

namespace xtree::persistence {

namespace {

constexpr char kMagic[8] = {'X', 'T', 'R', 'E', 'E', 'M', 'F', '\n'};

// Far more than any database needs: it stands for some eight million segments.
constexpr std::uint64_t kMaxManifestBytes = std::uint64_t{64} << 20;

// design/file_format.md, "Manifest".
struct Header {
  char magic[8];
  std::uint32_t format;
  std::uint32_t checksum;  // of the whole file, with this field zero
  Checkpoint checkpoint;
  std::uint64_t next_table;
  std::uint32_t next_segment;
  std::uint32_t segments;
  std::uint32_t table_files;
  std::byte reserved[36];
};
static_assert(sizeof(Header) == 128 && offsetof(Header, checkpoint) == 16);
static_assert(offsetof(Header, next_table) == 72 && offsetof(Header, table_files) == 88);
static_assert(std::is_trivially_copyable_v<Header>);

std::uint32_t checksum_of(std::span<const std::byte> file) noexcept {
  constexpr std::byte kZeros[sizeof(Header::checksum)] = {};
  constexpr std::size_t kBehind = offsetof(Header, checksum) + sizeof kZeros;
  const std::uint32_t before = platform::crc32c(file.first(offsetof(Header, checksum)));
  return platform::crc32c(file.subspan(kBehind), platform::crc32c(kZeros, before));
}

std::size_t manifest_bytes(std::size_t segments, std::size_t table_files) noexcept {
  return sizeof(Header) + segments * sizeof(SegmentInfo) + table_files * sizeof(TableFileInfo);
}

template <class T>
std::byte* put(std::byte* place, const std::vector<T>& list) noexcept {
  if (!list.empty()) std::memcpy(place, list.data(), list.size() * sizeof(T));
  return place + list.size() * sizeof(T);
}

template <class T>
const std::byte* get(const std::byte* place, std::uint32_t count, std::vector<T>& list) {
  list.resize(count);
  if (count != 0) std::memcpy(list.data(), place, count * sizeof(T));
  return place + count * sizeof(T);
}

// The allocator checks what a segment looks like, and read_table_file what is in a table file.
bool lists_are_valid(const Manifest& manifest) noexcept {
  std::uint32_t segment = 0;
  for (const SegmentInfo& info : manifest.segments) {
    if (info.number <= segment || info.number >= manifest.next_segment) return false;
    segment = info.number;
  }
  std::uint64_t number = 0;
  for (const TableFileInfo& info : manifest.table_files) {
    if (info.number <= number || info.number >= manifest.next_table || info.reserved != 0) {
      return false;
    }
    number = info.number;
  }
  return manifest.table_files.size() <= kMaxTableFiles;
}

}  // namespace

std::vector<std::byte> encode_manifest(const Manifest& manifest, Superblock& superblock) {
  Header header = {};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.format = kFormatVersion;
  header.checkpoint = manifest.checkpoint;
  header.next_table = manifest.next_table;
  header.next_segment = manifest.next_segment;
  header.segments = static_cast<std::uint32_t>(manifest.segments.size());
  header.table_files = static_cast<std::uint32_t>(manifest.table_files.size());
  std::vector<std::byte> file(
      manifest_bytes(manifest.segments.size(), manifest.table_files.size()));
  std::memcpy(file.data(), &header, sizeof header);
  put(put(file.data() + sizeof header, manifest.segments), manifest.table_files);
  header.checksum = checksum_of(file);
  std::memcpy(file.data(), &header, sizeof header);
  superblock = {manifest.checkpoint.generation, file.size(), header.checksum};
  return file;
}

Result<Manifest> decode_manifest(std::span<const std::byte> bytes, const Superblock& superblock,
                                 std::string_view path) {
  Header header;
  if (bytes.size() < sizeof header) return corruption(path, 0, "the manifest is too short");
  std::memcpy(&header, bytes.data(), sizeof header);
  const std::uint32_t checksum = checksum_of(bytes);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0 || header.checksum != checksum) {
    return corruption(path, 0, "the manifest is damaged");
  }
  if (header.format > kFormatVersion) {
    return Error(ErrorCode::newer_format, std::string(path).c_str(),
                 "written by a newer version of the library");
  }
  if (header.format == 0 || checksum != superblock.manifest_checksum ||
      header.checkpoint.generation != superblock.generation) {
    return corruption(path, 0, "this is not the manifest that the superblock names");
  }
  if (bytes.size() != manifest_bytes(header.segments, header.table_files)) {
    return corruption(path, offsetof(Header, segments), "the manifest's counts are impossible");
  }
  Manifest manifest;
  manifest.checkpoint = header.checkpoint;
  manifest.next_table = header.next_table;
  manifest.next_segment = header.next_segment;
  const std::byte* place = bytes.data() + sizeof header;
  get(get(place, header.segments, manifest.segments), header.table_files, manifest.table_files);
  if (!lists_are_valid(manifest)) {
    return corruption(path, sizeof header, "the manifest's lists are impossible");
  }
  return manifest;
}

Result<Superblock> superblock_of_manifest(FileSystem& files, std::string_view directory,
                                          std::uint64_t generation) {
  const std::string path = manifest_path(directory, generation);
  auto file = open_committed(files, path, OpenMode::read);
  if (!file) return file.error();
  const auto size = (*file)->size();
  if (!size) return size.error();
  Header header;
  XTREE_TRY(read_committed(**file, path, 0, std::as_writable_bytes(std::span(&header, 1))));
  return Superblock{generation, *size, header.checksum};
}

Result<Manifest> read_manifest(FileSystem& files, std::string_view directory,
                               const Superblock& superblock) {
  const std::string path = manifest_path(directory, superblock.generation);
  auto file = open_committed(files, path, OpenMode::read);
  if (!file) return file.error();
  const auto size = (*file)->size();
  if (!size) return size.error();
  if (*size != superblock.manifest_bytes || *size > kMaxManifestBytes) {
    return corruption(path, static_cast<std::int64_t>(*size),
                      "the manifest has another size than the superblock says");
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(*size));
  XTREE_TRY(read_committed(**file, path, 0, bytes));
  return decode_manifest(bytes, superblock, path);
}

}  // namespace xtree::persistence
