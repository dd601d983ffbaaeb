#include "persistence/committed_file.h"

#include <cinttypes>
#include <cstdio>

#include "platform/check.h"

namespace xtree::persistence {

namespace {

constexpr std::size_t kNumberDigits = 16;

std::string numbered(std::string_view directory, std::string_view prefix, std::uint64_t number) {
  char digits[kNumberDigits + 1];
  std::snprintf(digits, sizeof digits, "%016" PRIx64, number);
  return std::string(directory).append(prefix).append(digits);
}

}  // namespace

std::string manifest_path(std::string_view directory, std::uint64_t generation) {
  return numbered(std::string(directory).append("/"), kManifestPrefix, generation);
}

std::string segment_path(std::string_view directory, std::uint64_t number) {
  return numbered(directory, std::string(kSegmentsDirectory).append("/"), number);
}

std::string table_path(std::string_view directory, std::uint64_t number) {
  return numbered(directory, std::string(kTableDirectory).append("/"), number);
}

std::optional<std::uint64_t> number_in_name(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix) || name.size() != prefix.size() + kNumberDigits) {
    return std::nullopt;
  }
  std::uint64_t number = 0;
  for (const char digit : name.substr(prefix.size())) {
    unsigned value = 0;
    if (digit >= '0' && digit <= '9') {
      value = static_cast<unsigned>(digit - '0');
    } else if (digit >= 'a' && digit <= 'f') {
      value = static_cast<unsigned>(digit - 'a') + 10;
    } else {
      return std::nullopt;
    }
    number = number << 4 | value;
  }
  return number;
}

Error corruption(std::string_view path, std::int64_t offset, const char* text) noexcept {
  constexpr std::size_t kPathRoom = 72;
  if (path.size() > kPathRoom) path.remove_prefix(path.size() - kPathRoom);
  char place[104];
  if (offset < 0) {
    std::snprintf(place, sizeof place, "%.*s", static_cast<int>(path.size()), path.data());
  } else {
    std::snprintf(place, sizeof place, "%.*s at byte %" PRId64, static_cast<int>(path.size()),
                  path.data(), offset);
  }
  return {ErrorCode::corruption, place, text};
}

Result<std::unique_ptr<File>> open_committed(FileSystem& files, std::string_view path,
                                             OpenMode mode) {
  auto file = files.open(path, mode);
  if (!file && file.error().code() == ErrorCode::not_found) {
    return corruption(path, -1, "the file is missing, and the newest checkpoint needs it");
  }
  return file;
}

Result<void> read_committed(File& file, std::string_view path, std::uint64_t offset,
                            std::span<std::byte> bytes) {
  const auto count = file.read_at(offset, bytes);
  if (!count) return count.error();
  if (*count != bytes.size()) {
    return corruption(path, static_cast<std::int64_t>(offset + *count),
                      "the file ends before what must be there");
  }
  return {};
}

Result<std::unique_ptr<File>> open_new(FileSystem& files, std::string_view path) {
  auto file = files.open(path, OpenMode::create);
  if (!file) return file;
  XTREE_TRY((*file)->truncate(0));
  return file;
}

}  // namespace xtree::persistence
