// What a process takes of the machine, sampled over time, and whether it stays flat.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace xtree::test {

// What may be seen to grow if something leaks.
struct Sample {
  std::uint64_t resident_bytes = 0;
  std::uint64_t descriptors = 0;
  std::uint64_t threads = 0;
  std::uint64_t disk_bytes = 0;
};

// Of this process, and of the files below `directory`.
[[nodiscard]] Sample take_sample(const std::string& directory);

// One figure over time. The first quarter is warm-up.
class Series {
 public:
  explicit Series(std::string name) : name_(std::move(name)) {}

  void add(std::uint64_t figure) { figures_.push_back(figure); }

  // Nothing when it stays flat: when the median of the last quarter exceeds the one of the quarter
  // after the warm-up by at most this many percent and `slack` on top.
  [[nodiscard]] std::optional<std::string> growth(std::uint64_t percent, std::uint64_t slack) const;
  // First after the warm-up, last and greatest, as a line.
  [[nodiscard]] std::string summary() const;

 private:
  [[nodiscard]] std::uint64_t median_of_quarter(std::size_t quarter) const;

  std::string name_;
  std::vector<std::uint64_t> figures_;
};

}  // namespace xtree::test
