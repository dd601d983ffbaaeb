// The bytes of the versioned objects that are not tree nodes. design/file_format.md, "Catalog".
#pragma once

#include <cstddef>
#include <cstdint>

#include "persistence/frame.h"
#include "xtree/config.h"

namespace xtree::index {

// Follows the FrameHeader of the catalog object; `count` records follow it.
struct CatalogHeader {
  std::uint32_t count;
  std::uint32_t next_number;
  std::uint64_t values;  // NodeID of the object of named values, or 0
};
static_assert(sizeof(CatalogHeader) == 16);

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
};
static_assert(sizeof(ValuesHeader) == 8);

struct ValueRecord {
  std::uint8_t name_bytes;
  std::uint8_t reserved;
  std::uint16_t value_bytes;
};
static_assert(sizeof(ValueRecord) == 4);

// The number of indexes, and the bytes of named values, that the objects have room for.
inline constexpr std::size_t kMaxIndexes = 4096;
inline constexpr std::size_t kMaxValuesBytes = std::size_t{256} << 10;
static_assert(sizeof(persistence::FrameHeader) + sizeof(CatalogHeader) +
                  kMaxIndexes * sizeof(CatalogRecord) <= persistence::kMaxFrameBytes);

}  // namespace xtree::index
