// Join: the pairs of entries of two trees whose boxes intersect.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "index/bounds.h"
#include "index/node.h"
#include "index/search_kernels.h"
#include "index/tree_reader.h"
#include "xtree/detail/engine.h"
#include "xtree/result.h"

namespace xtree::index {

// Walks both trees at once, after Brinkhoff, Kriegel and Seeger, "Efficient processing of spatial
// joins using R-trees", SIGMOD 1993: down into the pairs of children whose boxes intersect, and of
// each node only the children that reach the other node's box. Where that paper sweeps along an
// axis, one child or entry is compared with all lanes of the other node at once. design/xtree.md,
// "Joins".
template <class Scalar>
class Join final : public detail::JoinCore {
 public:
  using Reader = std::unique_ptr<detail::TreeReader>;

  // The schemas have the same number of dimensions and the same scalar.
  Join(const detail::Schema& first, Reader first_reader, const detail::Schema& second,
       Reader second_reader);

  bool next(detail::PairHits& hits) override;
  std::uint64_t count_rest() override;
  Result<void> status() const override;

 private:
  struct Side {
    Layout layout;
    SearchKernels<Scalar> kernels;
    EitherView view;
  };
  // Two nodes that reach each other, under way. The children of `outer` (an index of sides) that
  // reach the other node are taken one by one; if both nodes are on one level, each of them with
  // all children of the other one that it reaches.
  struct Level {
    const Node* node[2];
    FloatBox box[2];
    std::uint32_t outer;
    bool both;
    std::uint32_t outer_block;  // where the chunk begins whose children are in `outer_left`
    std::uint32_t inner_block;
    std::uint64_t outer_left;
    std::uint64_t inner_left;
    const Node* child;  // of the outer node, whose turn it is
    FloatBox child_box;
  };
  // Two leaves that reach each other: the entries of `outer` that reach the other leaf's box.
  struct Leaves {
    const Node* node[2];
    std::uint32_t outer;
    std::uint64_t left[detail::kMaxLeafEntries / 64];
  };

  // Each step goes down by a level in one tree or both.
  static constexpr std::size_t kMostLevels = 2 * kMaxHeight;

  void begin() noexcept;
  [[nodiscard]] bool next_entry(detail::Window<Scalar>& window, std::uint32_t& entry) noexcept;
  [[nodiscard]] bool next_leaves() noexcept;
  void step(Level& level) noexcept;
  void step_inner(Level& level) noexcept;
  void take_outer(Level& level, const Node* child, const FloatBox& box) noexcept;
  void look_at_inner(Level& level) noexcept;
  void enter(const Node* first, const FloatBox& first_box, const Node* second,
             const FloatBox& second_box) noexcept;
  void enter_leaves(const Level& pair) noexcept;
  [[nodiscard]] std::uint64_t reaching(std::uint32_t side, const Node& node, std::uint32_t block,
                                       const FloatBox& box) const noexcept;
  std::size_t entries_reaching(std::uint32_t side, const Node& leaf, const FloatBox& box,
                               std::uint64_t* mask) const noexcept;
  const Node* child_of(std::uint32_t side, const Node& node, std::size_t child,
                       FloatBox& box) noexcept;
  void fail() noexcept;

  const std::size_t dimensions_;
  const Reader first_;
  const Reader second_;
  Side sides_[2];
  bool failed_ = false;
  bool in_leaves_ = false;
  Leaves leaves_;
  std::size_t depth_ = 0;
  Level levels_[kMostLevels];
};

extern template class Join<float>;
extern template class Join<double>;

}  // namespace xtree::index
