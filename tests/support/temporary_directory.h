// Directories that tests write to, and whole directories of files as values.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace xtree::test {

// A new directory below the current one; removed at the end, with all that is in it, unless the
// test failed.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

using Bytes = std::vector<std::byte>;

// The files below a directory by their path in it. Directories are there too, with a '/' at the
// end of their names.
using DirectoryImage = std::map<std::string, Bytes>;

[[nodiscard]] DirectoryImage read_directory(const std::string& path);
// Makes the directory hold these files and no others.
void write_directory(const std::string& path, const DirectoryImage& image);

// Open file descriptors of this process, and its threads.
[[nodiscard]] std::size_t open_descriptors();
[[nodiscard]] std::size_t running_threads();

}  // namespace xtree::test
