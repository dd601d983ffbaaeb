// SegmentAllocator: where the next image goes, and how much of each segment is still needed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "persistence/frame.h"

namespace xtree::persistence {

// Images begin at multiples of this, in any segment.
inline constexpr std::size_t kImageAlignment = kFrameAlignment;

// Where an image lies. Offsets and lengths count units of kImageAlignment.
struct DiskAddress {
  static constexpr unsigned kUnitBits = 20;

  std::uint32_t segment = 0;  // number of the segment file; 0 means nowhere
  // Its offset in the low bits; above them what it takes there when it is packed, and 0 when it is
  // not.
  std::uint32_t place = 0;

  [[nodiscard]] constexpr std::uint32_t unit() const noexcept {
    return place & ((std::uint32_t{1} << kUnitBits) - 1);
  }
  [[nodiscard]] constexpr std::uint64_t offset() const noexcept {
    return std::uint64_t{unit()} * kImageAlignment;
  }
  [[nodiscard]] constexpr std::uint32_t packed_bytes() const noexcept {
    return (place >> kUnitBits) * std::uint32_t{kImageAlignment};
  }
  constexpr void set_packed_bytes(std::size_t bytes) noexcept {
    place = unit() | static_cast<std::uint32_t>(bytes / kImageAlignment) << kUnitBits;
  }
  explicit operator bool() const noexcept { return segment != 0; }
  friend bool operator==(const DiskAddress&, const DiskAddress&) noexcept = default;
};
static_assert(sizeof(DiskAddress) == 8 && offsetof(DiskAddress, place) == 4);

// The unit that a disk is trusted to write as a whole. Images of one checkpoint may share one,
// those of two checkpoints never do: what a checkpoint has written is not written again.
inline constexpr std::size_t kSectorBytes = 4096;
inline constexpr std::size_t kMaxSegmentBytes = std::size_t{64} << 20;
static_assert(kMaxSegmentBytes >> DiskAddress::kUnitBits == kImageAlignment);
// Segments are as large as that allows, and so many that it pays to choose between them.
inline constexpr std::size_t kMinFullSegmentBytes = std::size_t{1} << 20;
inline constexpr std::uint64_t kSegmentsWanted = 16;
static_assert(kMinFullSegmentBytes >= kMaxFrameBytes);

constexpr std::uint64_t round_up_to_sector(std::uint64_t bytes) noexcept {
  return (bytes + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
}

// A segment as a manifest lists it: design/file_format.md, "Manifest".
struct SegmentInfo {
  std::uint32_t number = 0;
  std::uint32_t bytes = 0;  // whole sectors; what the file has behind them has no meaning
  friend bool operator==(const SegmentInfo&, const SegmentInfo&) noexcept = default;
};
static_assert(sizeof(SegmentInfo) == 8 && offsetof(SegmentInfo, bytes) == 4);

// How much of a segment the next checkpoint needs.
struct SegmentUse {
  std::uint32_t number = 0;
  std::uint64_t bytes = 0;
  std::uint64_t live_bytes = 0;  // of images
};

// Images that change seldom are kept apart from those that have just changed, so that segments tend
// to die as a whole.
enum class Heat : std::uint8_t { fresh, settled };

// Knows segments, not files: it does no input or output, and what it says is stored by others. A
// segment only grows, at its end, until it is full; when nothing in it is needed any more, it goes
// as a whole. It speaks of the next checkpoint; `commit` makes that the newest one, and `abandon`
// forgets it. At open it is told about every segment (`add`) and every image (`take`), and then
// `commit` is called. One thread at a time.
class SegmentAllocator {
 public:
  // Adds a segment without images. False, and nothing changed, when it is malformed or its number
  // is known already.
  bool add(const SegmentInfo& info);
  // Numbers below this one are not given to new segments.
  void set_next_segment(std::uint32_t number) noexcept;
  // Counts an image. False when there is no such segment, or no room for the image in it.
  bool take(DiskAddress address, std::size_t bytes) noexcept;

  // Nothing only when the numbers of segments are used up. An image that is not put behind the one
  // before it, in the same segment, begins a sector.
  std::optional<DiskAddress> allocate(std::size_t bytes, Heat heat);
  // What comes next in this segment begins a sector.
  void pad(std::uint32_t segment) noexcept;
  // An image is not needed any more. It must have been taken or allocated.
  void release(DiskAddress address, std::size_t bytes) noexcept;
  // Nothing more is put into this segment.
  void close(std::uint32_t segment) noexcept;

  // All segments are padded. Those without an image leave.
  void commit();
  // Returns the numbers of the segments that only the abandoned checkpoint had. They will be given
  // out again.
  std::vector<std::uint32_t> abandon();

  // Those that the next checkpoint needs, by number.
  [[nodiscard]] std::vector<SegmentInfo> segments() const;
  // All of them, by number.
  [[nodiscard]] std::vector<SegmentUse> uses() const;
  [[nodiscard]] std::uint32_t next_segment() const noexcept { return next_segment_; }
  [[nodiscard]] std::uint64_t segment_bytes() const noexcept { return segment_bytes_; }
  [[nodiscard]] std::uint64_t live_bytes() const noexcept { return live_bytes_; }

 private:
  struct Segment {
    std::uint64_t end = 0;
    std::uint64_t live_bytes = 0;
    bool is_closed = false;
  };
  using Segments = std::map<std::uint32_t, Segment>;

  [[nodiscard]] bool has_room(const Segment& segment, std::size_t bytes) const noexcept;
  [[nodiscard]] std::uint32_t find_tail(std::size_t bytes, std::uint32_t except) const noexcept;
  void count() noexcept;

  Segments segments_;
  Segments::value_type* last_taken_from_ = nullptr;  // entries of a table mostly come in runs
  std::uint32_t next_segment_ = 1;
  std::uint64_t segment_bytes_ = 0;
  std::uint64_t live_bytes_ = 0;
  std::array<std::uint32_t, 2> tails_ = {};  // by heat: where the next image goes; 0 is nowhere yet
  Segments committed_;
  std::uint32_t committed_next_ = 1;
};

}  // namespace xtree::persistence
