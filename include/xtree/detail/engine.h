// What the typed shell and the compiled engine say to each other. Not for users: it may change in
// any release. Geometry crosses as plain scalars, boxes as D minima followed by D maxima, points as
// D coordinates; the shell has checked nothing, the engine checks everything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>

#include "xtree/config.h"
#include "xtree/options.h"
#include "xtree/result.h"

namespace xtree {

struct IndexStats;

namespace detail {

enum class ScalarType : std::uint8_t { float32 = 4, float64 = 8 };

// What an index holds, fixed when it is made.
struct Schema {
  std::uint16_t dimensions = 2;
  ScalarType scalar = ScalarType::float64;
  Shape shape = Shape::boxes;
  std::uint16_t value_bytes = 8;
  Compression compression = Compression::none;  // of its nodes in files

  [[nodiscard]] std::size_t scalar_bytes() const noexcept {
    return static_cast<std::size_t>(scalar);
  }
  // Scalars of one entry's geometry as it is stored and as it crosses this interface.
  [[nodiscard]] std::size_t rows() const noexcept {
    return shape == Shape::points ? dimensions : 2u * dimensions;
  }
  friend bool operator==(const Schema&, const Schema&) noexcept = default;
};

// The leaf format that the shell decodes: blocks of `kLeafVectorBytes / sizeof(Scalar)` lanes, one
// 64-byte row per coordinate (all minima by axis, then all maxima), then the lanes' values, unless
// these stand all together in front of the first block.
inline constexpr std::size_t kLeafVectorBytes = 64;
inline constexpr std::size_t kMaxLeafEntries = 128;

// The bytes of a block: rows and values, up to the next row's beginning.
[[nodiscard]] constexpr std::size_t leaf_block_bytes_for(std::size_t rows, std::size_t lanes,
                                                         std::size_t value_bytes) noexcept {
  const std::size_t used = rows * kLeafVectorBytes + lanes * value_bytes;
  return (used + kLeafVectorBytes - 1) / kLeafVectorBytes * kLeafVectorBytes;
}

// The bytes that values take in front of a leaf's blocks; 0 where they stand in the blocks. In more
// than four dimensions these lie on pages of their own, which few hits would be worth looking up.
[[nodiscard]] constexpr std::size_t values_in_front(std::size_t dimensions,
                                                    std::size_t value_bytes) noexcept {
  static_assert(kMaxLeafEntries % kLeafVectorBytes == 0);
  return dimensions > 4 && value_bytes <= 16 ? kMaxLeafEntries * value_bytes : 0;
}

// The hits of one leaf: bit i of `mask` says that entry i answers the query. `last` may say that no
// other leaf has any, so that nobody has to ask.
struct LeafHits {
  const std::byte* blocks = nullptr;
  std::size_t block_bytes = 0;
  bool last = false;
  std::uint64_t mask[kMaxLeafEntries / 64] = {};
};

// The rectangle of rectangles that every conjunction of intersects, within and covers folds into:
// an entry answers when low_min <= min <= low_max and high_min <= max <= high_max on each axis.
template <class Scalar>
struct Window {
  Scalar low_min[kMaxDimensions];
  Scalar low_max[kMaxDimensions];
  Scalar high_min[kMaxDimensions];
  Scalar high_max[kMaxDimensions];
};

// `count` entries in the caller's memory, whose geometry and value lie `stride` bytes apart from
// the first entry's.
struct EntryBlock {
  const void* geometry;
  const void* value;
  std::size_t stride;
  std::size_t count;
};

// Nearest hits by growing distance, some at a time: where each stands, as the scan's hits do, and
// its distance in the query's metric. They stay there until the query ends.
struct NearestHits {
  static constexpr std::size_t kMost = 16;
  struct Hit {
    const std::byte* blocks;
    std::size_t entry;
    double distance;
  };

  std::size_t count = 0;
  std::size_t block_bytes = 0;
  Hit hits[kMost];
};

// Pairs that a join has found: one entry of a leaf, and all entries of a leaf of the other index
// that it makes a pair with.
struct PairHits {
  const std::byte* one_blocks = nullptr;
  std::size_t one = 0;          // the entry's place in its leaf
  bool one_is_first = true;     // it belongs to the join's first index
  LeafHits many;
};

inline constexpr std::uint64_t kEndless = std::numeric_limits<std::uint64_t>::max();

// What a nearest query asks for. It is read when the query begins, and then no more.
struct NearestRequest {
  const void* target;  // a box in the schema's scalars; no NaN in it
  std::uint64_t limit = kEndless;
  double max_distance = std::numeric_limits<double>::infinity();
  Metric metric = Metric::euclidean;
  const double* weights = nullptr;  // of the gaps' squares, one for each axis, or none
};

// A node of the tree: its box is D minima and D maxima, rounded outward.
struct NodeOutline {
  std::uint32_t level;  // 0 is a leaf
  std::uint32_t count;
  bool supernode;
  const float* box;
};

// What is called for each node.
struct NodeVisitor {
  void (*visit)(void* context, const NodeOutline& node);
  void* context;

  // Calls `f`, which outlives it.
  template <class F>
  static NodeVisitor of(F& f) noexcept {
    return {[](void* called, const NodeOutline& node) { (*static_cast<F*>(called))(node); }, &f};
  }
};

// Where a query stands between two calls of the engine: opaque bytes that the engine fills in
// `begin_*` and leaves in `end_*`. It stays where it was made.
struct ScanState {
  alignas(64) std::byte storage[4352];
};
// What scans that go side by side have in common, likewise.
struct GroupState {
  alignas(64) std::byte storage[512];
};

// A pinned epoch of a database; null means what is newest when the query begins.
class DatabaseCore;
class SnapshotCore;
class TreeReader;

// One index in one mode. Reads may run beside reads; in memory mode a write excludes everything
// else; in durable mode any thread may call anything at any time.
class XTREE_EXPORT IndexCore {
 public:
  // `scans_hold` says whether a scan holds on to anything, so that it must be ended.
  IndexCore(const Schema& schema, bool scans_hold) noexcept
      : schema_(schema),
        scans_hold_(scans_hold) {}
  IndexCore(const IndexCore&) = delete;
  IndexCore& operator=(const IndexCore&) = delete;
  virtual ~IndexCore();

  [[nodiscard]] const Schema& schema() const noexcept { return schema_; }
  [[nodiscard]] bool scans_hold() const noexcept { return scans_hold_; }

  // The database that an index lives in, and its number there; null in memory.
  struct Home {
    const DatabaseCore* database = nullptr;
    std::uint32_t number = 0;
  };
  [[nodiscard]] virtual Home home() const noexcept { return {}; }

  virtual Result<void> insert(const void* geometry, const void* value) = 0;
  virtual Result<bool> erase(const void* geometry, const void* value) = 0;
  virtual Result<bool> update(const void* from, const void* to, const void* value) = 0;
  virtual Result<void> bulk_load(const EntryBlock& entries, const BulkLoadOptions& options) = 0;
  virtual Result<void> clear() = 0;

  // `window` is a Window<Scalar>; no NaN in it. If scans hold, one that was begun must be ended,
  // whether it ran dry or not. `begin_scan` finds the first hits, and says of none that they are
  // the last. `next_leaf` is false at the end and on an error, and `end_scan` tells which.
  virtual Result<void> begin_scan(ScanState& state, const SnapshotCore* snapshot,
                                  const void* window, LeafHits& hits) const = 0;
  virtual bool next_leaf(ScanState& state, LeafHits& hits) const = 0;
  virtual Result<void> end_scan(ScanState& state) const = 0;
  // Scans that go side by side, up to kMostScans at a time, and see one state. One that joins has
  // looked at nothing yet. `approach` takes all that have joined since the last time, when those
  // before are over, to their first leaves, so that none waits alone for its nodes; false when one
  // failed. `next_leaf` finds their first hits. They are not ended, but if scans hold, the group
  // must be, and tells what failed.
  static constexpr std::size_t kMostScans = 8;
  virtual Result<void> begin_group(GroupState& group, const SnapshotCore* snapshot) const = 0;
  virtual void join_group(GroupState& group, ScanState& state, const void* window) const = 0;
  virtual bool approach(GroupState& group, std::span<ScanState> states) const = 0;
  virtual Result<void> end_group(GroupState& group) const = 0;
  virtual Result<std::uint64_t> count(const SnapshotCore* snapshot, const void* window) const = 0;

  // Entries by growing distance. Ties come in any order. Refuses distances and weights that are out
  // of range.
  virtual Result<void> begin_nearest(ScanState& state, const SnapshotCore* snapshot,
                                     const NearestRequest& request) const = 0;
  // The next hits: one at a time where the limit is large or there is none, as each may cost much.
  virtual bool next_nearest(ScanState& state, NearestHits& hits) const = 0;
  virtual Result<void> end_nearest(ScanState& state) const = 0;

  virtual Result<std::uint64_t> size(const SnapshotCore* snapshot) const = 0;
  virtual Result<IndexStats> stats(const SnapshotCore* snapshot) const = 0;
  virtual Result<void> verify(const SnapshotCore* snapshot) const = 0;
  // The whole tree for a join; with `beside`, a reader of another index of the same database, in
  // the state that it sees.
  virtual Result<std::unique_ptr<TreeReader>> read_tree(const SnapshotCore* snapshot,
                                                        const TreeReader* beside) const = 0;
  // Visits every node, parents before their children.
  virtual Result<void> for_each_node(const SnapshotCore* snapshot,
                                     const NodeVisitor& visitor) const = 0;

 private:
  Schema schema_;
  bool scans_hold_;
};

// A join under way. It refers to both indexes.
class XTREE_EXPORT JoinCore {
 public:
  // A null snapshot means what is newest now, one state for both indexes if they have a database in
  // common. Refuses schemas of different dimensions or scalars.
  static Result<std::unique_ptr<JoinCore>> begin(const IndexCore& first,
                                                 const SnapshotCore* first_snapshot,
                                                 const IndexCore& second,
                                                 const SnapshotCore* second_snapshot);
  JoinCore() = default;
  JoinCore(const JoinCore&) = delete;
  JoinCore& operator=(const JoinCore&) = delete;
  virtual ~JoinCore();

  // The next pairs; false at the end and on an error, and `status` tells which.
  virtual bool next(PairHits& hits) = 0;
  // How many pairs are left.
  virtual std::uint64_t count_rest() = 0;
  [[nodiscard]] virtual Result<void> status() const = 0;
};

// A new index in memory; refuses a schema that is out of range.
XTREE_EXPORT Result<std::unique_ptr<IndexCore>> make_memory_index(const Schema& schema);

}  // namespace detail
}  // namespace xtree
