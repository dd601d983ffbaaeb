#include "index/node_image.h"

#include <cstring>

#include "index/engine.h"
#include "index/node_access.h"
#include "index/operation.h"

namespace xtree::index {

std::size_t geometry_size(const detail::Schema& schema) noexcept {
  return schema.rows() * schema.scalar_bytes();
}

// Scalars are wanted aligned.
std::size_t entry_stride(const detail::Schema& schema) noexcept {
  constexpr std::size_t kAlignment = alignof(double);
  const std::size_t bytes = geometry_size(schema) + schema.value_bytes;
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

Result<NodeImage> NodeImage::of(const persistence::FrameHeader& frame) {
  const Error damaged(ErrorCode::corruption, "node", "the image makes no sense as a tree node");
  const auto& node = reinterpret_cast<const Node&>(frame);
  if (frame.bytes < sizeof(Node) || node.owner.tag.kind != ObjectKind::node) return damaged;
  const auto schema = decode_schema(node.owner.schema);
  if (!schema) return damaged;
  const Layout layout(*schema);
  const bool is_leaf = node.level == 0;
  const std::size_t lanes = is_leaf ? layout.leaf_lanes : kDirectoryLanes;
  const std::size_t most_blocks = is_leaf ? layout.max_leaf_blocks : kMaxSupernodeBlocks;
  const std::size_t bytes =
      is_leaf ? layout.leaf_bytes(node.blocks) : layout.directory_bytes(node.blocks);
  if (node.level >= kMaxHeight || node.blocks > most_blocks || node.count == 0 ||
      node.count > node.blocks * lanes || frame.bytes != bytes) {
    return damaged;
  }
  return NodeImage(node, *schema);
}

Ref NodeImage::child(std::size_t i) const noexcept { return child_ref(*node_, layout_, i); }

void NodeImage::read_child_box(std::size_t i, FloatBox& box) const noexcept {
  index::read_child_box(*node_, layout_, i, box);
}

template <class Scalar>
void NodeImage::read_leaf_box(FloatBox& box) const noexcept {
  for (std::size_t i = 0; i < node_->count; ++i) {
    Scalar geometry[2 * kMaxDimensions];
    read_geometry(*node_, layout_, i, geometry);
    FloatBox own;
    round_outward(geometry, layout_.points, layout_.dimensions, own);
    if (i == 0) {
      box = own;
    } else {
      unite(box, own, layout_.dimensions);
    }
  }
}

void NodeImage::read_box(FloatBox& box) const noexcept {
  if (is_leaf()) {
    if (schema_.scalar == detail::ScalarType::float32) return read_leaf_box<float>(box);
    return read_leaf_box<double>(box);
  }
  read_child_box(0, box);
  for (std::size_t i = 1; i < node_->count; ++i) {
    FloatBox child;
    read_child_box(i, child);
    unite(box, child, layout_.dimensions);
  }
}

template <class Scalar>
std::size_t NodeImage::append(std::vector<std::byte>& entries) const {
  std::size_t refused = 0;
  for (std::size_t i = 0; i < node_->count; ++i) {
    Scalar geometry[2 * kMaxDimensions];
    read_geometry(*node_, layout_, i, geometry);
    if (!check_geometry(schema_, geometry)) {
      ++refused;
      continue;
    }
    const std::size_t at = entries.size();
    entries.resize(at + entry_stride(schema_));
    std::memcpy(&entries[at], geometry, geometry_size(schema_));
    std::memcpy(&entries[at + geometry_size(schema_)], entry_value<Scalar>(*node_, layout_, i),
                schema_.value_bytes);
  }
  return refused;
}

std::size_t NodeImage::append_entries(std::vector<std::byte>& entries) const {
  if (schema_.scalar == detail::ScalarType::float32) return append<float>(entries);
  return append<double>(entries);
}

}  // namespace xtree::index
