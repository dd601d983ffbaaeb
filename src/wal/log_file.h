// Log files by number: their names, and reading them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wal/format.h"
#include "xtree/platform.h"

namespace xtree::wal {

// The path of a file: its number as 16 hexadecimal digits, and ".log".
[[nodiscard]] std::string log_file_path(std::string_view directory, std::uint64_t number);

// The numbers of the log files in a directory, sorted. Other names are nobody's business here.
[[nodiscard]] Result<std::vector<std::uint64_t>> list_log_files(FileSystem& file_system,
                                                                std::string_view directory);

// A group as it lies in its file. The bytes hold until the next read from the same file.
struct StoredGroup {
  GroupHeader header;
  std::span<const std::byte> payload;
  std::span<const std::byte> rest;  // of the last block, from where additions would begin
};

// Goes through the additions to a group, one by one.
class AdditionReader {
 public:
  explicit AdditionReader(const StoredGroup& group) noexcept;

  // False when there are no more that are whole.
  bool next() noexcept;
  [[nodiscard]] const GroupInfo& info() const noexcept { return info_; }
  [[nodiscard]] std::span<const std::byte> payload() const noexcept { return payload_; }
  // What follows in the block: zeros, when `next` was false and nothing is damaged or torn.
  [[nodiscard]] std::span<const std::byte> rest() const noexcept { return rest_; }

 private:
  const GroupHeader& group_;
  std::span<const std::byte> rest_;
  std::uint32_t sum_;
  GroupInfo info_;
  std::span<const std::byte> payload_;
};

// Reads one log file through a window that moves over it, so that many small groups cost few
// system calls. The file's size is taken once; nothing is read or allocated beyond it.
class LogFileReader {
 public:
  static Result<LogFileReader> open(FileSystem& file_system, std::string_view directory,
                                    std::uint64_t number);

  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

  // The file's header; nothing when it is not whole, or is another file's. A file that has been
  // recycled and was not used again still has its old one. `newer_format` when a newer version of
  // the library wrote the file.
  Result<std::optional<FileHeader>> read_header();

  // The header at `offset`, if it belongs to a group that was written there, into this file.
  Result<std::optional<GroupHeader>> read_group_header(std::uint64_t offset);

  // The group at `offset`; nothing when there is no whole and valid one.
  Result<std::optional<StoredGroup>> read_group(std::uint64_t offset);

  // An error in this file: "path:offset".
  [[nodiscard]] Error corruption(std::uint64_t offset, const char* text) const;

 private:
  LogFileReader(std::unique_ptr<File> file, std::string path, std::uint64_t number,
                std::uint64_t bytes) noexcept
      : file_(std::move(file)), path_(std::move(path)), number_(number), bytes_(bytes) {}

  // The bytes from `offset` on, `count` of them or as many as the file has.
  Result<std::span<const std::byte>> view(std::uint64_t offset, std::uint64_t count);

  std::unique_ptr<File> file_;
  std::string path_;
  std::uint64_t number_;
  std::uint64_t bytes_;
  std::vector<std::byte> window_;
  std::uint64_t window_offset_ = 0;
};

}  // namespace xtree::wal
