#include "support/memory.h"

#include <malloc.h>
#include <unistd.h>

#include <cstdio>

#include "support/child.h"

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
  const Shared<double> growth;
  const bool succeeded = run_in_child([&] {
    const double before = resident_bytes();
    // What is built is not taken down.
    build([&] {
      *growth = resident_bytes() - before;
      _exit(0);
    });
  });
  return succeeded ? *growth : 0;
}

}  // namespace bench
