// ReaderPool: batch readers for threads that need one now and then.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>

#include "xtree/platform.h"

namespace xtree::platform {

// Any thread reads. Readers are made when all that exist are taken, and kept; a thread that comes
// while the most of them are taken, or when there is no memory for another, reads one by one.
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
  std::size_t made_ = 0;  // guarded by mutex_, as is what follows
  std::size_t idle_count_ = 0;
  std::array<std::unique_ptr<BatchReader>, kMost> idle_;
};

}  // namespace xtree::platform
