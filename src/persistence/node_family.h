// NodeFamily: what persistence has to know about the children of a node.
#pragma once

#include <cstddef>

#include "persistence/frame.h"
#include "persistence/node_id.h"

namespace xtree::persistence {

// The layer that gives nodes their meaning provides it. Any thread calls these functions.
struct NodeFamily {
  // How many links the frame of an image from disk is to have, a multiple of 8. The image is whole
  // and of the size that it says; what it means is for the function to find out.
  std::size_t (*link_count)(const FrameHeader& image) noexcept = nullptr;
  // The child at a place of a frame with links; a null NodeID when there is none.
  NodeId (*child)(const FrameHeader& frame, std::size_t index) noexcept = nullptr;
};

}  // namespace xtree::persistence
