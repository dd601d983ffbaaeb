// Nearest: entries by growing distance from a target box.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "index/candidates.h"
#include "index/distance.h"
#include "index/near_queue.h"
#include "index/nearest_fetch.h"
#include "index/nearest_target.h"
#include "index/node.h"
#include "index/node_access.h"
#include "index/search_kernels.h"
#include "index/store.h"
#include "xtree/detail/engine.h"

namespace xtree::index {

// Best-first search (Hjaltason and Samet, "Distance browsing in spatial databases", 1999).
//
//   Nearest<double, MemoryView> nearest(view, layout, kernels, root, {.target = box, .limit = 10});
//   for (detail::NearestHits hits; nearest.next(hits);) ...
//   if (nearest.failed() || nearest.out_of_memory()) ...
//
// With a limit of up to `kRankedLimit` the first call finds all hits: it goes straight down to the
// nearest leaf, so that it soon knows a distance beyond which nothing needs to be looked at. With a
// greater one, or none, each call goes only as far as its hit needs, and the queue may grow with
// everything that was passed by. Nodes beyond the maximum distance never are.
//
// The metric is a choice of kernels and of a type `Measure`, which is made once: when the search
// begins, or for each hit of one that is not ranked.
//
// It refers to the layout, the kernels and nodes of the view, and stays where it was made. Its
// destructor frees the memory that a long queue took.
template <class Scalar, NodeView View>
class Nearest {
 public:
  static constexpr std::uint64_t kRankedLimit = 4096;

  // `check_request` must have accepted the request.
  Nearest(View view, const Layout& layout, const SearchKernels<Scalar>& kernels, const Root& root,
          const detail::NearestRequest& request) noexcept
      : view_(view),
        layout_(layout),
        kernels_(kernels),
        fetch_(view, layout),
        measures_(kernels.euclidean),
        root_(root),
        left_(request.limit),
        max_distance_(request.max_distance),
        bound_(request.max_distance) {
    set_target(layout, static_cast<const Scalar*>(request.target), target_);
    if (request.weights != nullptr) {
      weigh_target(layout, request.weights, target_);
      family_ = Family::weighted;
      measures_ = kernels.weighted;
    }
    if (request.metric != Metric::euclidean) {
      family_ = Family::plain;
      measures_ = request.metric == Metric::manhattan ? kernels.manhattan : kernels.chebyshev;
    }
    if (request.limit > root.entries) left_ = root.entries;
    ranked_ = left_ <= kRankedLimit;
  }
  Nearest(const Nearest&) = delete;
  Nearest& operator=(const Nearest&) = delete;

  // The next hits, one or more; false at the end or on a failure.
  [[nodiscard]] bool next(detail::NearestHits& hits) noexcept {
    hits.count = 0;
    hits.block_bytes = layout_.leaf_block_bytes;
    if (left_ == 0) return false;
    if (!begun_) {
      begun_ = true;
      if (!with_measure([&]<class M>(M) { return begin<M>(); })) return stop();
    }
    if (!ranked_) return with_measure([&]<class M>(M) { return next_unranked<M>(hits); });
    const std::size_t end = std::min(emitted_ + detail::NearestHits::kMost, candidates_.size());
    for (; emitted_ < end; ++emitted_) {
      take(candidates_.distance(emitted_), candidates_.place(emitted_), hits);
    }
    if (emitted_ == candidates_.size()) left_ = 0;
    return true;
  }

  // Whether the view could not follow a reference.
  [[nodiscard]] bool failed() const noexcept { return failed_; }
  [[nodiscard]] bool out_of_memory() const noexcept { return out_of_memory_; }

 private:
  enum class Family : std::uint8_t { squared, weighted, plain };
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  static constexpr std::uint32_t kLeavesAhead = 3;

  // Calls `f` with the measure that the metric needs.
  template <class F>
  [[gnu::always_inline]] bool with_measure(F&& f) noexcept {
    if (family_ == Family::squared) [[likely]]
      return f(SquaredMeasure<false>());
    return family_ == Family::weighted ? f(SquaredMeasure<true>()) : f(PlainMeasure());
  }

  bool stop() noexcept {
    left_ = 0;
    return false;
  }

  // A lead, or the root's reference.
  template <class Where>
  const Node* resolve(Where where) noexcept {
    const Node* node = view_.node(where);
    if (node == nullptr) [[unlikely]] failed_ = true;
    return node;
  }

  [[gnu::always_inline]] bool queue_node(double distance, Lead<View> lead) noexcept {
    if (nodes_.push(distance, lead)) [[likely]] return true;
    out_of_memory_ = true;
    return false;
  }
  [[gnu::always_inline]] Lead<View> take_node() noexcept {
    const Lead<View> lead = nodes_.nearest();
    nodes_.pop();
    return lead;
  }

  template <class M>
  [[nodiscard]] double child_distance(const Node& node, std::size_t index,
                                      double measure) const noexcept {
    if (measure < M::kLeastExact) return 0;
    if (measure <= M::kMostExact) return M::distance(measure);
    const float* low = child_lane(node, layout_, index);
    const float* high = low + layout_.dimensions * kDirectoryLanes;
    return careful_distance(target_, layout_.dimensions, low, high, kDirectoryLanes);
  }
  template <class M>
  [[nodiscard]] double entry_distance(const Node& leaf, std::size_t index,
                                      double measure) const noexcept {
    const bool exact = (sizeof(Scalar) == sizeof(float) && M::kFloatsExact) ||
                       (measure >= M::kLeastExact && measure <= M::kMostExact);
    if (exact) return M::distance(measure);
    const Scalar* low = entry_lane<Scalar>(leaf, layout_, index);
    const Scalar* high = layout_.points ? low : low + layout_.dimensions * kLeafLanes<Scalar>;
    return careful_distance(target_, layout_.dimensions, low, high, kLeafLanes<Scalar>);
  }

  // A directory node on the way to the first leaf, and what its children measure if they are no
  // more than one chunk.
  struct Step {
    alignas(64) double measures[kChunkChildren];
    const Node* node;
    std::size_t taken;
  };

  // Takes the children of a directory node that are not too far, but for `skipped`. With codes in
  // pairs the leaves among them are looked at now, all others are queued.
  template <class M>
  bool take_children(const Node& node, std::size_t skipped) noexcept {
    alignas(64) double measures[kChunkChildren];
    for (std::uint32_t block = 0; block * kDirectoryLanes < node.count; block += kChunkBlocks) {
      const std::size_t first = block * kDirectoryLanes;
      std::uint64_t near =
          measures_.children(node, layout_, target_, block, measure_limit_, measures);
      if (skipped - first < kChunkChildren) near &= ~(std::uint64_t{1} << (skipped - first));
      if (!take_chunk<M>(node, first, near, measures)) return false;
    }
    return true;
  }
  template <class M>
  bool take_chunk(const Node& node, std::size_t first, std::uint64_t near,
                  const double* measures) noexcept {
    return reads_leaves_of(node) ? visit_leaves<M>(node, near, measures)
                                 : queue_chunk<M>(node, first, near, measures);
  }

  // The same on the way up again, with what was measured on the way down.
  template <class M>
  bool take_others(Step& step) noexcept {
    const Node& node = *step.node;
    if (node.count > kChunkChildren) return take_children<M>(node, step.taken);
    std::uint64_t left = ~(std::uint64_t{1} << step.taken);
    if (node.level == 1 && !reads_leaves_of(node) && !fill_up<M>(step, left)) return false;
    std::uint64_t near = 0;
    kernels_.mask_distances(step.measures, node.count, measure_limit_, &near);
    return take_chunk<M>(node, 0, near & left, step.measures);
  }

  // Looks at leaves of one parent, the nearest first and none too far, until there are enough
  // candidates for a bound: then few of the others are queued. `left` loses what was looked at.
  template <class M>
  bool fill_up(Step& step, std::uint64_t& left) noexcept {
    if (candidates_.full()) return true;
    const auto lead_to = [&](std::size_t child) {
      return lead_to_child(view_, *step.node, layout_, child);
    };
    const double most = std::min(measure_limit_, std::numeric_limits<double>::max());
    const auto find_next = [&](std::size_t last) {
      step.measures[last] = kInfinity;
      const std::size_t next = kernels_.least_distance(step.measures, step.node->count);
      if (step.measures[next] <= most) fetch_.whole(lead_to(next));
      return next;
    };
    std::size_t next = find_next(step.taken);
    while (!candidates_.full() && step.measures[next] <= most) {
      const Lead<View> lead = lead_to(next);
      left &= ~(std::uint64_t{1} << next);
      next = find_next(next);
      const Node* leaf = resolve(lead);
      if (leaf == nullptr) return false;
      rank_leaf<M>(*leaf);
    }
    return true;
  }

  // Whether the leaves below a node are looked at together and not queued.
  [[nodiscard]] bool reads_leaves_of(const Node& node) const noexcept {
    return ranked_ && layout_.code_pairs != 0 && node.level == 1 && node.count <= kChunkChildren;
  }

  // Puts those children of a chunk that are `near` into the queue.
  template <class M>
  bool queue_chunk(const Node& node, std::size_t first, std::uint64_t near,
                   const double* measures) noexcept {
    for (; near != 0; near &= near - 1) {
      const auto lane = static_cast<std::size_t>(std::countr_zero(near));
      const Lead<View> lead = lead_to_child(view_, node, layout_, first + lane);
      if (measure_limit_ < kInfinity) fetch_.first(node, lead);
      if (!queue_node(child_distance<M>(node, first + lane, measures[lane]), lead)) return false;
    }
    return true;
  }

  // Takes the step to the child of a directory node that is nearest to the target.
  void choose_step(const Node& node, Step& step) const noexcept {
    step.node = &node;
    double least = kInfinity;
    step.taken = 0;
    for (std::uint32_t block = 0; block * kDirectoryLanes < node.count; block += kChunkBlocks) {
      const std::size_t first = block * kDirectoryLanes;
      const auto count = static_cast<std::uint32_t>(std::min(kChunkChildren, node.count - first));
      measures_.children(node, layout_, target_, block, kInfinity, step.measures);
      const std::uint32_t lane = kernels_.least_distance(step.measures, count);
      if (step.measures[lane] < least) {
        least = step.measures[lane];
        step.taken = first + lane;
      }
    }
  }

  template <class M>
  [[gnu::noinline]] bool begin() noexcept {
    measure_limit_ = M::limit_for(bound_);
    return ranked_ ? rank<M>() : queue_node(0, lead_to_node(view_, root_.node));
  }

  // Ranked search.

  template <class M>
  bool rank() noexcept {
    if (!candidates_.reserve(left_)) {
      out_of_memory_ = true;
      return false;
    }
    Step path[kMaxHeight];
    std::size_t steps = 0;
    const Node* node = resolve(root_.node);
    while (node != nullptr && node->level != 0 && steps < kMaxHeight) {
      choose_step(*node, path[steps]);
      const Lead<View> lead = lead_to_child(view_, *node, layout_, path[steps].taken);
      fetch_.next(*node, lead);
      node = resolve(lead);
      ++steps;
    }
    if (node == nullptr) return false;
    rank_leaf<M>(*node);
    // Upwards again. Until there are enough candidates to bound the search, what is near is looked
    // at before anything more is put into the queue.
    while (steps > 0) {
      --steps;
      if (!take_others<M>(path[steps])) return false;
      if (!candidates_.full() && !nodes_.empty()) fetch_.unseen(nodes_.nearest());
      while (!candidates_.full() && !nodes_.empty()) {
        const Lead<View> nearest = take_node();
        if (!nodes_.empty()) fetch_.unseen(nodes_.nearest());
        if (!visit<M>(nearest)) return false;
      }
    }
    while (!nodes_.empty() && nodes_.distance() < bound_) {
      const Lead<View> nearest = take_node();
      if (!nodes_.empty() && nodes_.distance() < bound_) fetch_.leaf(nodes_.nearest());
      if (!visit<M>(nearest)) return false;
    }
    candidates_.rank(kernels_);
    candidates_.drop_beyond(max_distance_);
    if (candidates_.size() >= kFewestFetched) fetch_values();
    return candidates_.size() != 0;
  }

  // Asks for the values of the hits: rows were looked at, values were not.
  void fetch_values() noexcept {
    for (std::size_t rank = 0; rank < std::min(candidates_.size(), kMostFetched); ++rank) {
      const EntryPlace place = candidates_.place(rank);
      __builtin_prefetch(entry_value<Scalar>(place.leaf(), layout_, place.index()));
    }
  }

  template <class M>
  bool visit(Lead<View> lead) noexcept {
    const Node* node = resolve(lead);
    if (node == nullptr) return false;
    if (node->level != 0) return take_children<M>(*node, kNone);
    rank_leaf<M>(*node);
    return true;
  }

  // In many dimensions a search reads a good part of all leaves, and the queue would cost as much
  // as the leaves. So the leaves of one parent are read one after the other, the nearest first,
  // which also tells long before what will be read next.
  template <class M>
  bool visit_leaves(const Node& parent, std::uint64_t near, const double* measures) noexcept {
    alignas(64) double distances[kChunkChildren + kDistanceLanes];
    std::uint8_t places[kChunkChildren];
    std::uint32_t order[kChunkChildren];
    std::uint32_t count = 0;
    for (; near != 0; near &= near - 1) {
      const auto child = static_cast<std::size_t>(std::countr_zero(near));
      distances[count] = measures[child];
      places[count++] = static_cast<std::uint8_t>(child);
    }
    kernels_.rank_distances(distances, count, order);
    const auto lead_of = [&](std::uint32_t i) {
      return lead_to_child(view_, parent, layout_, places[order[i]]);
    };
    for (std::uint32_t i = 0; i < std::min(count, kLeavesAhead); ++i) fetch_.whole(lead_of(i));
    const bool in_steps = family_ == Family::squared;
    Marked marked[2], *waiting = nullptr;
    for (std::uint32_t i = 0; i < count && distances[order[i]] <= measure_limit_; ++i) {
      if (i + kLeavesAhead < count) fetch_.whole(lead_of(i + kLeavesAhead));
      const Node* leaf = resolve(lead_of(i));
      if (leaf == nullptr) return false;
      const bool at_once = !in_steps || measure_limit_ == kInfinity;
      if (at_once) rank_leaf<M>(*leaf);
      Marked& next = waiting == &marked[0] ? marked[1] : marked[0];
      const bool any = !at_once && mark(*leaf, next);
      if (waiting != nullptr) rank_marked<M>(*waiting);
      waiting = any ? &next : nullptr;
    }
    if (waiting != nullptr) rank_marked<M>(*waiting);
    return true;
  }

  // Entries of a leaf that may be near enough, by their codes: measured when the next is marked.
  struct Marked {
    const Node* leaf;
    std::uint32_t count;
    std::uint64_t masks[detail::kMaxLeafEntries / 64];
  };
  bool mark(const Node& leaf, Marked& marked) const noexcept {
    marked.leaf = &leaf;
    marked.count = entry_count(view_, leaf);
    return kernels_.mark_near(leaf, marked.count, layout_, target_, measure_limit_, marked.masks);
  }
  template <class M>
  [[gnu::noinline]] void rank_marked(Marked& marked) noexcept {
    alignas(64) double measures[detail::kMaxLeafEntries];
    const bool any = kernels_.measure_marked(*marked.leaf, marked.count, layout_, target_,
                                             measure_limit_, measures, marked.masks);
    if (any) add_all<M>(*marked.leaf, marked.count, measures, marked.masks);
  }

  template <class M>
  void rank_leaf(const Node& leaf) noexcept {
    alignas(64) double measures[detail::kMaxLeafEntries + kDistanceLanes];
    std::uint64_t masks[detail::kMaxLeafEntries / 64];
    const std::uint32_t count = entry_count(view_, leaf);
    if (!measures_.leaf(leaf, count, layout_, target_, measure_limit_, measures, masks)) return;
    if (measure_limit_ == kInfinity && count > left_) {
      // More than are wanted: most of them need not become candidates.
      const double enough = left_ == 1 ? measures[kernels_.least_distance(measures, count)]
                                       : kernels_.bound_distances(
                                             measures, count, static_cast<std::uint32_t>(left_));
      kernels_.mask_distances(measures, count, std::max(enough, M::kLeastExact), masks);
    }
    add_all<M>(leaf, count, measures, masks);
  }
  template <class M>
  [[gnu::always_inline]] void add_all(const Node& leaf, std::uint32_t count,
                                      const double* measures, const std::uint64_t* masks) noexcept {
    std::size_t size = candidates_.size();
    for (std::size_t word = 0; word * 64 < count; ++word) {
      for (std::uint64_t mask = masks[word]; mask != 0; mask &= mask - 1) {
        const std::size_t index = word * 64 + static_cast<std::size_t>(std::countr_zero(mask));
        if (measures[index] > measure_limit_) continue;  // it may have fallen meanwhile
        size = candidates_.add(size, entry_distance<M>(leaf, index, measures[index]),
                               EntryPlace(leaf, index));
        if (size != candidates_.room()) continue;
        candidates_.grow_to(size);
        prune<M>();
        size = candidates_.size();
      }
    }
    candidates_.grow_to(size);
    if (candidates_.ripe()) prune<M>();
  }

  // Candidates may be a little beyond the maximum distance, and so may the bound that they make.
  template <class M>
  [[gnu::always_inline]] void prune() noexcept {
    if (!candidates_.full()) return;
    bound_ = candidates_.prune(kernels_);
    measure_limit_ = M::limit_for(bound_);
  }

  // Search without a bound: entries wait in a second queue until no node can hold a nearer one.

  template <class M>
  bool next_unranked(detail::NearestHits& hits) noexcept {
    while (entries_.empty() || (!nodes_.empty() && nodes_.distance() < entries_.distance())) {
      if (nodes_.empty()) return stop();
      const Node* node = resolve(take_node());
      if (node == nullptr) return stop();
      if (!(node->level == 0 ? queue_entries<M>(*node) : take_children<M>(*node, kNone))) {
        return stop();
      }
    }
    if (entries_.distance() > max_distance_) return stop();
    take(entries_.distance(), entries_.nearest(), hits);
    entries_.pop();
    --left_;
    return true;
  }

  template <class M>
  bool queue_entries(const Node& leaf) noexcept {
    alignas(64) double measures[detail::kMaxLeafEntries];
    std::uint64_t masks[detail::kMaxLeafEntries / 64];
    const std::uint32_t count = entry_count(view_, leaf);
    if (!measures_.leaf(leaf, count, layout_, target_, measure_limit_, measures, masks)) {
      return true;
    }
    // Those beyond the limit are as good as not there: the search ends before them.
    for (std::size_t word = 0; word * 64 < count; ++word) {
      for (std::uint64_t mask = masks[word]; mask != 0; mask &= mask - 1) {
        const std::size_t i = word * 64 + static_cast<std::size_t>(std::countr_zero(mask));
        if (!entries_.push(entry_distance<M>(leaf, i, measures[i]),
                           EntryPlace(leaf, i))) {
          out_of_memory_ = true;
          return false;
        }
      }
    }
    return true;
  }

  [[gnu::always_inline]] void take(double distance, EntryPlace place,
                                   detail::NearestHits& hits) const noexcept {
    hits.hits[hits.count++] = {layout_.leaf_block(place.leaf(), 0), place.index(), distance};
  }

  // So many hits' values are asked for at once; those of few come near by themselves.
  static constexpr std::size_t kFewestFetched = 16;
  static constexpr std::size_t kMostFetched = 128;
  // With room for these the whole fits into a ScanState.
  static constexpr std::size_t kInlineNodes = 48;
  static constexpr std::size_t kInlineEntries = 8;

  View view_;
  const Layout& layout_;
  const SearchKernels<Scalar>& kernels_;
  NearestFetch<View> fetch_;
  MeasureKernels<Scalar> measures_;
  Root root_;
  std::uint64_t left_;
  std::size_t emitted_ = 0;
  double max_distance_;
  double bound_;                      // no entry farther than this is wanted
  double measure_limit_ = kInfinity;  // the same for what the kernels measure
  Family family_ = Family::squared;
  bool ranked_;
  bool begun_ = false;
  bool failed_ = false;
  bool out_of_memory_ = false;
  NearestTarget target_;
  NearQueue<Lead<View>, kInlineNodes> nodes_;
  Candidates candidates_;                          // of a ranked search
  NearQueue<EntryPlace, kInlineEntries> entries_;  // of one without a bound
};

}  // namespace xtree::index
