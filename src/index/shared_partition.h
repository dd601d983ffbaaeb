// SharedPartition: a partition of rows too many for one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>

#include "index/rank_partition.h"

namespace xtree::index {

// The result of RankPartition::run, in four steps, each of which begins when the one before it is
// done. The parts of a step are for any threads: a chunk of rows, or a zone.
//
//   count_chunk(i) for i below chunks();  aim();  move_chunk(i);  settle_zone(i) below zones()
//
// Nothing is allocated. Rows and ranks outlive it.
template <int D>
class SharedPartition {
  using Partition = RankPartition<D>;

 public:
  // Words of `counts` that each chunk needs.
  static constexpr std::size_t kCountWords = Partition::kMostCells;

  SharedPartition(const Partition& partition, std::uint32_t* from, std::uint32_t* to,
                  std::size_t count, FloatRange range, std::span<const std::size_t> ranks,
                  std::size_t chunks, std::uint32_t* counts) noexcept
      : partition_(partition),
        from_(from),
        to_(to),
        count_(count),
        chunks_(chunks),
        cell_count_(Partition::template cells_for<kCountWords>(count)),
        cells_(range, cell_count_),
        counts_(counts),
        rank_count_(ranks.size()) {
    std::ranges::copy(ranks, ranks_);
  }

  [[nodiscard]] std::size_t chunks() const noexcept { return chunks_; }
  [[nodiscard]] std::size_t zones() const noexcept { return targets_.zones(); }

  void count_chunk(std::size_t chunk) noexcept {
    std::fill_n(counts_of(chunk), cell_count_, 0u);
    partition_.count_rows(rows_of(chunk), size_of(chunk), cells_, counts_of(chunk));
  }

  // Finds out where rows go: those of a chunk behind those that the chunks before it have for the
  // same target. From then on a chunk's first words say which row that is.
  void aim() noexcept {
    std::uint32_t sums[kCountWords] = {};
    for (std::size_t chunk = 0; chunk < chunks_; ++chunk) {
      const std::uint32_t* counts = counts_of(chunk);
      for (std::size_t cell = 0; cell < cell_count_; ++cell) sums[cell] += counts[cell];
    }
    targets_.find(sums, cell_count_, ranks());
    std::uint32_t begin[kMostTargets];
    for (std::size_t t = 0; t < targets_.count; ++t) {
      begin[t] = static_cast<std::uint32_t>(targets_.begin[t]);
    }
    for (std::size_t chunk = 0; chunk < chunks_; ++chunk) {
      std::uint32_t* counts = counts_of(chunk);
      std::uint32_t first[kMostTargets];
      std::copy_n(begin, targets_.count, first);
      for (std::size_t t = 0; t < targets_.count; ++t) {
        begin[t] = std::accumulate(counts + targets_.first_cell[t],
                                   counts + targets_.first_cell[t + 1], begin[t]);
      }
      std::copy_n(first, targets_.count, counts);
    }
  }

  void move_chunk(std::size_t chunk) const noexcept {
    std::uint32_t* next[kMostTargets];
    for (std::size_t t = 0; t < targets_.count; ++t) {
      next[t] = to_ + counts_of(chunk)[t] * partition_.stride();
    }
    partition_.move_rows(rows_of(chunk), size_of(chunk), cells_, targets_, next);
  }

  void settle_zone(std::size_t zone) const noexcept {
    partition_.settle_zone(from_, to_, targets_.zone(zone), ranks());
  }

 private:
  static constexpr std::size_t kMostTargets = Partition::kMostTargets;
  static_assert(kMostTargets <= kCountWords);

  [[nodiscard]] std::size_t first_of(std::size_t chunk) const noexcept {
    return count_ * chunk / chunks_;
  }
  [[nodiscard]] std::size_t size_of(std::size_t chunk) const noexcept {
    return first_of(chunk + 1) - first_of(chunk);
  }
  [[nodiscard]] std::uint32_t* rows_of(std::size_t chunk) const noexcept {
    return from_ + first_of(chunk) * partition_.stride();
  }
  [[nodiscard]] std::uint32_t* counts_of(std::size_t chunk) const noexcept {
    return counts_ + chunk * kCountWords;
  }
  [[nodiscard]] std::span<const std::size_t> ranks() const noexcept {
    return {ranks_, rank_count_};
  }

  Partition partition_;
  std::uint32_t* from_;
  std::uint32_t* to_;
  std::size_t count_;
  std::size_t chunks_;
  std::size_t cell_count_;
  typename Partition::Cells cells_;
  std::uint32_t* counts_;  // kCountWords for each chunk
  std::size_t rank_count_;
  std::size_t ranks_[kMostSlabs - 1];
  typename Partition::template Targets<kCountWords> targets_;
};

}  // namespace xtree::index
