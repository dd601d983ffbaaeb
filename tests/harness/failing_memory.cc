#include "harness/failing_memory.h"

#include <pthread.h>
#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace xtree::test {
namespace {

// Constant-initialised, since allocations come before and after everything else.
std::atomic<bool> armed{false};
std::atomic<bool> sticky{false};
std::atomic<bool> failed{false};
std::atomic<std::uint64_t> left{0};
std::atomic<bool> spares_one{false};
std::atomic<pthread_t> spared{};  // the thread, if there is one

bool refuses() noexcept {
  if (!armed.load(std::memory_order_acquire)) return false;
  if (spares_one.load() && pthread_equal(spared.load(), pthread_self()) != 0) return false;
  const std::uint64_t before = left.load(std::memory_order_relaxed);
  const bool due = before == 0 ? sticky.load() : left.fetch_sub(1) == 1;
  if (due) failed.store(true);
  return due;
}

}  // namespace

FailingMemory::FailingMemory(std::uint64_t nth, MemoryFailure failure, MemoryUser user) noexcept {
  spares_one.store(user == MemoryUser::other_threads);
  spared.store(pthread_self());
  sticky.store(failure == MemoryFailure::from_then_on);
  failed.store(false);
  left.store(nth);
  armed.store(true, std::memory_order_release);
}

FailingMemory::~FailingMemory() { stop(); }

bool FailingMemory::has_failed() const noexcept { return failed.load(); }

bool FailingMemory::stop() noexcept {
  armed.store(false);
  return has_failed();
}

}  // namespace xtree::test

extern "C" {
void* __real_malloc(std::size_t bytes);
void* __real_calloc(std::size_t count, std::size_t bytes);
void* __real_realloc(void* memory, std::size_t bytes);
void* __real_aligned_alloc(std::size_t alignment, std::size_t bytes);
void* __real_mmap(void* address, std::size_t bytes, int protection, int flags, int file,
                  off_t offset);
void* __wrap_malloc(std::size_t bytes);
void* __wrap_calloc(std::size_t count, std::size_t bytes);
void* __wrap_realloc(void* memory, std::size_t bytes);
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t bytes);
void* __wrap_mmap(void* address, std::size_t bytes, int protection, int flags, int file,
                  off_t offset);

void* __wrap_malloc(std::size_t bytes) {
  return xtree::test::refuses() ? nullptr : __real_malloc(bytes);
}
void* __wrap_calloc(std::size_t count, std::size_t bytes) {
  return xtree::test::refuses() ? nullptr : __real_calloc(count, bytes);
}
void* __wrap_realloc(void* memory, std::size_t bytes) {
  return xtree::test::refuses() ? nullptr : __real_realloc(memory, bytes);
}
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t bytes) {
  return xtree::test::refuses() ? nullptr : __real_aligned_alloc(alignment, bytes);
}
void* __wrap_mmap(void* address, std::size_t bytes, int protection, int flags, int file,
                  off_t offset) {
  if (!xtree::test::refuses()) return __real_mmap(address, bytes, protection, flags, file, offset);
  errno = ENOMEM;
  return MAP_FAILED;
}
}

namespace {

void* allocate(std::size_t bytes, std::size_t alignment) noexcept {
  if (xtree::test::refuses()) return nullptr;
  if (alignment <= alignof(max_align_t)) return __real_malloc(bytes == 0 ? 1 : bytes);
  return __real_aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

void* allocate_or_throw(std::size_t bytes, std::size_t alignment) {
  void* memory = allocate(bytes, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t bytes) { return allocate_or_throw(bytes, 1); }
void* operator new[](std::size_t bytes) { return allocate_or_throw(bytes, 1); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return allocate(bytes, 1); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
  return allocate(bytes, 1);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return allocate_or_throw(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return allocate_or_throw(bytes, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return allocate(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment,
                     const std::nothrow_t&) noexcept {
  return allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
