#include "persistence/node_loader.h"

#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "persistence/storage.h"
#include "platform/check.h"
#include "platform/without_throwing.h"

namespace xtree::persistence {
namespace {

Error damaged(NodeId id, const char* text) noexcept {
  char place[40];
  std::snprintf(place, sizeof place, "node %016" PRIx64, id.bits);
  return Error(ErrorCode::corruption, place, text);
}

Error no_memory() noexcept {
  return Error(ErrorCode::out_of_memory, "node", "there is no memory to load a node into");
}

}  // namespace

Result<FrameHeader*> NodeLoader::load(NodeId id) noexcept {
  const std::lock_guard lock(lock_of(id));
  const ObjectTable::Lookup found = table_.look_up(id);
  if (found.state != ObjectTable::State::cold) return found.frame;
  const TableEntry entry = table_.on_disk(id);
  if (source_ == nullptr || entry.id != id) return damaged(id, "the node is in no checkpoint");
  Result<FrameHeader*> frame = read(entry);
  if (!frame) return frame;
  // The node's children may live on without it.
  if (found.ended) close_links(*frame);
  table_.fill(id, *frame);
  return frame;
}

Result<FrameHeader*> NodeLoader::read(const TableEntry& entry) noexcept {
  void* memory = frames_.allocate_beside_writer(entry.bytes);
  if (memory == nullptr) return no_memory();
  const std::span image(static_cast<std::byte*>(memory), entry.bytes);
  Result<void> result =
      platform::without_throwing("node", [&] { return source_->read(entry, image); });
  if (result) result = check(entry, image);
  if (!result) {
    frames_.release(memory, entry.bytes);
    return result.error();
  }
  return make_frame(memory, entry.bytes);
}

// Makes a frame of an image that is believed, in its place unless it needs room for links.
Result<FrameHeader*> NodeLoader::make_frame(void* image, std::size_t bytes) noexcept {
  auto* frame = static_cast<FrameHeader*>(image);
  const std::size_t links = link_count_ == nullptr ? 0 : link_count_(*frame);
  if (links != 0) {
    void* memory = frames_.allocate_beside_writer(frame_bytes(bytes, links));
    if (memory != nullptr) {
      frame = frame_in(memory, links);
      std::memcpy(static_cast<void*>(frame), image, bytes);
    }
    frames_.release(image, bytes);
    if (memory == nullptr) return no_memory();
  }
  frame->previous = nullptr;
  frame->links = static_cast<std::uint32_t>(links);
  forget_links(frame);
  return frame;
}

Result<void> NodeLoader::check(const TableEntry& entry,
                               std::span<const std::byte> image) const noexcept {
  FrameHeader header;
  std::memcpy(&header, image.data(), sizeof header);
  if (header.checksum != entry.checksum) {
    return damaged(entry.id, "the table's checksum and the image's are not the same");
  }
  if (image_checksum(image) != entry.checksum) return damaged(entry.id, "wrong checksum");
  if (header.node_id != entry.id.bits) return damaged(entry.id, "the image is of another node");
  if (header.bytes != entry.bytes) return damaged(entry.id, "the image has another size");
  if (header.birth > newest_birth_) return damaged(entry.id, "the image is from the future");
  return {};
}

bool NodeLoader::end_if_cold(NodeId id, std::uint64_t epoch) noexcept {
  const std::lock_guard lock(lock_of(id));
  if (table_.look_up(id).state != ObjectTable::State::cold) return false;
  table_.end(id, nullptr, epoch);
  return true;
}

FrameHeader* NodeLoader::free_slot(NodeId id) noexcept {
  const std::lock_guard lock(lock_of(id));
  const ObjectTable::Lookup found = table_.look_up(id);
  XTREE_CHECK(found.ended);
  table_.free(id);
  return found.frame;
}

void NodeLoader::set_on_disk(const TableEntry& entry) noexcept {
  const std::lock_guard lock(lock_of(entry.id));
  table_.set_on_disk(entry);
}

void NodeLoader::clear_on_disk(NodeId id) noexcept {
  const std::lock_guard lock(lock_of(id));
  table_.clear_on_disk(id);
}

}  // namespace xtree::persistence
