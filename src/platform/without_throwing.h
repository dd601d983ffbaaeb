// Where the standard library's exceptions end. The library's own code throws nothing, but its
// containers do when memory runs out.
#pragma once

#include <algorithm>
#include <cstddef>
#include <new>
#include <stdexcept>
#include <system_error>
#include <type_traits>
#include <utility>

#include "xtree/result.h"

namespace xtree::platform {

// Returns what `work` returns, which is a Result, or `out_of_memory` when it threw because memory,
// or a thread, was not to be had. It stands where calls come in and around each step that must not
// be left half done; whoever calls it knows what a step that ended in the middle has changed.
template <class Work>
auto without_throwing(const char* place, Work&& work) noexcept -> std::invoke_result_t<Work> {
  try {
    return std::forward<Work>(work)();
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::out_of_memory, place, "there is not enough memory");
  } catch (const std::length_error&) {
    return Error(ErrorCode::out_of_memory, place, "more than memory can hold");
  } catch (const std::system_error& error) {
    return Error(ErrorCode::out_of_memory, error.code().value(), place, "cannot start a thread");
  }
}

// The same for a step that yields nothing; false when it threw.
template <class Work>
[[nodiscard]] bool try_to(Work&& work) noexcept {
  return without_throwing("memory", [&]() -> Result<void> {
           std::forward<Work>(work)();
           return {};
         }).has_value();
}

// Makes room for `count` more elements; false when there is no memory for it.
template <class Vector>
[[nodiscard]] bool make_room(Vector& vector, std::size_t count) noexcept {
  if (vector.capacity() - vector.size() >= count) [[likely]]
    return true;
  return try_to([&] { vector.reserve(std::max(2 * vector.size(), vector.size() + count)); });
}

}  // namespace xtree::platform
