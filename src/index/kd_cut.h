// kd_cut: gives each leaf of a packed tree its entries.
#pragma once

#include <cstddef>
#include <cstdint>

#include "index/centre_rows.h"
#include "index/tree_shape.h"
#include "platform/workers.h"

namespace xtree::index {

// The entries of one leaf, which are at `first` and behind in the order of all leaves.
struct LeafRows {
  const std::uint32_t* rows;
  std::size_t stride;
  std::size_t first;
  std::size_t count;
  std::size_t known;  // rows that may be looked at: the next ones are probably the next leaf's

  [[nodiscard]] std::uint32_t number(std::size_t i) const noexcept { return rows[i * stride]; }
};

// Takes the leaves, each once, from any of the threads and in any order.
struct LeafSink {
  void* context;
  void (*take)(void* context, const LeafRows& leaf) noexcept;
};

// On each level of `shape` the entries of a node are cut into slabs of equal numbers of children
// across their longest side, then each slab across its own, and so on until each part is one child.
// (A k-d tree's cuts at the ranks of a packed tree, several at once; compare García, López and
// Leutenegger, "A greedy algorithm for bulk loading R-trees", 1998.) The same rows always make the
// same leaves, however many threads there are. The rows end up in no order.
void kd_cut(const TreeShape& shape, CentreRows& rows, platform::Workers& workers,
            const LeafSink& sink) noexcept;

}  // namespace xtree::index
