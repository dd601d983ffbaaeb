// NearQueue: what a search has yet to look at, the nearest first.
#pragma once

#include <cstddef>
#include <type_traits>

#include "index/spill_array.h"

namespace xtree::index {

// A binary heap. Distances stand apart from what they belong to: compilers copy the two of them,
// side by side, as one vector, for which a processor has to wait when they were only just written
// one by one. The first `kInline` need no allocation.
template <class T, std::size_t kInline>
class NearQueue {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  [[nodiscard]] bool empty() const noexcept { return distances_.empty(); }
  // Of the nearest; there must be one.
  [[nodiscard]] double distance() noexcept { return distances_[0]; }
  [[nodiscard]] const T& nearest() noexcept { return items_[0]; }

  // Says whether there was memory; nothing is lost when there was not.
  [[nodiscard]] bool push(double distance, const T& item) noexcept {
    if (!items_.push(item)) [[unlikely]] return false;
    if (!distances_.push(distance)) [[unlikely]] {
      items_.pop();
      return false;
    }
    std::size_t at = distances_.size() - 1;
    while (at > 0 && distance < distances_[(at - 1) / 2]) {
      move((at - 1) / 2, at);
      at = (at - 1) / 2;
    }
    put(at, distance, item);
    return true;
  }

  // Takes the nearest out.
  void pop() noexcept {
    const std::size_t size = distances_.size() - 1;
    const double distance = distances_[size];
    const T item = items_[size];
    distances_.pop();
    items_.pop();
    if (size == 0) return;
    std::size_t at = 0;
    for (std::size_t child = 1; child < size; child = 2 * at + 1) {
      // The nearer of two, which nobody can predict, without a branch.
      if (child + 1 < size) child += distances_[child + 1] < distances_[child] ? 1 : 0;
      if (distance <= distances_[child]) break;
      move(child, at);
      at = child;
    }
    put(at, distance, item);
  }

 private:
  void move(std::size_t from, std::size_t to) noexcept { put(to, distances_[from], items_[from]); }
  void put(std::size_t at, double distance, const T& item) noexcept {
    distances_[at] = distance;
    items_[at] = item;
  }

  SpillArray<double, kInline> distances_;
  SpillArray<T, kInline> items_;
};

}  // namespace xtree::index
