// Clocks, for what is written down for people and for limits that they set; what the engine does to
// data depends on none.
#pragma once

#include <cstdint>

namespace xtree::platform {

// Microseconds since 1970-01-01 UTC.
[[nodiscard]] std::uint64_t unix_time_us() noexcept;
// Milliseconds since some moment before the process began. It never goes back, moves every few
// milliseconds, and costs less to look at than a finer one.
[[nodiscard]] std::uint64_t coarse_time_ms() noexcept;

}  // namespace xtree::platform
