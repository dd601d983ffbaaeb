// Opening what a crash left, with the real recovery, and looking at all of it.
#pragma once

#include <string>
#include <vector>

#include "testing/content.h"
#include "testing/life.h"
#include "xtree/result.h"
#include "xtree/testing/disk_image.h"

namespace xtree::testing {

// Opens the database in the image, verifies it, and sums up its content. The image stays as it is.
[[nodiscard]] Result<Fingerprint> recover_content(const DiskImage& image);

// What is wrong with a state whose content is not among those that were allowed, for people.
[[nodiscard]] std::string describe_difference(const Oracle& oracle, const Fingerprint& found,
                                              const std::vector<Fingerprint>& allowed);

}  // namespace xtree::testing
