#include "durable/cold_visit.h"

#include <malloc.h>

#include <chrono>
#include <cstring>
#include <fstream>

#include "durable/require.h"
#include "support/child.h"
#include "support/page_cache.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// The number behind a name in one of the files that tell about this process.
std::uint64_t told_by(const char* file, const std::string& name) {
  std::ifstream lines(file);
  std::string word;
  while (lines >> word) {
    if (word != name) continue;
    std::uint64_t value = 0;
    lines >> value;
    return value;
  }
  stop_with(std::string(file) + ": there is no " + name);
}

std::uint64_t bytes_read() { return told_by("/proc/self/io", "read_bytes:"); }
std::uint64_t most_resident_bytes() { return told_by("/proc/self/status", "VmHWM:") * 1024; }

// Lets the most that was resident be what is resident now.
void forget_most_resident() {
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << 5;
}

void ask(const ColdContestant& contestant, const std::string& directory, std::uint64_t cache_bytes,
         std::span<const xtree::Box<2>> windows, Visit& found) {
  forget_most_resident();
  const std::uint64_t resident = most_resident_bytes();
  const auto begin = Clock::now();
  const auto store = contestant.open(directory, cache_bytes);
  found.open_seconds = seconds_since(begin);
  const std::uint64_t read = bytes_read();
  const auto opened = Clock::now();
  store->ask(windows, std::span(found.answers).first(windows.size()));
  found.seconds = seconds_since(opened);
  found.bytes_read = bytes_read() - read;
  found.resident_growth = most_resident_bytes() - resident;
  found.bytes_beside_cache = store->bytes_beside_cache();
}

}  // namespace

void visit(const ColdContestant& contestant, const std::string& directory,
           std::uint64_t cache_bytes, std::span<const xtree::Box<2>> windows, Visit& found) {
  require(windows.size() <= kMostWindows, "too many windows for one visit");
  const Shared<Visit> shared;
  forget_cached(directory);
  require(run_in_child([&] { ask(contestant, directory, cache_bytes, windows, *shared); }),
          std::string(contestant.name) + ": the visit failed");
  found = *shared;
}

}  // namespace bench
