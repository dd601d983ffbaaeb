// TableStore: nodes whose references stay whatever becomes of them, and a count of how many are
// looked at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "index/store.h"

namespace bench {

// What a query reads, in nodes of the usual length: a supernode counts as often as it is longer.
struct Accesses {
  std::uint64_t leaves = 0;
  std::uint64_t directories = 0;
};

// A node in nodes of the usual length.
[[nodiscard]] inline std::uint64_t lengths_of(const xtree::index::Node& node) {
  if (node.level == 0) return 1;
  return xtree::index::blocks_for(node.blocks, xtree::index::kDirectoryBlocks);
}

// Models NodeStore. A reference is a place in a table, as a NodeID is, so that a split policy can
// keep something of each node.
class TableStore {
 public:
  using Node = xtree::index::Node;
  using Ref = xtree::index::Ref;
  static constexpr std::size_t kFrontWordBytes = 0;

  // Counts into `accesses`, unless that is null.
  class View {
   public:
    explicit View(const TableStore& store, Accesses* accesses = nullptr) noexcept
        : store_(&store),
          accesses_(accesses) {}
    [[nodiscard]] const Node* node(Ref ref) const noexcept {
      const Node* node = store_->nodes_[ref].get();
      if (accesses_ != nullptr) {
        (node->level == 0 ? accesses_->leaves : accesses_->directories) += lengths_of(*node);
      }
      return node;
    }
    void prefetch(Ref ref) const noexcept {
      const auto* line = reinterpret_cast<const char*>(store_->nodes_[ref].get());
      for (std::size_t i = 0; i < xtree::index::kPrefetchedLines; ++i) {
        __builtin_prefetch(line + 64 * i);
      }
    }

   private:
    const TableStore* store_;
    Accesses* accesses_;
  };

  TableStore() : nodes_(1) {}  // no node has the reference 0

  [[nodiscard]] View view() const noexcept { return View(*this); }
  [[nodiscard]] bool reserve(std::size_t, std::size_t = 0) const noexcept { return true; }
  [[nodiscard]] Node* create(std::size_t bytes, xtree::persistence::FrameFront = {}) noexcept {
    nodes_.emplace_back();
    return put(nodes_.size() - 1, bytes, nullptr);
  }
  [[nodiscard]] Node* create_unwritten(std::size_t bytes,
                                       xtree::persistence::FrameFront = {}) noexcept {
    return create(bytes);
  }
  [[nodiscard]] Node* edit(const Node& newest) noexcept { return const_cast<Node*>(&newest); }
  [[nodiscard]] Node* resize(Ref ref, std::size_t bytes,
                             xtree::persistence::FrameFront = {}) noexcept {
    if (nodes_[ref]->frame.bytes == bytes) return nodes_[ref].get();
    const Memory old = std::move(nodes_[ref]);
    return put(ref, bytes, old.get());
  }
  void destroy(Ref ref) noexcept { nodes_[ref].reset(); }

  // Calls `f(node)` for every node.
  template <class F>
  void for_each_node(F&& f) const {
    for (const Memory& node : nodes_) {
      if (node != nullptr) f(*node);
    }
  }

 private:
  struct Free {
    void operator()(Node* node) const noexcept { std::free(node); }
  };
  using Memory = std::unique_ptr<Node, Free>;

  // A node of so many bytes, with what the old one had.
  Node* put(Ref ref, std::size_t bytes, const Node* old) noexcept {
    auto* node = static_cast<Node*>(std::aligned_alloc(64, bytes));
    if (node == nullptr) std::abort();
    std::memset(static_cast<void*>(node), 0, bytes);
    if (old != nullptr) {
      std::memcpy(static_cast<void*>(node), old, std::min<std::size_t>(bytes, old->frame.bytes));
    }
    node->frame.node_id = ref;
    node->frame.bytes = static_cast<std::uint32_t>(bytes);
    nodes_[ref].reset(node);
    return node;
  }

  std::vector<Memory> nodes_;
};

static_assert(xtree::index::NodeStore<TableStore>);

}  // namespace bench
