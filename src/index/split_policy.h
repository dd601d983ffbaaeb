// SplitPolicy: which child takes an entry, and how an overfull node is divided: what makes an
// R-tree the X-tree that it is.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

#include "index/policy.h"
#include "index/split.h"

namespace xtree::index {

// A policy is a Splitter, for the memory that a plan works in, with its own answers. It is a part
// of the Tree at compile time, so ours costs nothing; bench/tree/policies has those of the
// literature. One that keeps something of each node needs a store whose references stay, and a Tree
// that is kept as well.
template <class P, class Scalar>
concept SplitPolicy =
    std::derived_from<P, Splitter<Scalar>> &&
    std::constructible_from<P, const Layout&, const WriteKernels<Scalar>&> &&
    requires(P& policy, const P& asked, const Node& node, const FloatBox& box,
             std::span<const Node* const> sources, const Halves& halves) {
      // The blocks by which a node that stays whole gets longer.
      { P::kLongerBlocks } -> std::convertible_to<std::size_t>;
      // Whether all leaves of a directory node that is full may be packed anew.
      { P::kRepacks } -> std::convertible_to<bool>;
      // The child of a directory node into which the box goes.
      { asked.choose(node, box) } noexcept -> std::same_as<Choice>;
      // The sides of an overfull node, of which the first source has all lanes but one; the lanes
      // stay until the next plan begins. A directory node may stay whole instead.
      { policy.split_leaf(sources) } noexcept -> std::same_as<Sides>;
      { policy.split_directory(sources) } noexcept -> std::same_as<Sides>;
      // The sides of a node that overflowed have become nodes.
      { policy.has_split(halves) } noexcept;
    };

// Ours: design/xtree.md, "Choosing a subtree", "Splitting" and "Supernodes".
template <class Scalar>
class DefaultSplitPolicy : public Splitter<Scalar> {
 public:
  static constexpr std::size_t kLongerBlocks = 1;
  static constexpr bool kRepacks = true;

  using Splitter<Scalar>::Splitter;

  [[nodiscard]] Choice choose(const Node& node, const FloatBox& box) const noexcept {
    return this->kernels_.choose(node, this->layout_, box);
  }
  [[nodiscard]] Sides split_directory(std::span<const Node* const> sources) noexcept {
    Sides sides = Splitter<Scalar>::split_directory(sources);
    sides.keep_whole = this->layout_.dimensions >= kSupernodeDimensions &&
                       sides.overlap > kMaxOverlap && sources[0]->blocks < kMaxSupernodeBlocks;
    return sides;
  }
  void has_split(const Halves&) noexcept {}
};

}  // namespace xtree::index
