#include "persistence/segment_allocator.h"

#include <algorithm>
#include <limits>

#include "platform/check.h"
#include "platform/plant.h"

namespace xtree::persistence {

bool SegmentAllocator::add(const SegmentInfo& info) {
  if (info.number == 0 || info.bytes == 0 || info.bytes % kSectorBytes != 0 ||
      info.bytes > kMaxSegmentBytes) {
    return false;
  }
  if (!segments_.try_emplace(info.number, Segment{.end = info.bytes}).second) return false;
  segment_bytes_ += info.bytes;
  return true;
}

void SegmentAllocator::set_next_segment(std::uint32_t number) noexcept {
  next_segment_ = committed_next_ = number;
}

bool SegmentAllocator::take(DiskAddress address, std::size_t bytes) noexcept {
  if (last_taken_from_ == nullptr || last_taken_from_->first != address.segment) {
    const auto place = segments_.find(address.segment);
    if (place == segments_.end()) return false;
    last_taken_from_ = &*place;
  }
  Segment& segment = last_taken_from_->second;
  if (address.offset() + bytes > segment.end || segment.live_bytes + bytes > segment.end) {
    return false;
  }
  segment.live_bytes += bytes;
  live_bytes_ += bytes;
  return true;
}

// A segment that has nothing but garbage goes at the next commit, and gets no image.
bool SegmentAllocator::has_room(const Segment& segment, std::size_t bytes) const noexcept {
  const std::uint64_t full = std::clamp<std::uint64_t>(segment_bytes_ / kSegmentsWanted,
                                                       kMinFullSegmentBytes, kMaxSegmentBytes);
  return !segment.is_closed && segment.live_bytes != 0 && segment.end + bytes <= full;
}

std::uint32_t SegmentAllocator::find_tail(std::size_t bytes, std::uint32_t except) const noexcept {
  for (auto place = segments_.rbegin(); place != segments_.rend(); ++place) {
    if (place->first != except && has_room(place->second, bytes)) return place->first;
  }
  return 0;
}

std::optional<DiskAddress> SegmentAllocator::allocate(std::size_t bytes, Heat heat) {
  XTREE_CHECK(bytes != 0 && bytes % kImageAlignment == 0 && bytes <= kMaxFrameBytes);
  std::uint32_t& tail = tails_[static_cast<std::size_t>(heat)];
  const std::uint32_t other = tails_[1 - static_cast<std::size_t>(heat)];
  if (tail == 0) tail = find_tail(bytes, other);
  auto place = segments_.find(tail);
  if (place == segments_.end() || !has_room(place->second, bytes)) {
    if (next_segment_ == std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
    tail = next_segment_++;
    const auto [made, is_new] = segments_.try_emplace(tail);
    XTREE_CHECK(is_new);
    place = made;
  }
  Segment& segment = place->second;
  const DiskAddress address{tail, static_cast<std::uint32_t>(segment.end / kImageAlignment)};
  segment.end += bytes;
  segment.live_bytes += bytes;
  segment_bytes_ += bytes;
  live_bytes_ += bytes;
  return address;
}

void SegmentAllocator::pad(std::uint32_t segment) noexcept {
  if (platform::planted(platform::Plant::sector_written_again)) return;
  std::uint64_t& end = segments_.find(segment)->second.end;
  segment_bytes_ += round_up_to_sector(end) - end;
  end = round_up_to_sector(end);
}

void SegmentAllocator::release(DiskAddress address, std::size_t bytes) noexcept {
  const auto place = segments_.find(address.segment);
  XTREE_CHECK(place != segments_.end() && place->second.live_bytes >= bytes);
  place->second.live_bytes -= bytes;
  live_bytes_ -= bytes;
}

void SegmentAllocator::close(std::uint32_t segment) noexcept {
  segments_.find(segment)->second.is_closed = true;
}

void SegmentAllocator::commit() {
  last_taken_from_ = nullptr;
  std::erase_if(segments_, [](const auto& named) { return named.second.live_bytes == 0; });
  for (auto& [number, segment] : segments_) segment.is_closed = false;
  for (std::uint32_t& tail : tails_) {
    if (!segments_.contains(tail)) tail = 0;
  }
  committed_ = segments_;
  committed_next_ = next_segment_;
  count();
}

std::vector<std::uint32_t> SegmentAllocator::abandon() {
  std::vector<std::uint32_t> numbers;
  for (std::uint32_t number = committed_next_; number != next_segment_; ++number) {
    numbers.push_back(number);
  }
  segments_ = committed_;
  next_segment_ = committed_next_;
  tails_ = {};
  count();
  return numbers;
}

void SegmentAllocator::count() noexcept {
  segment_bytes_ = 0;
  live_bytes_ = 0;
  for (const auto& [number, segment] : segments_) {
    segment_bytes_ += segment.end;
    live_bytes_ += segment.live_bytes;
  }
}

std::vector<SegmentInfo> SegmentAllocator::segments() const {
  std::vector<SegmentInfo> all;
  for (const auto& [number, segment] : segments_) {
    if (segment.live_bytes == 0) continue;
    all.push_back({number, static_cast<std::uint32_t>(round_up_to_sector(segment.end))});
  }
  return all;
}

std::vector<SegmentUse> SegmentAllocator::uses() const {
  std::vector<SegmentUse> all;
  all.reserve(segments_.size());
  for (const auto& [number, segment] : segments_) {
    all.push_back({number, segment.end, segment.live_bytes});
  }
  return all;
}

}  // namespace xtree::persistence
