// DurableStore: the tree's nodes as versions behind NodeIDs.
#pragma once

#include <cstddef>

#include "index/node.h"
#include "index/store.h"
#include "persistence/version_store.h"

namespace xtree::index {

// What a reader sees at one epoch. The guard that keeps that epoch readable, and the place where a
// failed read leaves its error, belong to the query and outlive the view.
class DurableView {
 public:
  explicit DurableView(const persistence::ReadView& view) noexcept : view_(view) {}

  [[nodiscard]] const Node* node(Ref ref) const noexcept {
    return reinterpret_cast<const Node*>(view_.version(persistence::NodeId{ref}));
  }
  // A packed node's children have the handles behind its own.
  void prefetch_family(Ref ref) const noexcept {
    view_.prefetch_slots_behind(persistence::NodeId{ref}, kDirectoryBlocks * kDirectoryLanes);
  }
  void prefetch(Ref ref) const noexcept {
    view_.prefetch<kPrefetchedLines>(persistence::NodeId{ref});
  }
  void prefetch_at(Ref ref, std::size_t offset) const noexcept {
    view_.prefetch_at(persistence::NodeId{ref}, offset);
  }

 private:
  persistence::ReadView view_;
};

// The writer's side, for the running epoch. A few words, made where it is needed.
class DurableStore {
 public:
  using View = DurableView;

  // `newest` is the writer's own view, of everything so far. New nodes are `owner`'s.
  DurableStore(persistence::VersionStore& store, const persistence::ReadView& newest,
               const NodeOwner& owner) noexcept
      : store_(store), newest_(newest), owner_(owner) {}

  [[nodiscard]] View view() noexcept { return newest_; }
  [[nodiscard]] bool reserve(std::size_t bytes,
                             std::size_t largest = persistence::kMaxFrameBytes) noexcept {
    return store_.reserve(bytes, largest);
  }
  [[nodiscard]] Node* create(std::size_t bytes) noexcept {
    auto* node = reinterpret_cast<Node*>(store_.create(bytes));
    if (node != nullptr) node->owner = owner_;
    return node;
  }
  [[nodiscard]] Node* create_unwritten(std::size_t bytes) noexcept {
    return reinterpret_cast<Node*>(store_.create_unwritten(bytes));
  }
  [[nodiscard]] Node* edit(Ref ref) noexcept {
    return reinterpret_cast<Node*>(store_.edit(persistence::NodeId{ref}));
  }
  [[nodiscard]] Node* resize(Ref ref, std::size_t bytes) noexcept {
    return reinterpret_cast<Node*>(store_.resize(persistence::NodeId{ref}, bytes));
  }
  void destroy(Ref ref) noexcept { store_.destroy(persistence::NodeId{ref}); }

 private:
  persistence::VersionStore& store_;
  View newest_;
  NodeOwner owner_;
};

static_assert(NodeStore<DurableStore>);

}  // namespace xtree::index
