// What the operating system keeps of files in memory, and how it comes to forget that.
#pragma once

#include <cstdint>
#include <string>

namespace bench {

// Writes a file, or all files of a directory and below it, to the disk, and has the system's page
// cache forget them. Ends the program unless it has, but for one part in a hundred.
void forget_cached(const std::string& path);

// Bytes of the files that are in the page cache.
std::uint64_t cached_bytes(const std::string& path);

// Bytes of the files.
std::uint64_t file_bytes(const std::string& path);

}  // namespace bench
