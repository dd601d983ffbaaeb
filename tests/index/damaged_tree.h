// DamagedTree: a sound tree whose bytes are harmed on purpose and put back.
#pragma once

#include <gtest/gtest.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "index/tree_fixture.h"
#include "support/random.h"

namespace xtree::index {

// Follows references as a durable store does: what is no node's reference cannot be read.
class CheckedView {
 public:
  using Images = std::map<Ref, std::vector<std::byte>>;

  explicit CheckedView(const Images* images) noexcept : images_(images) {}
  const Node* node(Ref ref) const noexcept {
    return images_->count(ref) == 1 ? MemoryView().node(ref) : nullptr;
  }
  void prefetch(Ref) const noexcept {}

 private:
  const Images* images_;
};
static_assert(NodeView<CheckedView>);

template <class Scalar>
class DamagedTree : public ModelledTree<Scalar> {
 public:
  using ModelledTree<Scalar>::ModelledTree;

  // Where a node hangs; the root has no parent.
  struct Place {
    Ref ref = 0;
    std::size_t level = 0;
    Ref parent = 0;
    std::size_t lane = 0;
  };

  // Takes the tree as it is for sound.
  void remember() {
    images_.clear();
    levels_.assign(this->root.height, {});
    good_root_ = this->root;
    if (this->root.node != 0) remember_below({this->root.node, this->root.height - 1, 0, 0});
  }
  void restore() {
    for (const auto& [ref, image] : images_) {
      std::memcpy(static_cast<void*>(&node(ref)), image.data(), image.size());
    }
    this->root = good_root_;
  }

  Node& node(Ref ref) { return *this->store.edit(ref); }
  const std::vector<Place>& at_level(std::size_t level) const { return levels_[level]; }
  const Place& any_at(std::size_t level, test::Random& random) const {
    return levels_[level][random.below(levels_[level].size())];
  }
  const Place& any_directory(test::Random& random) const {
    return any_at(random.between(1, levels_.size() - 1), random);
  }
  const Place& place_of(Ref ref) const {
    for (const auto& level : levels_) {
      for (const Place& place : level) {
        if (place.ref == ref) return place;
      }
    }
    return levels_.back().front();
  }
  const CheckedView::Images& images() const { return images_; }
  CheckedView view() const { return CheckedView(&images_); }

  // What verify says of the tree: nothing, or the message of its error.
  std::string verdict() {
    const auto verified = verify_tree<Scalar>(this->layout, view(), this->root, stats, [](Ref) {});
    return verified ? std::string() : verified.error().message();
  }
  static std::string fault(Ref ref, std::size_t level, const char* rule) {
    char text[200];
    std::snprintf(text, sizeof text, "index: node %" PRIx64 ", level %zu: %s", ref, level, rule);
    return text;
  }

  // Does harm, and expects that verify names the rule and the node that breaks it.
  template <class Harm>
  void expect_fault(const Place& named, const char* rule, Harm harm) {
    harm();
    EXPECT_EQ(verdict(), fault(named.ref, named.level, rule));
    restore();
    ASSERT_EQ(verdict(), "");
  }

  IndexStats stats;

 private:
  void remember_below(const Place& place) {
    const Node& here = node(place.ref);
    const auto* bytes = reinterpret_cast<const std::byte*>(&here);
    images_[place.ref].assign(bytes, bytes + here.frame.bytes);
    levels_[place.level].push_back(place);
    if (place.level == 0) return;
    for (std::size_t i = 0; i < here.count; ++i) {
      remember_below({child_ref(here, this->layout, i), place.level - 1, place.ref, i});
    }
  }

  CheckedView::Images images_;
  std::vector<std::vector<Place>> levels_;
  Root good_root_;
};

// Inserts until the tree has three levels or so many entries, and takes some out again, so that
// there are nodes of many fills.
template <class Scalar>
void grow(DamagedTree<Scalar>& tree, Data data, std::uint64_t seed, std::size_t most) {
  EntrySource<Scalar> source(tree.layout, data, seed);
  while (tree.root.height < 3 && tree.model.size() < most) {
    ASSERT_TRUE(tree.insert(source.next()).has_value());
  }
  for (std::size_t i = tree.model.size() / 8; i > 0; --i) {
    ASSERT_TRUE(tree.insert(source.next()).has_value());
    ASSERT_TRUE(tree.insert(source.next()).has_value());
    const auto erased = tree.erase(source.random()() % tree.model.size());
    ASSERT_TRUE(erased.has_value() && *erased);
  }
  tree.remember();
  ASSERT_EQ(tree.verdict(), "");
}

}  // namespace xtree::index
