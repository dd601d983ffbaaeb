#include "support/temporary_directory.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <system_error>

namespace xtree::test {
namespace {

namespace fs = std::filesystem;

std::size_t entries_of(const char* directory) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  path_ = (fs::current_path() / "xtree-test-XXXXXX").string();
  if (mkdtemp(path_.data()) == nullptr) {
    ADD_FAILURE() << "cannot make " << path_;
  }
}

TemporaryDirectory::~TemporaryDirectory() {
  if (testing::Test::HasFailure()) {
    std::cout << "kept: " << path_ << std::endl;
    return;
  }
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

DirectoryImage read_directory(const std::string& path) {
  DirectoryImage image;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    const std::string name = fs::relative(entry.path(), path).string();
    if (entry.is_directory()) {
      image[name + "/"] = {};
      continue;
    }
    std::ifstream in(entry.path(), std::ios::binary);
    Bytes bytes(fs::file_size(entry.path()));
    in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    EXPECT_TRUE(in.good() || bytes.empty()) << entry.path();
    image[name] = std::move(bytes);
  }
  return image;
}

void write_directory(const std::string& path, const DirectoryImage& image) {
  fs::remove_all(path);
  fs::create_directories(path);
  for (const auto& [name, bytes] : image) {
    const fs::path file = fs::path(path) / name;
    if (name.back() == '/') {
      fs::create_directories(file);
      continue;
    }
    std::ofstream out(file, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
    EXPECT_TRUE(out.good()) << file;
  }
}

// The descriptor that lists the directory is counted too, every time.
std::size_t open_descriptors() { return entries_of("/proc/self/fd"); }

std::size_t running_threads() { return entries_of("/proc/self/task"); }

}  // namespace xtree::test
