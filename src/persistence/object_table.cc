#include "persistence/object_table.h"

#include "platform/check.h"
#include "platform/plant.h"

namespace xtree::persistence {
namespace {

constexpr std::uint32_t kChunks = ObjectTable::kSlots / ObjectTable::kChunkSlots;
// Hot words: one for each place that a NodeID can name.
constexpr std::size_t kPlaces = std::size_t{1} << 32;
// So many slots become writable at a time: hot and side words of a huge page, cold ones of two.
constexpr std::uint64_t kGrowthSlots = std::uint64_t{1} << 18;

std::uint64_t address_bits(const FrameHeader* frame) noexcept {
  const auto address = reinterpret_cast<std::uint64_t>(frame);
  XTREE_DCHECK(address % kFrameAlignment == 0 && address >> kHandleBits == 0);
  return address;
}

constexpr std::uint64_t slots_before(std::uint32_t chunk) noexcept {
  return std::uint64_t{chunk} * ObjectTable::kChunkSlots;
}

Error bad_entry(const char* text) noexcept {
  return Error(ErrorCode::corruption, "object table", text);
}

}  // namespace

Result<ObjectTable> ObjectTable::create() {
  constexpr std::size_t kHotBytes = kPlaces * sizeof(std::uint64_t);
  constexpr std::size_t kSideBytes = kSlots * sizeof(std::uint64_t);
  auto range = platform::ReservedRange::create_unwritable(
      sizeof(Near) + kHotBytes + kSlots * sizeof(Cold) + kSideBytes + kChunks,
      sizeof(Near) + kHotBytes);
  if (!range) return range.error();
  ObjectTable table(std::move(*range));
  if (!table.range_.make_writable(table.owners_, table.owners_ + kChunks) || !table.make_room(1)) {
    return Error(ErrorCode::out_of_memory, "object table", "no memory for the first slots");
  }
  return table;
}

ObjectTable::ObjectTable(platform::ReservedRange range)
    : range_(std::move(range)),
      near_(reinterpret_cast<Near*>(range_.data())),
      hot_(reinterpret_cast<std::uint64_t*>(near_ + 1)),
      cold_(reinterpret_cast<Cold*>(hot_ + kPlaces)),
      side_(reinterpret_cast<std::uint64_t*>(cold_ + kSlots)),
      owners_(reinterpret_cast<std::uint8_t*>(side_ + kSlots)),
      shards_(std::make_unique<Shards>()) {}

// Beyond the last slot there is nothing to make room for: who wants one finds out.
bool ObjectTable::grow(std::uint64_t slots_end) noexcept {
  const std::uint64_t wanted = (slots_end + kGrowthSlots - 1) / kGrowthSlots * kGrowthSlots;
  const std::uint64_t end = std::min(wanted, kSlots);
  const std::lock_guard lock(shards_->growing);
  if (end <= shards_->writable.load(std::memory_order_relaxed)) return true;
  // What lies before the hot words shares their first page.
  if (!range_.make_writable(near_, hot_ + end) || !range_.make_writable(cold_, cold_ + end) ||
      !range_.make_writable(side_, side_ + end)) {
    return false;
  }
  shards_->writable.store(end, std::memory_order_release);
  return true;
}

ObjectTable::Lookup ObjectTable::look_up(NodeId id) const noexcept {
  std::uint64_t seen = word(id);
  for (;;) {
    if (tag_of(seen) != id.tag() || id.tag() == 0) return {};
    Lookup found;
    found.ended = (seen & kEnded) != 0;
    found.frame = address_in(seen);
    found.state = found.frame == nullptr ? State::cold : State::resident;
    if (!found.ended) return found;
    // A slot that was recycled meanwhile has a link where the end epoch stood. `free` stores the
    // new hot word first, so whoever acquires the link finds the other tag here.
    found.end_epoch = std::atomic_ref(side(index(id))).load(std::memory_order_acquire);
    const std::uint64_t again = word(id);
    if (again == seen) return found;
    seen = again;
  }
}

ObjectTable::Allocator ObjectTable::lease() noexcept {
  for (unsigned shard = 0; shard < kShards; ++shard) {
    // Acquire pairs with the release of who had the shard before.
    if (!shards_->at[shard].leased.exchange(true, std::memory_order_acquire)) {
      return Allocator(this, shard);
    }
  }
  return {};
}

ObjectTable::Allocator::~Allocator() {
  if (table_ != nullptr) table_->shards_->at[shard_].leased.store(false, std::memory_order_release);
}

NodeId ObjectTable::Allocator::allocate() noexcept {
  Shard& home = table_->shards_->at[shard_];
  if (home.free_list == kNoSlot && home.returned.load(std::memory_order_relaxed) != kNoSlot) {
    // Acquire pairs with the release in `free`.
    home.free_list = home.returned.exchange(kNoSlot, std::memory_order_acquire);
  }
  NodeId id;
  if (home.free_list != kNoSlot) {
    id = table_->reuse(shard_, home.free_list);
  } else {
    if (home.next_slot() == home.end && !table_->take_chunk(shard_)) return {};
    id = name(shard_, home.take_next(), 1);
    table_->store_word(id, tag_word(id.tag()));
  }
  home.given.store(home.given.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return id;
}

// Takes the slot off the free list, whose head it is.
NodeId ObjectTable::reuse(unsigned shard, std::uint32_t index) noexcept {
  std::atomic_ref link(side(index));
  shards_->at[shard].free_list = static_cast<std::uint32_t>(link.load(std::memory_order_relaxed));
  link.store(0, std::memory_order_relaxed);
  return name(shard, index, tag_of(hot_[index]));
}

bool ObjectTable::take_chunk(unsigned shard) noexcept {
  std::uint32_t chunk = 0;
  do {
    chunk = shards_->next_chunk.load(std::memory_order_relaxed);
    do {
      if (chunk == kChunks || !make_room(slots_before(chunk + 1))) return false;
    } while (
        !shards_->next_chunk.compare_exchange_weak(chunk, chunk + 1, std::memory_order_relaxed));
  } while (owner(chunk) != 0);  // restored
  begin_chunk(shard, chunk);
  return true;
}

void ObjectTable::begin_chunk(unsigned shard, std::uint32_t chunk) noexcept {
  Shard& home = shards_->at[shard];
  home.next.store(chunk * kChunkSlots, std::memory_order_relaxed);
  home.end = (chunk + 1) * kChunkSlots;
  // Relaxed: those who visit slots and do not see it pass over a chunk that is new to them.
  std::atomic_ref(owner_place(chunk))
      .store(static_cast<std::uint8_t>(shard + 1), std::memory_order_relaxed);
}

void ObjectTable::set_frame(NodeId id, FrameHeader* frame) noexcept {
  store_word(id, tag_word(id.tag()) | address_bits(frame));
}

void ObjectTable::end(NodeId id, FrameHeader* newest, std::uint64_t epoch) noexcept {
  // Relaxed: the release store of the hot word publishes it.
  std::atomic_ref(side(index(id))).store(epoch, std::memory_order_relaxed);
  store_word(id, tag_word(id.tag()) | address_bits(newest) | kEnded);
  shards_->ended.fetch_add(1, std::memory_order_relaxed);
}

void ObjectTable::relink_ended(NodeId id, FrameHeader* newest) noexcept {
  store_word(id, tag_word(id.tag()) | address_bits(newest) | kEnded);
}

void ObjectTable::check_life(NodeId id) noexcept {
  const std::uint64_t seen = word(id);
  XTREE_CHECK(tag_of(seen) == id.tag());
  if ((seen & kEnded) != 0) shards_->ended.fetch_sub(1, std::memory_order_relaxed);
}

void ObjectTable::Allocator::free(NodeId id) noexcept {
  if (id.shard() != shard_) return table_->free(id);
  table_->check_life(id);
  Shard& home = table_->shards_->at[shard_];
  table_->push_free(home, index(id), id.tag());
  home.taken.store(home.taken.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void ObjectTable::free(NodeId id) noexcept {
  check_life(id);
  const std::uint32_t at = index(id);
  Shard& home = shards_->at[id.shard()];
  home.returned_in_all.fetch_add(1, std::memory_order_relaxed);
  if (!bump_tag(at, id.tag())) return;
  std::uint32_t head = home.returned.load(std::memory_order_relaxed);
  do {
    std::atomic_ref(side(at)).store(kFree | head, std::memory_order_release);
  } while (!home.returned.compare_exchange_weak(head, at, std::memory_order_release,
                                                std::memory_order_relaxed));
}

// Gives the slot the tag of its next life; false when there is none, and the slot is set aside. The
// side word is stored behind the hot word, with release, for `look_up`.
bool ObjectTable::bump_tag(std::uint32_t index, std::uint16_t last_tag) noexcept {
  const NodeId slot = name(0, index, 0);
  if (last_tag != kLastTag) {
    const unsigned step = platform::planted(platform::Plant::tag_not_bumped) ? 0 : 1;
    store_word(slot, tag_word(static_cast<std::uint16_t>(last_tag + step)));
    return true;
  }
  store_word(slot, 0);
  std::atomic_ref(side(index)).store(kFree | kNoSlot, std::memory_order_release);
  return false;
}

void ObjectTable::push_free(Shard& home, std::uint32_t index, std::uint16_t last_tag) noexcept {
  if (!bump_tag(index, last_tag)) return;
  std::atomic_ref(side(index)).store(kFree | home.free_list, std::memory_order_release);
  home.free_list = index;
}

std::uint64_t ObjectTable::live() const noexcept {
  std::uint64_t live = 0;
  for (const Shard& shard : shards_->at) {
    live += shard.given.load(std::memory_order_relaxed) -
            shard.taken.load(std::memory_order_relaxed) -
            shard.returned_in_all.load(std::memory_order_relaxed);
  }
  return live - shards_->ended.load(std::memory_order_relaxed);
}

void ObjectTable::fill(NodeId id, FrameHeader* frame) noexcept {
  const std::uint64_t seen = word(id);
  XTREE_CHECK((seen & ~kEnded) == tag_word(id.tag()));
  store_word(id, address_bits(frame) | seen);
}

TableEntry ObjectTable::on_disk(NodeId id) const noexcept {
  const Cold& known = cold(index(id));
  if (known.tag == 0) return {};
  TableEntry entry;
  entry.id = NodeId::make(id.handle(), known.tag);
  entry.address = {known.segment, known.place};
  entry.checksum = known.checksum;
  entry.bytes = known.units * std::uint32_t{kImageAlignment};
  return entry;
}

void ObjectTable::set_on_disk(const TableEntry& entry) noexcept {
  XTREE_CHECK(entry.id.tag() != 0 && entry.bytes <= kMaxFrameBytes);
  cold(index(entry.id)) = {.segment = entry.address.segment,
                           .place = entry.address.place,
                           .checksum = entry.checksum,
                           .tag = entry.id.tag(),
                           .units = static_cast<std::uint16_t>(entry.bytes / kImageAlignment)};
}

void ObjectTable::clear_on_disk(NodeId id) noexcept { cold(index(id)) = {}; }

Result<void> ObjectTable::restore(const TableEntry& entry) {
  const NodeId id = entry.id;
  if (id.tag() == 0) return bad_entry("an entry has tag 0");
  if (id.slot() >= slots_before(kChunks)) {
    return bad_entry("an entry lies beyond the last slot");
  }
  if (entry.address && (entry.bytes < kFrameAlignment || entry.bytes > kMaxFrameBytes ||
                        entry.bytes % kFrameAlignment != 0)) {
    return bad_entry("an entry's image has an impossible size");
  }
  XTREE_TRY(restore_place(id));
  Shard& home = shards_->at[id.shard()];
  if (entry.address) {
    store_word(id, tag_word(id.tag()));
    set_on_disk(entry);
    home.given.store(home.given.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  } else {
    push_free(home, index(id), id.tag());
  }
  return {};
}

// Makes the entry's slot the last that its shard has used. Slots between two entries had lives that
// no checkpoint has seen; none of their NodeIDs survived, so they begin anew.
Result<void> ObjectTable::restore_place(NodeId id) noexcept {
  if (id.handle() < shards_->restored_handles) return bad_entry("entries do not ascend");
  const std::uint32_t chunk = index(id) / kChunkSlots;
  if (owner(chunk) != 0 && owner(chunk) != id.shard() + 1) {
    return bad_entry("slots of one chunk belong to two shards");
  }
  Shard& home = shards_->at[id.shard()];
  if (owner(chunk) == 0) {
    if (!make_room(slots_before(chunk + 1))) {
      return Error(ErrorCode::out_of_memory, "object table", "no memory for a slot");
    }
    while (home.next_slot() != home.end) push_free(home, home.take_next(), 0);
    begin_chunk(id.shard(), chunk);
    shards_->restored_chunks = std::max(shards_->restored_chunks, chunk + 1);
  }
  while (home.next_slot() != index(id)) push_free(home, home.take_next(), 0);
  static_cast<void>(home.take_next());
  shards_->restored_handles = id.handle() + 1;
  return {};
}

// Where the unused part of the chunk begins, if its shard is allocating from it, or else its end.
std::uint32_t ObjectTable::used_end(unsigned shard, std::uint32_t chunk) const noexcept {
  const std::uint32_t begin = chunk * kChunkSlots;
  const std::uint32_t next = shards_->at[shard].next_slot();
  return next > begin && next - begin < kChunkSlots ? next : begin + kChunkSlots;
}

NodeId ObjectTable::live_id(unsigned shard, std::uint32_t index) const noexcept {
  const std::uint64_t seen = word(name(0, index, 0));
  const std::uint64_t link = std::atomic_ref(side(index)).load(std::memory_order_relaxed);
  const std::uint16_t tag = tag_of(seen);
  if (tag == 0 || (seen & kEnded) != 0 || (link & kFree) != 0) return {};
  return name(shard, index, tag);
}

}  // namespace xtree::persistence
