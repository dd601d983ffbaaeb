#include "persistence/node_loader.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "persistence/storage.h"
#include "platform/check.h"
#include "platform/plant.h"
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
  loaded_.fetch_add(1, std::memory_order_relaxed);
  return frame;
}

TableEntry NodeLoader::entry_if_cold(NodeId id) noexcept {
  const std::lock_guard lock(lock_of(id));
  const ObjectTable::Lookup found = table_.look_up(id);
  if (found.state != ObjectTable::State::cold || found.ended) return {};
  const TableEntry entry = table_.on_disk(id);
  return entry.id == id ? entry : TableEntry();
}

// No lock is held while the images are read. So each is looked up again: if it still has the same
// place on disk, that is what was read.
void NodeLoader::load_ahead(std::span<const NodeId> ids) noexcept {
  if (source_ == nullptr) return;
  std::array<ImageRead, kMostAtOnce> reads;
  std::size_t count = 0;
  for (const NodeId id : ids.first(std::min(ids.size(), kMostAtOnce))) {
    const TableEntry entry = entry_if_cold(id);
    if (!entry.address) continue;
    void* memory = frames_.allocate_beside_writer(entry.bytes);
    if (memory == nullptr) break;
    reads[count++] = {entry, static_cast<std::byte*>(memory)};
  }
  source_->read_many({reads.data(), count});
  for (const ImageRead& read : std::span(reads).first(count)) {
    if (!take_in(read)) frames_.release(read.image, read.entry.bytes);
  }
}

// False when the image is not wanted any more, or cannot be believed.
bool NodeLoader::take_in(const ImageRead& read) noexcept {
  const TableEntry& entry = read.entry;
  if (!read.done || !check(entry, {read.image, entry.bytes})) return false;
  const std::lock_guard lock(lock_of(entry.id));
  const ObjectTable::Lookup found = table_.look_up(entry.id);
  const TableEntry now = table_.on_disk(entry.id);
  if (found.state != ObjectTable::State::cold || found.ended || now.id != entry.id ||
      now.address != entry.address || now.checksum != entry.checksum) {
    return false;
  }
  const Result<FrameHeader*> frame = make_frame(read.image, entry.bytes);
  if (!frame) return true;  // which has released the image
  table_.fill(entry.id, *frame);
  loaded_.fetch_add(1, std::memory_order_relaxed);
  return true;
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

// Makes a frame of an image that is believed, in its place unless it needs room for links. Stamps
// it does not need: what is on disk is never changed in place.
Result<FrameHeader*> NodeLoader::make_frame(void* image, std::size_t bytes) noexcept {
  auto* frame = static_cast<FrameHeader*>(image);
  const FrameFront front{
      family_.front == nullptr ? std::uint16_t{0} : family_.front(*frame).links, 0};
  if (front.links != 0) {
    void* memory = frames_.allocate_beside_writer(frame_bytes(bytes, front));
    if (memory != nullptr) {
      frame = frame_in(memory, front);
      std::memcpy(static_cast<void*>(frame), image, bytes);
    }
    frames_.release(image, bytes);
    if (memory == nullptr) return no_memory();
  }
  frame->previous = nullptr;
  frame->front = front;
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
  // Of a packed image it is the sum of the packed bytes, which the source has compared.
  if (entry.address.packed_bytes() == 0 && image_checksum(image) != entry.checksum) {
    return damaged(entry.id, "wrong checksum");
  }
  if (header.node_id != entry.id.bits) return damaged(entry.id, "the image is of another node");
  if (header.bytes != entry.bytes) return damaged(entry.id, "the image has another size");
  std::uint64_t newest = header.birth;
  if (family_.last_change != nullptr) {
    newest = std::max(newest,
                      family_.last_change(*reinterpret_cast<const FrameHeader*>(image.data())));
  }
  if (newest > checkpoint_epoch_.load(std::memory_order_acquire)) {
    return damaged(entry.id, "the image is from the future");
  }
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

bool NodeLoader::is_on_disk(const FrameHeader& frame) noexcept {
  const bool forgets_changes = platform::planted(platform::Plant::evicted_while_changed);
  if (frame.birth > checkpoint_epoch_.load(std::memory_order_acquire) && !forgets_changes) {
    return false;
  }
  const NodeId id{frame.node_id};
  const std::lock_guard lock(lock_of(id));
  const TableEntry entry = table_.on_disk(id);
  return entry.id == id && entry.bytes == frame.bytes;
}

void NodeLoader::unload(const FrameHeader& frame) noexcept {
  const NodeId id{frame.node_id};
  const std::lock_guard lock(lock_of(id));
  table_.unload(id);
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
