// TreeReader: a whole tree as one reader sees it, for work that goes beyond one query.
#pragma once

#include <memory>
#include <optional>

#include "index/durable_store.h"
#include "index/memory_store.h"
#include "index/node.h"
#include "index/store.h"
#include "xtree/detail/engine.h"
#include "xtree/result.h"

namespace xtree::index {

// Follows references of either store: one branch for a node, which costs nothing beside the work
// that is done with it, and half as much code as a template for each.
class EitherView {
 public:
  EitherView() noexcept = default;  // of a tree in memory
  explicit EitherView(const DurableView& view) noexcept : durable_(view) {}

  [[nodiscard]] const Node* node(Ref ref) const noexcept {
    return durable_ ? durable_->node(ref) : MemoryView().node(ref);
  }
  void prefetch(Ref ref) const noexcept {
    durable_ ? durable_->prefetch(ref) : MemoryView().prefetch(ref);
  }
  [[nodiscard]] std::uint32_t entry_count(const Node& leaf) const noexcept {
    return durable_ ? durable_->entry_count(leaf) : leaf.count;
  }

 private:
  std::optional<DurableView> durable_;
};
static_assert(NodeView<EitherView>);

}  // namespace xtree::index

namespace xtree::detail {

// The tree stays as it is, and readable, for as long as the reader lives; a tree in memory only if
// nobody changes it.
class TreeReader {
 public:
  TreeReader(const index::EitherView& view, const index::Root& root) noexcept
      : view_(view),
        root_(root) {}
  TreeReader(const TreeReader&) = delete;
  TreeReader& operator=(const TreeReader&) = delete;
  virtual ~TreeReader() = default;

  [[nodiscard]] const index::EitherView& view() const noexcept { return view_; }
  [[nodiscard]] const index::Root& root() const noexcept { return root_; }
  // Why the view could not follow a reference.
  [[nodiscard]] virtual Result<void> status() const { return {}; }

 private:
  index::EitherView view_;
  index::Root root_;
};

}  // namespace xtree::detail
