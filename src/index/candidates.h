// Candidates: the entries that may be among the nearest, of a search that wants so many.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>

#include "index/node.h"
#include "index/node_access.h"
#include "index/search_kernels.h"
#include "index/spill_array.h"

namespace xtree::index {

// Takes more entries than are wanted and forgets, now and then, those that are too far. Nothing is
// in order until the end: a heap would mispredict a branch on nearly every level for nearly every
// entry, while counting the distances below a bound, a vector at a time, mispredicts none.
//
//   Candidates candidates;
//   if (!candidates.reserve(wanted)) return out_of_memory;
//   candidates.grow_to(candidates.add(candidates.size(), distance, place));
//   if (candidates.ripe()) bound = candidates.prune(kernels);
//   candidates.rank(kernels);
//   use(candidates.distance(0), candidates.place(0));   // the nearest
class Candidates {
 public:
  // For the `wanted` nearest, 1 or more.
  [[nodiscard]] bool reserve(std::size_t wanted) noexcept {
    wanted_ = wanted;
    room_ = std::max(kInline, wanted + wanted / 2);
    return distances_.reserve(room_ + kDistanceLanes) && places_.reserve(room_) &&
           order_.reserve(room_);
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  // Whether there are as many as are wanted.
  [[nodiscard]] bool full() const noexcept { return size_ >= wanted_; }
  // Whether pruning would pay: counting takes longer the more are wanted, and few new ones move the
  // bound little.
  [[nodiscard]] bool ripe() const noexcept {
    return full() && size_ - pruned_ > wanted_ / kPartAnew;
  }
  // How many there can be until the next `prune`.
  [[nodiscard]] std::size_t room() const noexcept { return room_; }

  // Adds one behind `size` others and returns how many that makes, for which there must be room.
  // They are there when `grow_to` says so: who adds many keeps their number in a register.
  [[nodiscard]] std::size_t add(std::size_t size, double distance,
                                EntryPlace place) noexcept {
    distances_[size] = distance;
    places_[size] = place;
    return size + 1;
  }
  void grow_to(std::size_t size) noexcept { size_ = size; }

  // The distance that no wanted entry exceeds. There must be as many as are wanted.
  template <class Scalar>
  [[nodiscard]] double prune(const SearchKernels<Scalar>& kernels) noexcept {
    const double bound = kernels.bound_distances(
        distances_.begin(), static_cast<std::uint32_t>(size_),
        static_cast<std::uint32_t>(wanted_));
    keep([bound](double distance) { return distance <= bound; });
    const double exact = size_ > wanted_ + wanted_ / 4 ? cut() : bound;
    pruned_ = size_;
    return exact;
  }

  // Sorts, and forgets all beyond what is wanted. Nothing can be added any more.
  template <class Scalar>
  void rank(const SearchKernels<Scalar>& kernels) noexcept {
    if (size_ == 1) {
      order_[0] = 0;
    } else if (size_ <= kMostRanked) {
      kernels.rank_distances(distances_.begin(), static_cast<std::uint32_t>(size_),
                             order_.begin());
    } else if (size_ > kMostDealt || !deal(kernels)) {
      std::iota(order_.begin(), order_.begin() + size_, 0u);
      std::sort(order_.begin(), order_.begin() + size_, Nearer{*this});
    }
    size_ = std::min(size_, wanted_);
  }
  // After `rank`: forgets those that are farther.
  void drop_beyond(double distance) noexcept {
    while (size_ != 0 && distances_[order_[size_ - 1]] > distance) --size_;
  }
  // By rank.
  [[nodiscard]] double distance(std::size_t rank) noexcept { return distances_[order_[rank]]; }
  [[nodiscard]] EntryPlace place(std::size_t rank) noexcept { return places_[order_[rank]]; }

 private:
  // What `deal` sorts, and into how many cells.
  static constexpr std::size_t kMostDealt = 256;
  static constexpr std::size_t kCells = 2 * kMostDealt;
  // With more in one cell, moving distances one by one would cost more than another sort.
  static constexpr std::int16_t kMostInCell = 16;
  // Up to here no memory is allocated.
  static constexpr std::size_t kInline = 56;
  // Of what is wanted, so much has to come between two prunings.
  static constexpr std::size_t kPartAnew = 16;

  // How many a cell gets, and then where the next of them goes. Cells stand in columns, so that the
  // counts of eight are summed up at a time.
  class Deal {
   public:
    void count(std::size_t cell) noexcept { ++rows_[cell % kRows][cell / kRows]; }
    // Returns the most in one cell.
    std::int16_t make_room() noexcept {
      Row sums{};
      Row most{};
      for (Row& row : rows_) {
        const Row counted = row;
        row = sums;
        sums += counted;
        most = counted > most ? counted : most;
      }
      std::int16_t before = 0;
      std::int16_t greatest = 0;
      for (std::size_t column = 0; column < kColumns; ++column) {
        before_[column] = std::exchange(before, static_cast<std::int16_t>(before + sums[column]));
        greatest = std::max<std::int16_t>(greatest, most[column]);
      }
      return greatest;
    }
    std::size_t next(std::size_t cell) noexcept {
      return static_cast<std::size_t>(rows_[cell % kRows][cell / kRows]++ +
                                      before_[cell / kRows]);
    }

   private:
    static constexpr std::size_t kColumns = 8;
    static constexpr std::size_t kRows = kCells / kColumns;
    typedef std::int16_t Row __attribute__((vector_size(kColumns * sizeof(std::int16_t))));

    Row rows_[kRows] = {};
    std::int16_t before_[kColumns];  // in all columns before
  };

  struct Nearer {
    Candidates& candidates;
    bool operator()(std::uint32_t a, std::uint32_t b) const noexcept {
      const double at_a = candidates.distances_[a];
      const double at_b = candidates.distances_[b];
      return at_a != at_b ? at_a < at_b : a < b;
    }
  };

  template <class Wanted>
  void keep(Wanted&& is_wanted) noexcept {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < size_; ++i) {
      distances_[kept] = distances_[i];
      places_[kept] = places_[i];
      kept += is_wanted(distances_[kept]) ? 1 : 0;
    }
    size_ = kept;
  }

  // Sorts by dealing the distances into cells of equal width, of which there are more than
  // distances, so that few share one, and then moving each past those before it that are greater.
  // False, and in no order, where many share a cell.
  template <class Scalar>
  [[nodiscard]] bool deal(const SearchKernels<Scalar>& kernels) noexcept {
    const auto size = static_cast<std::uint32_t>(size_);
    const double low = kernels.bound_distances(distances_.begin(), size, 1);
    const double high = kernels.bound_distances(distances_.begin(), size, size);
    const double scale = (kCells - 1) / (high - low);
    if (!(scale > 0 && scale <= std::numeric_limits<double>::max())) return false;
    Deal deal;
    std::uint16_t cells[kMostDealt];
    for (std::size_t i = 0; i < size_; ++i) {
      cells[i] = static_cast<std::uint16_t>((distances_[i] - low) * scale);
      deal.count(cells[i]);
    }
    if (deal.make_room() > kMostInCell) return false;
    for (std::size_t i = 0; i < size_; ++i) {
      order_[deal.next(cells[i])] = static_cast<std::uint32_t>(i);
    }
    move_past_greater();
    return true;
  }
  // Sorts what is nearly in order; equal distances stay in the order in which they are.
  void move_past_greater() noexcept {
    for (std::size_t i = 1; i < size_; ++i) {
      const std::uint32_t moved = order_[i];
      std::size_t to = i;
      for (; to > 0 && distances_[order_[to - 1]] > distances_[moved]; --to) {
        order_[to] = order_[to - 1];
      }
      order_[to] = moved;
    }
  }

  // Leaves exactly what is wanted, where the bound could not tell enough of them apart.
  double cut() noexcept {
    std::uint32_t* order = order_.begin();
    std::iota(order, order + size_, 0u);
    std::nth_element(order, order + (wanted_ - 1), order + size_, Nearer{*this});
    const double bound = distances_[order[wanted_ - 1]];
    std::size_t ties = wanted_;
    for (std::size_t i = 0; i < size_; ++i) ties -= distances_[i] < bound ? 1 : 0;
    keep([bound, &ties](double distance) {
      if (distance != bound) return distance < bound;
      if (ties == 0) return false;
      --ties;
      return true;
    });
    return bound;
  }

  SpillArray<double, kInline + kDistanceLanes> distances_;
  SpillArray<EntryPlace, kInline> places_;
  SpillArray<std::uint32_t, kInline> order_;
  std::size_t room_ = 0;
  std::size_t wanted_ = 0;
  std::size_t size_ = 0;
  std::size_t pruned_ = 0;  // how many were left then
};

}  // namespace xtree::index
