#include "platform/batch_read.h"

#include <algorithm>
#include <array>
#include <functional>

namespace xtree::platform {
namespace {

// Pieces that lie no farther apart are announced as one: reading what lies between them takes the
// disk less time than another request.
constexpr std::uint64_t kMostBetween = 4096;

// Announces pieces of files in the order of their places, as few as can be.
void announce(std::span<const ReadRequest> requests) noexcept {
  std::array<const ReadRequest*, kDepth> by_place;
  auto end = by_place.begin();
  for (const ReadRequest& request : requests) *end++ = &request;
  std::sort(by_place.begin(), end, [](const ReadRequest* a, const ReadRequest* b) {
    if (a->file != b->file) return std::less<>()(a->file, b->file);
    return a->offset < b->offset;
  });
  for (auto next = by_place.begin(); next != end;) {
    File* const file = (*next)->file;
    const std::uint64_t begin = (*next)->offset;
    std::uint64_t behind = begin + (*next)->bytes.size();
    for (++next; next != end && (*next)->file == file; ++next) {
      if ((*next)->offset > behind + kMostBetween) break;
      behind = std::max(behind, (*next)->offset + (*next)->bytes.size());
    }
    file->will_read(begin, static_cast<std::size_t>(behind - begin));
  }
}

}  // namespace

void read_batch(std::span<ReadRequest> requests) noexcept {
  while (!requests.empty()) {
    const auto turn = requests.first(std::min(requests.size(), kDepth));
    if (turn.size() > 1) announce(turn);
    for (ReadRequest& request : turn) {
      const auto count = request.file->read_at(request.offset, request.bytes);
      request.done = count && *count == request.bytes.size();
    }
    requests = requests.subspan(turn.size());
  }
}

}  // namespace xtree::platform
