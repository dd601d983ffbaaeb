// Reading and writing the lanes of nodes: where node.h's layout meets the bytes. The caller has
// made sure that the lane exists.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "index/bounds.h"
#include "index/leaf_codes.h"
#include "index/node.h"
#include "index/pair_codes.h"
#include "platform/check.h"

namespace xtree::index {

inline constexpr std::size_t kRowBytes = detail::kLeafVectorBytes;

template <class Scalar>
inline constexpr std::size_t kLeafLanes = kRowBytes / sizeof(Scalar);

[[nodiscard]] constexpr std::size_t blocks_for(std::size_t count, std::size_t lanes) noexcept {
  return (count + lanes - 1) / lanes;
}

[[nodiscard]] inline const float* child_lane(const Node& node, const Layout& layout,
                                             std::size_t index) noexcept {
  const std::byte* block = node.block(index / kDirectoryLanes, layout.directory_block_bytes);
  return reinterpret_cast<const float*>(block) + index % kDirectoryLanes;
}
[[nodiscard]] inline float* child_lane(Node& node, const Layout& layout,
                                       std::size_t index) noexcept {
  return const_cast<float*>(child_lane(static_cast<const Node&>(node), layout, index));
}

[[nodiscard]] inline Ref child_ref(const Node& node, const Layout& layout,
                                   std::size_t index) noexcept {
  const std::byte* block = node.block(index / kDirectoryLanes, layout.directory_block_bytes);
  const auto* refs = reinterpret_cast<const Ref*>(block + 2 * layout.dimensions * kRowBytes);
  return refs[index % kDirectoryLanes];
}
inline void set_child_ref(Node& node, const Layout& layout, std::size_t index, Ref ref) noexcept {
  std::byte* block = node.block(index / kDirectoryLanes, layout.directory_block_bytes);
  auto* refs = reinterpret_cast<Ref*>(block + 2 * layout.dimensions * kRowBytes);
  refs[index % kDirectoryLanes] = ref;
}

inline void read_child_box(const Node& node, const Layout& layout, std::size_t index,
                           FloatBox& box) noexcept {
  const float* lane = child_lane(node, layout, index);
  for (std::size_t row = 0; row < 2 * layout.dimensions; ++row) {
    box.at[row] = lane[row * kDirectoryLanes];
  }
}
// The sides of a child's box, a bit for each row, that `inner` reaches, which it covers: taking
// `inner` away may move them, and no others.
[[nodiscard]] inline std::uint64_t touched_sides(const Node& node, const Layout& layout,
                                                 std::size_t index,
                                                 const FloatBox& inner) noexcept {
  static_assert(2 * kMaxDimensions <= 64);
  const float* lane = child_lane(node, layout, index);
  std::uint64_t sides = 0;
  for (std::size_t row = 0; row < 2 * layout.dimensions; ++row) {
    sides |= std::uint64_t{inner.at[row] == lane[row * kDirectoryLanes]} << row;
  }
  return sides;
}
inline void set_child_box(Node& node, const Layout& layout, std::size_t index,
                          const FloatBox& box) noexcept {
  float* lane = child_lane(node, layout, index);
  for (std::size_t row = 0; row < 2 * layout.dimensions; ++row) {
    lane[row * kDirectoryLanes] = box.at[row];
  }
}

// Widens a child's box. Readers may look at it meanwhile: whatever of the old and the new they see
// covers the old. Release: it happens behind `note_growth`.
inline void grow_child_box(Node& node, const Layout& layout, std::size_t index,
                           const FloatBox& box) noexcept {
  float* lane = child_lane(node, layout, index);
  const auto widen = [lane](std::size_t row, float to) {
    std::atomic_ref(lane[row * kDirectoryLanes]).store(to, std::memory_order_release);
  };
  for (std::size_t row = 0; row < layout.dimensions; ++row) {
    const std::size_t max_row = layout.dimensions + row;
    if (box.at[row] < lane[row * kDirectoryLanes]) widen(row, box.at[row]);
    if (box.at[max_row] > lane[max_row * kDirectoryLanes]) widen(max_row, box.at[max_row]);
  }
}

// The same as read_child_box for readers beside a writer. Acquire pairs with `grow_child_box`.
inline void read_shared_child_box(const Node& node, const Layout& layout, std::size_t index,
                                  FloatBox& box) noexcept {
  float* lane = child_lane(const_cast<Node&>(node), layout, index);
  for (std::size_t row = 0; row < 2 * layout.dimensions; ++row) {
    box.at[row] = std::atomic_ref(lane[row * kDirectoryLanes]).load(std::memory_order_acquire);
  }
}

// Makes a lane free: an empty box, which answers no query, and no reference.
inline void clear_child(Node& node, const Layout& layout, std::size_t index) noexcept {
  constexpr float kMost = std::numeric_limits<float>::max();
  float* lane = child_lane(node, layout, index);
  for (std::size_t axis = 0; axis < layout.dimensions; ++axis) {
    lane[axis * kDirectoryLanes] = kMost;
    lane[(layout.dimensions + axis) * kDirectoryLanes] = -kMost;
  }
  set_child_ref(node, layout, index, 0);
}

// Frees all lanes from `count` to the end of its block.
inline void clear_children_behind(Node& node, const Layout& layout, std::size_t count) noexcept {
  for (std::size_t i = count; i % kDirectoryLanes != 0; ++i) clear_child(node, layout, i);
}

// Adds a child behind the last one; there must be room.
inline void append_child(Node& node, const Layout& layout, const FloatBox& box, Ref ref) noexcept {
  const std::size_t index = node.count++;
  set_child_box(node, layout, index, box);
  set_child_ref(node, layout, index, ref);
  if (index % kDirectoryLanes == 0) clear_children_behind(node, layout, index + 1);
}

// Moves the last child into the place of the one that goes.
inline void remove_child(Node& node, const Layout& layout, std::size_t index) noexcept {
  const std::size_t last = --node.count;
  if (index != last) {
    FloatBox box;
    read_child_box(node, layout, last, box);
    set_child_box(node, layout, index, box);
    set_child_ref(node, layout, index, child_ref(node, layout, last));
  }
  clear_child(node, layout, last);
}

template <class Scalar>
[[nodiscard]] const Scalar* entry_lane(const Node& leaf, const Layout& layout,
                                       std::size_t index) noexcept {
  const std::byte* block = layout.leaf_block(leaf, index / kLeafLanes<Scalar>);
  return reinterpret_cast<const Scalar*>(block) + index % kLeafLanes<Scalar>;
}
template <class Scalar>
[[nodiscard]] Scalar* entry_lane(Node& leaf, const Layout& layout, std::size_t index) noexcept {
  return const_cast<Scalar*>(entry_lane<Scalar>(static_cast<const Node&>(leaf), layout, index));
}

// An entry's leaf and its index there, in one word: no address of a process has the upper bits.
class EntryPlace {
 public:
  EntryPlace() = default;  // of no value, in arrays
  EntryPlace(const Node& leaf, std::size_t index) noexcept
      : bits_(reinterpret_cast<std::uintptr_t>(&leaf) | std::uint64_t{index} << kAddressBits) {
    XTREE_DCHECK(&this->leaf() == &leaf && this->index() == index);
  }

  [[nodiscard]] const Node& leaf() const noexcept {
    return *reinterpret_cast<const Node*>(
        static_cast<std::uintptr_t>(bits_ & ((std::uint64_t{1} << kAddressBits) - 1)));
  }
  [[nodiscard]] std::size_t index() const noexcept {
    return static_cast<std::size_t>(bits_ >> kAddressBits);
  }
  friend bool operator==(EntryPlace, EntryPlace) noexcept = default;

 private:
  static constexpr int kAddressBits = 57;
  static_assert(detail::kMaxLeafEntries <= std::size_t{1} << (64 - kAddressBits));
  std::uint64_t bits_;
};

template <class Scalar>
[[nodiscard]] const std::byte* entry_value(const Node& leaf, const Layout& layout,
                                           std::size_t index) noexcept {
  return reinterpret_cast<const std::byte*>(&leaf) + layout.values_at +
         index / kLeafLanes<Scalar> * layout.values_step +
         index % kLeafLanes<Scalar> * layout.value_bytes;
}
template <class Scalar>
[[nodiscard]] std::byte* entry_value(Node& leaf, const Layout& layout,
                                     std::size_t index) noexcept {
  return const_cast<std::byte*>(
      entry_value<Scalar>(static_cast<const Node&>(leaf), layout, index));
}

// Nearly all values are 8 bytes, which a call of memcpy would cost more than it copies.
inline void copy_value(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
  if (bytes == 8) {
    std::memcpy(to, from, 8);
  } else {
    std::memcpy(to, from, bytes);
  }
}
[[nodiscard]] inline bool equal_values(const std::byte* a, const std::byte* b,
                                       std::size_t bytes) noexcept {
  return bytes == 8 ? std::memcmp(a, b, 8) == 0 : std::memcmp(a, b, bytes) == 0;
}

template <class Scalar>
void read_geometry(const Node& leaf, const Layout& layout, std::size_t index,
                   Scalar* geometry) noexcept {
  const Scalar* lane = entry_lane<Scalar>(leaf, layout, index);
  for (std::size_t row = 0; row < layout.rows; ++row)
    geometry[row] = lane[row * kLeafLanes<Scalar>];
}
// The code of one entry, whichever kind the leaf has.
template <class Scalar>
void set_entry_code(Node& leaf, const Layout& layout, std::size_t index,
                    const Scalar* geometry) noexcept {
  if (layout.code_bytes != 0) {
    set_code(leaf, layout, index, code_in(leaf, layout, geometry));
  } else if (layout.code_pairs != 0) {
    set_pair_code(leaf, layout, index, geometry);
  }
}
inline void copy_entry_code(Node& leaf, const Layout& layout, std::size_t from,
                            std::size_t to) noexcept {
  if (layout.code_pairs != 0) return copy_pair_code(leaf, layout, from, to);
  set_code(leaf, layout, to, read_code(leaf, layout, from));
}
inline void clear_entry_code(Node& leaf, const Layout& layout, std::size_t index) noexcept {
  if (layout.code_pairs != 0) return clear_pair_code(leaf, layout, index);
  set_code(leaf, layout, index, 0);
}
// Lays the grid of a leaf with codes over its box; all codes have to be written again.
inline void set_leaf_grid(Node& leaf, const Layout& layout, const FloatBox& box) noexcept {
  if (layout.code_pairs != 0) return set_pair_grid(leaf, layout.dimensions, box);
  set_grid(leaf, layout.dimensions, box);
}

template <class Scalar>
void set_geometry(Node& leaf, const Layout& layout, std::size_t index,
                  const Scalar* geometry) noexcept {
  Scalar* lane = entry_lane<Scalar>(leaf, layout, index);
  for (std::size_t row = 0; row < layout.rows; ++row)
    lane[row * kLeafLanes<Scalar>] = geometry[row];
  set_entry_code(leaf, layout, index, geometry);
}

// What stands in a row of free lanes: empty boxes, or points that are no number.
template <class Scalar>
[[nodiscard]] Scalar free_coordinate(const Layout& layout, std::size_t row) noexcept {
  constexpr Scalar kMost = std::numeric_limits<Scalar>::max();
  if (layout.points) return std::numeric_limits<Scalar>::quiet_NaN();
  return row < layout.dimensions ? kMost : -kMost;
}

// Frees all lanes from `count` to the end of its block. The values of free lanes are zero, so that
// equal trees have equal bytes.
template <class Scalar>
void clear_entries_behind(Node& leaf, const Layout& layout, std::size_t count) noexcept {
  const std::size_t first = count % kLeafLanes<Scalar>;
  if (first == 0) return;
  Scalar* rows = entry_lane<Scalar>(leaf, layout, count) - first;
  for (std::size_t row = 0; row < layout.rows; ++row) {
    const Scalar free = free_coordinate<Scalar>(layout, row);
    for (std::size_t lane = first; lane < kLeafLanes<Scalar>; ++lane) {
      rows[row * kLeafLanes<Scalar> + lane] = free;
    }
  }
  std::memset(entry_value<Scalar>(leaf, layout, count), 0,
              (kLeafLanes<Scalar> - first) * layout.value_bytes);
}

// Zeroes the values in front of the blocks from `count` on.
template <class Scalar>
void clear_values_behind(Node& leaf, const Layout& layout, std::size_t count) noexcept {
  if (!layout.has_values_in_front()) return;
  std::memset(entry_value<Scalar>(leaf, layout, count), 0,
              (layout.leaf_capacity() - count) * layout.value_bytes);
}

// Writes the value of an entry behind the last one, whose geometry is there, and where there must
// be room. It counts once `count` says so.
template <class Scalar>
void write_value_behind(Node& leaf, const Layout& layout, const std::byte* value) noexcept {
  const std::size_t index = leaf.count;
  copy_value(entry_value<Scalar>(leaf, layout, index), value, layout.value_bytes);
  if (index % kLeafLanes<Scalar> == 0) clear_entries_behind<Scalar>(leaf, layout, index + 1);
}

// Adds an entry to a leaf that nobody reads yet.
template <class Scalar>
void append_entry(Node& leaf, const Layout& layout, const Scalar* geometry,
                  const std::byte* value) noexcept {
  set_geometry(leaf, layout, leaf.count, geometry);
  write_value_behind<Scalar>(leaf, layout, value);
  ++leaf.count;
}

// Moves the last entry into the place of the one that goes, and frees its lane. A block without an
// entry has no meaning.
template <class Scalar>
void remove_entry(Node& leaf, const Layout& layout, std::size_t index) noexcept {
  const std::size_t last = --leaf.count;
  const bool empties_block = last % kLeafLanes<Scalar> == 0;
  Scalar* from = entry_lane<Scalar>(leaf, layout, last);
  Scalar* to = entry_lane<Scalar>(leaf, layout, index);
  for (std::size_t row = 0; row < layout.rows; ++row) {
    to[row * kLeafLanes<Scalar>] = from[row * kLeafLanes<Scalar>];
    if (!empties_block) from[row * kLeafLanes<Scalar>] = free_coordinate<Scalar>(layout, row);
  }
  std::byte* value = entry_value<Scalar>(leaf, layout, last);
  copy_value(entry_value<Scalar>(leaf, layout, index), value, layout.value_bytes);
  if (!empties_block || layout.has_values_in_front()) std::memset(value, 0, layout.value_bytes);
  copy_entry_code(leaf, layout, last, index);
  clear_entry_code(leaf, layout, last);
}

}  // namespace xtree::index
