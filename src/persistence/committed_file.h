// The files that a checkpoint consists of: their names, and how to read what a checkpoint says must
// be there. Whatever is missing from them is corruption, not absence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "xtree/platform.h"

namespace xtree::persistence {

inline constexpr std::string_view kManifestPrefix = "MANIFEST-";
inline constexpr std::string_view kSegmentsDirectory = "/segments";
inline constexpr std::string_view kTableDirectory = "/table";

// `directory` is the database's. Numbers are 16 hexadecimal digits: design/file_format.md, "Files".
std::string manifest_path(std::string_view directory, std::uint64_t generation);
std::string segment_path(std::string_view directory, std::uint64_t number);
std::string table_path(std::string_view directory, std::uint64_t number);

// The number that makes `name` equal to `prefix` and 16 hexadecimal digits.
std::optional<std::uint64_t> number_in_name(std::string_view name, std::string_view prefix);

// An error of code `corruption` whose place is the path, with the offset unless it is negative. A
// long path loses its beginning rather than its end.
Error corruption(std::string_view path, std::int64_t offset, const char* text) noexcept;

// Opens a file that must be there.
Result<std::unique_ptr<File>> open_committed(FileSystem& files, std::string_view path,
                                             OpenMode mode);
// Fills `bytes`, all of which must be there.
Result<void> read_committed(File& file, std::string_view path, std::uint64_t offset,
                            std::span<std::byte> bytes);

// Opens a file for new contents: it is made, or emptied when an earlier attempt left one behind.
Result<std::unique_ptr<File>> open_new(FileSystem& files, std::string_view path);

}  // namespace xtree::persistence
