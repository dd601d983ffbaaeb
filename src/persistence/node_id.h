// NodeID: the name that a node keeps through all of its versions.
#pragma once

#include <bit>
#include <compare>
#include <cstdint>

namespace xtree::persistence {

inline constexpr unsigned kShardBits = 6;
inline constexpr unsigned kSlotBits = 42;
inline constexpr unsigned kHandleBits = kShardBits + kSlotBits;
inline constexpr unsigned kShards = 1u << kShardBits;

// From the top: tag (16 bits), shard (6 bits), slot (42 bits). Shard and slot together are the
// handle, and name a slot of the object table; the tag tells one life of the slot from the next.
// Tag 0 is never given out, so no NodeID is zero. The slot is at the bottom so that it takes no
// operation to get at, and the tag is where a slot's hot word has its own (object_table.h).
struct NodeId {
  std::uint64_t bits = 0;

  static constexpr NodeId make(std::uint64_t handle, std::uint16_t tag) noexcept {
    return {std::uint64_t{tag} << kHandleBits | handle};
  }
  [[nodiscard]] constexpr std::uint64_t handle() const noexcept {
    return bits & ((std::uint64_t{1} << kHandleBits) - 1);
  }
  [[nodiscard]] constexpr std::uint16_t tag() const noexcept {
    return static_cast<std::uint16_t>(bits >> kHandleBits);
  }
  [[nodiscard]] constexpr unsigned shard() const noexcept {
    return static_cast<unsigned>(bits >> kSlotBits) % kShards;
  }
  [[nodiscard]] constexpr std::uint64_t slot() const noexcept {
    return bits & ((std::uint64_t{1} << kSlotBits) - 1);
  }
  explicit constexpr operator bool() const noexcept { return bits != 0; }
  friend constexpr bool operator==(const NodeId&, const NodeId&) noexcept = default;
  // By handle, as tables are, and then by tag: the lives of a slot one after the other.
  friend constexpr auto operator<=>(const NodeId& a, const NodeId& b) noexcept {
    constexpr int kTagBits = 64 - kHandleBits;
    return std::rotl(a.bits, kTagBits) <=> std::rotl(b.bits, kTagBits);
  }
};

}  // namespace xtree::persistence
