// Progress: a line on the terminal while long work goes on.
#pragma once

#include <chrono>
#include <cstdint>

namespace xtree::tool {

// Shows how far the work is, how fast it goes and how long it will take, when standard error is a
// terminal; does nothing otherwise. The line is wiped when the object goes.
//
//   Progress progress("reading");
//   while (...) progress.show(rows, bytes_done, bytes_total);
class Progress {
 public:
  explicit Progress(const char* what) noexcept;
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();

  // `total` is 0 when nobody knows how much there is to do. Cheap enough to call for every row.
  void show(std::uint64_t rows, std::uint64_t done, std::uint64_t total) noexcept;

 private:
  using Clock = std::chrono::steady_clock;

  void draw(std::uint64_t rows, double seconds, double fraction) noexcept;

  const char* what_;
  bool on_terminal_;
  bool drawn_ = false;
  std::uint32_t calls_ = 0;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_ = start_;
};

}  // namespace xtree::tool
