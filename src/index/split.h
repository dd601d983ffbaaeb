// Splitter: decides which entries of an overfull node go where, and writes nodes from entries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>

#include "index/node_access.h"
#include "index/policy.h"
#include "index/write_kernels.h"

namespace xtree::index {

// Where one entry or child lies: the first of its rows, which are 64 bytes apart, and its value or
// reference.
struct Lane {
  const std::byte* rows;
  const std::byte* payload;
};

// How a kind of node arranges its lanes.
struct NodeShape {
  std::size_t rows;
  std::size_t payload_bytes;
  std::size_t block_bytes;
  std::size_t front_bytes;   // what stands before the blocks
  std::size_t payloads_at;   // offset of the first block's
  std::size_t payload_step;  // from there to those of the next block

  [[nodiscard]] const std::byte* block(const Node& node, std::size_t index) const noexcept {
    return reinterpret_cast<const std::byte*>(&node) + front_bytes + index * block_bytes;
  }
  [[nodiscard]] const std::byte* payloads(const Node& node, std::size_t block) const noexcept {
    return reinterpret_cast<const std::byte*>(&node) + payloads_at + block * payload_step;
  }
};

[[nodiscard]] inline NodeShape leaf_shape(const Layout& layout) noexcept {
  return {.rows = layout.rows,
          .payload_bytes = layout.value_bytes,
          .block_bytes = layout.leaf_block_bytes,
          .front_bytes = layout.leaf_front_bytes,
          .payloads_at = layout.values_at,
          .payload_step = layout.values_step};
}
[[nodiscard]] inline NodeShape directory_shape(const Layout& layout) noexcept {
  return {.rows = 2 * layout.dimensions,
          .payload_bytes = sizeof(Ref),
          .block_bytes = layout.directory_block_bytes,
          .front_bytes = sizeof(Node),
          .payloads_at = sizeof(Node) + 2 * layout.dimensions * kRowBytes,
          .payload_step = layout.directory_block_bytes};
}

// The lanes of a node, in order. `Element` is a leaf's scalar, or float for a directory node.
template <class Element>
void list_lanes(const Node& node, const NodeShape& shape, Lane* lanes) noexcept {
  constexpr std::size_t kLanes = kRowBytes / sizeof(Element);
  for (std::size_t i = 0; i < node.count; ++i) {
    const std::byte* block = shape.block(node, i / kLanes);
    lanes[i] = {block + i % kLanes * sizeof(Element),
                shape.payloads(node, i / kLanes) + i % kLanes * shape.payload_bytes};
  }
}

// Writes lanes that lie elsewhere behind the node's last one; there must be room. The caller frees
// the lanes that remain in the last block.
template <class Element>
void append_lanes(Node& node, const NodeShape& shape, std::span<const Lane> lanes) noexcept {
  constexpr std::size_t kLanes = kRowBytes / sizeof(Element);
  for (std::size_t done = 0; done < lanes.size();) {
    const std::size_t first = node.count % kLanes;
    const std::size_t batch = std::min(kLanes - first, lanes.size() - done);
    auto* block = const_cast<std::byte*>(shape.block(node, node.count / kLanes));
    for (std::size_t row = 0; row < shape.rows; ++row) {
      auto* to = reinterpret_cast<Element*>(block + row * kRowBytes) + first;
      for (std::size_t i = 0; i < batch; ++i) {
        std::memcpy(to + i, lanes[done + i].rows + row * kRowBytes, sizeof(Element));
      }
    }
    auto* payload = const_cast<std::byte*>(shape.payloads(node, node.count / kLanes)) +
                    first * shape.payload_bytes;
    for (std::size_t i = 0; i < batch; ++i) {
      copy_value(payload + i * shape.payload_bytes, lanes[done + i].payload, shape.payload_bytes);
    }
    done += batch;
    node.count += static_cast<std::uint32_t>(batch);
  }
}

// Memory for the length of one operation. It keeps what it has for the next one.
class Scratch {
 public:
  // Makes room for `bytes` and forgets what was taken; false when memory is exhausted.
  [[nodiscard]] bool prepare(std::size_t bytes) noexcept {
    used_ = 0;
    if (bytes <= bytes_) return true;
    const std::size_t rounded = (bytes + kStep - 1) / kStep * kStep;
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(kRowBytes, rounded)));
    bytes_ = memory_ == nullptr ? 0 : rounded;
    return memory_ != nullptr;
  }
  void rewind() noexcept { used_ = 0; }

  // What `take` adds to the bytes to prepare.
  template <class T>
  [[nodiscard]] static constexpr std::size_t room(std::size_t count) noexcept {
    return (count * sizeof(T) + kRowBytes - 1) / kRowBytes * kRowBytes;
  }
  // Null when more is taken than was prepared.
  template <class T>
  [[nodiscard]] T* take(std::size_t count) noexcept {
    const std::size_t begin = used_;
    if (bytes_ - begin < room<T>(count)) return nullptr;
    used_ += room<T>(count);
    return reinterpret_cast<T*>(memory_.get() + begin);
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const noexcept { std::free(memory); }
  };
  static constexpr std::size_t kStep = 4096;

  std::unique_ptr<std::byte, Free> memory_;
  std::size_t bytes_ = 0;
  std::size_t used_ = 0;
};

// The two sides of a split. The lanes lie in the splitter's copies of the nodes.
struct Sides {
  std::span<const Lane> left;
  std::span<const Lane> right;
  float overlap = 0;        // volume shared by the sides, to what they cover together
  bool keep_whole = false;  // a longer node is better than the two sides
};

// What a split hands to the level above: the node that was split, which has the left side now, and
// the new one beside it.
struct Halves {
  Ref left;
  Ref right;
  FloatBox left_box;
  FloatBox right_box;
};

// Plans splits after the RR*-tree; see cut.inc. A plan reads copies, so that the nodes themselves
// can be written from it.
//
//   if (!splitter.prepare_leaf(lanes, nodes)) return out_of_memory;
//   splitter.begin();
//   const Node* sources[] = {splitter.copy(*leaf), splitter.entry(geometry, value)};
//   Sides sides = splitter.split_leaf(sources);
template <class Scalar>
class Splitter {
 public:
  Splitter(const Layout& layout, const WriteKernels<Scalar>& kernels) noexcept
      : layout_(layout), kernels_(kernels) {}

  // Makes sure that one plan over so many lanes, from nodes of so many bytes, has its memory.
  [[nodiscard]] bool prepare(std::size_t lanes, std::size_t node_bytes) noexcept {
    return scratch_.prepare(plan_bytes(lanes) + node_bytes);
  }
  // What `entry` or `child` takes of the node bytes.
  [[nodiscard]] std::size_t extra_bytes() const noexcept {
    return std::max(layout_.leaf_bytes(1), layout_.directory_bytes(1));
  }
  void begin() noexcept { scratch_.rewind(); }

  // Nodes of one lane, and of all of a node's lanes, in the plan's memory.
  [[nodiscard]] const Node* entry(const Scalar* geometry, const std::byte* value) noexcept;
  [[nodiscard]] const Node* child(const FloatBox& box, Ref ref) noexcept;
  [[nodiscard]] const Node* copy(const Node& node) noexcept;

  [[nodiscard]] Sides split_leaf(std::span<const Node* const> sources) noexcept;
  [[nodiscard]] Sides split_directory(std::span<const Node* const> sources) noexcept;

 protected:
  const Layout& layout_;
  const WriteKernels<Scalar>& kernels_;

 private:
  [[nodiscard]] std::size_t plan_bytes(std::size_t lanes) const noexcept;
  [[nodiscard]] Node* blank(std::size_t bytes) noexcept;
  template <class Element>
  [[nodiscard]] SplitFrame<Element> frame_of(const Element* bounds) const noexcept;
  template <class Element, class WriteRows>
  [[nodiscard]] Sides plan(std::span<const Node* const> sources, const NodeShape& shape,
                           SplitTask& task, WriteRows&& write_rows) noexcept;
  void deal(const SplitTask& task, const Lane* lanes, Sides& sides) noexcept;

  Scratch scratch_;
};

extern template class Splitter<float>;
extern template class Splitter<double>;

}  // namespace xtree::index
