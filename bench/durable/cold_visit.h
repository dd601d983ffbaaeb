// Visits: windows that are asked of an index just opened, in a process of its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "durable/cold_store.h"

namespace bench {

inline constexpr std::size_t kMostWindows = 4096;

// What a visit found, and what it cost.
struct Visit {
  double open_seconds = 0;
  double seconds = 0;              // of all windows together
  std::uint64_t bytes_read = 0;    // from the disk, by windows
  std::uint64_t resident_growth = 0;  // the most that the process held beyond what it began with
  std::uint64_t bytes_beside_cache = 0;
  std::array<Answer, kMostWindows> answers;
};

// Has the page cache forget the directory's files, opens the index, and asks. A failure ends the
// program.
void visit(const ColdContestant& contestant, const std::string& directory,
           std::uint64_t cache_bytes, std::span<const xtree::Box<2>> windows, Visit& found);

}  // namespace bench
