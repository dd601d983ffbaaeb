#include "platform/compression.h"

#ifdef XTREE_LZ4
#include <lz4.h>
#endif
#ifdef XTREE_ZSTD
#include <zstd.h>
#include <zstd_errors.h>
#endif

#include "platform/check.h"

namespace xtree {

bool is_supported(Compression compression) noexcept {
  return platform::check_supported(compression).has_value();
}

}  // namespace xtree

namespace xtree::platform {
namespace {

[[maybe_unused]] Error unsupported(const char* text) noexcept {
  return Error(ErrorCode::unsupported, "compression", text);
}

Error damaged() noexcept {
  return Error(ErrorCode::corruption, "compression", "the packed bytes are damaged");
}

#ifdef XTREE_LZ4
char* chars(std::byte* bytes) noexcept { return reinterpret_cast<char*>(bytes); }
const char* chars(const std::byte* bytes) noexcept { return reinterpret_cast<const char*>(bytes); }
#endif

#ifdef XTREE_ZSTD
// More takes twice the time and more to save two per cent: design/file_format.md, "Packed images".
constexpr int kZstdLevel = 1;
#endif

}  // namespace

Result<void> check_supported(Compression compression) noexcept {
  switch (compression) {
    case Compression::none: return {};
    case Compression::lz4:
#ifdef XTREE_LZ4
      return {};
#else
      return unsupported("this build has no LZ4; build the library with -DXTREE_LZ4=ON");
#endif
    case Compression::zstd:
#ifdef XTREE_ZSTD
      return {};
#else
      return unsupported("this build has no Zstandard; build the library with -DXTREE_ZSTD=ON");
#endif
  }
  return Error(ErrorCode::invalid_argument, "compression", "nodes are packed by none, lz4 or zstd");
}

void Compressor::Closer::operator()([[maybe_unused]] void* context) const noexcept {
#ifdef XTREE_ZSTD
  ZSTD_freeCCtx(static_cast<ZSTD_CCtx*>(context));
#endif
}

std::size_t Compressor::compress([[maybe_unused]] Compression compression,
                                 [[maybe_unused]] std::span<const std::byte> from,
                                 [[maybe_unused]] std::span<std::byte> to) noexcept {
#ifdef XTREE_LZ4
  if (compression == Compression::lz4) {
    const int bytes =
        LZ4_compress_default(chars(from.data()), chars(to.data()), static_cast<int>(from.size()),
                             static_cast<int>(to.size()));
    return bytes < 0 ? 0 : static_cast<std::size_t>(bytes);
  }
#endif
#ifdef XTREE_ZSTD
  if (compression == Compression::zstd) {
    if (zstd_ == nullptr) zstd_.reset(ZSTD_createCCtx());
    if (zstd_ == nullptr) return 0;
    const std::size_t bytes =
        ZSTD_compressCCtx(static_cast<ZSTD_CCtx*>(zstd_.get()), to.data(), to.size(), from.data(),
                          from.size(), kZstdLevel);
    return ZSTD_isError(bytes) != 0 ? 0 : bytes;
  }
#endif
  return 0;
}

Result<void> decompress(Compression compression, [[maybe_unused]] std::span<const std::byte> from,
                        [[maybe_unused]] std::span<std::byte> to) noexcept {
  XTREE_TRY(check_supported(compression));
#ifdef XTREE_LZ4
  if (compression == Compression::lz4) {
    const int bytes = LZ4_decompress_safe(chars(from.data()), chars(to.data()),
                                          static_cast<int>(from.size()),
                                          static_cast<int>(to.size()));
    return bytes >= 0 && static_cast<std::size_t>(bytes) == to.size() ? Result<void>() : damaged();
  }
#endif
#ifdef XTREE_ZSTD
  if (compression == Compression::zstd) {
    const std::size_t bytes = ZSTD_decompress(to.data(), to.size(), from.data(), from.size());
    if (ZSTD_getErrorCode(bytes) == ZSTD_error_memory_allocation) {
      return Error(ErrorCode::out_of_memory, "compression", "there is not enough memory");
    }
    return bytes == to.size() ? Result<void>() : damaged();
  }
#endif
  return damaged();
}

}  // namespace xtree::platform
