// The bytes of the versioned objects that are not tree nodes. design/file_format.md, "Catalog".
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "index/node.h"
#include "index/object_tag.h"
#include "index/operation.h"
#include "persistence/frame.h"
#include "persistence/node_id.h"
#include "xtree/config.h"
#include "xtree/result.h"

namespace xtree::index {

// Follows the FrameHeader of the catalog object; `count` records follow it.
struct CatalogHeader {
  std::uint32_t count;
  std::uint32_t next_number;
  std::uint64_t values;  // NodeID of the object of named values, or 0
  std::uint64_t reserved;
  ObjectTag tag;
};
static_assert(sizeof(CatalogHeader) == 32);

struct CatalogRecord {
  std::uint32_t number;
  std::uint8_t name_bytes;
  std::uint8_t reserved[3];
  std::uint64_t schema;  // encode_schema
  std::uint64_t root;    // NodeID of the root object
  char name[kMaxNameBytes];
};
static_assert(sizeof(CatalogRecord) == 88);

// Follows the FrameHeader of the object of named values; `count` records of 4 bytes each, followed
// by the name and the value, in the order of the names.
struct ValuesHeader {
  std::uint32_t count;
  std::uint32_t bytes;  // of all records, with their names and values
  std::uint64_t reserved[2];
  ObjectTag tag;
};
static_assert(sizeof(ValuesHeader) == 32);

struct ValueRecord {
  std::uint8_t name_bytes;
  std::uint8_t reserved;
  std::uint16_t value_bytes;
};
static_assert(sizeof(ValueRecord) == 4);

// Follows the FrameHeader of an index's root object.
struct RootContent {
  Root root;
  ObjectTag tag;
};
static_assert(sizeof(RootContent) == 32);

// All of them have their tag in the same place.
static_assert(sizeof(persistence::FrameHeader) + offsetof(CatalogHeader, tag) == kObjectTagOffset);
static_assert(sizeof(persistence::FrameHeader) + offsetof(ValuesHeader, tag) == kObjectTagOffset);
static_assert(sizeof(persistence::FrameHeader) + offsetof(RootContent, tag) == kObjectTagOffset);

// The number of indexes, and the bytes of named values, that the objects have room for.
inline constexpr std::size_t kMaxIndexes = 4096;
inline constexpr std::size_t kMaxValuesBytes = std::size_t{256} << 10;
static_assert(sizeof(persistence::FrameHeader) + sizeof(CatalogHeader) +
                  kMaxIndexes * sizeof(CatalogRecord) <= persistence::kMaxFrameBytes);

// An index of the database as its definition stands in the catalog object.
struct IndexDefinition {
  std::uint32_t number = 0;      // never used twice
  std::string name;
  detail::Schema schema;
  persistence::NodeId root;      // the object that holds its Root

  // What its nodes say of themselves.
  [[nodiscard]] NodeOwner owner() const noexcept {
    return {encode_schema(schema), {number, ObjectKind::node}};
  }
};

// The catalog object, decoded.
struct CatalogContent {
  std::uint32_t next_number = 1;
  persistence::NodeId values;
  std::vector<IndexDefinition> indexes;
};

using NamedValues = std::map<std::string, std::string, std::less<>>;

[[nodiscard]] std::size_t value_record_bytes(std::string_view name,
                                             std::string_view value) noexcept;

// What follows an object's FrameHeader.
[[nodiscard]] std::span<const std::byte> content_of(const persistence::FrameHeader& frame) noexcept;

// What follows the FrameHeader of an object, checked before it is believed: `corruption` says what
// is wrong.
[[nodiscard]] Result<CatalogContent> decode_catalog(std::span<const std::byte> content);
[[nodiscard]] Result<RootContent> decode_root(std::span<const std::byte> content);
// Calls `visit(name, value)` for each named value until it returns false.
[[nodiscard]] Result<void> visit_values(
    std::span<const std::byte> content,
    const std::function<bool(std::string_view, std::string_view)>& visit);

[[nodiscard]] std::vector<std::byte> encode_catalog(const CatalogContent& catalog);
[[nodiscard]] std::vector<std::byte> encode_values(const NamedValues& values);

}  // namespace xtree::index
