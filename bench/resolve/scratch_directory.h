// A directory for a benchmark's database.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

namespace xtree::bench {

// Made below TMPDIR, or /tmp; removed at the end with all that is in it.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    const char* parent = ::getenv("TMPDIR");
    path_ = std::string(parent != nullptr ? parent : "/tmp") + "/xtree-bench-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) ::abort();
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

}  // namespace xtree::bench
