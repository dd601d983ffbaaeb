// MarkedLeaves: the leaves of a window that have hits, where leaves have codes in pairs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>

#include "index/node.h"
#include "index/search_kernels.h"
#include "index/store.h"

namespace xtree::index {

// A leaf is looked at in three steps, of which each leaves some entries open and asks for what the
// next one reads of them: the codes of points or of boxes' minima mark entries, codes of maxima
// narrow what is open, rows decide the rest. Three leaves are on their way at once, one at each
// step, so that nobody waits for what was only just asked for.
template <class Scalar>
class MarkedLeaves {
 public:
  struct Found {
    const Node* leaf;         // null at the end
    std::uint32_t hits;
    bool last;                // no other leaf may have any
  };
  // The next leaf of a walk that has hits, and which they are.
  template <class View, class Walk, class Query>
  [[nodiscard]] Found next(View view, Walk& walk, const Layout& layout, const Query& query,
                           std::uint64_t* mask) noexcept {
    while (true) {
      Marked& marked = leaves_[turn_];
      Marked& narrowed = leaves_[(turn_ + kSteps - 1) % kSteps];
      turn_ = (turn_ + 1) % kSteps;
      Marked& decided = leaves_[turn_];
      marked.leaf = mark_next(view, walk, layout, query, marked);
      if (narrowed.leaf != nullptr && !narrowed.marks.maxima_are_near &&
          !query.narrow_leaf(*narrowed.leaf, narrowed.count, layout, narrowed.marks)) {
        narrowed.leaf = nullptr;
      }
      const Node* leaf = std::exchange(decided.leaf, nullptr);
      const bool last = marked.leaf == nullptr && narrowed.leaf == nullptr;
      if (leaf == nullptr) {
        if (last) return {nullptr, 0, true};
        continue;
      }
      const std::uint32_t hits =
          query.decide_leaf(*leaf, decided.count, layout, decided.marks, mask);
      if (hits != 0) return {leaf, hits, last};
    }
  }

  // As LeafWalk's.
  template <class Walk, class F>
  void renew(Walk& walk, F&& let_go) {
    Ref refs[kSteps];
    for (std::size_t i = 0; i < kSteps; ++i) {
      refs[i] = leaves_[i].leaf == nullptr ? 0 : leaves_[i].leaf->frame.node_id;
    }
    walk.renew(let_go);
    for (std::size_t i = 0; i < kSteps; ++i) {
      if (refs[i] != 0) leaves_[i].leaf = walk.find_again(refs[i]);
    }
  }

 private:
  static constexpr std::size_t kSteps = 3;

  // A leaf and what is known of its entries so far; null when there is none.
  struct Marked {
    const Node* leaf = nullptr;
    std::uint32_t count = 0;
    LeafMarks marks;
  };

  // The next leaf with entries that may answer.
  template <class View, class Walk, class Query>
  const Node* mark_next(View view, Walk& walk, const Layout& layout, const Query& query,
                        Marked& marked) noexcept {
    bool inside = false;
    while (const Node* leaf = walk.next_in_line(inside)) {
      marked.count = entry_count(view, *leaf);
      if (inside) {
        mark_all(marked);
        return leaf;
      }
      marked.marks.maxima_are_near = maxima_are_near_;
      const bool any = query.mark_leaf(*leaf, marked.count, layout, marked.marks);
      look_at_need(marked.marks.maxima_are_needed, walk);
      if (any) return leaf;
    }
    return nullptr;
  }
  // Where the last few leaves mostly needed their codes of maxima, those of the next are asked for
  // with the others.
  template <class Walk>
  void look_at_need(bool needed, Walk& walk) noexcept {
    needed_ += (needed ? 1 : 0) - (needs_ >> 7);
    needs_ = static_cast<std::uint8_t>(needs_ << 1 | (needed ? 1 : 0));
    const bool near = needed_ >= kMostNeeds;
    if (near == maxima_are_near_) return;
    maxima_are_near_ = near;
    walk.fetch_maxima(near);
  }
  static void mark_all(Marked& marked) noexcept {
    marked.marks.maxima_are_near = true;  // nothing is left for them
    marked.marks.alone_count = 0;
    for (std::size_t word = 0; word * 64 < marked.count; ++word) {
      const std::size_t left = marked.count - word * 64;
      marked.marks.surely[word] = left >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << left) - 1;
      marked.marks.open[word] = 0;
    }
  }

  static constexpr int kMostNeeds = 5;

  std::uint8_t needs_ = 0;  // a bit for each of the last leaves
  int needed_ = 0;          // how many of them are set
  bool maxima_are_near_ = false;
  std::size_t turn_ = 0;  // the place for the next
  Marked leaves_[kSteps];
};

}  // namespace xtree::index
