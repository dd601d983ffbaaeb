// RankPartition: puts rows into slabs between given ranks of one coordinate.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace xtree::index {

// The most slabs that one pass makes: few enough that the places where it writes stay in the
// translation buffer and in the first-level cache.
inline constexpr std::size_t kMostSlabs = 8;

struct FloatRange {
  float low;
  float high;
};

// Rows are `stride` words, of which the one behind the number and `axis` floats is the key. D is
// the number of floats in a row, or 0 when it is known only at run time.
//
// One pass counts the keys in cells of equal width, which shows in which cell each rank falls; the
// next moves each row to its slab, and rows of cells with a rank in them in between. Only what is
// in such a cell is looked at again: it is sorted when it is little, and partitioned in turn, with
// cells over its own range, when it is much. Two passes nearly always, whatever the distribution;
// all moves keep the order of equal keys.
template <int D>
class RankPartition {
 public:
  RankPartition(std::size_t axis, std::size_t stride) noexcept
      : key_(axis + 1), stride_words_(stride) {}

  // Moves `count` rows: those of the least keys, as many as the first rank says, come first, and so
  // on. `ranks` ascend, and are fewer than kMostSlabs. The range is a guess where most keys lie.
  // Both memories are written.
  void run(std::uint32_t* from, std::uint32_t* to, std::size_t count, FloatRange range,
           std::span<const std::size_t> ranks) const noexcept {
    partition<kMostCells>(from, to, count, range, ranks);
  }

 private:
  template <int>
  friend class SharedPartition;

  static constexpr std::size_t kMostCells = 2048;
  static constexpr std::size_t kZoneCells = 256;
  static constexpr std::size_t kRowsPerCell = 4;
  static constexpr std::size_t kSortedZone = 256;
  static constexpr std::size_t kMostTargets = 2 * kMostSlabs - 1;
  // Keys that differ by less are equal: frames make the spread of most entries 1.
  static constexpr float kNothing = 1e-30f;

  // Cells of equal width over a range; what lies outside belongs to the first or the last one.
  struct Cells {
    Cells(FloatRange range, std::size_t count) noexcept
        : low(range.low), last(static_cast<float>(count - 1)) {
      const float width = range.high - range.low;
      scale = width > kNothing ? static_cast<float>(count) / width : 0;
    }
    [[nodiscard]] std::size_t of(float key) const noexcept {
      const float at = (key - low) * scale;
      return static_cast<std::size_t>(static_cast<std::int32_t>(
          at > 0 ? (at < last ? at : last) : 0));
    }
    float low;
    float last;
    float scale;
  };

  template <std::size_t most>
  static constexpr std::size_t cells_for(std::size_t count) noexcept {
    return std::clamp<std::size_t>(count / kRowsPerCell, 1, most);
  }

  // A cell that has a rank in it, and where its rows go.
  struct Zone {
    std::size_t begin;
    std::size_t end;
  };

  // Where the rows of each cell go: targets are, by turns, what lies between two zones and a zone.
  // Each is a run of cells.
  template <std::size_t most_cells>
  struct Targets {
    std::uint8_t of[most_cells];
    std::size_t begin[kMostTargets + 1] = {};
    std::size_t first_cell[kMostTargets + 1] = {};
    std::size_t count = 1;

    // From the number of rows in each cell.
    void find(const std::uint32_t* counts, std::size_t cells,
              std::span<const std::size_t> ranks) noexcept {
      std::size_t sum = 0;
      std::size_t next = 0;  // rank
      for (std::size_t cell = 0; cell < cells; ++cell) {
        const std::size_t before = sum;
        sum += counts[cell];
        // A rank at the very beginning of a cell needs no look into it: its zone is empty.
        if (next < ranks.size() && ranks[next] == before && counts[cell] != 0) {
          add_zone(before, before, cell, cell);
          ++next;
        }
        if (next < ranks.size() && ranks[next] < sum) {
          of[cell] = static_cast<std::uint8_t>(count);
          add_zone(before, sum, cell, cell + 1);
          while (next < ranks.size() && ranks[next] < sum) ++next;
        } else {
          of[cell] = static_cast<std::uint8_t>(count - 1);
        }
      }
      begin[count] = sum;
      first_cell[count] = cells;
    }
    void add_zone(std::size_t first, std::size_t end, std::size_t cell,
                  std::size_t cells_end) noexcept {
      begin[count] = first;
      begin[count + 1] = end;
      first_cell[count] = cell;
      first_cell[count + 1] = cells_end;
      count += 2;
    }
    [[nodiscard]] std::size_t zones() const noexcept { return (count - 1) / 2; }
    [[nodiscard]] Zone zone(std::size_t i) const noexcept {
      return {begin[2 * i + 1], begin[2 * i + 2]};
    }
  };

  [[nodiscard]] std::size_t stride() const noexcept {
    return D != 0 ? static_cast<std::size_t>(D) + 1 : stride_words_;
  }
  [[nodiscard]] float key_of(const std::uint32_t* row) const noexcept {
    return std::bit_cast<float>(row[key_]);
  }
  void copy_row(std::uint32_t* to, const std::uint32_t* from) const noexcept {
    std::memcpy(to, from, stride() * sizeof(std::uint32_t));
  }

  void count_rows(const std::uint32_t* rows, std::size_t count, const Cells& cells,
                  std::uint32_t* counts) const noexcept {
    for (std::size_t i = 0; i < count; ++i) ++counts[cells.of(key_of(rows + i * stride()))];
  }

  // Moves each row behind the one before it that had the same target.
  template <std::size_t most_cells>
  void move_rows(const std::uint32_t* rows, std::size_t count, const Cells& cells,
                 const Targets<most_cells>& targets, std::uint32_t** next) const noexcept {
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t* row = rows + i * stride();
      std::uint32_t*& place = next[targets.of[cells.of(key_of(row))]];
      copy_row(place, row);
      place += stride();
    }
  }

  template <std::size_t most_cells>
  void partition(std::uint32_t* from, std::uint32_t* to, std::size_t count, FloatRange range,
                 std::span<const std::size_t> ranks) const noexcept {
    const std::size_t cell_count = cells_for<most_cells>(count);
    const Cells cells(range, cell_count);
    std::uint32_t counts[most_cells];
    std::fill_n(counts, cell_count, 0u);
    count_rows(from, count, cells, counts);
    Targets<most_cells> targets;
    targets.find(counts, cell_count, ranks);
    std::uint32_t* next[kMostTargets];
    for (std::size_t t = 0; t < targets.count; ++t) next[t] = to + targets.begin[t] * stride();
    move_rows(from, count, cells, targets, next);
    settle_all(from, to, targets, ranks);
  }

  // Puts the rows of zones, which `to` holds, on the right sides of the ranks.
  template <std::size_t most_cells>
  void settle_all(std::uint32_t* from, std::uint32_t* to, const Targets<most_cells>& targets,
                  std::span<const std::size_t> ranks) const noexcept {
    for (std::size_t i = 0; i < targets.zones(); ++i) settle_zone(from, to, targets.zone(i), ranks);
  }

  void settle_zone(std::uint32_t* from, std::uint32_t* to, const Zone& zone,
                   std::span<const std::size_t> ranks) const noexcept {
    std::size_t inner[kMostSlabs - 1];
    std::size_t inner_count = 0;
    for (const std::size_t rank : ranks) {
      if (rank > zone.begin && rank < zone.end) inner[inner_count++] = rank - zone.begin;
    }
    std::uint32_t* scratch = from + zone.begin * stride();
    std::uint32_t* rows = to + zone.begin * stride();
    const std::size_t count = zone.end - zone.begin;
    if (count <= kSortedZone) {
      sort_rows(rows, scratch, count);
    } else {
      settle(rows, scratch, count, {inner, inner_count});
    }
  }

  void settle(std::uint32_t* rows, std::uint32_t* scratch, std::size_t count,
              std::span<const std::size_t> ranks) const noexcept {
    FloatRange range{key_of(rows), key_of(rows)};
    for (std::size_t i = 1; i < count; ++i) {
      const float key = key_of(rows + i * stride());
      range.low = std::min(range.low, key);
      range.high = std::max(range.high, key);
    }
    if (!(range.high - range.low > kNothing)) return;  // among equals every order is right
    partition<kZoneCells>(rows, scratch, count, range, ranks);
    std::memcpy(rows, scratch, count * stride() * sizeof(std::uint32_t));
  }

  void sort_rows(std::uint32_t* rows, std::uint32_t* scratch, std::size_t count) const noexcept {
    std::uint64_t order[kSortedZone];  // a key that sorts as its float does, above the row's place
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t bits = rows[i * stride() + key_];
      const std::uint32_t key = bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
      order[i] = std::uint64_t{key} << 32 | i;
    }
    std::sort(order, order + count);
    std::memcpy(scratch, rows, count * stride() * sizeof(std::uint32_t));
    for (std::size_t i = 0; i < count; ++i) {
      const auto place = static_cast<std::uint32_t>(order[i]);
      copy_row(rows + i * stride(), scratch + place * stride());
    }
  }

  std::size_t key_;
  std::size_t stride_words_;
};

}  // namespace xtree::index
