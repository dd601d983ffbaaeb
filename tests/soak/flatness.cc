#include "soak/flatness.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "support/temporary_directory.h"

namespace xtree::test {
namespace {

namespace fs = std::filesystem;

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

// Blocks, not lengths: that is what fills a disk.
std::uint64_t disk_bytes(const std::string& directory) {
  constexpr std::uint64_t kBlockBytes = 512;
  std::uint64_t bytes = 0;
  std::error_code gone;  // files come and go while the walk is under way
  for (fs::recursive_directory_iterator at(directory, gone), end; at != end; at.increment(gone)) {
    struct stat status {};
    if (stat(at->path().c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
      bytes += static_cast<std::uint64_t>(status.st_blocks) * kBlockBytes;
    }
  }
  return bytes;
}

}  // namespace

Sample take_sample(const std::string& directory) {
  return {resident_bytes(), open_descriptors(), running_threads(), disk_bytes(directory)};
}

std::uint64_t Series::median_of_quarter(std::size_t quarter) const {
  const auto begin = figures_.size() * quarter / 4;
  const auto end = std::max(begin + 1, figures_.size() * (quarter + 1) / 4);
  std::vector<std::uint64_t> part(figures_.begin() + static_cast<std::ptrdiff_t>(begin),
                                  figures_.begin() + static_cast<std::ptrdiff_t>(end));
  const auto middle = part.begin() + static_cast<std::ptrdiff_t>(part.size() / 2);
  std::nth_element(part.begin(), middle, part.end());
  return *middle;
}

std::optional<std::string> Series::growth(std::uint64_t percent, std::uint64_t slack) const {
  if (figures_.size() < 4) return name_ + ": too few samples to tell";
  const std::uint64_t early = median_of_quarter(1);
  const std::uint64_t late = median_of_quarter(3);
  if (late <= early + early * percent / 100 + slack) return std::nullopt;
  return name_ + " grew from " + std::to_string(early) + " to " + std::to_string(late);
}

std::string Series::summary() const {
  if (figures_.empty()) return name_ + ": no samples";
  const auto warm = figures_.begin() + static_cast<std::ptrdiff_t>(figures_.size() / 4);
  return name_ + ": first " + std::to_string(*warm) + ", last " +
         std::to_string(figures_.back()) + ", greatest " +
         std::to_string(*std::max_element(warm, figures_.end()));
}

}  // namespace xtree::test
