#include "platform/clock.h"

#include <time.h>

#include <chrono>

namespace xtree::platform {

namespace {

std::uint64_t steady_time_ns() noexcept {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

}  // namespace

Stopwatch::Stopwatch() noexcept : last_ns_(steady_time_ns()) {}

// What is left of a microsecond goes to the next lap, so that many short laps sum up right.
void Stopwatch::lap(std::uint64_t& sum) noexcept {
  const std::uint64_t now_ns = steady_time_ns();
  const std::uint64_t passed_ns = now_ns - last_ns_ + rest_ns_;
  last_ns_ = now_ns;
  sum += passed_ns / 1000;
  rest_ns_ = passed_ns % 1000;
}

std::uint64_t coarse_unix_time_us() noexcept {
#ifdef CLOCK_REALTIME_COARSE
  timespec now;
  if (::clock_gettime(CLOCK_REALTIME_COARSE, &now) == 0) {
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1000;
  }
#endif
  const auto now_us = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(now_us).count());
}

std::uint64_t coarse_time_ms() noexcept {
#ifdef CLOCK_MONOTONIC_COARSE
  timespec now;
  if (::clock_gettime(CLOCK_MONOTONIC_COARSE, &now) == 0) {
    return static_cast<std::uint64_t>(now.tv_sec) * 1000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
  }
#endif
  const auto now_ms = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now_ms).count());
}

}  // namespace xtree::platform
