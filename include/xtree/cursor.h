// Cursors: the hits of a query as a C++20 input range.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <span>
#include <type_traits>
#include <utility>

#include "xtree/query.h"
#include "xtree/result.h"

namespace xtree {
namespace detail {

// Reads entries out of a leaf; everything about the layout is known at compile time.
template <int D, class V, class T, Shape S>
struct LeafDecoder {
  static constexpr std::size_t kLanes = kLeafVectorBytes / sizeof(T);
  static constexpr std::size_t kRows = S == Shape::points ? D : 2 * D;
  static constexpr std::size_t kValuesInFront = values_in_front(D, sizeof(V));
  static constexpr std::size_t kBlockBytes =
      leaf_block_bytes_for(kRows, kLanes, kValuesInFront != 0 ? 0 : sizeof(V));

  // `blocks` is the leaf's first block, or, unless values stand in front of that, one behind it
  // from which on entries are numbered.
  static void decode(const std::byte* blocks, std::size_t entry, Hit<D, V, T>& hit) noexcept {
    // A row and the values of a block are as long as their lanes, so both are arrays with gaps.
    const std::size_t block = entry / kLanes;
    const std::byte* rows = blocks + block * (kBlockBytes - kLeafVectorBytes);
    for (std::size_t i = 0; i < D; ++i) {
      hit.box.min[i] = reinterpret_cast<const T*>(rows + i * kLeafVectorBytes)[entry];
      hit.box.max[i] =
          reinterpret_cast<const T*>(rows + (kRows - D + i) * kLeafVectorBytes)[entry];
    }
    const std::byte* values = blocks - kValuesInFront;
    if constexpr (kValuesInFront == 0) {
      values += kRows * kLeafVectorBytes + block * (kBlockBytes - kLanes * sizeof(V));
    }
    std::memcpy(&hit.value, values + entry * sizeof(V), sizeof(V));
  }
};

// Visits the hits of a leaf. What a hit needs stays in registers, and coordinates that the visitor
// does not look at are not even read.
template <int D, class V, class T, Shape S>
class LeafVisitor {
 public:
  // Calls `visit(hit)` for each that answers the whole predicate, until it returns false.
  template <class P, class F>
  [[gnu::always_inline]] static bool visit_leaf(const LeafHits& leaf, const P& predicate,
                                                F& visit) {
    const auto visit_entry = [&](const std::byte* blocks, std::size_t entry) {
      Hit<D, V, T> hit;
      Decoder::decode(blocks, entry, hit);
      return !test_rest(predicate, hit) || visit(std::as_const(hit));
    };
    // Nobody can predict in which word a lone hit is, so no branch asks for that.
    static_assert(std::size(LeafHits().mask) == 2);
    std::size_t word = leaf.mask[0] == 0 ? 1 : 0;
    do {
      if (!visit_word(leaf.blocks, word, leaf.mask[word], visit_entry)) return false;
    } while (++word < std::size(leaf.mask) && leaf.mask[word] != 0);
    return true;
  }

 private:
  using Decoder = LeafDecoder<D, V, T, S>;
  static constexpr std::size_t kLanes = Decoder::kLanes;

  // Calls `visit_entry` with those of one word's entries whose bits are set, until it returns
  // false. They are numbered from a block on that moves along, where that is possible.
  template <class F>
  [[gnu::always_inline]] static bool visit_word(const std::byte* blocks, std::size_t word,
                                                std::uint64_t bits, F& visit_entry) {
    std::size_t first = 0;
    const auto move_on = [&](std::size_t entries) {
      if constexpr (Decoder::kValuesInFront != 0) {
        first += entries;
      } else {
        // A number, as without a hit there may be no blocks.
        const auto address =
            reinterpret_cast<std::uintptr_t>(blocks) + entries / kLanes * Decoder::kBlockBytes;
        blocks = reinterpret_cast<const std::byte*>(address);
      }
    };
    move_on(word * 64);
    // Where all up to some entry are hits, as in a leaf inside the window, whole blocks of them are
    // loops over arrays, which compilers unroll. Asking that of each block by itself would be a
    // branch that nobody can predict.
    const bool all = (bits & (bits + 1)) == 0;
    const std::size_t whole_blocks = all ? std::countr_one(bits) / kLanes : 0;
    for (std::size_t block = 0; block < whole_blocks; ++block) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        if (!visit_entry(blocks, first + lane)) return false;
      }
      move_on(kLanes);
    }
    bits = bits >> whole_blocks * (kLanes / 2) >> whole_blocks * (kLanes / 2);
    for (; bits != 0; bits &= bits - 1) {
      const auto lane = static_cast<std::size_t>(std::countr_zero(bits));
      if (!visit_entry(blocks, first + lane)) return false;
    }
    return true;
  }
};

// Calls a visitor, which may return whether it wants more.
template <class F>
[[gnu::always_inline]] inline bool goes_on(F&& visit) {
  if constexpr (std::is_same_v<std::invoke_result_t<F&>, bool>) {
    return visit();
  } else {
    visit();
    return true;
  }
}

[[nodiscard]] inline Error refused_predicate() {
  return Error(ErrorCode::invalid_argument, "query", "a box is inverted or holds NaN");
}

// The window of a predicate.
template <int D, class T, class P>
[[gnu::always_inline]] inline void make_window(const P& predicate, Window<T>& window) {
  open_window(window, D);
  predicate.narrow(window);
}

// One scan from its beginning to its end: hits that answer the whole predicate, one by one or all.
template <int D, class V, class T, Shape S, class P>
class WindowScan {
 public:
  using HitType = Hit<D, V, T>;

  WindowScan(const IndexCore& core, const SnapshotCore* snapshot, const P& predicate)
      : core_(core), predicate_(predicate) {
    if (!predicate_.valid()) {
      status_ = refused_predicate();
      return;
    }
    Window<T> window;
    make_window<D>(predicate_, window);
    status_ = core_.begin_scan(state_, snapshot, &window, leaf_);
    begun_ = status_.has_value();
  }
  WindowScan(const WindowScan&) = delete;
  WindowScan& operator=(const WindowScan&) = delete;
  ~WindowScan() { finish(); }

  bool next(HitType& hit) {
    for (;;) {
      while (word_ < std::size(leaf_.mask)) {
        std::uint64_t& bits = leaf_.mask[word_];
        if (bits == 0) {
          ++word_;
          continue;
        }
        Decoder::decode(leaf_.blocks, word_ * 64 + std::countr_zero(bits), hit);
        bits &= bits - 1;
        if (test_rest(predicate_, hit)) return true;
      }
      if (!begun_ || leaf_.last || !core_.next_leaf(state_, leaf_)) {
        finish();
        return false;
      }
      word_ = 0;
    }
  }
  // Calls `visit(hit)` for each hit that is left, until it returns false.
  template <class F>
  [[gnu::always_inline]] void visit_all(F&& visit) {
    if (!begun_) return;
    const P predicate = predicate_;
    do {
      if (!LeafVisitor<D, V, T, S>::visit_leaf(leaf_, predicate, visit)) break;
    } while (!leaf_.last && core_.next_leaf(state_, leaf_));
    finish();
  }
  [[nodiscard]] const Result<void>& status() const noexcept { return status_; }

 private:
  using Decoder = LeafDecoder<D, V, T, S>;

  void finish() {
    if (begun_) {
      begun_ = false;
      if (core_.scans_hold()) status_ = core_.end_scan(state_);
    }
  }

  const IndexCore& core_;
  P predicate_;
  Result<void> status_;
  bool begun_ = false;
  std::size_t word_ = 0;
  LeafHits leaf_;
  ScanState state_;
};

// The hits of one of many predicates.
template <int D, class V, class T, Shape S, class P>
class PredicateHits {
 public:
  PredicateHits(const IndexCore& core, ScanState& state, const P& predicate) noexcept
      : core_(core), state_(state), predicate_(predicate) {}
  PredicateHits(const PredicateHits&) = delete;
  PredicateHits& operator=(const PredicateHits&) = delete;

  // Calls `visit(hit)` for each of them. When `visit` returns bool, false stops. They can be asked
  // for once.
  template <class F>
  [[gnu::always_inline]] void for_each(F&& visit) {
    const P predicate = predicate_;
    const auto visit_hit = [&](const Hit<D, V, T>& hit) {
      return goes_on([&] { return visit(hit); });
    };
    LeafHits leaf;
    while (!leaf.last && core_.next_leaf(state_, leaf)) {
      if (!LeafVisitor<D, V, T, S>::visit_leaf(leaf, predicate, visit_hit)) return;
    }
  }

 private:
  const IndexCore& core_;
  ScanState& state_;
  const P& predicate_;
};

// Scans of many windows, some at a time. Most of what a small window takes is to wait for nodes, so
// some go down the tree side by side before the first of them looks at its leaves.
template <int D, class V, class T, Shape S, class P>
class WindowScans {
 public:
  WindowScans(const IndexCore& core, const SnapshotCore* snapshot)
      : core_(core), status_(core.begin_group(group_, snapshot)), begun_(status_) {}
  WindowScans(const WindowScans&) = delete;
  WindowScans& operator=(const WindowScans&) = delete;
  ~WindowScans() { finish(); }

  // Calls `visit(i, hits)` for each predicate, until it returns false.
  template <class F>
  Result<void> visit_all(std::span<const P> predicates, F&& visit) {
    for (std::size_t at = 0; begun_ && at < predicates.size(); at += kMost) {
      const std::size_t left = predicates.size() - at;
      const auto some = predicates.subspan(at, left < kMost ? left : kMost);
      if (!visit_group(some, [&](std::size_t i, auto& hits) { return visit(at + i, hits); })) break;
    }
    finish();
    return status_;
  }

 private:
  static constexpr std::size_t kMost = IndexCore::kMostScans;

  template <class F>
  [[gnu::always_inline]] bool visit_group(std::span<const P> predicates, F&& visit) {
    for (std::size_t i = 0; i < predicates.size(); ++i) {
      Window<T> window;
      make_window<D>(predicates[i], window);
      core_.join_group(group_, states_[i], &window);
    }
    if (!core_.approach(group_, {states_, predicates.size()})) return false;
    for (std::size_t i = 0; i < predicates.size(); ++i) {
      PredicateHits<D, V, T, S, P> hits(core_, states_[i], predicates[i]);
      if (!goes_on([&] { return visit(i, hits); })) return false;
    }
    return true;
  }
  void finish() {
    if (begun_ && core_.scans_hold()) status_ = core_.end_group(group_);
    begun_ = false;
  }

  const IndexCore& core_;
  GroupState group_;
  Result<void> status_;
  bool begun_;
  ScanState states_[kMost];
};

template <int D, class V, class T, Shape S, class Filter>
class NearestScan {
 public:
  using HitType = Hit<D, V, T>;

  NearestScan(const IndexCore& core, const SnapshotCore* snapshot,
              const NearestQuery<D, T, Filter>& query)
      : core_(core), filter_(query.filter()), left_(query.limit()) {
    if (!is_ordered(query.target()) || !filter_.valid()) {
      status_ = refused_predicate();
      return;
    }
    status_ = core_.begin_nearest(state_, snapshot, query.request());
    begun_ = status_.has_value();
  }
  NearestScan(const NearestScan&) = delete;
  NearestScan& operator=(const NearestScan&) = delete;
  ~NearestScan() { finish(); }

  bool next(HitType& hit) {
    while (has_found()) {
      if (!take(found_.hits[taken_++], hit)) continue;
      --left_;
      return true;
    }
    finish();
    return false;
  }
  template <class F>
  [[gnu::always_inline]] void visit_all(F&& visit) {
    for (HitType hit; has_found();) {
      if (!take(found_.hits[taken_++], hit)) continue;
      --left_;
      if (!visit(std::as_const(hit))) break;
    }
    finish();
  }
  [[nodiscard]] const Result<void>& status() const noexcept { return status_; }

 private:
  // Whether there is a hit that was not taken yet.
  bool has_found() {
    if (!begun_ || left_ == 0) return false;
    if (taken_ < found_.count) return true;
    taken_ = 0;
    return core_.next_nearest(state_, found_);
  }
  bool take(const NearestHits::Hit& found, HitType& hit) const {
    LeafDecoder<D, V, T, S>::decode(found.blocks, found.entry, hit);
    hit.distance = found.distance;
    return filter_.test(hit);  // no window has decided anything here
  }
  void finish() {
    if (begun_) {
      begun_ = false;
      status_ = core_.end_nearest(state_);
    }
  }

  const IndexCore& core_;
  Filter filter_;
  std::uint64_t left_;
  Result<void> status_;
  bool begun_ = false;
  NearestHits found_;
  std::size_t taken_ = 0;
  ScanState state_;
};

template <int D, class V, class T, Shape S, class Query>
struct ScanFor {
  using type = WindowScan<D, V, T, S, Query>;
};
template <int D, class V, class T, Shape S, class Filter>
struct ScanFor<D, V, T, S, NearestQuery<D, T, Filter>> {
  using type = NearestScan<D, V, T, S, Filter>;
};

}  // namespace detail

// The hits of one query, fetched as they are asked for; a single-pass range.
//
//   auto hits = index.query(xtree::intersects(window));
//   for (const auto& hit : hits) use(hit.box, hit.value);
//   if (!hits.status()) return hits.status().error();
//
// It stays where it was made and must not outlive its index. A query in memory always succeeds once
// its arguments are accepted; in a durable index reading may fail, and the range then ends early
// and `status` says why. The index must not be changed in memory mode while a cursor is open. A
// cursor in durable mode sees the state at its making, whatever is written meanwhile, and holds on
// to that state's memory until it is destroyed or has run dry.
template <class Scan>
class Cursor {
 public:
  using value_type = typename Scan::HitType;

  template <class Query>
  Cursor(const detail::IndexCore& core, const detail::SnapshotCore* snapshot, const Query& query)
      : scan_(core, snapshot, query) {}

  class iterator {
   public:
    using value_type = typename Scan::HitType;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    explicit iterator(Cursor* cursor) noexcept : cursor_(cursor) {}
    const value_type& operator*() const noexcept { return cursor_->hit_; }
    const value_type* operator->() const noexcept { return &cursor_->hit_; }
    iterator& operator++() {
      cursor_->more_ = cursor_->scan_.next(cursor_->hit_);
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& it, std::default_sentinel_t) noexcept {
      return it.done();
    }

   private:
    [[nodiscard]] bool done() const noexcept { return !cursor_->more_; }

    Cursor* cursor_;
  };

  // Where the cursor stands; the first call fetches the first hit.
  iterator begin() {
    if (!started_) {
      started_ = true;
      more_ = scan_.next(hit_);
    }
    return iterator(this);
  }
  std::default_sentinel_t end() const noexcept { return {}; }

  // Whether all went well so far. Ask after the last hit.
  [[nodiscard]] const Result<void>& status() const noexcept { return scan_.status(); }

 private:
  Scan scan_;
  bool started_ = false;
  bool more_ = false;
  value_type hit_;
};

}  // namespace xtree
