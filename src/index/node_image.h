// NodeImage: a tree node as an image on disk has it, understood without the tree around it.
#pragma once

#include <cstddef>
#include <vector>

#include "index/bounds.h"
#include "index/node.h"
#include "xtree/detail/engine.h"
#include "xtree/result.h"

namespace xtree::index {

// Looks at the frame that it was made of, which must stay where it is.
class NodeImage {
 public:
  // `corruption` when the frame is no tree node, or when its header does not fit its schema or its
  // size: then nothing in it may be looked at.
  static Result<NodeImage> of(const persistence::FrameHeader& frame);

  [[nodiscard]] const Node& node() const noexcept { return *node_; }
  [[nodiscard]] const detail::Schema& schema() const noexcept { return schema_; }
  [[nodiscard]] bool is_leaf() const noexcept { return node_->level == 0; }

  // What a directory node holds of a child.
  [[nodiscard]] Ref child(std::size_t i) const noexcept;
  void read_child_box(std::size_t i, FloatBox& box) const noexcept;
  // What the parent of this node holds of it; the node has at least one entry or child.
  void read_box(FloatBox& box) const noexcept;

  // Appends the entries of a leaf, `entry_stride` bytes each: geometry, then value. Leaves those
  // out that no index would have accepted, and returns how many these are.
  std::size_t append_entries(std::vector<std::byte>& entries) const;

 private:
  NodeImage(const Node& node, const detail::Schema& schema) noexcept
      : node_(&node),
        schema_(schema),
        layout_(schema) {}

  template <class Scalar>
  void read_leaf_box(FloatBox& box) const noexcept;
  template <class Scalar>
  std::size_t append(std::vector<std::byte>& entries) const;

  const Node* node_;
  detail::Schema schema_;
  Layout layout_;
};

// Bytes from one entry to the next where entries stand in a row, and of the geometry in front.
[[nodiscard]] std::size_t geometry_size(const detail::Schema& schema) noexcept;
[[nodiscard]] std::size_t entry_stride(const detail::Schema& schema) noexcept;

}  // namespace xtree::index
