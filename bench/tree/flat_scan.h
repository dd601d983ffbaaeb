// Flat scans over points that lie in rows: what a tree in many dimensions has to beat.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bench {

// Entries lie in blocks of this many, the block's coordinates by axis; the last block is filled up
// with infinities.
inline constexpr std::size_t kScanLanes = 8;

struct FlatRows {
  const double* rows;  // 64-byte aligned
  std::size_t blocks;
  int dimensions;
};

// The functions of one instruction set.
struct FlatScanKernels {
  // Leaves in `masks[i]` the points of block i that lie in the window.
  void (*window)(const FlatRows& data, const double* low, const double* high, std::uint8_t* masks);
  // Leaves each point's squared distance in `distances`, or one that is above `bound` and at most
  // the distance, for blocks `first` to `last`.
  void (*distances)(const FlatRows& data, std::size_t first, std::size_t last, const double* target,
                    double bound, double* distances);
};

// Those that suit this processor, which are the ones that XTree would choose.
FlatScanKernels flat_scan_kernels();

}  // namespace bench
