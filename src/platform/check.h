// Checks of what the code itself promised. A failed check is a bug, never bad input: it aborts.
#pragma once

namespace xtree::platform {

[[noreturn]] void check_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace xtree::platform

// Always on.
#define XTREE_CHECK(condition)                                                   \
  (static_cast<bool>(condition)                                                  \
       ? static_cast<void>(0)                                                    \
       : ::xtree::platform::check_failed(#condition, __FILE_NAME__, __LINE__))

// On in builds without NDEBUG; for hot paths.
#ifdef NDEBUG
#define XTREE_DCHECK(condition) static_cast<void>(0)
#else
#define XTREE_DCHECK(condition) XTREE_CHECK(condition)
#endif

// Returns the error of an expression of type Result from the enclosing function.
#define XTREE_TRY(expression)                              \
  do {                                                     \
    if (auto result_ = (expression); !result_) [[unlikely]] \
      return result_.error();                              \
  } while (false)
