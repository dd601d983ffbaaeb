// Nearest: entries by growing distance from a target box.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "index/candidates.h"
#include "index/distance.h"
#include "index/node.h"
#include "index/node_access.h"
#include "index/search_kernels.h"
#include "index/spill_array.h"
#include "index/store.h"
#include "xtree/detail/engine.h"

namespace xtree::index {

// Best-first search (Hjaltason and Samet, "Distance browsing in spatial databases", 1999).
//
//   Nearest<double, MemoryView> nearest(view, layout, kernels, root, target, 10);
//   for (detail::NearestHit hit; nearest.next(hit);) ...
//   if (nearest.failed() || nearest.out_of_memory()) ...
//
// With a limit of up to `kRankedLimit` the first call finds all hits: it goes straight down to the
// nearest leaf, so that it soon knows a distance beyond which nothing needs to be looked at. With a
// greater one, or none, each call goes only as far as its hit needs, and the queue may grow with
// everything that was passed by.
//
// It refers to the layout, the kernels and nodes of the view, and stays where it was made. Its
// destructor frees the memory that a long queue took.
template <class Scalar, NodeView View>
class Nearest {
 public:
  static constexpr std::uint64_t kRankedLimit = 4096;

  // `target` is D minima followed by D maxima, all finite.
  Nearest(View view, const Layout& layout, const SearchKernels<Scalar>& kernels, const Root& root,
          const Scalar* target, std::uint64_t limit) noexcept
      : view_(view), layout_(layout), kernels_(kernels), root_(root), left_(limit) {
    target_.point = true;
    for (std::size_t axis = 0; axis < layout.dimensions; ++axis) {
      target_.min[axis] = target[axis];
      target_.max[axis] = target[layout.dimensions + axis];
      target_.point = target_.point && target_.min[axis] == target_.max[axis];
    }
    if (limit > root.entries) left_ = root.entries;
    ranked_ = left_ <= kRankedLimit;
  }
  Nearest(const Nearest&) = delete;
  Nearest& operator=(const Nearest&) = delete;

  // The next hit; false at the end or on a failure.
  [[nodiscard]] bool next(detail::NearestHit& hit) noexcept {
    if (left_ == 0) return false;
    if (!begun_) {
      begun_ = true;
      const bool fine = ranked_ ? rank() : queue_node({0, lead_to_root()});
      if (!fine) return stop();
    }
    if (!ranked_) return next_unranked(hit);
    const auto [leaf, index] = candidates_.place(emitted_);
    take({candidates_.distance(emitted_), leaf, index}, hit);
    if (++emitted_ == candidates_.size()) left_ = 0;
    return true;
  }

  // Whether the view could not follow a reference.
  [[nodiscard]] bool failed() const noexcept { return failed_; }
  [[nodiscard]] bool out_of_memory() const noexcept { return out_of_memory_; }

 private:
  struct NodeAhead {
    double distance;
    Lead<View> lead;
  };
  struct EntryAhead {
    double distance;
    const Node* leaf;
    std::size_t index;
  };
  // The order of the standard's heaps, which have the greatest element on top.
  struct Farther {
    template <class Ahead>
    bool operator()(const Ahead& a, const Ahead& b) const noexcept {
      return a.distance > b.distance;
    }
  };
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  bool stop() noexcept {
    left_ = 0;
    return false;
  }

  const Node* resolve(Lead<View> lead) noexcept {
    const Node* node = view_.node(lead);
    if (node == nullptr) [[unlikely]] failed_ = true;
    return node;
  }

  [[nodiscard]] Lead<View> lead_to_root() const noexcept { return lead_to_node(view_, root_.node); }

  bool queue_node(const NodeAhead& node) noexcept {
    if (!nodes_.push(node)) [[unlikely]] {
      out_of_memory_ = true;
      return false;
    }
    std::push_heap(nodes_.begin(), nodes_.end(), Farther{});
    return true;
  }
  NodeAhead take_node() noexcept {
    std::pop_heap(nodes_.begin(), nodes_.end(), Farther{});
    const NodeAhead node = nodes_[nodes_.size() - 1];
    nodes_.pop();
    return node;
  }

  [[nodiscard]] double child_distance(const Node& node, std::size_t index,
                                      double square) const noexcept {
    if (square < kLeastExactSquare) return 0;
    if (square <= std::numeric_limits<double>::max()) return std::sqrt(square);
    const float* low = child_lane(node, layout_, index);
    const float* high = low + layout_.dimensions * kDirectoryLanes;
    return careful_distance(target_, layout_.dimensions, low, high, kDirectoryLanes);
  }
  [[nodiscard]] double entry_distance(const Node& leaf, std::size_t index,
                                      double square) const noexcept {
    // The squares of differences of floats are always in range.
    const bool exact =
        sizeof(Scalar) == sizeof(float) ||
        (square >= kLeastExactSquare && square <= std::numeric_limits<double>::max());
    if (exact) return std::sqrt(square);
    const Scalar* low = entry_lane<Scalar>(leaf, layout_, index);
    const Scalar* high = layout_.points ? low : low + layout_.dimensions * kLeafLanes<Scalar>;
    return careful_distance(target_, layout_.dimensions, low, high, kLeafLanes<Scalar>);
  }

  // Puts the children of a directory node that are not too far into the queue, but for `skipped`.
  bool queue_children(const Node& node, std::size_t skipped) noexcept {
    alignas(64) double squares[kChunkChildren];
    for (std::uint32_t block = 0; block * kDirectoryLanes < node.count; block += kChunkBlocks) {
      std::uint64_t mask = kernels_.measure_children(node, layout_, target_, block, square_limit_,
                                                     squares);
      for (; mask != 0; mask &= mask - 1) {
        const auto lane = static_cast<std::size_t>(std::countr_zero(mask));
        const std::size_t child = block * kDirectoryLanes + lane;
        if (child == skipped) continue;
        const Lead<View> lead = lead_to_child(view_, node, layout_, child);
        if (square_limit_ < kInfinity) {
          view_.prefetch(lead);
          if (node.level == 2) prefetch_family(view_, lead);
        }
        if (!queue_node({child_distance(node, child, squares[lane]), lead})) return false;
      }
    }
    return true;
  }

  // The child of a directory node that is nearest to the target.
  [[nodiscard]] std::size_t nearest_child(const Node& node) const noexcept {
    alignas(64) double squares[kChunkChildren];
    double least = kInfinity;
    std::size_t nearest = 0;
    for (std::uint32_t block = 0; block * kDirectoryLanes < node.count; block += kChunkBlocks) {
      const std::size_t first = block * kDirectoryLanes;
      const auto count = static_cast<std::uint32_t>(std::min(kChunkChildren, node.count - first));
      kernels_.measure_children(node, layout_, target_, block, kInfinity, squares);
      const std::uint32_t lane = kernels_.least_distance(squares, count);
      if (squares[lane] < least) {
        least = squares[lane];
        nearest = first + lane;
      }
    }
    return nearest;
  }

  // Ranked search.

  bool rank() noexcept {
    if (!candidates_.reserve(left_)) {
      out_of_memory_ = true;
      return false;
    }
    struct Step {
      const Node* node;
      std::size_t taken;
    };
    Step path[kMaxHeight];
    std::size_t steps = 0;
    const Node* node = resolve(lead_to_root());
    while (node != nullptr && node->level != 0 && steps < kMaxHeight) {
      path[steps] = {node, nearest_child(*node)};
      node = resolve(lead_to_child(view_, *node, layout_, path[steps].taken));
      ++steps;
    }
    if (node == nullptr) return false;
    rank_leaf(*node);
    // Upwards again. Until there are enough candidates to bound the search, what is near is looked
    // at before anything more is put into the queue.
    while (steps > 0) {
      --steps;
      if (!queue_children(*path[steps].node, path[steps].taken)) return false;
      while (!candidates_.full() && !nodes_.empty()) {
        if (!visit(take_node())) return false;
      }
    }
    while (!nodes_.empty() && nodes_[0].distance < bound_) {
      const NodeAhead nearest = take_node();
      if (!nodes_.empty() && nodes_[0].distance < bound_) fetch_leaf(nodes_[0].lead);
      if (!visit(nearest)) return false;
    }
    candidates_.rank(kernels_);
    return candidates_.size() != 0;
  }

  // Asks for all that most leaves have, while the node before it is at work.
  void fetch_leaf(Lead<View> leaf) const noexcept {
    const std::size_t end = layout_.leaf_bytes(layout_.max_leaf_blocks * 3 / 4);
    for (std::size_t at = kPrefetchedLines * 64; at < end; at += 64) prefetch_at(view_, leaf, at);
  }

  bool visit(const NodeAhead& ahead) noexcept {
    const Node* node = resolve(ahead.lead);
    if (node == nullptr) return false;
    if (node->level != 0) return queue_children(*node, kNone);
    rank_leaf(*node);
    return true;
  }

  void rank_leaf(const Node& leaf) noexcept {
    alignas(64) double squares[detail::kMaxLeafEntries];
    std::uint64_t masks[detail::kMaxLeafEntries / 64];
    if (!kernels_.measure_leaf(leaf, layout_, target_, square_limit_, squares, masks)) return;
    if (square_limit_ == kInfinity && leaf.count > left_) {
      // More than are wanted: most of them need not become candidates.
      const double enough = kernels_.bound_distances(squares, leaf.count,
                                                     static_cast<std::uint32_t>(left_));
      const double limit = std::max(enough, kLeastExactSquare);
      kernels_.measure_leaf(leaf, layout_, target_, limit, squares, masks);
    }
    for (std::size_t word = 0; word * 64 < leaf.count; ++word) {
      for (std::uint64_t mask = masks[word]; mask != 0; mask &= mask - 1) {
        const std::size_t index = word * 64 + static_cast<std::size_t>(std::countr_zero(mask));
        if (squares[index] > square_limit_) continue;  // it may have fallen meanwhile
        candidates_.add(entry_distance(leaf, index, squares[index]), leaf, index);
        if (candidates_.has_no_room()) prune();
      }
    }
    prune();
  }

  void prune() noexcept {
    bound_ = candidates_.prune(kernels_);
    square_limit_ = square_limit(bound_);
  }

  // Search without a bound: entries wait in a second queue until no node can hold a nearer one.

  bool next_unranked(detail::NearestHit& hit) noexcept {
    while (entries_.empty() || (!nodes_.empty() && nodes_[0].distance < entries_[0].distance)) {
      if (nodes_.empty()) return stop();
      const Node* node = resolve(take_node().lead);
      if (node == nullptr) return stop();
      if (!(node->level == 0 ? queue_entries(*node) : queue_children(*node, kNone))) return stop();
    }
    std::pop_heap(entries_.begin(), entries_.end(), Farther{});
    take(entries_[entries_.size() - 1], hit);
    entries_.pop();
    --left_;
    return true;
  }

  bool queue_entries(const Node& leaf) noexcept {
    alignas(64) double squares[detail::kMaxLeafEntries];
    std::uint64_t masks[detail::kMaxLeafEntries / 64];
    (void)kernels_.measure_leaf(leaf, layout_, target_, kInfinity, squares, masks);
    for (std::size_t i = 0; i < leaf.count; ++i) {
      if (!entries_.push({entry_distance(leaf, i, squares[i]), &leaf, i})) {
        out_of_memory_ = true;
        return false;
      }
      std::push_heap(entries_.begin(), entries_.end(), Farther{});
    }
    return true;
  }

  void take(const EntryAhead& entry, detail::NearestHit& hit) const noexcept {
    read_geometry<Scalar>(*entry.leaf, layout_, entry.index,
                          reinterpret_cast<Scalar*>(hit.geometry));
    copy_value(hit.value, entry_value<Scalar>(*entry.leaf, layout_, entry.index),
               layout_.value_bytes);
    hit.distance = entry.distance;
  }

  // With room for these the whole fits into a ScanState.
  static constexpr std::size_t kInlineNodes = 48;
  static constexpr std::size_t kInlineEntries = 8;

  View view_;
  const Layout& layout_;
  const SearchKernels<Scalar>& kernels_;
  Root root_;
  std::uint64_t left_;
  std::size_t emitted_ = 0;
  double bound_ = kInfinity;         // no entry farther than this is wanted
  double square_limit_ = kInfinity;  // the same for the kernels' squares
  bool ranked_;
  bool begun_ = false;
  bool failed_ = false;
  bool out_of_memory_ = false;
  NearestTarget target_;
  SpillArray<NodeAhead, kInlineNodes> nodes_;
  Candidates candidates_;                             // of a ranked search
  SpillArray<EntryAhead, kInlineEntries> entries_;  // of one without a bound
};

}  // namespace xtree::index
