// Ways to read many pieces of files at once, behind BatchReader of xtree/platform.h.
#pragma once

#include <cstddef>
#include <memory>

#include "xtree/platform.h"

namespace xtree::platform {

// Reads what a request is still to get behind its first `present` bytes, and says if it has all.
void finish(ReadRequest& request, std::size_t present = 0) noexcept;

// The descriptor of a file that the operating system's file system opened.
using DescriptorOf = int (*)(const File& file) noexcept;

// A reader that has the kernel work on up to 64 requests at a time, by io_uring. The ring is made
// for the first batch; where the kernel refuses to make one, or to go on with it, files are read
// one after the other. A child that was forked after that reads them so too: what it submitted
// would be done in its parent's name.
std::unique_ptr<BatchReader> make_uring_reader(DescriptorOf descriptor_of);

}  // namespace xtree::platform
