// How a benchmark ends when something is not as it must be.
#pragma once

#include <errno.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "xtree/result.h"

namespace bench {

[[noreturn]] inline void stop_with(const std::string& why) {
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, why.c_str());
  std::exit(1);
}
inline void require(bool condition, const std::string& why) {
  if (!condition) stop_with(why);
}

// What a call of XTree's returned, unless it has failed.
template <class T>
T must(xtree::Result<T> result) {
  if (!result) stop_with(result.error().message());
  return std::move(result).value();
}
inline void must(const xtree::Result<void>& result) {
  if (!result) stop_with(result.error().message());
}

}  // namespace bench
