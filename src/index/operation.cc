#include "index/operation.h"

#include <cstring>

#include "platform/bytes.h"
#include "platform/check.h"
#include "platform/compression.h"

namespace xtree::index {
namespace {

bool is_letter_or_digit(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool has_name(OperationKind kind) noexcept {
  return kind == OperationKind::put || kind == OperationKind::remove ||
         kind == OperationKind::create_index;
}

// Nearly all values have 8 bytes, for which a call of memcpy would cost more than it copies.
std::byte* put(std::byte* to, std::span<const std::byte> part) noexcept {
  if (part.size() == sizeof(std::uint64_t)) {
    platform::store_u64(to, platform::load_u64(part.data()));
  } else if (!part.empty()) {
    std::memcpy(to, part.data(), part.size());
  }
  return to + part.size();
}

}  // namespace

bool is_plain_word(std::string_view name) noexcept {
  if (name.empty() || name.size() > kMaxNameBytes || !is_letter_or_digit(name[0])) return false;
  for (const char c : name) {
    if (!is_letter_or_digit(c) && c != '_' && c != '-' && c != '.') return false;
  }
  return true;
}

std::size_t write_operation(std::span<std::byte> room, OperationKind kind, std::uint32_t index,
                            std::string_view name, std::span<const std::byte> first,
                            std::span<const std::byte> second, std::span<const std::byte> third) {
  const std::size_t payload_bytes = name.size() + first.size() + second.size() + third.size();
  XTREE_CHECK(name.size() <= kMaxNameBytes && payload_bytes <= UINT16_MAX &&
              sizeof(OperationHeader) + payload_bytes <= room.size());
  // As one word, for it is soon read as one: then it need not be in the cache before.
  static_assert(offsetof(OperationHeader, name_bytes) == 1 &&
                offsetof(OperationHeader, payload_bytes) == 2 &&
                offsetof(OperationHeader, index) == 4);
  platform::store_u64(room.data(), static_cast<std::uint64_t>(kind) | name.size() << 8 |
                                       payload_bytes << 16 | std::uint64_t{index} << 32);
  std::byte* at = put(room.data() + sizeof(OperationHeader), std::as_bytes(std::span(name)));
  put(put(put(at, first), second), third);
  return sizeof(OperationHeader) + payload_bytes;
}

void append_operation(std::vector<std::byte>& bytes, OperationKind kind, std::uint32_t index,
                      std::string_view name, std::span<const std::byte> first,
                      std::span<const std::byte> second, std::span<const std::byte> third) {
  const std::size_t before = bytes.size();
  bytes.resize(before + sizeof(OperationHeader) + name.size() + first.size() + second.size() +
               third.size());
  write_operation(std::span(bytes).subspan(before), kind, index, name, first, second, third);
}

std::size_t OperationReader::take_alike(const Operation& last, std::size_t most) noexcept {
  const std::size_t bytes = last.name.size() + last.payload.size();
  const std::size_t stride = sizeof(OperationHeader) + bytes;
  const std::uint64_t header = platform::load_u64(bytes_.data() - stride);
  std::size_t count = 0;
  for (; count < most && bytes_.size() >= stride; ++count) {
    if (platform::load_u64(bytes_.data()) != header) break;
    bytes_ = bytes_.subspan(stride);
  }
  return count;
}

Error OperationReader::not_an_operation() {
  return Error(ErrorCode::corruption, "operation", "the bytes are not a whole operation");
}

bool OperationReader::is_well_named(const Operation& operation) noexcept {
  if (has_name(operation.kind) ? !is_plain_word(operation.name) : !operation.name.empty()) {
    return false;
  }
  return operation.kind != OperationKind::put || operation.payload.size() <= kMaxNamedValueBytes;
}

Result<detail::Schema> decode_schema(std::uint64_t bits) noexcept {
  detail::Schema schema;
  schema.dimensions = static_cast<std::uint16_t>(bits);
  schema.value_bytes = static_cast<std::uint16_t>(bits >> 16);
  schema.scalar = static_cast<detail::ScalarType>(bits >> 32 & 0xff);
  schema.shape = static_cast<Shape>(bits >> 40 & 0xff);
  schema.compression = compression_in(bits);
  const Result<void> checked = check_schema(schema);
  if (!checked && checked.error().code() == ErrorCode::unsupported) return checked.error();
  if (bits >> 56 != 0 || !checked) {
    return Error(ErrorCode::corruption, "schema", "the bytes are not a schema");
  }
  return schema;
}

Result<void> check_schema(const detail::Schema& schema) noexcept {
  const auto refuse = [](const char* place, const char* text) {
    return Error(ErrorCode::invalid_argument, place, text);
  };
  if (schema.dimensions < 1 || schema.dimensions > kMaxDimensions) {
    return refuse("dimensions", "an index has 1 to 32 dimensions");
  }
  if (schema.value_bytes < 1 || schema.value_bytes > kMaxValueBytes) {
    return refuse("value", "a value has 1 to 64 bytes");
  }
  if (schema.scalar != detail::ScalarType::float32 &&
      schema.scalar != detail::ScalarType::float64) {
    return refuse("scalar", "coordinates are float or double");
  }
  if (schema.shape != Shape::boxes && schema.shape != Shape::points) {
    return refuse("shape", "entries are boxes or points");
  }
  return platform::check_supported(schema.compression);
}

}  // namespace xtree::index
