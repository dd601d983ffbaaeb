// Queries on an index whose schema is known only at run time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinates.h"
#include "entry_buffer.h"
#include "xtree/detail/engine.h"
#include "xtree/result.h"

namespace xtree::tool {

// What an entry must have to do with the window; the words mean what xtree/query.h says.
enum class Relation : std::uint8_t { intersects, within, covers, overlaps, disjoint };

struct WindowQuery {
  Relation relation = Relation::intersects;
  QueryBox window;
};

// The entries that answered a query.
struct Hits {
  explicit Hits(const detail::Schema& schema) noexcept : entries(schema) {}

  EntryBuffer entries;
  std::vector<double> distances;  // of the nearest; empty after a window query
  bool more = false;              // the limit cut off at least one hit
};

Result<std::uint64_t> count_hits(const detail::IndexCore& index, const WindowQuery& query);

// At most `limit` hits, in no order.
Result<Hits> find_hits(const detail::IndexCore& index, const WindowQuery& query,
                       std::uint64_t limit);

// The entries that a nearest query asks for, the nearest first.
Result<Hits> find_nearest(const detail::IndexCore& index, const detail::NearestRequest& request);

// Hits for people, as a table; ids are numbers, values of other sizes are shown in hexadecimal.
void print_hits(const Hits& hits);

// Prints the JSON array of the hits, one object each. It is written piece by piece, as there may be
// more hits than a document in memory could hold.
void print_hits_json(const Hits& hits);

}  // namespace xtree::tool
