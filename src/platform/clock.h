// Clocks, for what is written down for people and for limits that they set; what the engine does to
// data depends on none.
#pragma once

#include <cstdint>

namespace xtree::platform {

// Two clocks that move every few milliseconds, and cost less to look at than finer ones.

// Microseconds since 1970-01-01 UTC.
[[nodiscard]] std::uint64_t coarse_unix_time_us() noexcept;
// Milliseconds since some moment before the process began. It never goes back.
[[nodiscard]] std::uint64_t coarse_time_ms() noexcept;

// Tells how long parts of some work took.
class Stopwatch {
 public:
  Stopwatch() noexcept;
  // Adds the microseconds since the last lap, or since the beginning, to `sum`.
  void lap(std::uint64_t& sum) noexcept;

 private:
  std::uint64_t last_ns_;
  std::uint64_t rest_ns_ = 0;
};

}  // namespace xtree::platform
