// What the tests of the tree share: entries of many kinds, a model, and a tree beside it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "index/memory_store.h"
#include "index/tree.h"
#include "index/verify.h"
#include "support/random.h"

namespace xtree::index {

enum class Data {
  uniform,
  clustered,
  identical,
  collinear,
  huge,
  denormal,
  sorted,
  grid,
  covering,    // each box covers nearly all that there is
  nested,      // each box lies around all before it
  magnitudes,  // numbers of every size
};

inline constexpr Data kAllData[] = {Data::uniform,   Data::clustered, Data::identical,
                                    Data::collinear, Data::huge,      Data::denormal,
                                    Data::sorted,    Data::grid,      Data::covering,
                                    Data::nested,    Data::magnitudes};

inline const char* name_of(Data data) {
  constexpr const char* kNames[] = {"uniform", "clustered", "identical", "collinear",
                                    "huge", "denormal", "sorted", "grid", "covering", "nested",
                                    "magnitudes"};
  return kNames[static_cast<int>(data)];
}

inline detail::Schema schema_of(int dimensions, bool doubles, bool points, int value_bytes = 8) {
  detail::Schema schema;
  schema.dimensions = static_cast<std::uint16_t>(dimensions);
  schema.scalar = doubles ? detail::ScalarType::float64 : detail::ScalarType::float32;
  schema.shape = points ? Shape::points : Shape::boxes;
  schema.value_bytes = static_cast<std::uint16_t>(value_bytes);
  return schema;
}

template <class Scalar>
struct Entry {
  std::vector<Scalar> geometry;
  std::vector<std::byte> value;
  friend bool operator==(const Entry&, const Entry&) = default;
  friend bool operator<(const Entry& a, const Entry& b) {
    if (a.geometry != b.geometry) return a.geometry < b.geometry;
    return a.value < b.value;
  }
};

// Makes entries of one kind; the n-th of a sorted kind lies behind the one before.
template <class Scalar>
class EntrySource {
 public:
  EntrySource(const Layout& layout, Data data, std::uint64_t seed)
      : layout_(layout), data_(data), random_(seed) {}

  Entry<Scalar> next() {
    Entry<Scalar> entry;
    const std::size_t dims = layout_.dimensions;
    entry.geometry.resize(layout_.rows);
    for (std::size_t axis = 0; axis < dims; ++axis) {
      const Scalar low = coordinate(axis);
      entry.geometry[axis] = low;
      if (layout_.points) continue;
      Scalar high = low + side();
      if (!(high >= low) || high > std::numeric_limits<Scalar>::max()) high = low;
      entry.geometry[dims + axis] = high;
    }
    entry.value.resize(layout_.value_bytes);
    const std::uint64_t id = serial_++ % 7 == 0 ? 7 : serial_;
    std::memcpy(entry.value.data(), &id, std::min<std::size_t>(sizeof id, entry.value.size()));
    return entry;
  }

  std::mt19937_64& random() { return random_; }

 private:
  double unit() { return std::uniform_real_distribution<double>(0, 1)(random_); }
  double magnitude() { return std::pow(10, (unit() * 2 - 1) * (sizeof(Scalar) == 8 ? 300 : 37)); }
  Scalar coordinate(std::size_t axis) {
    constexpr double kHuge = sizeof(Scalar) == 8 ? 1e300 : 1e38;
    constexpr double kTiny = sizeof(Scalar) == 8 ? 1e-310 : 1e-40;
    switch (data_) {
      case Data::uniform: return static_cast<Scalar>(unit());
      case Data::clustered:
        if (axis == 0) cluster_ = random_() % 5;
        return static_cast<Scalar>(static_cast<double>(cluster_ * 10) + unit() * unit() * 0.01);
      case Data::identical: return Scalar{3};
      case Data::collinear: return axis == 0 ? static_cast<Scalar>(unit()) : Scalar{-1};
      case Data::huge: return static_cast<Scalar>((unit() * 2 - 1) * kHuge);
      case Data::denormal: return static_cast<Scalar>(unit() * kTiny);
      case Data::sorted: return static_cast<Scalar>(serial_);
      case Data::grid: return static_cast<Scalar>(random_() % 4);
      case Data::covering: return static_cast<Scalar>(unit() * 0.01);
      case Data::nested: return -static_cast<Scalar>(serial_);
      case Data::magnitudes:
        return static_cast<Scalar>((random_() % 2 == 0 ? 1 : -1) * magnitude());
    }
    return 0;
  }
  Scalar side() {
    switch (data_) {
      case Data::huge: return static_cast<Scalar>(unit() * (sizeof(Scalar) == 8 ? 1e299 : 1e37));
      case Data::denormal: return 0;
      case Data::identical: return Scalar{1};
      case Data::grid: return static_cast<Scalar>(random_() % 2);
      case Data::covering: return static_cast<Scalar>(1 + unit() * 0.01);
      case Data::nested: return 2 * static_cast<Scalar>(serial_);
      case Data::magnitudes: return static_cast<Scalar>(magnitude());
      default: return static_cast<Scalar>(unit() * 0.05);
    }
  }

  const Layout& layout_;
  Data data_;
  std::mt19937_64 random_;
  std::uint64_t serial_ = 0;
  std::uint64_t cluster_ = 0;
};

// A tree in a store, and the entries that it should hold.
template <class Scalar, class Store = MemoryStore>
class ModelledTree {
 public:
  template <class... StoreArguments>
  explicit ModelledTree(const detail::Schema& schema, Isa isa = best_isa(),
                        StoreArguments... arguments)
      : layout(schema), kernels(write_kernels<Scalar>(layout, isa)), store(arguments...) {}

  [[nodiscard]] Tree<Scalar, Store> tree() { return {layout, kernels, store, root}; }

  Result<void> insert(const Entry<Scalar>& entry) {
    auto done = tree().insert(entry.geometry.data(), entry.value.data());
    if (done) model.push_back(entry);
    return done;
  }
  Result<void> insert_all(EntrySource<Scalar>& source, std::size_t count) {
    std::vector<Entry<Scalar>> entries;
    for (std::size_t i = 0; i < count; ++i) entries.push_back(source.next());
    return insert_all(entries);
  }
  // Laid out as a batch has them.
  Result<void> insert_all(const std::vector<Entry<Scalar>>& entries) {
    const std::size_t geometry_bytes = layout.rows * sizeof(Scalar);
    const std::size_t stride = (geometry_bytes + layout.value_bytes + 7) / 8 * 8;
    std::vector<std::byte> bytes(entries.size() * stride);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      std::memcpy(&bytes[i * stride], entries[i].geometry.data(), geometry_bytes);
      std::memcpy(&bytes[i * stride + geometry_bytes], entries[i].value.data(), layout.value_bytes);
    }
    auto done =
        tree().insert_all({bytes.data(), bytes.data() + geometry_bytes, stride, entries.size()});
    if (done) model.insert(model.end(), entries.begin(), entries.end());
    return done;
  }
  // Takes entry `index` out of both.
  Result<bool> erase(std::size_t index) {
    const Entry<Scalar> entry = model[index];
    auto done = tree().erase(entry.geometry.data(), entry.value.data());
    if (done && *done) {
      model[index] = model.back();
      model.pop_back();
    }
    return done;
  }
  Result<bool> update(std::size_t index, const std::vector<Scalar>& to) {
    const Entry<Scalar>& entry = model[index];
    auto done = tree().update(entry.geometry.data(), to.data(), entry.value.data());
    if (done && *done) model[index].geometry = to;
    return done;
  }

  // All entries, found by walking every node without looking at boxes.
  [[nodiscard]] std::vector<Entry<Scalar>> collect() const {
    std::vector<Entry<Scalar>> entries;
    if (root.node != 0) collect_below(root.node, entries);
    return entries;
  }
  void expect_equal_to_model() {
    IndexStats stats;
    std::uint64_t visited = 0;
    const auto verified =
        verify_tree<Scalar>(layout, store.view(), root, stats, [&](Ref) { ++visited; });
    ASSERT_TRUE(verified.has_value()) << verified.error().message();
    EXPECT_EQ(visited, stats.leaves + stats.directory_nodes);
    EXPECT_EQ(stats.entries, model.size());
    EXPECT_EQ(store.nodes(), visited) << "a node is leaked";
    auto held = collect();
    auto wanted = model;
    std::sort(held.begin(), held.end());
    std::sort(wanted.begin(), wanted.end());
    EXPECT_TRUE(held == wanted);
  }

  const Layout layout;
  const WriteKernels<Scalar>& kernels;
  Store store;
  Root root;
  std::vector<Entry<Scalar>> model;

 private:
  void collect_below(Ref ref, std::vector<Entry<Scalar>>& entries) const {
    const Node& node = *store.view().node(ref);
    for (std::size_t i = 0; i < node.count; ++i) {
      if (node.level != 0) {
        collect_below(child_ref(node, layout, i), entries);
        continue;
      }
      Entry<Scalar> entry;
      entry.geometry.resize(layout.rows);
      read_geometry(node, layout, i, entry.geometry.data());
      const std::byte* value = entry_value<Scalar>(node, layout, i);
      entry.value.assign(value, value + layout.value_bytes);
      entries.push_back(std::move(entry));
    }
  }
};

// Inserts, erases and moves at random, with more of one or the other by turns, and compares with
// the model now and then. Ends empty.
template <class Scalar, class Store>
void live_through(ModelledTree<Scalar, Store>& tree, EntrySource<Scalar>& source, int operations) {
  auto& random = source.random();
  const int turn = operations / 4;
  for (int i = 0; i < operations; ++i) {
    const bool shrinks = i / turn % 2 == 1;
    const std::uint64_t dice = random() % 10;
    if (tree.model.empty() || dice < (shrinks ? 2u : 7u)) {
      const std::size_t count = random() % 32 == 0 ? random() % 24 + 2 : 1;
      const auto done = count == 1 ? tree.insert(source.next()) : tree.insert_all(source, count);
      ASSERT_TRUE(done.has_value()) << done.error().message();
    } else if (dice < 8) {
      const auto done = tree.erase(random() % tree.model.size());
      ASSERT_TRUE(done.has_value()) << done.error().message();
      ASSERT_TRUE(*done);
    } else {
      const std::size_t index = random() % tree.model.size();
      std::vector<Scalar> to = source.next().geometry;
      if (random() % 2 == 0) {
        // A small move, which often stays in the leaf.
        to = tree.model[index].geometry;
        if (tree.layout.points) to[0] = tree.model[random() % tree.model.size()].geometry[0];
      }
      const auto done = tree.update(index, to);
      ASSERT_TRUE(done.has_value()) << done.error().message();
      ASSERT_TRUE(*done);
    }
    if (i % turn == turn - 1) {
      ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
    }
  }
  while (!tree.model.empty()) {
    const auto done = tree.erase(random() % tree.model.size());
    ASSERT_TRUE(done.has_value() && *done);
    if (tree.model.size() % 256 == 0) {
      ASSERT_NO_FATAL_FAILURE(tree.expect_equal_to_model());
    }
  }
  EXPECT_EQ(tree.root.node, 0u);
  EXPECT_EQ(tree.root.height, 0u);
}

inline std::uint64_t fresh_seed() { return test::test_seed("tree"); }

}  // namespace xtree::index
