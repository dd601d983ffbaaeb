#include "support/machine.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <sstream>
#include <thread>

namespace bench {
namespace {

// What stands behind the colon in the first line of a file that begins with a key.
std::string value_in(const char* file_name, const std::string& key) {
  std::ifstream file(file_name);
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind(key, 0) != 0) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) break;
    const std::size_t begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "unknown";
}

std::string first_line_of(const std::string& file_name) {
  std::ifstream file(file_name);
  std::string line;
  return std::getline(file, line) ? line : "unknown";
}

std::string instruction_sets() {
  std::istringstream flags(value_in("/proc/cpuinfo", "flags"));
  std::string found;
  for (std::string flag; flags >> flag;) {
    for (const char* notable : {"sse4_2", "avx2", "bmi2", "avx512f"}) {
      if (flag == notable) found.append(found.empty() ? "" : " ").append(flag);
    }
  }
  return found.empty() ? "unknown" : found;
}

// The choice in brackets.
std::string huge_pages() {
  const std::string choices = first_line_of("/sys/kernel/mm/transparent_hugepage/enabled");
  const std::size_t begin = choices.find('[');
  const std::size_t end = choices.find(']');
  if (begin == std::string::npos || end == std::string::npos) return "unknown";
  return choices.substr(begin + 1, end - begin - 1);
}

// A virtual machine whose system reports free pages pays for them when it uses them again.
std::string freed_pages() {
  constexpr int kLargestOrder = 10;
  int order = kLargestOrder + 1;
  std::ifstream("/sys/module/page_reporting/parameters/page_reporting_order") >> order;
  return order > kLargestOrder ? "kept" : "given back to a host, if there is one";
}

std::string compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "gcc " __VERSION__;
#endif
}

}  // namespace

std::vector<std::pair<std::string, std::string>> describe_machine() {
  const auto bytes = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                     static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  utsname system = {};
  uname(&system);
  return {
      {"processor", value_in("/proc/cpuinfo", "model name")},
      {"instruction sets", instruction_sets()},
      {"cores", std::to_string(std::thread::hardware_concurrency())},
      {"last cache", first_line_of("/sys/devices/system/cpu/cpu0/cache/index3/size")},
      {"memory", std::to_string((bytes >> 30) + 1) + " GiB"},
      {"huge pages", huge_pages()},
      {"freed pages", freed_pages()},
      {"system", std::string(system.sysname) + " " + system.release},
      {"compiler", compiler()},
  };
}

}  // namespace bench
