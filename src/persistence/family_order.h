// The order in which the nodes of a checkpoint are written.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "persistence/frame.h"
#include "persistence/node_family.h"
#include "persistence/node_id.h"

namespace xtree::persistence {

// Leaves of one parent first, parent by parent, so that a query which reads some of them finds them
// next to each other; then everything else: leaves whose parents have not changed, and nodes with
// children, which are read together when a database is opened. Within that, by place in the parent,
// and by handle. `ids` ascend by handle; the answer has the place of each whose frame is not null.
[[nodiscard]] std::vector<std::uint32_t> family_order(
    std::span<const NodeId> ids, std::span<const FrameHeader* const> frames,
    const NodeFamily& family);

}  // namespace xtree::persistence
