// Ways to read many pieces of files at once, behind BatchReader of xtree/platform.h.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "xtree/platform.h"

namespace xtree::platform {

// Requests that are under way at a time. Virtual disks gain up to here, and little behind it.
inline constexpr std::size_t kDepth = 64;

// Reads what a request is still to get behind its first `present` bytes, and says if it has all.
void finish(ReadRequest& request, std::size_t present = 0) noexcept;

// Announces up to kDepth requests at a time, so that the disk works on all of them, and reads one
// after the other.
void read_one_by_one(std::span<ReadRequest> requests) noexcept;

// The descriptor of a file that the operating system's file system opened.
using DescriptorOf = int (*)(const File& file) noexcept;

// A reader that has the kernel work on up to kDepth requests at a time, by io_uring. The ring is
// made for the first batch; where the kernel refuses to make one, or to go on with it, files are
// read one by one. A child that was forked after that reads them so too: what it submitted would be
// done in its parent's name.
std::unique_ptr<BatchReader> make_uring_reader(DescriptorOf descriptor_of);

}  // namespace xtree::platform
