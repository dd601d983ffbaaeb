#include "platform/batch_read.h"

#include <algorithm>

namespace xtree::platform {

void read_batch(std::span<ReadRequest> requests) noexcept {
  while (!requests.empty()) {
    const auto turn = requests.first(std::min(requests.size(), kDepth));
    if (turn.size() > 1) {
      for (const ReadRequest& request : turn) {
        request.file->will_read(request.offset, request.bytes.size());
      }
    }
    for (ReadRequest& request : turn) {
      const auto count = request.file->read_at(request.offset, request.bytes);
      request.done = count && *count == request.bytes.size();
    }
    requests = requests.subspan(turn.size());
  }
}

}  // namespace xtree::platform
