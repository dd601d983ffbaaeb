// LeafWalk: the leaves that a window reaches. It allocates nothing and reads each node once.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "index/node.h"
#include "index/node_access.h"
#include "index/search_kernels.h"
#include "index/store.h"

namespace xtree::index {

// The bits of the first `count` entries or children of one mask word.
[[nodiscard]] constexpr std::uint64_t first_of_word(std::size_t count) noexcept {
  return count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
}

// What a walk's caller will read of a leaf that lies inside the window: its entries' values, or
// nothing but how many they are. Of other leaves it reads everything.
enum class InsideUse : std::uint8_t { values, count };

// Nodes that are not in memory, as many as are brought there at once.
template <NodeView View>
class FarNodes {
 public:
  [[nodiscard]] std::size_t room() const noexcept { return leads_.size() - count_; }
  void add(Lead<View> lead) noexcept { leads_[count_++] = lead; }
  void load(const View& view) noexcept {
    if (count_ == 0) return;
    load_ahead(view, std::span<const Lead<View>>(leads_.data(), count_));
    count_ = 0;
  }

 private:
  std::array<Lead<View>, 64> leads_;
  std::size_t count_ = 0;
};

// Finds the leaves that a window reaches, one after the other, with a stack of fixed size. Nodes
// lie anywhere in memory, so they are asked for ahead: the first lines of all directory nodes that
// a look shows, and of leaves, some places ahead, all that is mostly read.
template <class Scalar, NodeView View, InsideUse use>
class LeafWalk {
 public:
  // `root` is 0 when the tree is empty.
  LeafWalk(View view, const Layout& layout, const SearchKernels<Scalar>& kernels, Ref root,
           const DirectoryWindow& window) noexcept
      : view_(view),
        layout_(layout),
        scan_children_(kernels.scan_children),
        window_(window),
        start_(root) {
    if (layout.code_pairs != 0) [[unlikely]] form_line();
  }

  // The next leaf, null at the end or when the view failed. `inside` says that all of its entries
  // answer; else each has to be tried. The view says how many there are.
  [[nodiscard]] [[gnu::always_inline]] const Node* next(bool& inside) noexcept {
    Child at{nullptr, kMaxHeight, false};  // what level is above the root, nobody knows
    if (start_ != 0) {
      at.node = view_.node(std::exchange(start_, 0));
    } else {
      if (depth_ == 0) return nullptr;
      at = take_child();
    }
    for (;;) {
      const Node* node = at.node;
      if (node == nullptr || node->level >= at.parent_level) [[unlikely]] return fail();
      if (node->level == 0) {
        inside = at.inside;
        return at.parent_level == 1 || at.parent_level == kMaxHeight ? node : fail();
      }
      const ChildMasks masks = look(*node, 0, at.inside);
      Lead<View> only;
      if (has_one_child(*node, masks, only)) {
        at = {view_.node(only), node->level, masks.inside != 0};
        continue;
      }
      if (!enter(*node, masks, at.inside)) [[unlikely]] return fail();
      if (depth_ == 0) return nullptr;
      at = take_child();
    }
  }

  // The same for leaves with codes in pairs.
  [[nodiscard]] [[gnu::noinline]] const Node* next_in_line(bool& inside) noexcept {
    inside = false;
    if (start_ != 0) {
      if (const Node* leaf = enter_root()) return leaf;
    }
    fill_line();
    if (waiting_ == 0) return nullptr;
    fetch_front();
    inside = waiting_at(0).inside;
    const Node* leaf = view_.node(waiting_at(0).lead);
    ++first_waiting_;
    --waiting_;
    --fetched_;
    return leaf != nullptr && leaf->level == 0 ? leaf : fail();
  }

  // One step on the way to the first leaves: looks at one directory node, and asks for what it
  // shows, or adds to `far` what is not in memory. False when it was the last step. It comes before
  // the first `next`; what is far is to be loaded before the next step and behind the last.
  [[nodiscard]] bool approach(FarNodes<View>& far) noexcept {
    if (waiting_ != 0) {
      fetch_front();
      return false;
    }
    Child at{nullptr, kMaxHeight, false};
    if (start_ != 0) {
      at.node = view_.node(start_);
      if (at.node != nullptr && at.node->level == 0) return false;
      start_ = 0;
    } else {
      if (depth_ == 0) return false;  // the tree is empty
      at = take_child();
    }
    const Node* node = at.node;
    if (node == nullptr || node->level >= at.parent_level) [[unlikely]] return fail() != nullptr;
    far_ = &far;
    const bool entered = enter(*node, look(*node, 0, at.inside), at.inside);
    const bool on_the_way = entered && depth_ != 0 && ask_for_first();
    far_ = nullptr;
    if (!entered) [[unlikely]] fail();
    return on_the_way;
  }

  // Whether the leaves that come into the line are asked for their codes of maxima, too.
  void fetch_maxima(bool wanted) noexcept { maxima_too_ = wanted; }

  // Lets go of all nodes and finds them again: between, `let_go` may give up what kept them there.
  template <class F>
  void renew(F&& let_go) {
    std::array<Ref, kMaxHeight> refs;
    std::array<Ref, kMostWaiting> waiting;
    for (std::uint32_t i = 0; i < depth_; ++i) refs[i] = stack_[i].node->frame.node_id;
    for (std::uint32_t i = 0; i < waiting_; ++i) {
      const Node* leaf = view_.node(waiting_at(i).lead);
      if (leaf == nullptr) return static_cast<void>(fail());
      waiting[i] = leaf->frame.node_id;
    }
    let_go();
    for (std::uint32_t i = 0; i < waiting_; ++i) {
      waiting_at(i).lead = lead_to_node(view_, waiting[i]);
    }
    for (std::uint32_t i = 0; i < depth_; ++i) {
      stack_[i].node = view_.node(refs[i]);
      if (stack_[i].node == nullptr) return static_cast<void>(fail());
    }
  }

  // A leaf that `next` returned before all nodes were let go of; null when the view failed.
  [[nodiscard]] const Node* find_again(Ref ref) noexcept {
    const Node* leaf = view_.node(ref);
    return leaf != nullptr ? leaf : fail();
  }

  [[nodiscard]] bool failed() const noexcept { return failed_; }
  // Whether `next` has no more to return.
  [[nodiscard]] bool ended() const noexcept { return depth_ == 0; }

 private:
  // A directory node on the way down, and what is left to do of the chunk that begins at `block`.
  // The two masks that a kernel returns do not stand side by side: compilers then copy them as one
  // vector, for which a processor has to wait until both halves are written.
  struct Level {
    const Node* node;
    std::uint64_t hits;
    std::uint64_t unfetched;  // hits that were not asked for yet
    std::uint64_t inside;
    std::uint32_t block;
    bool all_inside;
    bool far_were_loaded;
  };
  // So many leaves are asked for before the first of them is read. More would push each other out
  // of the first-level cache.
  static constexpr std::size_t kLeavesAhead = 8;
  static constexpr std::size_t kPagesAhead = 11;  // of other leaves than the first
  // In five dimensions or more leaves are found some places before they are read, whichever nodes
  // they belong to, for a small window finds few in each. First they are asked for one line, so
  // that the processor knows where their pages are once all that is read is asked for.
  struct Waiting {
    Lead<View> lead;
    bool inside;
  };
  static constexpr std::uint32_t kMostWaiting = 8;
  static constexpr std::uint32_t kMostFetched = 3;

  const Node* fail() noexcept {
    failed_ = true;
    depth_ = 0;
    waiting_ = fetched_ = 0;
    return nullptr;
  }

  [[gnu::noinline]] void form_line() noexcept {
    first_waiting_ = fetched_ = 0;
    maxima_too_ = false;
  }
  [[nodiscard]] Waiting& waiting_at(std::uint32_t place) noexcept {
    return line_[(first_waiting_ + place) % kMostWaiting];
  }
  void fill_line() noexcept {
    while (waiting_ < kMostWaiting && find_leaf()) {
    }
  }
  void fetch_front() noexcept {
    while (fetched_ < std::min(waiting_, kMostFetched)) fetch_waiting(waiting_at(fetched_++));
  }
  // Asks for what will be read of a leaf: its codes, if it does not lie inside the window, for in
  // so many dimensions most leaves that a window reaches hold nothing of it.
  void fetch_waiting(const Waiting& leaf) const noexcept {
    if (!leaf.inside) return fetch_codes(leaf.lead);
    if (use != InsideUse::values) return;
    if (!layout_.has_values_in_front()) return fetch_values(leaf.lead);
    const std::size_t end =
        layout_.values_at + layout_.leaf_capacity() * 3 / 4 * layout_.value_bytes;
    for (std::size_t at = layout_.values_at; at < end; at += 64) {
      prefetch_at(view_, leaf.lead, at);
    }
  }
  // On the way to the first leaves, asks for the node that is entered next; false where these are
  // next, which have been asked for.
  bool ask_for_first() noexcept {
    Level& level = stack_[depth_ - 1];
    const Lead<View> first = lead(level, static_cast<std::size_t>(std::countr_zero(level.hits)));
    if (is_far(view_, first)) [[unlikely]] {
      load_far_children(level);
      if (!level.far_were_loaded) {
        // There was no room: leaves are asked for once more when their turn comes.
        if (level.node->level == 1) level.unfetched = level.hits;
        return false;
      }
    }
    if (level.node->level == 1) {
      if (layout_.code_pairs == 0) return false;
      fill_line();
      return waiting_ != 0;
    }
    fetch_lines(first, layout_.directory_bytes(kDirectoryBlocks));
    return true;
  }
  // Puts one more leaf into the line; false when there is none, or the view failed.
  bool find_leaf() noexcept {
    while (depth_ > 0) {
      Level& level = stack_[depth_ - 1];
      if (level.node->level == 1) return line_up(level);
      const auto [node, parent_level, inside] = take_child();
      if (node == nullptr || !enter(*node, look(*node, 0, inside), inside)) [[unlikely]] {
        return fail() != nullptr;
      }
    }
    return false;
  }
  // Takes a level's next leaf, and asks for its first line; false where it will be loaded later.
  bool line_up(Level& level) noexcept {
    const auto child = static_cast<std::size_t>(std::countr_zero(level.hits));
    const bool inside = (level.inside >> child & 1) != 0;
    Lead<View> leaf = lead(level, child);
    if (is_far(view_, leaf)) [[unlikely]] {
      load_far_children(level);
      if (!level.far_were_loaded) return false;
      leaf = lead(level, child);
    } else {
      prefetch_at(view_, leaf, 0);
    }
    level.hits &= level.hits - 1;
    waiting_at(waiting_++) = {leaf, inside};
    if (level.hits == 0) leave();
    return true;
  }

  // The root when it is a leaf.
  const Node* enter_root() noexcept {
    const Node* root = view_.node(std::exchange(start_, 0));
    if (root == nullptr) return fail();
    if (root->level == 0) return root;
    if (!enter(*root, look(*root, 0, false), false)) fail();
    return nullptr;
  }
  // Whether there is one child only to visit below a node, and near: then the walk goes on there,
  // and nothing is left to do when it comes back. Small windows have hardly any other nodes. What
  // is read there next is not asked for, but for rows of points, of which a leaf's count says how
  // many: instructions that do so are in the way of what comes next, perhaps another query, of
  // which a processor begins as much as it can while it waits.
  [[gnu::always_inline]] bool has_one_child(const Node& node, const ChildMasks& masks,
                                            Lead<View>& child) const noexcept {
    if ((masks.hits & (masks.hits - 1)) != 0 || masks.hits == 0) return false;
    if (node.count > kChunkChildren) [[unlikely]] return false;
    child = lead_to_child(view_, node, layout_,
                          static_cast<std::size_t>(std::countr_zero(masks.hits)));
    if (is_far(view_, child)) [[unlikely]] return false;
    if (node.level == 2) prefetch_family(view_, child);
    if (node.level == 1 && layout_.code_bytes == 0) fetch_lines(child, layout_.tried_end);
    return true;
  }
  // False where a tree would be higher than any is.
  [[gnu::always_inline]] bool enter(const Node& node, const ChildMasks& masks,
                                    bool all_inside) noexcept {
    if (depth_ == kMaxHeight) return false;
    Level& level = stack_[depth_++];
    level.node = &node;
    level.unfetched = 0;
    level.block = 0;
    level.all_inside = all_inside;
    level.far_were_loaded = false;
    take_up(level, masks);
    if (level.hits == 0) leave();
    return true;
  }
  // Goes on from the deepest level, which has no child left to visit: to its next chunk, or back
  // up. So all levels have a child to visit, and a walk that found its last leaf is over.
  void leave() noexcept {
    const Level& level = stack_[depth_ - 1];
    if ((level.block + kChunkBlocks) * kDirectoryLanes < level.node->count) [[unlikely]] {
      next_chunk();
    } else {
      --depth_;
    }
  }
  [[gnu::noinline]] void next_chunk() noexcept {
    Level& level = stack_[depth_ - 1];
    level.block += kChunkBlocks;
    level.far_were_loaded = false;
    take_up(level, look(*level.node, level.block, level.all_inside));
    if (level.hits == 0) leave();
  }

  [[nodiscard]] Lead<View> lead(const Level& level, std::size_t child) const noexcept {
    return lead_to_child(view_, *level.node, layout_, level.block * kDirectoryLanes + child);
  }

  // The next child of the deepest level, in two registers.
  struct Child {
    const Node* node;
    std::uint32_t parent_level;
    bool inside;
  };
  Child take_child() noexcept {
    Level& level = stack_[depth_ - 1];
    const auto child = static_cast<std::size_t>(std::countr_zero(level.hits));
    const bool inside = (level.inside >> child & 1) != 0;
    const std::uint32_t parent_level = level.node->level;
    level.hits &= level.hits - 1;
    if (level.unfetched != 0) fetch_leaf(level);
    const Node* node = view_.node(lead(level, child));
    if (level.hits == 0) leave();
    return {node, parent_level, inside};
  }

  [[gnu::always_inline]] ChildMasks look(const Node& node, std::uint32_t block,
                                         bool all_inside) const noexcept {
    if (!all_inside) return scan_children_(node, layout_, window_, block);
    const std::uint64_t all = first_of_word(node.count - block * kDirectoryLanes);
    return {all, all};
  }
  // Asks for the first line of the leaves behind the first, so that the processor looks their pages
  // up at the same time.
  [[gnu::always_inline]] void fetch_first_lines(const Level& level) const noexcept {
    std::uint64_t rest = level.hits & (level.hits - 1);
    for (std::size_t i = 0; i < kPagesAhead && rest != 0; ++i, rest &= rest - 1) {
      prefetch_at(view_, lead(level, static_cast<std::size_t>(std::countr_zero(rest))), 0);
    }
  }
  // Begins with the children of a chunk that are to be visited.
  [[gnu::always_inline]] void take_up(Level& level, const ChildMasks& masks) noexcept {
    level.hits = masks.hits;
    level.inside = masks.inside;
    if (level.node->level == 1) {
      if (layout_.code_pairs != 0) [[unlikely]] return;
      level.unfetched = level.hits;
      fetch_first_lines(level);
      for (std::size_t i = 0; i < kLeavesAhead && level.unfetched != 0; ++i) fetch_leaf(level);
      return;
    }
    // The first is entered at once.
    std::uint64_t rest = level.hits;
    if (level.node->level == 2 && rest != 0) {
      prefetch_family(view_, lead(level, static_cast<std::size_t>(std::countr_zero(rest))));
    }
    for (rest &= rest - 1; rest != 0; rest &= rest - 1) {
      const Lead<View> ahead = lead(level, static_cast<std::size_t>(std::countr_zero(rest)));
      if (is_far(view_, ahead)) [[unlikely]] load_far_children(level);
      view_.prefetch(ahead);
      if (level.node->level == 2) prefetch_family(view_, ahead);
    }
  }

  // Once a chunk, all that it shows and that are to be visited yet: then they are there. A disk
  // works on several at a time, so leaves below the parent's other children are read with them.
  [[gnu::noinline, gnu::cold]] void load_far_children(Level& level) const noexcept {
    if (level.far_were_loaded) return;
    if (far_ != nullptr) return leave_to_others(level);
    level.far_were_loaded = true;
    FarNodes<View> far;
    add_far_children(*level.node, level.block, level.hits, far);
    if (level.node->level == 1 && depth_ > 1) add_cousins(stack_[depth_ - 2], far);
    far.load(view_);
  }
  // Unless there is no room for all of them; then they are loaded when their turn comes.
  void leave_to_others(Level& level) const noexcept {
    if (far_->room() < static_cast<std::size_t>(std::popcount(level.hits))) return;
    level.far_were_loaded = true;
    add_far_children(*level.node, level.block, level.hits, *far_);
  }
  void add_far_children(const Node& node, std::uint32_t block, std::uint64_t children,
                        FarNodes<View>& far) const noexcept {
    for (; children != 0 && far.room() != 0; children &= children - 1) {
      const auto child = static_cast<std::size_t>(std::countr_zero(children));
      const Lead<View> ahead =
          lead_to_child(view_, node, layout_, block * kDirectoryLanes + child);
      if (is_far(view_, ahead)) far.add(ahead);
    }
  }
  void add_cousins(const Level& parent, FarNodes<View>& far) const noexcept {
    if (parent.node->level != 2) return;  // theirs has no child left
    std::uint64_t rest = parent.hits;
    for (; rest != 0 && far.room() != 0; rest &= rest - 1) {
      const auto child = static_cast<std::size_t>(std::countr_zero(rest));
      const Lead<View> sibling = lead(parent, child);
      const Node* node = is_far(view_, sibling) ? nullptr : view_.node(sibling);
      if (node == nullptr) continue;
      const bool inside = (parent.inside >> child & 1) != 0;
      for (std::uint32_t block = 0; block * kDirectoryLanes < node->count; block += kChunkBlocks) {
        const std::uint64_t hits =
            inside ? first_of_word(node->count - block * kDirectoryLanes)
                   : scan_children_(*node, layout_, window_, block).hits;
        add_far_children(*node, block, hits, far);
      }
    }
  }

  // Asks for what will be read of the next leaf: its header, and the values of as many blocks as
  // most have; if it does not lie inside the window, its codes too, or else its rows.
  void fetch_leaf(Level& level) const noexcept {
    const auto child = static_cast<std::size_t>(std::countr_zero(level.unfetched));
    const bool inside = (level.inside >> child & 1) != 0;
    level.unfetched &= level.unfetched - 1;
    const Lead<View> leaf = lead(level, child);
    if (is_far(view_, leaf)) [[unlikely]] return load_far_children(level);
    if (inside) {
      prefetch_at(view_, leaf, 0);
      if (use == InsideUse::values) fetch_values(leaf);
    } else {
      fetch_lines(leaf, layout_.tried_end);
      if (use == InsideUse::values && layout_.code_bytes != 0) fetch_values(leaf);
    }
  }
  [[gnu::always_inline]] void fetch_values(Lead<View> leaf) const noexcept {
    const std::size_t step = layout_.leaf_block_bytes;
    std::size_t at = layout_.leaf_bytes(0) + layout_.rows * kRowBytes;
    for (; at < layout_.usual_end; at += 3 * step) {
      prefetch_at(view_, leaf, at);
      prefetch_at(view_, leaf, at + step);
      prefetch_at(view_, leaf, at + 2 * step);
    }
  }
  void fetch_codes(Lead<View> leaf) const noexcept {
    fetch_lines(leaf, layout_.tried_end);
    if (!maxima_too_) return;
    const std::size_t end = layout_.max_pairs_at + layout_.tried_end - layout_.pairs_at;
    for (std::size_t at = layout_.max_pairs_at; at < end; at += 64) prefetch_at(view_, leaf, at);
  }
  // Some at a time, and perhaps a few more than are wanted.
  [[gnu::always_inline]] void fetch_lines(Lead<View> leaf, std::size_t end) const noexcept {
    for (std::size_t at = 0; at < end; at += 256) {
      prefetch_at(view_, leaf, at);
      prefetch_at(view_, leaf, at + 64);
      prefetch_at(view_, leaf, at + 128);
      prefetch_at(view_, leaf, at + 192);
    }
  }

  View view_;
  const Layout& layout_;
  decltype(SearchKernels<Scalar>::scan_children) scan_children_;
  const DirectoryWindow& window_;
  Ref start_;
  std::uint32_t depth_ = 0;
  bool failed_ = false;
  FarNodes<View>* far_ = nullptr;  // where others load what is far
  std::uint32_t waiting_ = 0;
  std::uint32_t first_waiting_;  // this and the rest for leaves with codes in pairs only
  std::uint32_t fetched_;  // of those that wait, the first
  bool maxima_too_;
  Waiting line_[kMostWaiting];
  Level stack_[kMaxHeight];
};

}  // namespace xtree::index
