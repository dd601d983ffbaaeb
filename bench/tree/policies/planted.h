// Planted: a tree that a split policy has grown, its shape, and its answers.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "index/isa.h"
#include "index/nearest.h"
#include "index/scan.h"
#include "index/tree.h"
#include "support/brute_force.h"
#include "support/stopwatch.h"
#include "tree/policies/rectangle.h"
#include "tree/policies/table_store.h"

namespace bench {

struct TreeFigures {
  std::uint64_t leaves = 0;
  std::uint64_t directories = 0;  // supernodes among them
  std::uint64_t supernodes = 0;
  std::uint64_t supernode_lengths = 0;  // in directory nodes of the usual length
  std::uint32_t height = 0;
  // Of the places in a directory node, the part that lies in more than one of its children; the
  // mean over nodes, by places. The paper of the X-tree calls it the weighted overlap.
  double overlap = 0;
};

template <class Geometry>
xtree::detail::Schema schema_of() {
  xtree::detail::Schema schema;
  schema.dimensions = Geometry::kDimensions;
  schema.shape = kIsPoint<Geometry> ? xtree::Shape::points : xtree::Shape::boxes;
  return schema;
}

// Points or boxes of doubles with their numbers, inserted one by one in their order.
template <class Geometry, class Policy>
class Planted {
 public:
  static constexpr int D = Geometry::kDimensions;
  using Point = xtree::Point<D>;
  using Box = xtree::Box<D>;

  explicit Planted(const Entries<Geometry>& entries)
      : layout_(schema_of<Geometry>()),
        search_(xtree::index::make_search_kernels<double>(layout_, xtree::index::best_isa())) {
    const auto& write = xtree::index::write_kernels<double>(layout_, xtree::index::best_isa());
    xtree::index::Tree<double, TableStore, Policy> tree(layout_, write, store_, root_);
    insert_seconds_ = seconds_of([&] {
      for (const auto& entry : entries) {
        tree.insert(entry.geometry.data(), reinterpret_cast<const std::byte*>(&entry.value))
            .value();
      }
    });
  }

  [[nodiscard]] double insert_seconds() const { return insert_seconds_; }

  [[nodiscard]] Answer window(const Box& box, Accesses* accesses = nullptr) const {
    xtree::detail::Window<double> window;
    xtree::detail::open_window(window, D);
    xtree::intersects(box).narrow(window);
    xtree::index::Scan<double, TableStore::View> scan(TableStore::View(store_, accesses), layout_,
                                                      search_, root_.node, window);
    Answer answer;
    for (xtree::detail::LeafHits hits; scan.next(hits);) {
      for (std::size_t i = 0; i < layout_.leaf_capacity(); ++i) {
        if ((hits.mask[i / 64] >> i % 64 & 1) != 0) answer.add(value_at(hits, i));
      }
    }
    return answer;
  }

  // The distances of the nearest `count`.
  [[nodiscard]] std::vector<double> nearest(const Point& place, std::size_t count,
                                            Accesses* accesses = nullptr) const {
    const Box target(place);
    xtree::index::Nearest<double, TableStore::View> nearest(
        TableStore::View(store_, accesses), layout_, search_, root_,
        {.target = target.data(), .limit = count});
    std::vector<double> distances;
    for (xtree::detail::NearestHits hits; nearest.next(hits);) {
      for (std::size_t i = 0; i < hits.count; ++i) distances.push_back(hits.hits[i].distance);
    }
    return distances;
  }

  // The overlap is that of the places, each of which lies in an entry.
  [[nodiscard]] TreeFigures figures(const std::vector<Point>& places) const {
    TreeFigures figures;
    figures.height = root_.height;
    store_.for_each_node([&figures](const xtree::index::Node& node) {
      ++(node.level == 0 ? figures.leaves : figures.directories);
      if (lengths_of(node) <= 1) return;
      ++figures.supernodes;
      figures.supernode_lengths += lengths_of(node);
    });
    Overlap overlap;
    for (const Point& place : places) visit(*store_.view().node(root_.node), place, overlap);
    if (overlap.covered != 0) {
      figures.overlap = static_cast<double>(overlap.shared) / static_cast<double>(overlap.covered);
    }
    return figures;
  }

 private:
  struct Overlap {
    std::uint64_t covered = 0;
    std::uint64_t shared = 0;
  };

  [[nodiscard]] std::uint64_t value_at(const xtree::detail::LeafHits& hits, std::size_t i) const {
    const auto& leaf = *reinterpret_cast<const xtree::index::Node*>(hits.blocks -
                                                                    layout_.leaf_bytes(0));
    std::uint64_t value = 0;
    std::memcpy(&value, xtree::index::entry_value<double>(leaf, layout_, i), sizeof(value));
    return value;
  }

  void visit(const xtree::index::Node& node, const Point& place, Overlap& overlap) const {
    if (node.level == 0) return;
    std::uint64_t children = 0;
    for (std::size_t i = 0; i < node.count; ++i) {
      if (!holds(child_rectangle<D>(node, layout_, i), place)) continue;
      ++children;
      visit(*store_.view().node(child_ref(node, layout_, i)), place, overlap);
    }
    if (children > 0) ++overlap.covered;
    if (children > 1) ++overlap.shared;
  }
  static bool holds(const Rectangle<D>& rectangle, const Point& place) {
    for (int axis = 0; axis < D; ++axis) {
      const double at = place[static_cast<std::size_t>(axis)];
      if (at < rectangle.low[axis] || at > rectangle.high[axis]) return false;
    }
    return true;
  }

  xtree::index::Layout layout_;
  xtree::index::SearchKernels<double> search_;
  TableStore store_;
  xtree::index::Root root_;
  double insert_seconds_ = 0;
};

}  // namespace bench
