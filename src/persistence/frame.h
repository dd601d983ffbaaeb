// Frame: one version of one object. Its image is byte for byte what is on disk, but for `previous`
// and `checksum`; in memory links or stamps may stand in front of it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace xtree::persistence {

// What stands in front of a frame, in words of 8 bytes. They are a multiple of 8 in all, so that
// frames stay aligned.
struct FrameFront {
  std::uint16_t links;   // one for each child that there is room for (links.h)
  std::uint16_t stamps;  // for the layer that knows what a node is; zero in a new version

  [[nodiscard]] constexpr std::size_t words() const noexcept {
    return std::size_t{links} + stamps;
  }
  friend constexpr bool operator==(FrameFront, FrameFront) noexcept = default;
};

// The first half of every object's first cache line; what follows belongs to the index layer.
// On disk: design/file_format.md, "Node images".
struct FrameHeader {
  std::uint64_t node_id;     // NodeID bits; in memory mode the frame's own address
  std::uint64_t birth;       // the epoch from which this version holds; 0 in memory mode
  // The next older version that a reader may need. On disk these bytes have the number of the first
  // operation that the checkpoint which made the image does not hold.
  FrameHeader* previous;
  union {
    std::uint32_t checksum;  // on disk: CRC32C of the image with this field zero
    FrameFront front;        // in memory: what stands in front
  };
  std::uint32_t bytes;       // size of the image, header included; a multiple of 64
};
static_assert(sizeof(FrameHeader) == 32);
static_assert(offsetof(FrameHeader, checksum) == 24);

// The memory of a frame: what stands in front, and its image.
[[nodiscard]] constexpr std::size_t frame_bytes(std::size_t image_bytes,
                                                FrameFront front) noexcept {
  return image_bytes + front.words() * sizeof(std::uint64_t);
}
[[nodiscard]] inline std::size_t frame_bytes(const FrameHeader& frame) noexcept {
  return frame_bytes(frame.bytes, frame.front);
}
// Where a frame stands in its memory, and where that begins.
[[nodiscard]] inline FrameHeader* frame_in(void* memory, FrameFront front) noexcept {
  return reinterpret_cast<FrameHeader*>(static_cast<std::uint64_t*>(memory) + front.words());
}
[[nodiscard]] inline void* memory_of(FrameHeader* frame) noexcept {
  return reinterpret_cast<std::uint64_t*>(frame) - frame->front.words();
}

// Frames are aligned to a cache line and at most this large.
inline constexpr std::size_t kFrameAlignment = 64;
inline constexpr std::size_t kMaxFrameBytes = std::size_t{1} << 20;

}  // namespace xtree::persistence
