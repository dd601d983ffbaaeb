// ObjectTag: what each object of a database says of itself, for those who have lost what leads to
// it. design/file_format.md, "Node images".
#pragma once

#include <cstddef>
#include <cstdint>

namespace xtree::index {

enum class ObjectKind : std::uint32_t {
  none = 0,  // a node in memory mode, which nobody ever looks for
  node = 1,
  root = 2,
  catalog = 3,
  values = 4,
};

// The last bytes of an object's first cache line, in memory and in its image.
struct ObjectTag {
  std::uint32_t index = 0;  // number of the index; 0 for what belongs to the whole database
  ObjectKind kind = ObjectKind::none;
  friend bool operator==(const ObjectTag&, const ObjectTag&) noexcept = default;
};
static_assert(sizeof(ObjectTag) == 8);
inline constexpr std::size_t kObjectTagOffset = 56;

// Whose a tree node is. All nodes of a tree say the same; in memory mode it is all zero.
struct NodeOwner {
  std::uint64_t schema = 0;  // encode_schema
  ObjectTag tag;
  friend bool operator==(const NodeOwner&, const NodeOwner&) noexcept = default;
};
static_assert(sizeof(NodeOwner) == 16);

}  // namespace xtree::index
