// ReaderPool: batch readers for threads that need one now and then.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "xtree/platform.h"

namespace xtree::platform {

// Any thread reads. Readers are made when all that exist are taken, and kept; a thread that comes
// while the most of them are taken reads alone, one piece after the other.
class ReaderPool {
 public:
  // Each reader may hold a ring, which is a descriptor and some memory of the kernel.
  static constexpr std::size_t kMost = 8;

  explicit ReaderPool(FileSystem& files) noexcept : files_(files) {}

  // As `BatchReader::read`.
  void read(std::span<ReadRequest> requests) noexcept;

 private:
  std::unique_ptr<BatchReader> take() noexcept;
  void give_back(std::unique_ptr<BatchReader> reader) noexcept;

  FileSystem& files_;
  std::mutex mutex_;  // not held while files are read
  std::size_t made_ = 0;
  std::vector<std::unique_ptr<BatchReader>> idle_;
};

}  // namespace xtree::platform
