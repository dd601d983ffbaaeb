// Memory that runs out when a test says so.
#pragma once

#include <cstdint>

namespace xtree::test {

enum class MemoryFailure : std::uint8_t { once, from_then_on };
enum class MemoryUser : std::uint8_t { any_thread, other_threads };

// While it lives, the `nth` allocation of the process, or of all threads but the one that made it,
// fails, or all of them from then on: of `operator new` in all its forms everywhere, and of malloc,
// its relatives and mmap in what the test links with the wrapping of tests/harness/CMakeLists.txt.
// One at a time; any thread may allocate meanwhile.
class FailingMemory {
 public:
  FailingMemory(std::uint64_t nth, MemoryFailure failure,
                MemoryUser user = MemoryUser::any_thread) noexcept;
  FailingMemory(const FailingMemory&) = delete;
  FailingMemory& operator=(const FailingMemory&) = delete;
  ~FailingMemory();

  [[nodiscard]] bool has_failed() const noexcept;
  // Ends it; whether an allocation has failed.
  bool stop() noexcept;
};

}  // namespace xtree::test
