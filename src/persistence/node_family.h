// NodeFamily: what persistence has to know about the children of a node.
#pragma once

#include <cstddef>
#include <cstdint>

#include "persistence/frame.h"
#include "persistence/node_id.h"
#include "xtree/options.h"

namespace xtree::persistence {

// The layer that gives nodes their meaning provides it. Any thread calls these functions.
struct NodeFamily {
  // What is to stand in front of a version like this one, which may have been read from disk. It is
  // whole and of the size that it says; what it means is for the function to find out. Only what
  // may be changed in place gets stamps.
  FrameFront (*front)(const FrameHeader& version) noexcept = nullptr;
  // The epoch in which a version was last changed in place; 0 when it never was.
  std::uint64_t (*last_change)(const FrameHeader& version) noexcept = nullptr;
  // How its image is to lie in files; null means that all are as they are.
  Compression (*compression)(const FrameHeader& frame) noexcept = nullptr;
  // The child at a place of a frame with links; a null NodeID when there is none.
  NodeId (*child)(const FrameHeader& frame, std::size_t index) noexcept = nullptr;
};

}  // namespace xtree::persistence
