// Orders of many entries at once in which neighbours in space are neighbours in the sequence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "index/node.h"
#include "index/tree_shape.h"

namespace xtree::index {

// Entries in the caller's memory: the geometry of entry i lies i * stride bytes behind the first
// one's. It need not be aligned.
struct EntryRange {
  const std::byte* geometry;
  std::size_t stride;

  [[nodiscard]] const std::byte* at(std::size_t index) const noexcept {
    return geometry + index * stride;
  }
};

// The order of the leaves' entries in a packed tree, from left to right: on each level of `shape`
// the entries of a node are cut in two across their longest side, and so on until each part is one
// child. (A k-d tree's cuts at fixed ranks; compare García, López and Leutenegger, "A greedy
// algorithm for bulk loading R-trees", 1998.) `order` receives a permutation of 0 to its size - 1,
// always the same for the same entries. False when there is not enough memory.
template <class Scalar>
[[nodiscard]] bool kd_order(const Layout& layout, const TreeShape& shape, const EntryRange& entries,
                            std::span<std::uint32_t> order) noexcept;

// The order of the centres on a Hilbert curve through their bounding box, in which entries that are
// inserted one by one find most of their path in the caches. False when there is not enough memory.
template <class Scalar>
[[nodiscard]] bool hilbert_order(const Layout& layout, const EntryRange& entries,
                                 std::span<std::uint32_t> order) noexcept;

extern template bool kd_order<float>(const Layout&, const TreeShape&, const EntryRange&,
                                     std::span<std::uint32_t>) noexcept;
extern template bool kd_order<double>(const Layout&, const TreeShape&, const EntryRange&,
                                      std::span<std::uint32_t>) noexcept;
extern template bool hilbert_order<float>(const Layout&, const EntryRange&,
                                          std::span<std::uint32_t>) noexcept;
extern template bool hilbert_order<double>(const Layout&, const EntryRange&,
                                           std::span<std::uint32_t>) noexcept;

}  // namespace xtree::index
