// Bulk loading: builds a packed tree from many entries at once.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "index/centre_rows.h"
#include "index/engine.h"
#include "index/fill_leaf.h"
#include "index/kd_cut.h"
#include "index/node.h"
#include "index/node_access.h"
#include "index/packed_nodes.h"
#include "index/policy.h"
#include "index/store.h"
#include "index/tree_shape.h"
#include "index/write_kernels.h"
#include "platform/check.h"
#include "platform/memory.h"
#include "platform/workers.h"
#include "xtree/options.h"
#include "xtree/result.h"

namespace xtree::index {

// One bulk load under way. First all memory is taken and every entry looked at; from then on
// nothing fails.
template <class Scalar, NodeStore Store>
class BulkLoader {
 public:
  // Whether the store is to take memory for the nodes, or has reserved it for the caller.
  enum class Memory : std::uint8_t { taken, reserved };

  BulkLoader(const Layout& layout, const WriteKernels<Scalar>& kernels, Store& store,
             const Source& source, std::size_t count, const TreeShape& shape,
             Memory memory) noexcept
      : layout_(layout),
        kernels_(kernels),
        store_(store),
        source_(source),
        count_(count),
        shape_(shape),
        level_(shape_.root_level(count)),
        memory_(memory),
        nodes_(layout, shape_),
        fill_leaf_(leaf_filler<Scalar>(layout)) {}

  Result<void> run(std::size_t threads, Root& root) noexcept {
    const Error no_memory(ErrorCode::out_of_memory, "count", "no memory for so many entries");
    if (!nodes_.plan(count_, level_, Store::kFrontWordBytes) ||
        !rows_.allocate(layout_.dimensions, count_)) {
      return no_memory;
    }
    platform::Workers workers(most_threads(threads));
    if (!take_entries(workers)) return refused_geometry();
    if (memory_ == Memory::taken && !nodes_.reserve(store_)) return no_memory;
    nodes_.create(store_, count_, level_);
    kd_cut(shape_, rows_, workers, {this, [](void* self, const LeafRows& leaf) noexcept {
                                      static_cast<BulkLoader*>(self)->take_leaf(leaf);
                                    }});
    enclose_directories();
    root.node = root_ref_;
    root.entries = count_;
    root.height = level_ + 1;
    return {};
  }

 private:
  static constexpr std::size_t kChunkEntries = 16384;
  static constexpr std::size_t kPieceBytes = platform::kHugePageBytes;

  // A thread costs as much as loading some thousand entries.
  [[nodiscard]] std::size_t most_threads(std::size_t threads) const noexcept {
    return count_ < 2 * kChunkEntries ? 1 : threads;
  }

  // Writes the rows of all entries, and makes the memory for nodes present beside that: the system
  // clears it, which takes as long as a good part of the work.
  bool take_entries(platform::Workers& workers) noexcept {
    const CentreFrame frame = centre_frame<Scalar>(layout_, source_.entries, count_);
    std::span<std::byte> nodes;
    if (memory_ == Memory::taken) nodes = nodes_.map_ahead(store_);
    const std::size_t pieces = (nodes.size() + kPieceBytes - 1) / kPieceBytes;
    const std::size_t chunks = (count_ + kChunkEntries - 1) / kChunkEntries;
    std::atomic<bool> good = true;
    workers.for_each(pieces + chunks, [&](std::size_t part) {
      if (part < pieces) {
        const auto rest = nodes.subspan(part * kPieceBytes);
        return platform::make_present(rest.first(std::min(rest.size(), kPieceBytes)));
      }
      const std::size_t first = (part - pieces) * kChunkEntries;
      const std::size_t end = std::min(first + kChunkEntries, count_);
      if (!rows_.fill<Scalar>(layout_, source_.entries, frame, first, end)) {
        good.store(false, std::memory_order_relaxed);  // read when all parts are done
      }
    });
    return good.load(std::memory_order_relaxed);
  }

  // Threads take leaves of one parent at the same time, whose boxes there are different lanes.
  void take_leaf(const LeafRows& rows) noexcept {
    const PackedNodes::Place& place = nodes_.leaf_at(rows.first);
    XTREE_DCHECK(place.first == rows.first && place.node->count == rows.count);
    fill_leaf_(source_, layout_, rows, *place.node);
    FloatBox box;
    kernels_.leaf_box(*place.node, layout_, box);
    if (layout_.has_codes()) {
      set_leaf_grid(*place.node, layout_, box);
      kernels_.encode(*place.node, layout_);
    }
    if (place.parent == nullptr) {
      root_ref_ = place.node->frame.node_id;
      return;
    }
    set_child_box(*place.parent, layout_, place.index, box);
  }

  void enclose_directories() noexcept {
    for (std::size_t i = nodes_.directories(); i-- > 0;) {
      const PackedNodes::Place& place = nodes_.directory(i);
      if (place.parent == nullptr) {
        root_ref_ = place.node->frame.node_id;
        return;
      }
      FloatBox box;
      kernels_.directory_box(*place.node, layout_, box);
      set_child_box(*place.parent, layout_, place.index, box);
    }
  }

  const Layout& layout_;
  const WriteKernels<Scalar>& kernels_;
  Store& store_;
  const Source source_;
  const std::size_t count_;
  const TreeShape shape_;
  const std::uint32_t level_;  // of the root
  const Memory memory_;
  PackedNodes nodes_;
  CentreRows rows_;
  const FillLeaf<Scalar> fill_leaf_;
  Ref root_ref_ = 0;
};

// Builds the tree of an empty root, with options that were checked. Beside the nodes it takes
// 8 (D + 1) bytes of memory for each entry while it runs. The same entries and the same fill always
// make the same tree, however many threads there are. `out_of_memory`, and `invalid_argument` for a
// geometry that is not finite or inverted, change nothing.
template <class Scalar, NodeStore Store>
[[nodiscard]] Result<void> bulk_load(const Layout& layout, const WriteKernels<Scalar>& kernels,
                                     Store& store, Root& root, const detail::EntryBlock& entries,
                                     const BulkLoadOptions& options) noexcept {
  XTREE_CHECK(root.node == 0);
  if (entries.count == 0) return {};
  if (entries.count > std::numeric_limits<std::uint32_t>::max()) {
    return Error(ErrorCode::limit_exceeded, "count", "more than 2^32 - 1 entries in one bulk load");
  }
  const Source source{{static_cast<const std::byte*>(entries.geometry), entries.stride},
                      static_cast<const std::byte*>(entries.value)};
  using Loader = BulkLoader<Scalar, Store>;
  return Loader(layout, kernels, store, source, entries.count,
                TreeShape(filled_leaf_entries(layout, options.fill)), Loader::Memory::taken)
      .run(options.threads, root);
}

}  // namespace xtree::index
