// Error and Result<T>: how every operation that can fail says so. Nothing here throws or allocates.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "xtree/config.h"

namespace xtree {

enum class ErrorCode : std::uint8_t {
  invalid_argument,  // the input breaks a rule of the interface; nothing was changed
  not_found,         // a named thing is not there
  already_exists,    // a named thing is there, with another meaning (an index with another schema)
  locked,            // another database object, here or in another process, has the directory open
  read_only,         // the directory or the database cannot be written
  not_a_database,    // the directory holds something else
  newer_format,      // a newer version of the library wrote these files
  corruption,        // bytes on disk are not what was written there
  io_error,          // the operating system refused an operation
  no_space,          // the disk is full
  out_of_memory,     // memory is exhausted; nothing was changed
  poisoned,          // an earlier failure stopped all writing; reopen the database
  closed,            // the database was closed
  limit_exceeded,    // a bound of the library was reached
  unsupported,       // this build of the library was made without what it takes
};

// The name of a code, as in "corruption".
[[nodiscard]] XTREE_EXPORT const char* to_string(ErrorCode code) noexcept;

// What failed, where, and why; it holds its text itself and never allocates.
//
//   if (!db) std::fprintf(stderr, "%s\n", db.error().message());
//
// `message` is one line, "place: text" (and the system's own words where a system call failed),
// cut to its buffer if it is longer. `place` is a file name, with an offset where one is known, or
// the name of the argument that was refused.
class Error {
 public:
  Error(ErrorCode code, const char* place, const char* text) noexcept
      : Error(code, 0, place, text) {}
  XTREE_EXPORT Error(ErrorCode code, int system_error, const char* place,
                     const char* text) noexcept;

  [[nodiscard]] ErrorCode code() const noexcept { return code_; }
  // The errno of the system call that failed, or 0.
  [[nodiscard]] int system_error() const noexcept { return system_error_; }
  [[nodiscard]] const char* place() const noexcept { return place_; }
  [[nodiscard]] const char* message() const noexcept { return message_; }

 private:
  ErrorCode code_;
  int system_error_;
  char place_[104];
  char message_[272];
};

namespace detail {
// Prints nothing more than `what` and the error's message to standard error, and aborts: the caller
// broke the promise to look before it took the value.
[[noreturn]] XTREE_EXPORT void abort_without_value(const Error& error) noexcept;
}  // namespace detail

// A value or the Error that took its place, with the member names of std::expected.
//
//   auto found = index.erase(box, 42);
//   if (!found) return found.error();
//   if (*found) ...
//
// `value()` on an error aborts the process with the error's message; it is the form for programs
// that have no better answer. A Result of `void` says only whether the operation succeeded.
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  using error_type = Error;

  Result(T value) noexcept(std::is_nothrow_move_constructible_v<T>) : ok_(true) {
    ::new (static_cast<void*>(std::addressof(value_))) T(std::move(value));
  }
  Result(const Error& error) noexcept : ok_(false) {
    ::new (static_cast<void*>(std::addressof(error_))) Error(error);
  }
  Result(Result&& other) noexcept : ok_(other.ok_) { take(std::move(other)); }
  Result& operator=(Result&& other) noexcept {
    if (this != &other) {
      destroy();
      ok_ = other.ok_;
      take(std::move(other));
    }
    return *this;
  }
  Result(const Result&) = delete;
  Result& operator=(const Result&) = delete;
  ~Result() { destroy(); }

  [[nodiscard]] bool has_value() const noexcept { return ok_; }
  explicit operator bool() const noexcept { return ok_; }
  [[nodiscard]] const Error& error() const noexcept { return error_; }

  T& value() & noexcept { return require(), value_; }
  const T& value() const& noexcept { return require(), value_; }
  T&& value() && noexcept { return require(), std::move(value_); }
  T& operator*() & noexcept { return require(), value_; }
  const T& operator*() const& noexcept { return require(), value_; }
  T&& operator*() && noexcept { return require(), std::move(value_); }
  T* operator->() noexcept { return require(), std::addressof(value_); }
  const T* operator->() const noexcept { return require(), std::addressof(value_); }
  template <class U>
  [[nodiscard]] T value_or(U&& other) && {
    return ok_ ? std::move(value_) : static_cast<T>(std::forward<U>(other));
  }

 private:
  void require() const noexcept {
    if (!ok_) [[unlikely]]
      detail::abort_without_value(error_);
  }
  void take(Result&& other) noexcept {
    if (ok_) {
      ::new (static_cast<void*>(std::addressof(value_))) T(std::move(other.value_));
    } else {
      ::new (static_cast<void*>(std::addressof(error_))) Error(other.error_);
    }
  }
  void destroy() noexcept {
    if (ok_) value_.~T();
  }

  bool ok_;
  union {
    T value_;
    Error error_;
  };
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  using error_type = Error;

  Result() noexcept : ok_(true) {}
  Result(const Error& error) noexcept : ok_(false) {
    ::new (static_cast<void*>(std::addressof(error_))) Error(error);
  }
  Result(const Result& other) noexcept : ok_(other.ok_) { take(other); }
  Result& operator=(const Result& other) noexcept {
    ok_ = other.ok_;
    take(other);
    return *this;
  }

  [[nodiscard]] bool has_value() const noexcept { return ok_; }
  explicit operator bool() const noexcept { return ok_; }
  [[nodiscard]] const Error& error() const noexcept { return error_; }
  void value() const noexcept {
    if (!ok_) [[unlikely]]
      detail::abort_without_value(error_);
  }

 private:
  void take(const Result& other) noexcept {
    if (!ok_) ::new (static_cast<void*>(std::addressof(error_))) Error(other.error_);
  }

  bool ok_;
  union {
    Error error_;
  };
};

}  // namespace xtree
