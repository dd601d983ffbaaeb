// SegmentAllocator: which slots of the segment files are taken, and where the next image goes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace xtree::persistence {

// Where an image lies. Slots of a segment have one size class; classes are multiples of 4 KiB.
struct DiskAddress {
  std::uint32_t segment = 0;   // number of the segment file; 0 means nowhere
  std::uint16_t slot = 0;      // slot within the segment
  std::uint8_t size_class = 0;
  std::uint8_t reserved = 0;
  explicit operator bool() const noexcept { return segment != 0; }
  friend bool operator==(const DiskAddress&, const DiskAddress&) noexcept = default;
};
static_assert(sizeof(DiskAddress) == 8);
static_assert(offsetof(DiskAddress, slot) == 4 && offsetof(DiskAddress, size_class) == 6);

// The unit that a disk is trusted to write as a whole; no two images share one.
inline constexpr std::size_t kSectorBytes = 4096;

inline constexpr std::array<std::uint16_t, 16> kSizeClassKib = {
    4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024};
inline constexpr std::size_t kMaxSegmentBytes = std::size_t{64} << 20;
inline constexpr std::size_t kFirstSegmentBytes = std::size_t{64} << 10;

constexpr std::size_t slot_bytes(std::uint8_t size_class) noexcept {
  return std::size_t{kSizeClassKib[size_class]} << 10;
}

// The smallest class that holds `bytes`; kSizeClassKib.size() when there is none.
constexpr std::uint8_t size_class_for(std::size_t bytes) noexcept {
  std::uint8_t size_class = 0;
  while (size_class < kSizeClassKib.size() && slot_bytes(size_class) < bytes) ++size_class;
  return size_class;
}

constexpr std::uint16_t max_slots(std::uint8_t size_class) noexcept {
  return static_cast<std::uint16_t>(kMaxSegmentBytes / slot_bytes(size_class));
}

constexpr std::uint16_t first_slots(std::uint8_t size_class) noexcept {
  const std::size_t slots = kFirstSegmentBytes / slot_bytes(size_class);
  return static_cast<std::uint16_t>(slots == 0 ? 1 : slots);
}

// A segment as a manifest lists it: design/file_format.md, "Manifest".
struct SegmentInfo {
  std::uint32_t number = 0;
  std::uint16_t slots = 0;
  std::uint8_t size_class = 0;
  std::uint8_t reserved = 0;
  friend bool operator==(const SegmentInfo&, const SegmentInfo&) noexcept = default;
};
static_assert(sizeof(SegmentInfo) == 8 && offsetof(SegmentInfo, size_class) == 6);

// Knows slots, not files: it does no input or output, and what it says is never stored. At open it
// is told about every segment (`add`) and every slot that somebody needs (`take`). The lowest free
// slot of the lowest segment is given out first, so that survivors gather at the front. A segment
// grows by doubling, and a new one starts only when all others of its class are full and grown
// up, so a small database stays small. One thread at a time.
class SegmentAllocator {
 public:
  // Adds a segment with all slots free. False, and nothing changed, when it is malformed or its
  // number is known already.
  bool add(const SegmentInfo& info);
  // Numbers below this one are not given to new segments.
  void set_next_segment(std::uint32_t number) noexcept { next_segment_ = number; }
  // Marks one slot. False when there is no such slot, or when it is taken.
  bool take(DiskAddress address) noexcept;
  // Nothing only when the numbers of segments are used up.
  std::optional<DiskAddress> allocate(std::uint8_t size_class);
  // The slot must be taken.
  void free(DiskAddress address);
  // Forgets the segments without a taken slot, and returns their numbers.
  std::vector<std::uint32_t> drop_empty();

  [[nodiscard]] bool taken(DiskAddress address) const noexcept;
  // By number.
  [[nodiscard]] std::vector<SegmentInfo> segments() const;
  [[nodiscard]] std::uint32_t next_segment() const noexcept { return next_segment_; }
  // All slots, and those that are taken.
  [[nodiscard]] std::uint64_t segment_bytes() const noexcept { return segment_bytes_; }
  [[nodiscard]] std::uint64_t taken_bytes() const noexcept { return taken_bytes_; }

 private:
  struct Segment {
    SegmentInfo info;
    std::uint16_t taken = 0;
    std::uint16_t hint = 0;             // no word of the bitmap before this one has a free slot
    std::vector<std::uint64_t> bitmap;  // a set bit is a taken slot, or one behind the end
  };

  static void resize(Segment& segment, std::uint16_t slots);
  void mark(Segment& segment, std::uint16_t slot) noexcept;
  [[nodiscard]] const Segment* find(DiskAddress address) const noexcept;
  Segment* grow(std::uint8_t size_class);

  std::map<std::uint32_t, Segment> segments_;
  // By class: segments with a free slot, and those that are not grown up.
  std::array<std::set<std::uint32_t>, kSizeClassKib.size()> open_;
  std::array<std::set<std::uint32_t>, kSizeClassKib.size()> growing_;
  std::uint32_t next_segment_ = 1;
  std::uint64_t segment_bytes_ = 0;
  std::uint64_t taken_bytes_ = 0;
};

}  // namespace xtree::persistence
