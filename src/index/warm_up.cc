#include "index/warm_up.h"

#include <algorithm>
#include <span>
#include <vector>

#include "index/node_access.h"

namespace xtree::index {
namespace {

using Child = DurableView::Lead;

// Those of them that are not in memory.
void load_all(DurableView view, std::span<const Child> nodes) noexcept {
  constexpr std::size_t kMost = persistence::ReadView::kMostAtOnce;
  for (; nodes.size() > kMost; nodes = nodes.subspan(kMost)) view.load_ahead(nodes.first(kMost));
  view.load_ahead(nodes);
}

}  // namespace

void warm_up(const Layout& layout, DurableView view, const Root& root, std::size_t most_nodes) {
  if (root.node == 0) return;
  std::vector<Child> nodes = {view.lead(root.node)};
  std::vector<Child> children;
  for (std::uint32_t level = root.height - 1; level > 0 && !nodes.empty(); --level) {
    nodes.resize(std::min(nodes.size(), most_nodes), nodes.front());
    most_nodes -= nodes.size();
    load_all(view, nodes);
    children.clear();
    for (const Child lead : nodes) {
      if (level == 1 || children.size() >= most_nodes) break;
      const Node* node = view.node(lead);
      if (node == nullptr) return;
      for (std::size_t i = 0; i < node->count; ++i) {
        children.push_back(view.lead(child_ref(*node, layout, i)));
      }
    }
    nodes.swap(children);
  }
}

}  // namespace xtree::index
