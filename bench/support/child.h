// Work in a process of its own, whose memory is its own and gone with it.
#pragma once

#include <cstddef>
#include <functional>
#include <new>
#include <type_traits>

namespace bench {

// Runs `work` in a child process and waits for its end; false when the child failed. This process
// has no other threads.
[[nodiscard]] bool run_in_child(const std::function<void()>& work);

void* map_shared(std::size_t bytes);
void unmap_shared(void* memory, std::size_t bytes) noexcept;

// A value that children see and change: how they report.
template <class T>
class Shared {
  static_assert(std::is_trivially_destructible_v<T>);

 public:
  Shared() : value_(::new (map_shared(sizeof(T))) T{}) {}
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  ~Shared() { unmap_shared(value_, sizeof(T)); }

  T& operator*() const { return *value_; }
  T* operator->() const { return value_; }

 private:
  T* value_;
};

}  // namespace bench
