#include "platform/clock.h"

#include <chrono>

namespace xtree::platform {

std::uint64_t unix_time_us() noexcept {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

}  // namespace xtree::platform
