// Reads many pieces of files so that the disk can work on several of them at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "xtree/platform.h"

namespace xtree::platform {

// A piece of a file to be read.
struct ReadRequest {
  File* file = nullptr;
  std::uint64_t offset = 0;
  std::span<std::byte> bytes;
  bool done = false;  // the answer: whether all of `bytes` has been read
};

// Requests that are under way at a time. Virtual disks gain up to here, and little behind it.
inline constexpr std::size_t kDepth = 64;

// Announces up to kDepth requests at a time, and reads one after the other. Failures have no reason
// here: who needs one reads the piece again by `File::read_at`. Any thread.
//
// An io_uring was slower: design/concurrency.md, "Checkpoints".
void read_batch(std::span<ReadRequest> requests) noexcept;

}  // namespace xtree::platform
