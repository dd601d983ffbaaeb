// Content: what the harness knows must be in a database, without asking the database.
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "xtree/index.h"

namespace xtree::testing {

// The indexes that workloads use. Each has its own dimensions, scalars, shape and size of value.
using Boxes2 = Index<2>;
using Points3 = PointIndex<3, std::uint32_t, float>;
using Wide6 = Index<6, std::uint32_t, float>;  // its boxes overlap so much that supernodes come
inline constexpr std::size_t kIndexes = 4;
inline constexpr const char* kIndexNames[kIndexes] = {"boxes", "points", "wide", "more-boxes"};
// Two of them are packed, as far as the library was built for it.
inline constexpr Compression kCompressions[kIndexes] = {Compression::none, Compression::lz4,
                                                        Compression::none, Compression::zstd};
// Named values that workloads use: "v0" to "v7".
inline constexpr std::size_t kValues = 8;

enum class Action : std::uint8_t { insert, erase, update, clear, put, remove };

// One change. An entry is named by `id` and `version`, from which its geometry follows; a named
// value by `id`, and what it holds by `version`.
struct Change {
  Action action = Action::insert;
  std::uint8_t index = 0;
  std::uint32_t id = 0;
  std::uint32_t version = 0;
  std::uint32_t to_version = 0;  // of an update

  friend bool operator==(const Change&, const Change&) noexcept = default;
};

// A sum over everything in a database that does not depend on the order. Two contents that differ
// have the same sums only with a probability of about 2^-128.
struct Fingerprint {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  void add(std::uint64_t hash) noexcept;
  void subtract(std::uint64_t hash) noexcept;
  friend auto operator<=>(const Fingerprint&, const Fingerprint&) noexcept = default;
};

// The coordinates of an entry, `kDimensions` or twice as many.
template <class Index>
typename Index::Geometry geometry_of(std::uint32_t id, std::uint32_t version);
template <class Index>
typename Index::Value value_of(std::uint32_t id) {
  return static_cast<typename Index::Value>(id);
}
// What a fingerprint adds for an entry, a named value, and an index that exists.
std::uint64_t entry_hash(std::size_t index, const void* geometry, std::size_t geometry_bytes,
                         std::uint64_t value) noexcept;
std::uint64_t value_hash(std::string_view name, std::string_view value) noexcept;
std::uint64_t index_hash(std::size_t index) noexcept;

[[nodiscard]] std::string value_name(std::uint32_t id);
[[nodiscard]] std::string value_text(std::uint32_t id, std::uint32_t version);

class Content {
 public:
  using Entry = std::pair<std::uint32_t, std::uint32_t>;  // id and version

  void create_index(std::size_t index);
  void drop_index(std::size_t index);
  // A change of what is absent changes nothing.
  void apply(const Change& change);

  [[nodiscard]] bool has_index(std::size_t index) const noexcept { return indexes_[index].exists; }
  [[nodiscard]] const std::set<Entry>& entries(std::size_t index) const noexcept {
    return indexes_[index].entries;
  }
  [[nodiscard]] const Fingerprint& fingerprint() const noexcept { return fingerprint_; }
  // "boxes: 12 entries, ..." for people.
  [[nodiscard]] std::string describe() const;

 private:
  struct IndexContent {
    bool exists = false;
    std::set<Entry> entries;
  };

  void insert(std::size_t index, Entry entry);
  bool erase(std::size_t index, Entry entry);
  void clear(std::size_t index);

  std::array<IndexContent, kIndexes> indexes_;
  std::array<std::uint32_t, kValues> values_ = {};  // version + 1; 0 when it is absent
  Fingerprint fingerprint_;
};

// Calls `f(static_cast<Index*>(nullptr))` with the type of this index.
template <class F>
decltype(auto) with_index_type(std::size_t index, F&& f) {
  switch (index) {
    case 1: return f(static_cast<Points3*>(nullptr));
    case 2: return f(static_cast<Wide6*>(nullptr));
    default: return f(static_cast<Boxes2*>(nullptr));
  }
}

}  // namespace xtree::testing
