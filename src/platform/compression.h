// Compression: the libraries that pack bytes, as far as the build has them.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "xtree/options.h"
#include "xtree/result.h"

namespace xtree::platform {

// Succeeds when this build can pack and unpack in this way, and says how to get one that can.
[[nodiscard]] Result<void> check_supported(Compression compression) noexcept;

// Packs bytes; it keeps what that takes in memory, between calls. One thread at a time.
class Compressor {
 public:
  // Returns how many bytes of `to` are the packed form of `from`; 0 when it does not fit, or when
  // there is no memory to make it.
  [[nodiscard]] std::size_t compress(Compression compression, std::span<const std::byte> from,
                                     std::span<std::byte> to) noexcept;

 private:
  struct Closer {
    void operator()(void* context) const noexcept;
  };
  std::unique_ptr<void, Closer> zstd_;  // when first needed
};

// Fills all of `to`: `corruption` unless `from` is the packed form of exactly so many bytes, and
// nothing more. Any thread.
[[nodiscard]] Result<void> decompress(Compression compression, std::span<const std::byte> from,
                                      std::span<std::byte> to) noexcept;

}  // namespace xtree::platform
