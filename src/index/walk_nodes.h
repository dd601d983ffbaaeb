// Walking over all nodes of a tree, with their boxes.
#pragma once

#include <cstddef>

#include "index/bounds.h"
#include "index/node.h"
#include "index/node_access.h"
#include "index/store.h"
#include "xtree/detail/engine.h"

namespace xtree::index {

// Visits a node whose level and box are known and for all nodes below it, parents before
// children. False when the view could not follow a reference, or it led to another level.
template <NodeView View>
[[nodiscard]] bool walk_nodes(const Layout& layout, View view, Ref ref, std::uint32_t level,
                              const FloatBox& box, const detail::NodeVisitor& visitor) {
  const Node* node = view.node(ref);
  if (node == nullptr || node->level != level) return false;
  const std::uint32_t count = level == 0 ? entry_count(view, *node) : node->count;
  visitor.visit(visitor.context, {node->level, count,
                                  node->level != 0 && node->blocks > kDirectoryBlocks, box.at});
  if (node->level == 0) return true;
  for (std::size_t i = 0; i < count; ++i) {
    FloatBox child;
    read_shared_child_box(*node, layout, i, child);
    if (!walk_nodes(layout, view, child_ref(*node, layout, i), level - 1, child, visitor))
      return false;
  }
  return true;
}

// The box of what a node holds, as the view shows it.
template <class Scalar, NodeView View>
[[nodiscard]] FloatBox box_of(const Layout& layout, View view, const Node& node) {
  FloatBox box{};
  const std::uint32_t count = node.level == 0 ? entry_count(view, node) : node.count;
  for (std::uint32_t i = 0; i < count; ++i) {
    FloatBox part;
    if (node.level == 0) {
      Scalar geometry[2 * kMaxDimensions];
      read_geometry(node, layout, i, geometry);
      round_outward(geometry, layout.points, layout.dimensions, part);
    } else {
      read_shared_child_box(node, layout, i, part);
    }
    if (i == 0) box = part;
    unite(box, part, layout.dimensions);
  }
  return box;
}

// The same from the root on, whose box no parent holds.
template <class Scalar, NodeView View>
[[nodiscard]] bool walk_nodes(const Layout& layout, View view, const Root& root,
                              const detail::NodeVisitor& visitor) {
  if (root.node == 0) return true;
  const Node* node = view.node(root.node);
  if (node == nullptr) return false;
  const FloatBox box = box_of<Scalar>(layout, view, *node);
  return walk_nodes(layout, view, root.node, root.height - 1, box, visitor);
}

}  // namespace xtree::index
