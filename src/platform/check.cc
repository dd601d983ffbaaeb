#include "platform/check.h"

#include <cstdio>
#include <cstdlib>

namespace xtree::platform {

void check_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "xtree: %s:%d: check failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace xtree::platform
