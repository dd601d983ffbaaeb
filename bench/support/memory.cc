#include "support/memory.h"

#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace bench {
namespace {

// The resident bytes of this process, without what its allocator could give back.
double resident_bytes() {
  malloc_trim(0);
  long pages = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

}  // namespace

double resident_growth(const std::function<void(const std::function<void()>& built)>& build) {
  int ends[2];
  if (pipe(ends) != 0) return 0;
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    const double before = resident_bytes();
    build([&] {
      const double growth = resident_bytes() - before;
      const bool written = write(ends[1], &growth, sizeof(growth)) == sizeof(growth);
      _exit(written ? 0 : 1);
    });
    _exit(1);
  }
  close(ends[1]);
  double growth = 0;
  if (child < 0 || read(ends[0], &growth, sizeof(growth)) != sizeof(growth)) growth = 0;
  close(ends[0]);
  if (child > 0) waitpid(child, nullptr, 0);
  return growth;
}

}  // namespace bench
