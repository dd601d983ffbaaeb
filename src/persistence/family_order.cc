#include "persistence/family_order.h"

#include <algorithm>
#include <cstddef>

namespace xtree::persistence {

std::vector<std::uint32_t> family_order(std::span<const NodeId> ids,
                                        std::span<const FrameHeader* const> frames,
                                        const NodeFamily& family) {
  std::vector<std::uint32_t> order;
  order.reserve(ids.size());
  std::vector<bool> is_placed(ids.size());
  const auto place = [&](std::size_t i) {
    if (frames[i] == nullptr || is_placed[i]) return;
    is_placed[i] = true;
    order.push_back(static_cast<std::uint32_t>(i));
  };
  for (const FrameHeader* parent : frames) {
    if (parent == nullptr || family.child == nullptr) continue;
    for (std::size_t at = 0; at < parent->front.links; ++at) {
      const NodeId child = family.child(*parent, at);
      const auto found = std::ranges::lower_bound(ids, child.handle(), {}, &NodeId::handle);
      if (found == ids.end() || *found != child) continue;
      const auto i = static_cast<std::size_t>(found - ids.begin());
      if (frames[i] != nullptr && frames[i]->front.links == 0) place(i);
    }
  }
  for (std::size_t i = 0; i < ids.size(); ++i) place(i);
  return order;
}

}  // namespace xtree::persistence
