// CRC32C (Castagnoli), the checksum of everything on disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace xtree::platform {

// The checksum of `bytes`; with the checksum of what stands before them as `seed`, that of both
// together. It uses the processor's instruction where there is one.
[[nodiscard]] std::uint32_t crc32c(std::span<const std::byte> bytes,
                                   std::uint32_t seed = 0) noexcept;

// The same from tables alone, for processors without the instruction.
[[nodiscard]] std::uint32_t crc32c_portable(std::span<const std::byte> bytes,
                                            std::uint32_t seed = 0) noexcept;

}  // namespace xtree::platform
