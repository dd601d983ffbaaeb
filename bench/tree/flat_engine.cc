#include <bit>
#include <limits>
#include <new>
#include <utility>
#include <vector>

#include "tree/engines.h"
#include "tree/flat_scan.h"
#include "tree/instantiate.h"

namespace bench {
namespace {

struct alignas(64) Row {
  double at[kScanLanes];
};

template <class Geometry>
class FlatEngine final : public EngineLoops<FlatEngine<Geometry>, Geometry> {
 public:
  using Base = Engine<Geometry>;
  using typename Base::Entry;
  using typename Base::Place;
  using typename Base::Window;
  static constexpr int kDimensions = Geometry::kDimensions;

  void insert_one(const Entry& entry) {
    const std::size_t lane = ids_.size() % kScanLanes;
    if (lane == 0) {
      Row empty;
      std::fill(std::begin(empty.at), std::end(empty.at), std::numeric_limits<double>::infinity());
      rows_.resize(rows_.size() + kDimensions, empty);
      masks_.push_back(0);
    }
    Row* block = rows_.data() + rows_.size() - kDimensions;
    for (int i = 0; i < kDimensions; ++i) block[i].at[lane] = entry.geometry[i];
    ids_.push_back(entry.value);
  }

  void window_one(const Window& window, Answer& answer) {
    Answer found;
    kernels_.window(rows(), window.min.data(), window.max.data(), masks_.data());
    for (std::size_t i = 0; i < masks_.size(); ++i) {
      for (unsigned mask = masks_[i]; mask != 0; mask &= mask - 1) {
        found.add(ids_[i * kScanLanes + static_cast<std::size_t>(std::countr_zero(mask))]);
      }
    }
    answer = found;
  }

  // Keeps a heap of the nearest, whose worst is the bound for the next group of blocks.
  void nearest_one(const Place& target, std::size_t count, std::uint64_t* ids) {
    constexpr std::size_t kGroup = 16;
    alignas(64) double distances[kGroup * kScanLanes];
    double bound = std::numeric_limits<double>::max();
    heap_.clear();
    for (std::size_t first = 0; first < masks_.size(); first += kGroup) {
      const std::size_t last = std::min(first + kGroup, masks_.size());
      kernels_.distances(rows(), first, last, target.data(), bound, distances);
      for (std::size_t i = 0; i < (last - first) * kScanLanes; ++i) {
        if (!(distances[i] < bound)) continue;
        if (heap_.size() == count) {
          std::pop_heap(heap_.begin(), heap_.end());
          heap_.pop_back();
        }
        heap_.emplace_back(distances[i], ids_[first * kScanLanes + i]);
        std::push_heap(heap_.begin(), heap_.end());
        if (heap_.size() == count) bound = heap_.front().first;
      }
    }
    for (const auto& [distance, id] : heap_) *ids++ = id;
  }

 private:
  [[nodiscard]] FlatRows rows() const { return {rows_[0].at, masks_.size(), kDimensions}; }

  FlatScanKernels kernels_ = flat_scan_kernels();
  std::vector<Row> rows_;
  std::vector<std::uint64_t> ids_;
  std::vector<std::uint8_t> masks_;
  std::vector<std::pair<double, std::uint64_t>> heap_;
};

}  // namespace

template <class Geometry>
EnginePtr<Geometry> make_flat_scan() {
  return std::make_unique<FlatEngine<Geometry>>();
}
XTREE_BENCH_POINTS(make_flat_scan)

}  // namespace bench
