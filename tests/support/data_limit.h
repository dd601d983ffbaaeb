// DataLimit: so much writable memory, and no more.
#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstddef>
#include <fstream>
#include <string>

namespace xtree::test {

// While it lives, the process may have so many bytes of private writable memory more than it has.
class DataLimit {
 public:
  explicit DataLimit(std::size_t more_bytes) {
    EXPECT_EQ(::getrlimit(RLIMIT_DATA, &before_), 0);
    rlimit limit = before_;
    limit.rlim_cur = data_bytes() + more_bytes;
    EXPECT_EQ(::setrlimit(RLIMIT_DATA, &limit), 0);
  }
  DataLimit(const DataLimit&) = delete;
  DataLimit& operator=(const DataLimit&) = delete;
  ~DataLimit() { lift(); }

  void lift() { EXPECT_EQ(::setrlimit(RLIMIT_DATA, &before_), 0); }

 private:
  [[nodiscard]] static std::size_t data_bytes() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmData:")) return std::stoull(line.substr(7)) * 1024;
    }
    ADD_FAILURE() << "the system does not say how much there is";
    return 0;
  }

  rlimit before_{};
};

}  // namespace xtree::test
