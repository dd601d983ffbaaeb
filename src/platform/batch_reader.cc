#include "platform/batch_reader.h"

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

namespace {

class OneByOneReader final : public BatchReader {
 public:
  void read(std::span<ReadRequest> requests) noexcept override {
    for (ReadRequest& request : requests) finish(request);
  }
};

}  // namespace
}  // namespace platform

std::unique_ptr<BatchReader> FileSystem::batch_reader() {
  return std::make_unique<platform::OneByOneReader>();
}

}  // namespace xtree
