#include "index/kd_cut.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <vector>

#include "index/rank_partition.h"
#include "platform/without_throwing.h"

namespace xtree::index {
namespace {

// Some of the children of one node that is being cut: `from` to `to` of `children`, which have
// `count` entries in all. The part's rows begin at `first` in one of the halves.
struct Part {
  std::size_t count;
  std::size_t children;
  std::size_t from;
  std::size_t to;
  std::uint32_t level;
  std::uint32_t half;
  std::size_t first;
  std::size_t known;  // where the rows end that this half holds

  [[nodiscard]] std::size_t begin_of(std::size_t child) const noexcept {
    return TreeShape::share(count, child, children);
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
  float low;
  float high;
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
    // Large parts are cut by all threads together; small ones are each a thread's own.
    share_rows_ = std::max(kLeastShared, count / (workers_.count() * kPartsPerThread));
    plan(whole);
    workers_.for_each(shares_.size(), [this](std::size_t i) { cut(shares_[i]); });
  }

 private:
  static constexpr std::size_t kLeastShared = 8192;
  static constexpr std::size_t kPartsPerThread = 8;

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
    return {count, children, 0, children, level, half, first, known};
  }
  // The part of all children of a part's only child, which is no leaf.
  [[nodiscard]] Part child_part(const Part& part) const noexcept {
    return node_part(part.size(), part.level - 1, part.half, part.first, part.known);
  }

  void plan(const Part& part) noexcept {
    if (part.size() <= share_rows_) {
      Part share = part;
      share.known = part.first + part.size();  // what lies behind is another thread's
      // What cannot be noted for later, for want of memory, is done at once.
      if (!platform::try_to([&] { shares_.push_back(share); })) cut(share);
      return;
    }
    if (part.to - part.from == 1) return plan(child_part(part));
    Part slabs[kMostSlabs];
    const std::size_t count = divide(part, slabs);
    for (std::size_t i = 0; i < count; ++i) plan(slabs[i]);
  }

  void cut(const Part& part) noexcept {
    if (part.to - part.from == 1) {
      if (part.level > 1) return cut(child_part(part));
      return sink_.take(sink_.context, {at(part.half, part.first), stride(), part.first,
                                        part.size(), part.known - part.first});
    }
    Part slabs[kMostSlabs];
    const std::size_t count = divide(part, slabs);
    for (std::size_t i = 0; i < count; ++i) cut(slabs[i]);
  }

  // Cuts a part of more than one child into slabs, which come to lie in the other half. Parts that
  // are no thread's own are cut by all of them.
  std::size_t divide(const Part& part, Part* slabs) noexcept {
    const std::size_t size = part.size();
    const std::uint32_t half = 1 - part.half;
    std::uint32_t* from = at(part.half, part.first);
    std::uint32_t* to = at(half, part.first);
    const Slicing slicing = slice(from, size, part.to - part.from,
                                  part.level == 1 ? kMostSlabsOfLeaves : kMostSlabs);
    std::size_t ranks[kMostSlabs - 1];
    for (std::size_t i = 0; i < slicing.slabs; ++i) {
      Part& slab = slabs[i];
      slab = part;
      slab.half = half;
      slab.from = part.from + (part.to - part.from) * i / slicing.slabs;
      slab.to = part.from + (part.to - part.from) * (i + 1) / slicing.slabs;
      const std::size_t rank = part.begin_of(slab.from) - part.begin_of(part.from);
      slab.first = part.first + rank;
      slab.known = part.first + size;
      if (i > 0) ranks[i - 1] = rank;
    }
    const RankPartition<D> partition(slicing.axis, stride());
    const FloatRange range{slicing.low, slicing.high};
    if (size > share_rows_) {
      partition.run_shared(from, to, size, range, {ranks, slicing.slabs - 1}, workers_,
                           rows_.scratch());
    } else {
      partition.run(from, to, size, range, {ranks, slicing.slabs - 1});
    }
    return slicing.slabs;
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
    return {axis, std::min(slabs, children), low[axis], high[axis]};
  }

  const TreeShape& shape_;
  CentreRows& rows_;
  platform::Workers& workers_;
  const LeafSink& sink_;
  std::size_t share_rows_ = std::numeric_limits<std::size_t>::max();
  std::vector<Part> shares_;
};

static_assert(RankPartition<0>::kScratchWords == CentreRows::kScratchWords);

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
