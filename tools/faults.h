// What is wrong with a database, as the tool's reports have it.
#pragma once

#include <vector>

#include "report.h"
#include "xtree/repair.h"

namespace xtree::tool {

// One object for each fault: file, offset, node, index, text. What is not known is null.
[[nodiscard]] Json json_of(const std::vector<Fault>& faults);

// The error of a command that found faults and has reported them.
[[nodiscard]] Error error_of(const std::vector<Fault>& faults);

}  // namespace xtree::tool
