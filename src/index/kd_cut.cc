#include "index/kd_cut.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "index/rank_partition.h"
#include "index/shared_partition.h"
#include "platform/check.h"
#include "platform/without_throwing.h"

namespace xtree::index {
namespace {

// Some of the children of one node that is being cut: `from` to `to` of `children`, which have
// `count` entries in all. The part's rows begin at `first` in one of the halves.
struct Part {
  std::size_t count;
  std::size_t children;
  std::size_t unit;  // of what children hold
  std::size_t from;
  std::size_t to;
  std::uint32_t level;
  std::uint32_t half;
  std::size_t first;
  std::size_t known;  // where the rows end that this half holds

  [[nodiscard]] std::size_t begin_of(std::size_t child) const noexcept {
    return TreeShape::share(count, child, children, unit);
  }
  [[nodiscard]] std::size_t size() const noexcept { return begin_of(to) - begin_of(from); }
};

// The cuts between leaves decide most of what a query reads, so there each part is looked at anew
// after every cut; above, several cuts at once save passes over memory.
constexpr std::size_t kMostSlabsOfLeaves = 2;

// At most this many evenly spaced entries of a part show its sides.
constexpr std::size_t kSample = 128;

// How a part is to be cut: into `slabs` across `axis`, on which a sample lies in this range.
struct Slicing {
  std::size_t axis;
  std::size_t slabs;
  FloatRange range;
};

// The slabs that a part is cut into, and the ranks between them.
struct CutPlan {
  Slicing slicing;
  Part slabs[kMostSlabs];
  std::size_t ranks[kMostSlabs - 1];

  [[nodiscard]] std::span<const std::size_t> inner_ranks() const noexcept {
    return {ranks, slicing.slabs - 1};
  }
};

template <int D>
class KdCutter {
 public:
  KdCutter(const TreeShape& shape, CentreRows& rows, platform::Workers& workers,
           const LeafSink& sink) noexcept
      : shape_(shape), rows_(rows), workers_(workers), sink_(sink) {}

  void run() noexcept {
    const std::size_t count = rows_.count();
    const std::uint32_t level = shape_.root_level(count);
    if (level == 0) return sink_.take(sink_.context, {rows_.half(0), stride(), 0, count, count});
    const Part whole = node_part(count, level, 0, 0, count);
    if (workers_.count() == 1) return cut(whole);
    std::vector<Part> parts;
    // What cannot be noted for later, for want of memory, stays as large as it is.
    static_cast<void>(platform::try_to([&] {
      parts.push_back(whole);
      list_shares(parts);
    }));
    if (parts.empty()) return cut(whole);
    // What lies behind a part is another thread's.
    for (Part& part : parts) part.known = part.first + part.size();
    workers_.for_each(parts.size(), [&](std::size_t i) { cut(parts[i]); });
  }

 private:
  // A part of which threads share the cut, and what becomes of it.
  struct SharedCut {
    CutPlan plan;
    SharedPartition<D> partition;
  };

  static constexpr std::size_t kLeastShared = 8192;
  static constexpr std::size_t kLeastChunk = 8192;
  // Parts of a quarter of a thread's share are not cut together any more, those of an eighth not
  // before a thread makes leaves of them.
  static constexpr std::size_t kSharedPerThread = 4;
  static constexpr std::size_t kPartsPerThread = 8;
  // However many threads there are, there is room for the chunks' counts.
  static constexpr std::size_t kMostSharedCuts = CentreRows::kMostChunks / 2;
  static_assert(CentreRows::kScratchWords ==
                CentreRows::kMostChunks * SharedPartition<D>::kCountWords);

  [[nodiscard]] std::size_t stride() const noexcept {
    return D != 0 ? static_cast<std::size_t>(D) + 1 : rows_.stride();
  }
  [[nodiscard]] std::size_t dimensions() const noexcept { return stride() - 1; }
  [[nodiscard]] std::uint32_t* at(std::uint32_t half, std::size_t first) const noexcept {
    return rows_.half(half) + first * stride();
  }

  [[nodiscard]] Part node_part(std::size_t count, std::uint32_t level, std::uint32_t half,
                               std::size_t first, std::size_t known) const noexcept {
    const std::size_t children = shape_.children(count, level);
    return {count, children, shape_.unit(level), 0, children, level, half, first, known};
  }
  // The part of all children of a part's only child, which is no leaf.
  [[nodiscard]] Part child_part(const Part& part) const noexcept {
    return node_part(part.size(), part.level - 1, part.half, part.first, part.known);
  }

  // Makes of the whole as many parts as threads can take one after the other, and be done at nearly
  // the same time. Throws where there is no memory, and leaves `parts` as good as they were.
  void list_shares(std::vector<Part>& parts) {
    const std::size_t count = rows_.count();
    const std::size_t threads = workers_.count();
    const std::size_t shared =
        std::max(kLeastShared, count / std::min(kSharedPerThread * threads, kMostSharedCuts));
    while (cut_together(parts, shared)) {
    }
    const std::size_t own = std::max(kLeastShared, count / (kPartsPerThread * threads));
    while (cut_side_by_side(parts, own)) {
    }
    std::ranges::sort(parts, std::ranges::greater(), &Part::size);  // the last ones end together
  }

  // Takes out of `parts` what has more than `most` rows, and goes down to where it has children.
  std::vector<Part> take_large(std::vector<Part>& parts, std::size_t most) {
    std::vector<Part> large;
    large.reserve(parts.size());
    parts.reserve(parts.size() * kMostSlabs);
    std::erase_if(parts, [&](const Part& part) {
      if (part.size() > most) large.push_back(part);
      return part.size() > most;
    });
    for (Part& part : large) {
      while (part.to - part.from == 1) part = child_part(part);
    }
    return large;
  }

  // Cuts those parts once that have more than `most` rows, all of them at the same time and each by
  // all threads. False when there are none.
  bool cut_together(std::vector<Part>& parts, std::size_t most) {
    std::vector<SharedCut> cuts;
    std::vector<std::pair<SharedCut*, std::size_t>> chunks;
    cuts.reserve(parts.size());
    chunks.reserve(CentreRows::kMostChunks);
    const std::vector<Part> large = take_large(parts, most);
    if (large.empty()) return false;
    const std::size_t chunk_rows = std::max(kLeastChunk, rows_.count() / kMostSharedCuts);
    for (const Part& part : large) {
      std::uint32_t* counts =
          rows_.scratch() + chunks.size() * SharedPartition<D>::kCountWords;
      const CutPlan plan = plan_cut(part);
      SharedCut& shared = cuts.emplace_back(
          plan, SharedPartition<D>({plan.slicing.axis, stride()}, at(part.half, part.first),
                                   at(1 - part.half, part.first), part.size(), plan.slicing.range,
                                   plan.inner_ranks(),
                                   (part.size() + chunk_rows - 1) / chunk_rows, counts));
      for (std::size_t i = 0; i < shared.partition.chunks(); ++i) chunks.emplace_back(&shared, i);
    }
    XTREE_CHECK(chunks.size() <= CentreRows::kMostChunks);
    workers_.for_each(chunks.size(), [&](std::size_t i) {
      chunks[i].first->partition.count_chunk(chunks[i].second);
    });
    workers_.for_each(cuts.size(), [&](std::size_t i) { cuts[i].partition.aim(); });
    workers_.for_each(chunks.size(), [&](std::size_t i) {
      chunks[i].first->partition.move_chunk(chunks[i].second);
    });
    workers_.for_each(cuts.size() * (kMostSlabs - 1), [&](std::size_t i) {
      const std::size_t zone = i % (kMostSlabs - 1);
      const SharedPartition<D>& partition = cuts[i / (kMostSlabs - 1)].partition;
      if (zone < partition.zones()) partition.settle_zone(zone);
    });
    for (const SharedCut& shared : cuts) add(shared.plan, parts);
    return true;
  }

  // The same, but each part is cut by one thread.
  bool cut_side_by_side(std::vector<Part>& parts, std::size_t most) {
    std::vector<CutPlan> plans(parts.size());
    const std::vector<Part> large = take_large(parts, most);
    workers_.for_each(large.size(), [&](std::size_t i) { plans[i] = divide(large[i]); });
    for (std::size_t i = 0; i < large.size(); ++i) add(plans[i], parts);
    return !large.empty();
  }
  static void add(const CutPlan& plan, std::vector<Part>& parts) {
    parts.insert(parts.end(), plan.slabs, plan.slabs + plan.slicing.slabs);
  }

  void cut(const Part& part) noexcept {
    if (part.to - part.from == 1) {
      if (part.level > 1) return cut(child_part(part));
      return sink_.take(sink_.context, {at(part.half, part.first), stride(), part.first,
                                        part.size(), part.known - part.first});
    }
    const CutPlan plan = divide(part);
    for (std::size_t i = 0; i < plan.slicing.slabs; ++i) cut(plan.slabs[i]);
  }

  // Finds out how to cut a part of more than one child into slabs, which come to lie in the other
  // half.
  [[nodiscard]] CutPlan plan_cut(const Part& part) const noexcept {
    CutPlan plan;
    plan.slicing = slice(at(part.half, part.first), part.size(), part.to - part.from,
                         part.level == 1 ? kMostSlabsOfLeaves : kMostSlabs);
    const std::size_t slabs = plan.slicing.slabs;
    for (std::size_t i = 0; i < slabs; ++i) {
      Part& slab = plan.slabs[i];
      slab = part;
      slab.half = 1 - part.half;
      slab.from = part.from + (part.to - part.from) * i / slabs;
      slab.to = part.from + (part.to - part.from) * (i + 1) / slabs;
      const std::size_t rank = part.begin_of(slab.from) - part.begin_of(part.from);
      slab.first = part.first + rank;
      slab.known = part.first + part.size();
      if (i > 0) plan.ranks[i - 1] = rank;
    }
    return plan;
  }

  CutPlan divide(const Part& part) const noexcept {
    const CutPlan plan = plan_cut(part);
    const RankPartition<D> partition(plan.slicing.axis, stride());
    partition.run(at(part.half, part.first), at(1 - part.half, part.first), part.size(),
                  plan.slicing.range, plan.inner_ranks());
    return plan;
  }

  // Across the longest side, into as many slabs as would come of halving the longest side of each
  // part, over and over, until there are as many parts as children; but not more than `most`.
  [[nodiscard]] Slicing slice(const std::uint32_t* rows, std::size_t count, std::size_t children,
                              std::size_t most) const noexcept {
    float low[D != 0 ? D : kMaxDimensions];
    float high[D != 0 ? D : kMaxDimensions];
    std::fill_n(low, dimensions(), std::numeric_limits<float>::max());
    std::fill_n(high, dimensions(), -std::numeric_limits<float>::max());
    const std::size_t step = (count + kSample - 1) / kSample;
    for (std::size_t i = 0; i < count; i += step) {
      for (std::size_t axis = 0; axis < dimensions(); ++axis) {
        const float x = std::bit_cast<float>(rows[i * stride() + 1 + axis]);
        low[axis] = std::min(low[axis], x);
        high[axis] = std::max(high[axis], x);
      }
    }
    float sides[D != 0 ? D : kMaxDimensions];
    for (std::size_t axis = 0; axis < dimensions(); ++axis) sides[axis] = high[axis] - low[axis];
    const auto longest = [&] {
      return static_cast<std::size_t>(std::max_element(sides, sides + dimensions()) - sides);
    };
    const std::size_t axis = longest();
    std::size_t slabs = 1;
    for (std::size_t parts = 1; parts < children && slabs < most; parts *= 2) {
      const std::size_t halved = longest();
      sides[halved] *= 0.5f;
      if (halved == axis) slabs *= 2;
    }
    return {axis, std::min(slabs, children), {low[axis], high[axis]}};
  }

  const TreeShape& shape_;
  CentreRows& rows_;
  platform::Workers& workers_;
  const LeafSink& sink_;
};

template <int D>
void run_cutter(const TreeShape& shape, CentreRows& rows, platform::Workers& workers,
                const LeafSink& sink) noexcept {
  KdCutter<D>(shape, rows, workers, sink).run();
}

}  // namespace

void kd_cut(const TreeShape& shape, CentreRows& rows, platform::Workers& workers,
            const LeafSink& sink) noexcept {
  switch (rows.dimensions()) {
    case 1: return run_cutter<1>(shape, rows, workers, sink);
    case 2: return run_cutter<2>(shape, rows, workers, sink);
    case 3: return run_cutter<3>(shape, rows, workers, sink);
    case 4: return run_cutter<4>(shape, rows, workers, sink);
    default: return run_cutter<0>(shape, rows, workers, sink);
  }
}

}  // namespace xtree::index
