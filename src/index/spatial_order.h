// An order of many entries in which neighbours in space are neighbours in the sequence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "index/centres.h"
#include "index/node.h"

namespace xtree::index {

// The order of the centres on a Hilbert curve through their bounding box, in which entries that are
// inserted one by one find most of their path in the caches. False when there is not enough memory.
template <class Scalar>
[[nodiscard]] bool hilbert_order(const Layout& layout, const EntryRange& entries,
                                 std::span<std::uint32_t> order) noexcept;

extern template bool hilbert_order<float>(const Layout&, const EntryRange&,
                                          std::span<std::uint32_t>) noexcept;
extern template bool hilbert_order<double>(const Layout&, const EntryRange&,
                                           std::span<std::uint32_t>) noexcept;

}  // namespace xtree::index
