#include "support/page_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <vector>

namespace bench {
namespace {

void require(bool condition, const std::string& path, const char* why) {
  if (condition) return;
  std::fprintf(stderr, "%s: %s\n", path.c_str(), why);
  std::exit(1);
}

void for_each_file(const std::string& path,
                   const std::function<void(const std::string& name, std::uint64_t bytes)>& call) {
  if (!std::filesystem::is_directory(path)) return call(path, std::filesystem::file_size(path));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) call(entry.path().string(), entry.file_size());
  }
}

// A file that is open for as long as this lives.
class Descriptor {
 public:
  explicit Descriptor(const std::string& path) : number_(::open(path.c_str(), O_RDONLY)) {
    require(number_ >= 0, path, "cannot be opened");
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { ::close(number_); }
  [[nodiscard]] int get() const { return number_; }

 private:
  int number_;
};

std::uint64_t cached_bytes_of(const std::string& path, std::uint64_t bytes) {
  if (bytes == 0) return 0;
  const Descriptor file(path);
  void* mapped = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file.get(), 0);
  require(mapped != MAP_FAILED, path, "cannot be mapped");
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> present((bytes + page - 1) / page);
  require(::mincore(mapped, bytes, present.data()) == 0, path, "does not say what is cached");
  ::munmap(mapped, bytes);
  const auto count = std::ranges::count_if(present, [](unsigned char one) { return one & 1; });
  return static_cast<std::uint64_t>(count) * page;
}

}  // namespace

void forget_cached(const std::string& path) {
  for_each_file(path, [](const std::string& name, std::uint64_t) {
    const Descriptor file(name);
    require(::fdatasync(file.get()) == 0, name, "cannot be synced");
    require(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED) == 0, name, "stays cached");
  });
  require(cached_bytes(path) <= file_bytes(path) / 100, path, "stays in the page cache");
}

std::uint64_t cached_bytes(const std::string& path) {
  std::uint64_t sum = 0;
  for_each_file(path, [&](const std::string& name, std::uint64_t bytes) {
    sum += cached_bytes_of(name, bytes);
  });
  return sum;
}

std::uint64_t file_bytes(const std::string& path) {
  std::uint64_t sum = 0;
  for_each_file(path, [&](const std::string&, std::uint64_t bytes) { sum += bytes; });
  return sum;
}

}  // namespace bench
