// Coordinates as text: what people type, and what the tool prints.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "xtree/detail/engine.h"
#include "xtree/result.h"

namespace xtree::tool {

// A box as the engine takes it in a query: all minima and then all maxima, in the schema's scalars.
struct QueryBox {
  alignas(8) std::byte bytes[2 * kMaxDimensions * sizeof(double)] = {};
};

// The parts of a list like "a,b,c".
[[nodiscard]] std::vector<std::string_view> split_list(std::string_view text);

// Reads a whole text as a number, rounded to the nearest that the scalar has. Returns null, or what
// is wrong with it, as in "is not a number".
template <class Scalar>
[[nodiscard]] const char* parse_number(std::string_view text, Scalar& number) noexcept;
extern template const char* parse_number(std::string_view, float&) noexcept;
extern template const char* parse_number(std::string_view, double&) noexcept;

// Reads a whole number of 64 bits without a sign.
[[nodiscard]] bool parse_whole(std::string_view text, std::uint64_t& id) noexcept;

// "minx,miny,maxx,maxy" for an index of this schema; infinities are welcome. `argument` is the name
// under which a mistake is reported.
Result<QueryBox> parse_window(const char* argument, std::string_view text,
                              const detail::Schema& schema);
// "x,y": the box that holds only this point.
Result<QueryBox> parse_point(const char* argument, std::string_view text,
                             const detail::Schema& schema);

// One number for each axis, as doubles.
Result<std::vector<double>> parse_weights(const char* argument, std::string_view text,
                                          const detail::Schema& schema);

// Appends the shortest decimal that reads back as the same scalar.
void append_scalar(std::string& text, detail::ScalarType type, const std::byte* scalar);

// "2-D boxes of double, values of 8 bytes".
[[nodiscard]] std::string describe(const detail::Schema& schema);
[[nodiscard]] const char* to_string(Compression compression) noexcept;
[[nodiscard]] const char* to_string(detail::ScalarType type) noexcept;
[[nodiscard]] const char* to_string(Shape shape) noexcept;

}  // namespace xtree::tool
