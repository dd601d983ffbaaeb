#include "scan.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <iterator>

#include "report.h"
#include "xtree/query.h"

namespace xtree::tool {
namespace {

using detail::IndexCore;
using detail::LeafHits;
using detail::ScanState;
using detail::Window;

// What the window cannot express of a query is left to `answers`.
bool window_decides(Relation relation) noexcept {
  return relation != Relation::overlaps && relation != Relation::disjoint;
}

// The same folding as the predicates of xtree/query.h do at compile time.
template <class T>
Window<T> narrowed_window(Relation relation, const T* box, int dimensions) noexcept {
  Window<T> window;
  detail::open_window(window, dimensions);
  const T* low = box;
  const T* high = box + dimensions;
  for (int i = 0; i < dimensions; ++i) {
    switch (relation) {
      case Relation::intersects:
      case Relation::overlaps:
        window.low_max[i] = high[i];
        window.high_min[i] = low[i];
        break;
      case Relation::within:
        window.low_min[i] = low[i];
        window.high_max[i] = high[i];
        break;
      case Relation::covers:
        window.low_max[i] = low[i];
        window.high_min[i] = high[i];
        break;
      case Relation::disjoint: break;
    }
  }
  return window;
}

// Asked of the relations that the window alone does not decide.
template <class T>
bool answers(Relation relation, const T* entry_low, const T* entry_high, const T* low,
             const T* high, int dimensions) noexcept {
  bool apart = false;
  bool interiors_apart = false;
  bool within = true;
  bool covers = true;
  for (int i = 0; i < dimensions; ++i) {
    apart |= entry_low[i] > high[i] || entry_high[i] < low[i];
    interiors_apart |= entry_low[i] >= high[i] || entry_high[i] <= low[i];
    within &= entry_low[i] >= low[i] && entry_high[i] <= high[i];
    covers &= entry_low[i] <= low[i] && entry_high[i] >= high[i];
  }
  return relation == Relation::disjoint ? apart : !interiors_apart && !within && !covers;
}

// Of a scan's leaf or a nearest hit: where its blocks begin, and how long they are.
void copy_entry(const std::byte* blocks, std::size_t block_bytes, std::size_t entry,
                EntryBuffer& entries) {
  const detail::Schema& schema = entries.schema();
  const std::size_t scalar_bytes = schema.scalar_bytes();
  const std::size_t lanes = detail::kLeafVectorBytes / scalar_bytes;
  const std::byte* block = blocks + entry / lanes * block_bytes;
  const std::size_t lane = entry % lanes;
  const std::size_t copy = entries.append();
  for (std::size_t row = 0; row < schema.rows(); ++row) {
    std::memcpy(entries.geometry(copy) + row * scalar_bytes,
                block + row * detail::kLeafVectorBytes + lane * scalar_bytes, scalar_bytes);
  }
  const std::size_t in_front = detail::values_in_front(schema.dimensions, schema.value_bytes);
  const std::byte* value =
      in_front != 0
          ? blocks - in_front + entry * schema.value_bytes
          : block + schema.rows() * detail::kLeafVectorBytes + lane * schema.value_bytes;
  std::memcpy(entries.value(copy), value, schema.value_bytes);
}

// Appends the hits of a leaf until there is one more than `limit`.
template <class T>
void take_leaf(const LeafHits& leaf, const WindowQuery& query, std::uint64_t limit,
               EntryBuffer& entries) {
  const detail::Schema& schema = entries.schema();
  const int dimensions = schema.dimensions;
  const T* box = reinterpret_cast<const T*>(query.window.bytes);
  for (std::size_t word = 0; word < std::size(leaf.mask); ++word) {
    for (std::uint64_t bits = leaf.mask[word]; bits != 0; bits &= bits - 1) {
      if (entries.size() > limit) return;
      const std::size_t entry = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
      copy_entry(leaf.blocks, leaf.block_bytes, entry, entries);
      if (window_decides(query.relation)) continue;
      const T* low = reinterpret_cast<const T*>(entries.geometry(entries.size() - 1));
      const T* high = schema.shape == Shape::points ? low : low + dimensions;
      if (!answers(query.relation, low, high, box, box + dimensions, dimensions)) {
        entries.drop_last();
      }
    }
  }
}

// Calls `visit(leaf)` for the leaves that may hold hits for as long as it returns true.
template <class T, class F>
Result<void> scan_leaves(const IndexCore& index, const WindowQuery& query, F&& visit) {
  const auto window = narrowed_window(
      query.relation, reinterpret_cast<const T*>(query.window.bytes), index.schema().dimensions);
  ScanState state;
  LeafHits leaf;
  if (auto begun = index.begin_scan(state, nullptr, &window, leaf); !begun) return begun;
  while (visit(leaf) && !leaf.last && index.next_leaf(state, leaf)) {
  }
  return index.end_scan(state);
}

std::string value_text(const EntryBuffer& entries, std::size_t entry) {
  const std::byte* value = entries.value(entry);
  const std::size_t bytes = entries.schema().value_bytes;
  if (bytes == sizeof(std::uint64_t)) {
    std::uint64_t id = 0;
    std::memcpy(&id, value, sizeof(id));
    return std::to_string(id);
  }
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) {
    fmt::format_to(std::back_inserter(text), "{:02x}", static_cast<unsigned>(value[i]));
  }
  return text;
}

std::string axis_name(std::size_t axis, std::size_t dimensions) {
  if (dimensions <= 3) return std::string(1, "xyz"[axis]);
  return fmt::format("a{}", axis);
}

std::vector<std::string> header_of(const Hits& hits) {
  const detail::Schema& schema = hits.entries.schema();
  std::vector<std::string> header{schema.value_bytes == 8 ? "id" : "value"};
  for (std::size_t row = 0; row < schema.rows(); ++row) {
    const std::string axis = axis_name(row % schema.dimensions, schema.dimensions);
    const char* side = row < schema.dimensions ? "min " : "max ";
    header.push_back(schema.shape == Shape::points ? axis : side + axis);
  }
  if (!hits.distances.empty()) header.emplace_back("distance");
  return header;
}

void append_numbers(std::string& text, const char* name, const detail::Schema& schema,
                    const std::byte* scalars) {
  fmt::format_to(std::back_inserter(text), ", \"{}\": [", name);
  for (std::size_t i = 0; i < schema.dimensions; ++i) {
    if (i != 0) text += ", ";
    append_scalar(text, schema.scalar, scalars + i * schema.scalar_bytes());
  }
  text += ']';
}

}  // namespace

Result<std::uint64_t> count_hits(const IndexCore& index, const WindowQuery& query) {
  return with_scalar(index.schema().scalar, [&]<class T>(T) -> Result<std::uint64_t> {
    if (window_decides(query.relation)) {
      const auto window =
          narrowed_window(query.relation, reinterpret_cast<const T*>(query.window.bytes),
                          index.schema().dimensions);
      return index.count(nullptr, &window);
    }
    std::uint64_t hits = 0;
    EntryBuffer of_leaf(index.schema());
    auto done = scan_leaves<T>(index, query, [&](const LeafHits& leaf) {
      of_leaf.clear();
      take_leaf<T>(leaf, query, detail::kEndless, of_leaf);
      hits += of_leaf.size();
      return true;
    });
    if (!done) return done.error();
    return hits;
  });
}

Result<Hits> find_hits(const IndexCore& index, const WindowQuery& query, std::uint64_t limit) {
  Hits hits(index.schema());
  const auto done = with_scalar(index.schema().scalar, [&]<class T>(T) {
    return scan_leaves<T>(index, query, [&](const LeafHits& leaf) {
      take_leaf<T>(leaf, query, limit, hits.entries);
      return hits.entries.size() <= limit;
    });
  });
  if (!done) return done.error();
  if (hits.entries.size() > limit) {
    hits.entries.drop_last();
    hits.more = true;
  }
  return hits;
}

Result<Hits> find_nearest(const IndexCore& index, const detail::NearestRequest& request) {
  const detail::Schema& schema = index.schema();
  Hits hits(schema);
  ScanState state;
  if (auto begun = index.begin_nearest(state, nullptr, request); !begun) {
    return begun.error();
  }
  for (detail::NearestHits found; index.next_nearest(state, found);) {
    for (const auto& hit : std::span(found.hits, found.count)) {
      copy_entry(hit.blocks, found.block_bytes, hit.entry, hits.entries);
      hits.distances.push_back(hit.distance);
    }
  }
  if (auto ended = index.end_nearest(state); !ended) return ended.error();
  return hits;
}

void print_hits(const Hits& hits) {
  const EntryBuffer& entries = hits.entries;
  const std::size_t rows = entries.schema().rows();
  print_table(header_of(hits), entries.size(), [&](std::size_t entry, std::size_t column) {
    if (column == 0) return value_text(entries, entry);
    if (column > rows) return fmt::format("{:.6g}", hits.distances[entry]);
    std::string text;
    append_scalar(text, entries.schema().scalar,
                  entries.geometry(entry) + (column - 1) * entries.schema().scalar_bytes());
    return text;
  });
}

void print_hits_json(const Hits& hits) {
  const EntryBuffer& entries = hits.entries;
  const detail::Schema& schema = entries.schema();
  fmt::print("[");
  std::string text;
  for (std::size_t entry = 0; entry < entries.size(); ++entry) {
    text = entry == 0 ? "\n    {" : ",\n    {";
    const std::string value = value_text(entries, entry);
    text += schema.value_bytes == 8 ? "\"id\": " + value : "\"value\": \"" + value + '"';
    const std::byte* low = entries.geometry(entry);
    append_numbers(text, schema.shape == Shape::points ? "point" : "min", schema, low);
    if (schema.shape == Shape::boxes) {
      append_numbers(text, "max", schema, low + schema.dimensions * schema.scalar_bytes());
    }
    if (!hits.distances.empty()) {
      fmt::format_to(std::back_inserter(text), ", \"distance\": {}", hits.distances[entry]);
    }
    fmt::print("{}}}", text);
  }
  fmt::print("{}]", entries.empty() ? "" : "\n  ");
}

}  // namespace xtree::tool
