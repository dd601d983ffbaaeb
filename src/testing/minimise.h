// Making a failing case smaller.
#pragma once

#include <cstdint>

#include "testing/explorer.h"

namespace xtree::testing {

// A case that fails too, with fewer lives, steps, changes and losses as far as a bounded search
// finds one. `seed` is that of the searches.
[[nodiscard]] Case minimise(Case failed, std::uint64_t seed);

}  // namespace xtree::testing
