#include "persistence/segment_allocator.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "platform/check.h"

namespace xtree::persistence {

namespace {

constexpr unsigned kWordBits = 64;

constexpr std::uint64_t bit_of(std::uint16_t slot) noexcept {
  return std::uint64_t{1} << slot % kWordBits;
}

}  // namespace

// Bits behind the last slot are set, so that a search for a free slot needs no bound.
void SegmentAllocator::resize(Segment& segment, std::uint16_t slots) {
  const std::uint16_t old_slots = segment.info.slots;
  segment.bitmap.resize((slots + kWordBits - 1) / kWordBits, ~std::uint64_t{0});
  for (std::uint16_t slot = old_slots; slot < slots; ++slot) {
    segment.bitmap[slot / kWordBits] &= ~bit_of(slot);
  }
  segment.info.slots = slots;
}

bool SegmentAllocator::add(const SegmentInfo& info) {
  if (info.number == 0 || info.reserved != 0 || info.size_class >= kSizeClassKib.size() ||
      info.slots == 0 || info.slots > max_slots(info.size_class)) {
    return false;
  }
  const auto [place, is_new] = segments_.try_emplace(info.number);
  if (!is_new) return false;
  Segment& segment = place->second;
  segment.info = info;
  segment.info.slots = 0;
  resize(segment, info.slots);
  segment_bytes_ += info.slots * slot_bytes(info.size_class);
  open_[info.size_class].insert(info.number);
  if (info.slots < max_slots(info.size_class)) growing_[info.size_class].insert(info.number);
  return true;
}

const SegmentAllocator::Segment* SegmentAllocator::find(DiskAddress address) const noexcept {
  const auto place = segments_.find(address.segment);
  if (place == segments_.end()) return nullptr;
  const SegmentInfo& info = place->second.info;
  if (info.size_class != address.size_class || address.slot >= info.slots) return nullptr;
  return &place->second;
}

bool SegmentAllocator::taken(DiskAddress address) const noexcept {
  const Segment* segment = find(address);
  return segment != nullptr &&
         (segment->bitmap[address.slot / kWordBits] & bit_of(address.slot)) != 0;
}

void SegmentAllocator::mark(Segment& segment, std::uint16_t slot) noexcept {
  segment.bitmap[slot / kWordBits] |= bit_of(slot);
  ++segment.taken;
  taken_bytes_ += slot_bytes(segment.info.size_class);
  if (segment.taken == segment.info.slots) {
    open_[segment.info.size_class].erase(segment.info.number);
  }
}

bool SegmentAllocator::take(DiskAddress address) noexcept {
  const Segment* segment = find(address);
  if (segment == nullptr || taken(address)) return false;
  mark(const_cast<Segment&>(*segment), address.slot);
  return true;
}

// Room where all segments of a class are full: a larger segment, or else a new one.
SegmentAllocator::Segment* SegmentAllocator::grow(std::uint8_t size_class) {
  if (growing_[size_class].empty()) {
    if (next_segment_ == std::numeric_limits<std::uint32_t>::max()) return nullptr;
    const std::uint32_t number = next_segment_++;
    XTREE_CHECK(add({number, first_slots(size_class), size_class, 0}));
    return &segments_.find(number)->second;
  }
  const std::uint32_t number = *growing_[size_class].begin();
  Segment& segment = segments_.find(number)->second;
  const std::uint16_t old_slots = segment.info.slots;
  const auto slots =
      static_cast<std::uint16_t>(std::min<unsigned>(2u * old_slots, max_slots(size_class)));
  resize(segment, slots);
  segment_bytes_ += (slots - old_slots) * slot_bytes(size_class);
  open_[size_class].insert(number);
  if (slots == max_slots(size_class)) growing_[size_class].erase(number);
  return &segment;
}

std::optional<DiskAddress> SegmentAllocator::allocate(std::uint8_t size_class) {
  XTREE_CHECK(size_class < kSizeClassKib.size());
  Segment* segment = nullptr;
  if (open_[size_class].empty()) {
    segment = grow(size_class);
    if (segment == nullptr) return std::nullopt;
  } else {
    segment = &segments_.find(*open_[size_class].begin())->second;
  }
  while (segment->bitmap[segment->hint] == ~std::uint64_t{0}) {
    ++segment->hint;
    XTREE_CHECK(segment->hint < segment->bitmap.size());
  }
  const auto bit = std::countr_one(segment->bitmap[segment->hint]);
  const auto slot = static_cast<std::uint16_t>(segment->hint * kWordBits + bit);
  mark(*segment, slot);
  return DiskAddress{segment->info.number, slot, size_class, 0};
}

void SegmentAllocator::free(DiskAddress address) {
  XTREE_CHECK(taken(address));
  Segment& segment = segments_.find(address.segment)->second;
  const auto word = static_cast<std::uint16_t>(address.slot / kWordBits);
  segment.bitmap[word] &= ~bit_of(address.slot);
  segment.hint = std::min(segment.hint, word);
  --segment.taken;
  taken_bytes_ -= slot_bytes(address.size_class);
  open_[address.size_class].insert(address.segment);
}

std::vector<std::uint32_t> SegmentAllocator::drop_empty() {
  std::vector<std::uint32_t> dropped;
  for (auto place = segments_.begin(); place != segments_.end();) {
    const Segment& segment = place->second;
    if (segment.taken != 0) {
      ++place;
      continue;
    }
    dropped.push_back(place->first);
    segment_bytes_ -= segment.info.slots * slot_bytes(segment.info.size_class);
    open_[segment.info.size_class].erase(place->first);
    growing_[segment.info.size_class].erase(place->first);
    place = segments_.erase(place);
  }
  return dropped;
}

std::vector<SegmentInfo> SegmentAllocator::segments() const {
  std::vector<SegmentInfo> all;
  all.reserve(segments_.size());
  for (const auto& [number, segment] : segments_) all.push_back(segment.info);
  return all;
}

}  // namespace xtree::persistence
