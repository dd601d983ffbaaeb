#include "platform/crc32c.h"

#include <array>

#include "platform/bytes.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#define XTREE_CRC32C_HARDWARE __attribute__((target("sse4.2")))
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#define XTREE_CRC32C_HARDWARE
#endif

namespace xtree::platform {
namespace {

using Table = std::array<std::uint32_t, 256>;

constexpr std::uint32_t kPolynomial = 0x82F63B78;  // reflected

constexpr Table make_byte_table() {
  Table table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ ((value & 1) != 0 ? kPolynomial : 0);
    table[i] = value;
  }
  return table;
}

// tables[k][b] is what byte b contributes when k more bytes of the same word follow it.
constexpr std::array<Table, 8> make_word_tables() {
  std::array<Table, 8> tables{};
  tables[0] = make_byte_table();
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t i = 0; i < 256; ++i) {
      tables[k][i] = tables[k - 1][i] >> 8 ^ tables[0][tables[k - 1][i] & 0xFF];
    }
  }
  return tables;
}

constexpr std::array<Table, 8> kWordTables = make_word_tables();

// Works on the inverted checksum, as all of the following do.
std::uint32_t portable(std::uint32_t crc, const std::byte* at, std::size_t count) noexcept {
  for (; count >= 8; at += 8, count -= 8) {
    const std::uint64_t word = load_u64(at) ^ crc;
    crc = kWordTables[7][word & 0xFF] ^ kWordTables[6][word >> 8 & 0xFF] ^
          kWordTables[5][word >> 16 & 0xFF] ^ kWordTables[4][word >> 24 & 0xFF] ^
          kWordTables[3][word >> 32 & 0xFF] ^ kWordTables[2][word >> 40 & 0xFF] ^
          kWordTables[1][word >> 48 & 0xFF] ^ kWordTables[0][word >> 56];
  }
  for (; count > 0; ++at, --count) {
    crc = crc >> 8 ^ kWordTables[0][(crc ^ std::to_integer<std::uint32_t>(*at)) & 0xFF];
  }
  return crc;
}

#ifdef XTREE_CRC32C_HARDWARE

// The instruction starts every cycle and takes three, so three streams run side by side. Each is
// this long; 4 KiB are four rounds of three and a short rest.
constexpr std::size_t kStreamBytes = 336;
static_assert(kStreamBytes % 8 == 0);

// What kStreamBytes zero bytes make of a checksum, by each of its four bytes: the map is linear,
// so it is computed for single bits and the rest is put together from those.
constexpr std::array<Table, 4> make_skip_tables() {
  constexpr Table kBytes = make_byte_table();
  std::array<std::uint32_t, 32> image{};
  for (std::size_t bit = 0; bit < 32; ++bit) {
    std::uint32_t crc = std::uint32_t{1} << bit;
    for (std::size_t i = 0; i < kStreamBytes; ++i) crc = crc >> 8 ^ kBytes[crc & 0xFF];
    image[bit] = crc;
  }
  std::array<Table, 4> tables{};
  for (std::size_t byte = 0; byte < 4; ++byte) {
    for (std::size_t value = 1; value < 256; ++value) {
      const std::size_t lowest = static_cast<std::size_t>(std::countr_zero(value));
      tables[byte][value] = tables[byte][value & (value - 1)] ^ image[8 * byte + lowest];
    }
  }
  return tables;
}

constexpr std::array<Table, 4> kSkipTables = make_skip_tables();

std::uint32_t skip_stream(std::uint32_t crc) noexcept {
  return kSkipTables[0][crc & 0xFF] ^ kSkipTables[1][crc >> 8 & 0xFF] ^
         kSkipTables[2][crc >> 16 & 0xFF] ^ kSkipTables[3][crc >> 24];
}

#if defined(__x86_64__)
XTREE_CRC32C_HARDWARE inline std::uint64_t add_word(std::uint64_t crc, const std::byte* at) {
  return _mm_crc32_u64(crc, load_u64(at));
}
XTREE_CRC32C_HARDWARE inline std::uint32_t add_half(std::uint32_t crc, const std::byte* at) {
  return _mm_crc32_u32(crc, load_u32(at));
}
XTREE_CRC32C_HARDWARE inline std::uint32_t add_byte(std::uint32_t crc, std::byte value) {
  return _mm_crc32_u8(crc, std::to_integer<std::uint8_t>(value));
}
bool has_instruction() noexcept { return __builtin_cpu_supports("sse4.2"); }
#else
inline std::uint64_t add_word(std::uint64_t crc, const std::byte* at) {
  return __crc32cd(static_cast<std::uint32_t>(crc), load_u64(at));
}
inline std::uint32_t add_half(std::uint32_t crc, const std::byte* at) {
  return __crc32cw(crc, load_u32(at));
}
inline std::uint32_t add_byte(std::uint32_t crc, std::byte value) {
  return __crc32cb(crc, std::to_integer<std::uint8_t>(value));
}
constexpr bool has_instruction() noexcept { return true; }
#endif

XTREE_CRC32C_HARDWARE std::uint32_t hardware(std::uint32_t seed, const std::byte* at,
                                             std::size_t count) noexcept {
  std::uint64_t crc = seed;
  for (; count >= 3 * kStreamBytes; at += 3 * kStreamBytes, count -= 3 * kStreamBytes) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (std::size_t i = 0; i < kStreamBytes; i += 8) {
      crc = add_word(crc, at + i);
      second = add_word(second, at + kStreamBytes + i);
      third = add_word(third, at + 2 * kStreamBytes + i);
    }
    crc = skip_stream(static_cast<std::uint32_t>(crc)) ^ second;
    crc = skip_stream(static_cast<std::uint32_t>(crc)) ^ third;
  }
  for (; count >= 8; at += 8, count -= 8) crc = add_word(crc, at);
  auto narrow = static_cast<std::uint32_t>(crc);
  if (count >= 4) {
    narrow = add_half(narrow, at);
    at += 4;
    count -= 4;
  }
  for (; count > 0; ++at, --count) narrow = add_byte(narrow, *at);
  return narrow;
}

#endif  // XTREE_CRC32C_HARDWARE

}  // namespace

std::uint32_t crc32c_portable(std::span<const std::byte> bytes, std::uint32_t seed) noexcept {
  return ~portable(~seed, bytes.data(), bytes.size());
}

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t seed) noexcept {
#ifdef XTREE_CRC32C_HARDWARE
  if (has_instruction()) [[likely]]
    return ~hardware(~seed, bytes.data(), bytes.size());
#endif
  return crc32c_portable(bytes, seed);
}

}  // namespace xtree::platform
