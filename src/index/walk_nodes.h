// Walking over all nodes of a tree, with their boxes.
#pragma once

#include <cstddef>

#include "index/bounds.h"
#include "index/node.h"
#include "index/node_access.h"
#include "index/store.h"
#include "index/write_kernels.h"
#include "xtree/detail/engine.h"

namespace xtree::index {

// Visits a node whose level and box are known and for all nodes below it, parents before
// children. False when the view could not follow a reference, or it led to another level.
template <NodeView View>
[[nodiscard]] bool walk_nodes(const Layout& layout, View view, Ref ref, std::uint32_t level,
                              const FloatBox& box, const detail::NodeVisitor& visitor) {
  const Node* node = view.node(ref);
  if (node == nullptr || node->level != level) return false;
  visitor.visit(visitor.context, {node->level, node->count,
                                  node->level != 0 && node->blocks > kDirectoryBlocks, box.at});
  if (node->level == 0) return true;
  for (std::size_t i = 0; i < node->count; ++i) {
    FloatBox child;
    read_child_box(*node, layout, i, child);
    if (!walk_nodes(layout, view, child_ref(*node, layout, i), level - 1, child, visitor))
      return false;
  }
  return true;
}

// The same from the root on, whose box no parent holds.
template <class Scalar, NodeView View>
[[nodiscard]] bool walk_nodes(const Layout& layout, const WriteKernels<Scalar>& kernels, View view,
                              const Root& root, const detail::NodeVisitor& visitor) {
  if (root.node == 0) return true;
  const Node* node = view.node(root.node);
  if (node == nullptr) return false;
  FloatBox box;
  if (node->level == 0) {
    kernels.leaf_box(*node, layout, box);
  } else {
    kernels.directory_box(*node, layout, box);
  }
  return walk_nodes(layout, view, root.node, root.height - 1, box, visitor);
}

}  // namespace xtree::index
