// Operations: what a write means, in the bytes that the log keeps. design/wal_format.md,
// "Operations".
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "platform/bytes.h"
#include "xtree/detail/engine.h"
#include "xtree/result.h"

namespace xtree::index {

enum class OperationKind : std::uint8_t {
  insert = 1,        // geometry, value
  erase = 2,         // geometry, value
  update = 3,        // geometry, geometry, value
  clear = 4,         // nothing
  put = 5,           // name, value
  remove = 6,        // name
  create_index = 7,  // name, schema
  drop_index = 8,    // nothing
};

// What precedes every operation's payload.
struct OperationHeader {
  OperationKind kind;
  std::uint8_t name_bytes;      // the name leads the payload
  std::uint16_t payload_bytes;  // name included
  std::uint32_t index;          // number of the index; 0 for put and remove
};
static_assert(sizeof(OperationHeader) == 8);

// One operation, still in the buffer that it was read from.
struct Operation {
  OperationKind kind;
  std::uint32_t index;
  std::string_view name;
  std::span<const std::byte> payload;  // what follows the name
};

inline constexpr std::size_t kMaxNamedValueBytes = 4096;

// True for a plain word, as config.h defines it.
[[nodiscard]] bool is_plain_word(std::string_view name) noexcept;

// Writes one operation to the beginning of `room`, which is large enough, and returns what it took.
std::size_t write_operation(std::span<std::byte> room, OperationKind kind, std::uint32_t index,
                            std::string_view name, std::span<const std::byte> first,
                            std::span<const std::byte> second = {},
                            std::span<const std::byte> third = {});
// The most that an operation on entries takes: two boxes and a value.
inline constexpr std::size_t kMostEntryOperationBytes =
    sizeof(OperationHeader) + 4 * kMaxDimensions * sizeof(double) + kMaxValueBytes;
// The same behind what there is.
void append_operation(std::vector<std::byte>& bytes, OperationKind kind, std::uint32_t index,
                      std::string_view name, std::span<const std::byte> first,
                      std::span<const std::byte> second = {},
                      std::span<const std::byte> third = {});

// Walks through operations one after the other.
class OperationReader {
 public:
  explicit OperationReader(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}

  // False at the end; `corruption` when the bytes are not operations. Lengths and names are
  // checked, payloads only against the buffer: their size is known to the index.
  Result<bool> next(Operation& operation) noexcept;
  // Goes on over those behind `last`, which was read last, that are of the same kind, index and
  // size, and returns how many there are, `most` at most. They lie one as far from the other.
  std::size_t take_alike(const Operation& last, std::size_t most) noexcept;

 private:
  static Error not_an_operation();
  static bool is_well_named(const Operation& operation) noexcept;

  std::span<const std::byte> bytes_;
};

// Every write of an entry comes by here twice, so it is not a call.
inline Result<bool> OperationReader::next(Operation& operation) noexcept {
  if (bytes_.empty()) return false;
  OperationHeader header;
  if (bytes_.size() < sizeof(header)) return not_an_operation();
  std::memcpy(&header, bytes_.data(), sizeof(header));
  bytes_ = bytes_.subspan(sizeof(header));
  if (header.kind < OperationKind::insert || header.kind > OperationKind::drop_index ||
      header.payload_bytes > bytes_.size() || header.name_bytes > header.payload_bytes) {
    return not_an_operation();
  }
  operation.kind = header.kind;
  operation.index = header.index;
  operation.name = {reinterpret_cast<const char*>(bytes_.data()), header.name_bytes};
  operation.payload =
      bytes_.subspan(header.name_bytes, header.payload_bytes - std::size_t{header.name_bytes});
  bytes_ = bytes_.subspan(header.payload_bytes);
  const bool is_of_entries = header.kind <= OperationKind::clear && header.name_bytes == 0;
  if (!is_of_entries && !is_well_named(operation)) return not_an_operation();
  return true;
}

// A schema in eight bytes, for create_index and the catalog.
[[nodiscard]] inline std::uint64_t encode_schema(const detail::Schema& schema) noexcept {
  return std::uint64_t{schema.dimensions} | std::uint64_t{schema.value_bytes} << 16 |
         static_cast<std::uint64_t>(schema.scalar) << 32 |
         static_cast<std::uint64_t>(schema.shape) << 40 |
         static_cast<std::uint64_t>(schema.compression) << 48;
}
// What such a word says of compression, which need not be true.
[[nodiscard]] constexpr Compression compression_in(std::uint64_t schema) noexcept {
  return static_cast<Compression>(schema >> 48 & 0xff);
}
[[nodiscard]] Result<detail::Schema> decode_schema(std::uint64_t bits) noexcept;
// `invalid_argument` naming what is out of range; `unsupported` when the build lacks what packs it.
[[nodiscard]] Result<void> check_schema(const detail::Schema& schema) noexcept;

}  // namespace xtree::index
