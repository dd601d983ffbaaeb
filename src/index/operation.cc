#include "index/operation.h"

#include <algorithm>
#include <cstring>

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

Error not_an_operation() {
  return Error(ErrorCode::corruption, "operation", "the bytes are not a whole operation");
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
  const OperationHeader header{kind, static_cast<std::uint8_t>(name.size()),
                               static_cast<std::uint16_t>(payload_bytes), index};
  std::byte* at = room.data();
  for (const std::span<const std::byte> part :
       {std::as_bytes(std::span(&header, 1)), std::as_bytes(std::span(name)), first, second,
        third}) {
    at = std::copy(part.begin(), part.end(), at);
  }
  return sizeof(header) + payload_bytes;
}

void append_operation(std::vector<std::byte>& bytes, OperationKind kind, std::uint32_t index,
                      std::string_view name, std::span<const std::byte> first,
                      std::span<const std::byte> second, std::span<const std::byte> third) {
  const std::size_t before = bytes.size();
  bytes.resize(before + sizeof(OperationHeader) + name.size() + first.size() + second.size() +
               third.size());
  write_operation(std::span(bytes).subspan(before), kind, index, name, first, second, third);
}

Result<bool> OperationReader::next(Operation& operation) noexcept {
  if (bytes_.empty()) return false;
  OperationHeader header;
  if (bytes_.size() < sizeof(header)) return not_an_operation();
  std::memcpy(&header, bytes_.data(), sizeof(header));
  bytes_ = bytes_.subspan(sizeof(header));
  if (header.kind < OperationKind::insert || header.kind > OperationKind::drop_index)
    return not_an_operation();
  if (header.payload_bytes > bytes_.size() || header.name_bytes > header.payload_bytes)
    return not_an_operation();
  operation.kind = header.kind;
  operation.index = header.index;
  operation.name = {reinterpret_cast<const char*>(bytes_.data()), header.name_bytes};
  operation.payload =
      bytes_.subspan(header.name_bytes, header.payload_bytes - std::size_t{header.name_bytes});
  bytes_ = bytes_.subspan(header.payload_bytes);
  if (has_name(header.kind) ? !is_plain_word(operation.name) : header.name_bytes != 0)
    return not_an_operation();
  if (header.kind == OperationKind::put && operation.payload.size() > kMaxNamedValueBytes) {
    return not_an_operation();
  }
  return true;
}

std::uint64_t encode_schema(const detail::Schema& schema) noexcept {
  return std::uint64_t{schema.dimensions} | std::uint64_t{schema.value_bytes} << 16 |
         static_cast<std::uint64_t>(schema.scalar) << 32 |
         static_cast<std::uint64_t>(schema.shape) << 40 |
         static_cast<std::uint64_t>(schema.compression) << 48;
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
