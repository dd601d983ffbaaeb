// The wall clock, for what is written down for people; nothing in the engine depends on it.
#pragma once

#include <cstdint>

namespace xtree::platform {

// Microseconds since 1970-01-01 UTC.
[[nodiscard]] std::uint64_t unix_time_us() noexcept;

}  // namespace xtree::platform
