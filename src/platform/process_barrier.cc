#include "platform/process_barrier.h"

#include "platform/check.h"

#ifdef __linux__
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace xtree::platform {

#ifdef __linux__

bool enable_process_barrier() noexcept {
  return ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

void process_barrier() noexcept {
  XTREE_CHECK(::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0);
}

#else

bool enable_process_barrier() noexcept { return false; }

void process_barrier() noexcept { XTREE_CHECK(false); }

#endif

}  // namespace xtree::platform
