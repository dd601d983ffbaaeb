// DiskImage: everything that a simulated disk holds at one moment, cheap to copy and to compare.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "xtree/config.h"

namespace xtree::testing {

// Contents are shared in pieces of this size.
inline constexpr std::size_t kPageBytes = 4096;
// What a disk writes as one: a sector is old, new, or rubbish after a crash, never half of each.
inline constexpr std::size_t kSectorBytes = 512;

// A piece of contents; it never changes once it is shared.
struct Page {
  std::array<std::byte, kPageBytes> bytes;
  std::uint64_t hash = 0;  // of `bytes`, by `seal`
};
// Null stands for a page of zeros.
using PageRef = std::shared_ptr<const Page>;

// Fills in a page's hash and shares it; a page of zeros becomes null.
[[nodiscard]] XTREE_EXPORT PageRef seal(std::shared_ptr<Page> page);

// Bytes that were written at an offset, cut into pages that fit those of a file: outside of the
// range the first and the last page are zero.
struct WrittenBytes {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::vector<PageRef> pages;

  [[nodiscard]] std::uint64_t end() const noexcept { return offset + length; }
  [[nodiscard]] std::uint64_t first_page() const noexcept { return offset / kPageBytes; }
  // Whether a sector of the file has bytes of this range.
  [[nodiscard]] std::uint64_t first_sector() const noexcept { return offset / kSectorBytes; }
  [[nodiscard]] std::uint64_t sectors() const noexcept {
    return length == 0 ? 0 : (end() - 1) / kSectorBytes - first_sector() + 1;
  }
};

[[nodiscard]] XTREE_EXPORT WrittenBytes cut_into_pages(std::uint64_t offset,
                                                       std::span<const std::byte> bytes);

// A file or a directory. Pages that are not listed are zero; none lies behind the size.
struct XTREE_EXPORT Node {
  bool is_directory = false;
  std::uint64_t size = 0;
  std::vector<PageRef> pages;

  // Returns how many of the bytes lie before the end.
  std::size_t read(std::uint64_t offset, std::span<std::byte> bytes) const;
  // Does not change the size; the caller does, as writing and growing may part in a crash.
  void write(const WrittenBytes& bytes);
  // The part of `bytes` that lies in one sector of the file.
  void write_sector(const WrittenBytes& bytes, std::uint64_t sector);
  // Overwrites a sector, or a quarter of its words, with bytes that nobody wrote.
  void spoil_sector(std::uint64_t sector, std::uint64_t seed);
  // Cuts or grows; what lies behind the new size is zero if the file grows again.
  void resize(std::uint64_t bytes);
  [[nodiscard]] std::uint64_t hash() const noexcept;

 private:
  PageRef& page_slot(std::uint64_t number);
};
using NodeRef = std::shared_ptr<const Node>;

// A tree of files as a flat list of paths, sorted. The root, "", is not listed.
class XTREE_EXPORT DiskImage {
 public:
  struct Entry {
    std::shared_ptr<const std::string> path;
    NodeRef node;
    std::uint32_t number = 0;  // of the node, as a CrashModel counts them
  };

  DiskImage() = default;
  // `entries` sorted by path.
  explicit DiskImage(std::vector<Entry> entries) noexcept : entries_(std::move(entries)) {}

  [[nodiscard]] const std::vector<Entry>& entries() const noexcept { return entries_; }
  // Leaves the image empty.
  [[nodiscard]] std::vector<Entry> take_entries() noexcept { return std::move(entries_); }
  [[nodiscard]] const Entry* find(std::string_view path) const noexcept;
  // Replaces what is at this path; a directory must come before what is in it.
  void put(Entry entry);
  void remove(std::string_view path);
  // The same for two images with the same files, directories and contents.
  [[nodiscard]] std::uint64_t hash() const noexcept;

 private:
  std::vector<Entry> entries_;
};

// The directory that a path is in: "" for a plain name.
[[nodiscard]] XTREE_EXPORT std::string_view parent_of(std::string_view path) noexcept;

}  // namespace xtree::testing
