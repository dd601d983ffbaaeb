#include "persistence/evictor.h"

#include "persistence/links.h"
#include "persistence/version_chain.h"
#include "platform/plant.h"

namespace xtree::persistence {

std::size_t Evictor::evict(std::size_t bytes) noexcept {
  const std::uint32_t end = table_.slots_end();
  oldest_ = epochs_.oldest_epoch();
  std::size_t gone = 0;
  for (std::uint64_t left = std::uint64_t{end} * 2; left > 0 && gone < bytes; --left) {
    if (hand_ >= end) hand_ = 0;
    const FrameHeader* frame = table_.newest_at(hand_++);
    if (frame != nullptr && frame->front.links != 0) gone += evict_children(*frame);
  }
  return gone;
}

std::size_t Evictor::evict_children(const FrameHeader& parent) noexcept {
  std::size_t gone = 0;
  for (std::size_t place = 0; place < parent.front.links; ++place) {
    FrameHeader* child = idle_child(parent, place);
    if (child == nullptr || !may_go(*child)) continue;
    if (!collector_.discard_evicted(child, &parent, place)) return gone;
    loader_.unload(*child);
    close_links(child);
    close_link(&parent, place);
    gone += frame_bytes(*child);
    ++evicted_;
  }
  return gone;
}

// The child that no reader has come to by this link since the hand was here; null when there is
// none in memory.
FrameHeader* Evictor::idle_child(const FrameHeader& parent, std::size_t place) noexcept {
  const std::uint64_t link = load_link(&parent, place);
  if (is_cool(link)) return frame_at(link & ~kCoolLink);
  if (is_address(link)) {
    cool_link(&parent, place, link);
    return nullptr;
  }
  return link == kClosedLink ? nullptr : resident_child(parent, place);
}

FrameHeader* Evictor::resident_child(const FrameHeader& parent, std::size_t place) const noexcept {
  const NodeId id = family_.child(parent, place);
  if (!id) return nullptr;
  const ObjectTable::Lookup found = table_.look_up(id);
  return found.ended ? nullptr : found.frame;
}

bool Evictor::may_go(const FrameHeader& frame) noexcept {
  const bool forgets_versions = platform::planted(platform::Plant::evicted_beside_versions);
  if (older_version(&frame) != nullptr && !forgets_versions) return false;
  if (!loader_.is_on_disk(frame)) return false;
  const bool forgets_growth = platform::planted(platform::Plant::evicted_while_growing);
  if (family_.last_change != nullptr && family_.last_change(frame) > oldest_ && !forgets_growth) {
    return false;
  }
  for (std::size_t place = 0; place < frame.front.links; ++place) {
    if (resident_child(frame, place) != nullptr) return false;
  }
  return true;
}

}  // namespace xtree::persistence
