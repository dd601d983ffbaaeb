#include "platform/batch_reader.h"

#include <algorithm>

namespace xtree {

BatchReader::~BatchReader() = default;

namespace platform {

void finish(ReadRequest& request, std::size_t present) noexcept {
  request.done = present == request.bytes.size();
  if (request.done) return;
  const auto rest = request.bytes.subspan(present);
  const auto count = request.file->read_at(request.offset + present, rest);
  request.done = count && *count == rest.size();
}

void read_one_by_one(std::span<ReadRequest> requests) noexcept {
  while (!requests.empty()) {
    const auto turn = requests.first(std::min(requests.size(), kDepth));
    if (turn.size() > 1) {
      for (const ReadRequest& request : turn) {
        request.file->will_read(request.offset, request.bytes.size());
      }
    }
    for (ReadRequest& request : turn) finish(request);
    requests = requests.subspan(turn.size());
  }
}

namespace {

class OneByOneReader final : public BatchReader {
 public:
  void read(std::span<ReadRequest> requests) noexcept override { read_one_by_one(requests); }
};

}  // namespace
}  // namespace platform

std::unique_ptr<BatchReader> FileSystem::batch_reader() {
  return std::make_unique<platform::OneByOneReader>();
}

}  // namespace xtree
