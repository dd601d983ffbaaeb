// A failing case as text that people can read and `xtree crash-test --replay` can run.
#pragma once

#include <string>
#include <string_view>

#include "testing/explorer.h"
#include "xtree/result.h"

namespace xtree::testing {

[[nodiscard]] std::string to_text(const Case& failed);
// `invalid_argument` names the line that makes no sense.
[[nodiscard]] Result<Case> parse_case(std::string_view text);

}  // namespace xtree::testing
