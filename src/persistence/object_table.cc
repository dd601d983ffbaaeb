#include "persistence/object_table.h"

#include <mutex>

#include "platform/check.h"

namespace xtree::persistence {
namespace {

constexpr std::size_t kHandles = std::size_t{kShards} << ObjectTable::kShardSlotBits;

std::uint64_t address_bits(const FrameHeader* frame) noexcept {
  const auto address = reinterpret_cast<std::uint64_t>(frame);
  XTREE_DCHECK(address % kFrameAlignment == 0 && address >> (64 - kTagBits) == 0);
  return address << kTagBits;
}

Error bad_entry(const char* text) noexcept {
  return Error(ErrorCode::corruption, "object table", text);
}

}  // namespace

Result<ObjectTable> ObjectTable::create() {
  using platform::HugePages;
  using platform::ReservedRange;
  auto hot = ReservedRange::create(kHandles * sizeof(std::uint64_t), HugePages::yes);
  if (!hot) return hot.error();
  auto cold = ReservedRange::create(kHandles * sizeof(Cold));
  if (!cold) return cold.error();
  auto side = ReservedRange::create(kHandles * sizeof(std::uint64_t));
  if (!side) return side.error();
  return ObjectTable(std::move(*hot), std::move(*cold), std::move(*side));
}

ObjectTable::ObjectTable(platform::ReservedRange hot, platform::ReservedRange cold,
                         platform::ReservedRange side)
    : hot_range_(std::move(hot)),
      cold_range_(std::move(cold)),
      side_range_(std::move(side)),
      hot_(reinterpret_cast<std::uint64_t*>(hot_range_.data())),
      cold_(reinterpret_cast<Cold*>(cold_range_.data())),
      side_(reinterpret_cast<std::uint64_t*>(side_range_.data())),
      shards_(std::make_unique<Shards>()) {}

ObjectTable::Lookup ObjectTable::look_up(NodeId id) const noexcept {
  std::uint64_t seen = word(id);
  for (;;) {
    if ((seen & 0xffff) != id.tag() || id.tag() == 0) return {};
    Lookup found;
    found.ended = (seen & kEnded) != 0;
    found.frame = frame_of(seen & ~kTagAndFlags);
    found.state = found.frame == nullptr ? State::cold : State::resident;
    if (!found.ended) return found;
    // A slot that was recycled meanwhile has a link where the end epoch stood. `free` stores the
    // new hot word first, so whoever acquires the link finds the other tag here.
    found.end_epoch = std::atomic_ref(side_[index(id)]).load(std::memory_order_acquire);
    const std::uint64_t again = word(id);
    if (again == seen) return found;
    seen = again;
  }
}

NodeId ObjectTable::allocate(unsigned& home) noexcept {
  unsigned full = 0;  // shards in a row
  while (full < kShards) {
    const std::unique_lock latched(shards_->at[home].latch, std::try_to_lock);
    const NodeId id = latched.owns_lock() ? take(home) : NodeId{};
    if (id) return id;
    full = latched.owns_lock() ? full + 1 : 0;
    home = (home + 1) % kShards;
  }
  return {};
}

// Under the shard's latch.
NodeId ObjectTable::take(unsigned shard) noexcept {
  Shard& home = shards_->at[shard];
  if (home.free_list != kNoSlot) {
    const std::uint32_t at = home.free_list;
    const NodeId id = name(at, static_cast<std::uint16_t>(hot_[at]));
    std::atomic_ref side(side_[at]);
    home.free_list = static_cast<std::uint32_t>(side.load(std::memory_order_relaxed));
    side.store(0, std::memory_order_relaxed);
    --home.unused;
    return id;
  }
  if (home.used == kShardSlots) return {};
  const NodeId id = name((shard << kShardSlotBits) + home.used++, 1);
  store_word(id, id.tag());
  return id;
}

void ObjectTable::set_frame(NodeId id, FrameHeader* frame) noexcept {
  store_word(id, address_bits(frame) | id.tag());
}

void ObjectTable::end(NodeId id, FrameHeader* newest, std::uint64_t epoch) noexcept {
  // Relaxed: the release store of the hot word publishes it.
  std::atomic_ref(side_[index(id)]).store(epoch, std::memory_order_relaxed);
  store_word(id, address_bits(newest) | kEnded | id.tag());
  shards_->ended.fetch_add(1, std::memory_order_relaxed);
}

void ObjectTable::relink_ended(NodeId id, FrameHeader* newest) noexcept {
  store_word(id, address_bits(newest) | kEnded | id.tag());
}

void ObjectTable::free(NodeId id) noexcept {
  const std::uint64_t seen = word(id);
  XTREE_CHECK((seen & 0xffff) == id.tag());
  if ((seen & kEnded) != 0) shards_->ended.fetch_sub(1, std::memory_order_relaxed);
  const std::lock_guard latched(shards_->at[id.shard()].latch);
  push_free(index(id), id.tag());
}

// Under the shard's latch.
void ObjectTable::push_free(std::uint32_t index, std::uint16_t last_tag) noexcept {
  Shard& home = shards_->at[index >> kShardSlotBits];
  const NodeId id = name(index, 0);
  std::atomic_ref side(side_[index]);
  ++home.unused;
  // Release orders the side word behind the hot word, for `look_up`.
  if (last_tag == kLastTag) {
    store_word(id, 0);
    side.store(kFree | kNoSlot, std::memory_order_release);
    return;
  }
  store_word(id, last_tag + 1u);
  side.store(kFree | home.free_list, std::memory_order_release);
  home.free_list = index;
}

std::uint64_t ObjectTable::live() const noexcept {
  std::uint64_t slots = 0;
  for (Shard& shard : shards_->at) {
    const std::lock_guard latched(shard.latch);
    slots += shard.used - shard.unused;
  }
  return slots - shards_->ended.load(std::memory_order_relaxed);
}

void ObjectTable::fill(NodeId id, FrameHeader* frame) noexcept {
  const std::uint64_t seen = word(id);
  XTREE_CHECK((seen & ~kEnded) == id.tag());
  store_word(id, address_bits(frame) | seen);
}

TableEntry ObjectTable::on_disk(NodeId id) const noexcept {
  const Cold& cold = cold_[index(id)];
  if (cold.tag == 0) return {};
  TableEntry entry;
  entry.id = NodeId::make(id.handle(), cold.tag);
  entry.address.segment = cold.segment;
  entry.address.slot = cold.slot;
  entry.address.size_class = static_cast<std::uint8_t>(cold.bytes_and_class);
  entry.checksum = cold.checksum;
  entry.bytes = cold.bytes_and_class >> 8;
  return entry;
}

void ObjectTable::set_on_disk(const TableEntry& entry) noexcept {
  XTREE_CHECK(entry.id.tag() != 0 && entry.bytes <= kMaxFrameBytes);
  cold_[index(entry.id)] = {.segment = entry.address.segment,
                            .slot = entry.address.slot,
                            .tag = entry.id.tag(),
                            .checksum = entry.checksum,
                            .bytes_and_class = entry.bytes << 8 | entry.address.size_class};
}

void ObjectTable::clear_on_disk(NodeId id) noexcept { cold_[index(id)] = {}; }

Result<void> ObjectTable::restore(const TableEntry& entry) {
  const NodeId id = entry.id;
  Shard& home = shards_->at[id.shard()];
  if (id.tag() == 0) return bad_entry("an entry has tag 0");
  if (id != name(index(id), id.tag())) return bad_entry("an entry's slot is not of its shard");
  const std::uint32_t first = id.shard() << kShardSlotBits;
  const std::uint32_t slot = index(id) - first;
  if (slot < home.used) return bad_entry("entries do not ascend");
  if (entry.address && (entry.bytes < kFrameAlignment || entry.bytes > kMaxFrameBytes ||
                        entry.bytes % kFrameAlignment != 0)) {
    return bad_entry("an entry's image has an impossible size");
  }
  // Slots between two entries had lives that no checkpoint has seen; none of their NodeIDs
  // survived, so they begin anew.
  while (home.used < slot) push_free(first + home.used++, 0);
  ++home.used;
  if (entry.address) {
    store_word(id, id.tag());
    set_on_disk(entry);
  } else {
    push_free(index(id), id.tag());
  }
  return {};
}

NodeId ObjectTable::live_id(std::uint32_t index) const noexcept {
  const std::uint64_t seen = word(name(index, 0));
  const std::uint64_t side = std::atomic_ref(side_[index]).load(std::memory_order_relaxed);
  if ((seen & kEnded) != 0 || (side & kFree) != 0) return {};
  return name(index, static_cast<std::uint16_t>(seen));
}

}  // namespace xtree::persistence
