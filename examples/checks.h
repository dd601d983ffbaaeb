// What the main job does when something does not hold: it says what, and exits.
#pragma once

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <xtree/result.h>

[[gnu::format(printf, 2, 3)]] inline void check(bool holds, const char* otherwise, ...) {
  if (holds) return;
  std::fflush(stdout);
  std::fputs("main job: FAILED: ", stderr);
  std::va_list arguments;
  va_start(arguments, otherwise);
  std::vfprintf(stderr, otherwise, arguments);
  va_end(arguments);
  std::fputc('\n', stderr);
  std::exit(1);
}

// The value of a result that has to be there. A program with a user would do better with an error
// than to exit, but hardly better than to print it: it says what failed, where and why.
template <class T>
T take(xtree::Result<T> result) {
  if (!result) check(false, "%s", result.error().message());
  return std::move(result).value();
}
inline void take(const xtree::Result<void>& result) {
  if (!result) check(false, "%s", result.error().message());
}
