#include "platform/reader_pool.h"

#include <utility>

#include "platform/batch_reader.h"
#include "platform/without_throwing.h"

namespace xtree::platform {

void ReaderPool::read(std::span<ReadRequest> requests) noexcept {
  std::unique_ptr<BatchReader> reader;
  if (requests.size() > 1) reader = take();
  if (reader == nullptr) return read_one_by_one(requests);
  reader->read(requests);
  give_back(std::move(reader));
}

// The reader that was used last, whose memory is warm; null when there are no more to have.
std::unique_ptr<BatchReader> ReaderPool::take() noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (idle_count_ != 0) return std::move(idle_[--idle_count_]);
    if (made_ == kMost) return nullptr;
    ++made_;
  }
  std::unique_ptr<BatchReader> reader;
  if (try_to([&] { reader = files_.batch_reader(); })) return reader;
  const std::lock_guard lock(mutex_);
  --made_;
  return nullptr;
}

void ReaderPool::give_back(std::unique_ptr<BatchReader> reader) noexcept {
  const std::lock_guard lock(mutex_);
  idle_[idle_count_++] = std::move(reader);
}

}  // namespace xtree::platform
