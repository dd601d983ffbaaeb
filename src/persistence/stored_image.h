// Stored images: what the image of an object is like where it is stored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "persistence/frame.h"
#include "persistence/node_id.h"

namespace xtree::persistence {

// CRC32C of an image as it is stored, with `checksum` as zero.
std::uint32_t image_checksum(std::span<const std::byte> image) noexcept;

// Why the bytes that were read are not the image that a table entry or a scan speaks of, as it is
// stored; null when they are. `bytes` are those that it has in memory.
const char* what_is_wrong(NodeId id, std::uint32_t bytes, std::uint32_t checksum,
                          std::span<const std::byte> image) noexcept;

// The header of an image, as it is in memory, with what it has on disk in place of `previous`. That
// is not even looked at: in the frame of a version that readers hold on to, the collector may
// change it meanwhile.
FrameHeader stored_header(std::span<const std::byte> image, std::uint64_t next_lsn) noexcept;

// Copies an image to where it is stored from, `image.size()` bytes, and returns its checksum.
std::uint32_t store_image(std::span<const std::byte> image, std::uint64_t next_lsn,
                          std::byte* room) noexcept;

// Writes an image's checksum into it, and returns it.
std::uint32_t seal_image(std::span<std::byte> image) noexcept;

}  // namespace xtree::persistence
