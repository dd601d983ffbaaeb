#include "wal/log_file.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "platform/crc32c.h"
#include "platform/plant.h"

namespace xtree::wal {
namespace {

constexpr std::uint64_t kWindowBytes = std::uint64_t{256} << 10;
constexpr std::size_t kDigits = 16;
constexpr std::string_view kSuffix = ".log";

// The number that a name stands for; nothing when it is no log file's name.
std::optional<std::uint64_t> parse_name(std::string_view name) noexcept {
  if (name.size() != kDigits + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : name.substr(0, kDigits)) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && (c < 'a' || c > 'f')) return std::nullopt;
    number = number << 4 | static_cast<std::uint64_t>(digit ? c - '0' : c - 'a' + 10);
  }
  return number;
}

}  // namespace

std::string log_file_path(std::string_view directory, std::uint64_t number) {
  char name[kDigits + kSuffix.size() + 2];
  std::snprintf(name, sizeof name, "/%016" PRIx64 ".log", number);
  return std::string(directory) + name;
}

Result<std::vector<std::uint64_t>> list_log_files(FileSystem& file_system,
                                                  std::string_view directory) {
  auto names = file_system.list(directory);
  if (!names) return names.error();
  std::vector<std::uint64_t> numbers;
  for (const std::string& name : *names) {
    if (const auto number = parse_name(name)) numbers.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

AdditionReader::AdditionReader(const StoredGroup& group) noexcept
    : group_(group.header),
      rest_(group.header.origin == GroupOrigin::appended ? group.rest
                                                         : std::span<const std::byte>()),
      sum_(group.header.header_crc),
      info_{.first_lsn = group.header.first_lsn, .operations = group.header.operations} {}

bool AdditionReader::next() noexcept {
  const auto header = decode_addition(rest_, sum_);
  if (!header) return false;
  payload_ = rest_.subspan(sizeof(AdditionHeader), header->payload_bytes);
  const std::uint64_t end = addition_place(sizeof(AdditionHeader) + header->payload_bytes);
  rest_ = rest_.subspan(std::min<std::uint64_t>(end, rest_.size()));
  sum_ = header->crc;
  info_ = {.first_lsn = info_.first_lsn + info_.operations,
           .operations = header->operations,
           .epoch = group_.epoch + header->epochs,
           .time_us = group_.time_us + header->time_us};
  return true;
}

Result<LogFileReader> LogFileReader::open(FileSystem& file_system, std::string_view directory,
                                          std::uint64_t number) {
  std::string path = log_file_path(directory, number);
  auto file = file_system.open(path, OpenMode::read);
  if (!file) return file.error();
  const auto bytes = (*file)->size();
  if (!bytes) return bytes.error();
  return LogFileReader(*std::move(file), std::move(path), number, *bytes);
}

Result<std::span<const std::byte>> LogFileReader::view(std::uint64_t offset, std::uint64_t count) {
  if (offset >= bytes_) return std::span<const std::byte>();
  count = std::min(count, bytes_ - offset);
  const bool held =
      offset >= window_offset_ && offset + count <= window_offset_ + window_.size();
  if (!held) {
    window_.resize(std::min(std::max(count, kWindowBytes), bytes_ - offset));
    window_offset_ = offset;
    const auto got = file_->read_at(offset, window_);
    // After a failure the window must not pass for what the file holds.
    if (!got || *got != window_.size()) {
      window_.clear();
      if (!got) return got.error();
      return corruption(offset, "the file became shorter while it was read");
    }
  }
  return std::span<const std::byte>(window_).subspan(offset - window_offset_, count);
}

Result<std::optional<FileHeader>> LogFileReader::read_header() {
  const auto bytes = view(0, sizeof(FileHeader));
  if (!bytes) return bytes.error();
  const auto header = decode_file_header(*bytes);
  if (!header || header->file != number_) return std::optional<FileHeader>();
  if (header->format_version > kLogFormatVersion) {
    return Error(ErrorCode::newer_format, path_.c_str(),
                 "a newer version of the library wrote this log");
  }
  return header;
}

Result<std::optional<GroupHeader>> LogFileReader::read_group_header(std::uint64_t offset) {
  const auto bytes = view(offset, sizeof(GroupHeader));
  if (!bytes) return bytes.error();
  auto header = decode_group_header(*bytes);
  if (platform::planted(platform::Plant::group_unbound)) return header;
  if (header && (header->file != number_ || header->offset != offset)) header.reset();
  return header;
}

Result<std::optional<StoredGroup>> LogFileReader::read_group(std::uint64_t offset) {
  const auto header = read_group_header(offset);
  if (!header) return header.error();
  const std::uint64_t room = bytes_ - std::min(bytes_, offset + sizeof(GroupHeader));
  if (!*header || (*header)->payload_bytes > room) return std::optional<StoredGroup>();
  const std::uint64_t whole = sizeof(GroupHeader) + (*header)->payload_bytes;
  const auto bytes = view(offset, whole_blocks(whole));
  if (!bytes) return bytes.error();
  const auto payload = bytes->subspan(sizeof(GroupHeader), (*header)->payload_bytes);
  if (platform::crc32c(payload) != (*header)->payload_crc &&
      !platform::planted(platform::Plant::group_unchecked)) {
    return std::optional<StoredGroup>();
  }
  const auto rest = bytes->subspan(std::min<std::uint64_t>(addition_place(whole), bytes->size()));
  return std::optional<StoredGroup>({**header, payload, rest});
}

Error LogFileReader::corruption(std::uint64_t offset, const char* text) const {
  const std::string place = path_ + ":" + std::to_string(offset);
  return {ErrorCode::corruption, place.c_str(), text};
}

}  // namespace xtree::wal
