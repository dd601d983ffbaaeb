#include "xtree/testing/disk_image.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "testing/mix.h"

namespace xtree::testing {
namespace {

constexpr std::uint64_t kSectorsPerPage = kPageBytes / kSectorBytes;

bool is_zero(std::span<const std::byte> bytes) noexcept {
  return bytes.empty() ||
         (bytes[0] == std::byte{0} &&
          std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

std::shared_ptr<Page> copy_of(const PageRef& page) {
  if (page != nullptr) return std::make_shared<Page>(*page);
  auto zeros = std::make_shared<Page>();
  zeros->bytes.fill(std::byte{0});
  return zeros;
}

// Copies the bytes from `begin` to `end`, offsets within a page, from one page to another.
void copy_range(Page& to, const PageRef& from, std::size_t begin, std::size_t end) {
  if (from != nullptr) {
    std::memcpy(&to.bytes[begin], &from->bytes[begin], end - begin);
  } else {
    std::memset(&to.bytes[begin], 0, end - begin);
  }
}

}  // namespace

PageRef seal(std::shared_ptr<Page> page) {
  if (is_zero(page->bytes)) return nullptr;
  page->hash = hash_bytes(page->bytes, 1);
  return page;
}

WrittenBytes cut_into_pages(std::uint64_t offset, std::span<const std::byte> bytes) {
  WrittenBytes written{offset, bytes.size(), {}};
  std::uint64_t at = offset;
  while (!bytes.empty()) {
    const std::size_t begin = at % kPageBytes;
    const std::size_t count = std::min(bytes.size(), kPageBytes - begin);
    const auto piece = bytes.first(count);
    if (is_zero(piece)) {
      written.pages.push_back(nullptr);
    } else {
      auto page = std::make_shared<Page>();
      std::memset(page->bytes.data(), 0, begin);
      std::memcpy(&page->bytes[begin], piece.data(), count);
      std::memset(page->bytes.data() + begin + count, 0, kPageBytes - begin - count);
      written.pages.push_back(seal(std::move(page)));
    }
    at += count;
    bytes = bytes.subspan(count);
  }
  return written;
}

PageRef& Node::page_slot(std::uint64_t number) {
  if (pages.size() <= number) pages.resize(number + 1);
  return pages[number];
}

std::size_t Node::read(std::uint64_t offset, std::span<std::byte> bytes) const {
  if (offset >= size) return 0;
  bytes = bytes.first(std::min<std::uint64_t>(bytes.size(), size - offset));
  const std::size_t total = bytes.size();
  while (!bytes.empty()) {
    const std::size_t begin = offset % kPageBytes;
    const std::size_t count = std::min(bytes.size(), kPageBytes - begin);
    const std::uint64_t number = offset / kPageBytes;
    if (number < pages.size() && pages[number] != nullptr) {
      std::memcpy(bytes.data(), &pages[number]->bytes[begin], count);
    } else {
      std::memset(bytes.data(), 0, count);
    }
    offset += count;
    bytes = bytes.subspan(count);
  }
  return total;
}

void Node::write(const WrittenBytes& bytes) {
  for (std::size_t i = 0; i < bytes.pages.size(); ++i) {
    const std::uint64_t number = bytes.first_page() + i;
    const std::uint64_t page_begin = number * kPageBytes;
    const std::uint64_t begin = std::max(bytes.offset, page_begin);
    const std::uint64_t end = std::min(bytes.end(), page_begin + kPageBytes);
    // Zeros where there is nothing need no page.
    if (number >= pages.size() && bytes.pages[i] == nullptr) continue;
    PageRef& slot = page_slot(number);
    if (slot == nullptr || end - begin == kPageBytes) {
      slot = bytes.pages[i];
      continue;
    }
    auto merged = copy_of(slot);
    copy_range(*merged, bytes.pages[i], begin - page_begin, end - page_begin);
    slot = seal(std::move(merged));
  }
}

void Node::write_sector(const WrittenBytes& bytes, std::uint64_t sector) {
  const std::uint64_t number = sector / kSectorsPerPage;
  const std::uint64_t page_begin = number * kPageBytes;
  const std::uint64_t begin = std::max(bytes.offset, sector * kSectorBytes);
  const std::uint64_t end = std::min(bytes.end(), (sector + 1) * kSectorBytes);
  const PageRef& from = bytes.pages[number - bytes.first_page()];
  PageRef& slot = page_slot(number);
  if (slot == nullptr && from == nullptr) return;
  auto merged = copy_of(slot);
  copy_range(*merged, from, begin - page_begin, end - page_begin);
  slot = seal(std::move(merged));
}

void Node::spoil_sector(std::uint64_t sector, std::uint64_t seed) {
  PageRef& slot = page_slot(sector / kSectorsPerPage);
  auto spoilt = copy_of(slot);
  std::byte* at = &spoilt->bytes[sector % kSectorsPerPage * kSectorBytes];
  const bool wholly = mix(seed) % 2 == 0;
  for (std::size_t i = 0; i < kSectorBytes; i += sizeof seed) {
    const std::uint64_t word = mix(seed, i);
    if (wholly || mix(word) % 4 == 0) std::memcpy(at + i, &word, sizeof word);
  }
  slot = seal(std::move(spoilt));
}

void Node::resize(std::uint64_t bytes) {
  size = bytes;
  const std::uint64_t whole = (bytes + kPageBytes - 1) / kPageBytes;
  if (pages.size() > whole) pages.resize(whole);
  const std::size_t used = bytes % kPageBytes;
  if (used == 0 || pages.size() < whole || pages.back() == nullptr) return;
  auto cut = copy_of(pages.back());
  std::memset(cut->bytes.data() + used, 0, kPageBytes - used);
  pages.back() = seal(std::move(cut));
}

std::uint64_t Node::hash() const noexcept {
  std::uint64_t sum = mix(size, is_directory ? 1 : 0);
  for (std::size_t i = 0; i < pages.size(); ++i) {
    if (pages[i] != nullptr) sum += mix(pages[i]->hash, i);
  }
  return sum;
}

const DiskImage::Entry* DiskImage::find(std::string_view path) const noexcept {
  const auto at = std::lower_bound(
      entries_.begin(), entries_.end(), path,
      [](const Entry& entry, std::string_view wanted) { return *entry.path < wanted; });
  return at != entries_.end() && *at->path == path ? &*at : nullptr;
}

void DiskImage::put(Entry entry) {
  const auto at = std::lower_bound(
      entries_.begin(), entries_.end(), *entry.path,
      [](const Entry& a, const std::string& wanted) { return *a.path < wanted; });
  if (at != entries_.end() && *at->path == *entry.path) {
    *at = std::move(entry);
  } else {
    entries_.insert(at, std::move(entry));
  }
}

void DiskImage::remove(std::string_view path) {
  const Entry* entry = find(path);
  if (entry != nullptr) entries_.erase(entries_.begin() + (entry - entries_.data()));
}

std::uint64_t DiskImage::hash() const noexcept {
  std::uint64_t sum = entries_.size();
  for (const Entry& entry : entries_) {
    sum += mix(entry.node->hash(), hash_bytes(std::as_bytes(std::span(*entry.path)), 2));
  }
  return sum;
}

std::string_view parent_of(std::string_view path) noexcept {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

}  // namespace xtree::testing
