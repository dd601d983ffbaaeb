#include "progress.h"

#include <unistd.h>

#include <cstdio>

namespace xtree::tool {
namespace {

constexpr auto kBetweenDraws = std::chrono::milliseconds(100);
constexpr std::uint32_t kCallsBetweenLooks = 256;  // the clock is not asked for every row
constexpr int kBarWidth = 24;

}  // namespace

Progress::Progress(const char* what) noexcept : what_(what), on_terminal_(isatty(2) == 1) {}

Progress::~Progress() {
  if (drawn_) std::fputs("\r\033[K", stderr);
}

void Progress::show(std::uint64_t rows, std::uint64_t done, std::uint64_t total) noexcept {
  if (!on_terminal_ || ++calls_ % kCallsBetweenLooks != 0) return;
  const Clock::time_point now = Clock::now();
  if (now - last_ < kBetweenDraws) return;
  last_ = now;
  draw(rows, std::chrono::duration<double>(now - start_).count(),
       total == 0 ? 0 : static_cast<double>(done) / static_cast<double>(total));
}

void Progress::draw(std::uint64_t rows, double seconds, double fraction) noexcept {
  drawn_ = true;
  char bar[kBarWidth + 1];
  for (int i = 0; i < kBarWidth; ++i) bar[i] = i < fraction * kBarWidth ? '#' : '.';
  bar[kBarWidth] = '\0';
  const double rate = static_cast<double>(rows) / seconds;
  if (fraction > 0) {
    std::fprintf(stderr, "\r\033[K%s [%s] %3.0f %%  %llu rows  %.0f/s  %.0f s left", what_, bar,
                 fraction * 100, static_cast<unsigned long long>(rows), rate,
                 seconds * (1 - fraction) / fraction);
  } else {
    std::fprintf(stderr, "\r\033[K%s  %llu rows  %.0f/s", what_,
                 static_cast<unsigned long long>(rows), rate);
  }
  std::fflush(stderr);
}

}  // namespace xtree::tool
