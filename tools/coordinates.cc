#include "coordinates.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <iterator>
#include <system_error>

#include "entry_buffer.h"

namespace xtree::tool {
namespace {

std::string_view trimmed(std::string_view text) noexcept {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

Error wrong(const char* argument, const std::string& text) {
  return Error(ErrorCode::invalid_argument, argument, text.c_str());
}

template <class T>
Result<void> parse_parts(const char* argument, const std::vector<std::string_view>& parts,
                         T* numbers) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (const char* problem = parse_number(trimmed(parts[i]), numbers[i]); problem != nullptr) {
      return wrong(argument, fmt::format("'{:.60}' {}", parts[i], problem));
    }
  }
  return {};
}

template <class T>
Result<QueryBox> parse_box(const char* argument, const std::vector<std::string_view>& parts,
                           std::size_t dimensions) {
  T numbers[2 * kMaxDimensions] = {};
  if (auto parsed = parse_parts(argument, parts, numbers); !parsed) return parsed.error();
  if (parts.size() == dimensions) std::copy_n(numbers, dimensions, numbers + dimensions);
  for (std::size_t i = 0; i < dimensions; ++i) {
    if (!(numbers[i] <= numbers[dimensions + i])) {
      return wrong(argument, fmt::format("on axis {} the minimum {} is greater than the maximum {};"
                                         " all minima come first, then all maxima",
                                         i, numbers[i], numbers[dimensions + i]));
    }
  }
  QueryBox box;
  std::memcpy(box.bytes, numbers, sizeof(numbers));
  return box;
}

Result<std::vector<std::string_view>> split_numbers(const char* argument, std::string_view text,
                                                    const detail::Schema& schema,
                                                    std::size_t wanted, const char* meaning) {
  auto parts = split_list(text);
  if (parts.size() == wanted) return parts;
  return wrong(argument, fmt::format("an index of {} dimension{} needs {} number{} ({}), not {}",
                                     schema.dimensions, schema.dimensions == 1 ? "" : "s", wanted,
                                     wanted == 1 ? "" : "s", meaning, parts.size()));
}

Result<QueryBox> parse_numbers(const char* argument, std::string_view text,
                               const detail::Schema& schema, std::size_t wanted,
                               const char* meaning) {
  const auto parts = split_numbers(argument, text, schema, wanted, meaning);
  if (!parts) return parts.error();
  return with_scalar(schema.scalar,
                     [&]<class T>(T) { return parse_box<T>(argument, *parts, schema.dimensions); });
}

constexpr const char* kOneForEachAxis = "one for each axis";

}  // namespace

std::vector<std::string_view> split_list(std::string_view text) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t comma = text.find(',');
    parts.push_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

template <class Scalar>
const char* parse_number(std::string_view text, Scalar& number) noexcept {
  const bool plus = text.starts_with('+') && !text.starts_with("+-");
  const std::string_view digits = text.substr(plus ? 1 : 0);
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (problem == std::errc::result_out_of_range) return "is out of the scalar's range";
  if (problem != std::errc() || end != digits.data() + digits.size()) return "is not a number";
  return std::isnan(number) ? "is not a number" : nullptr;
}
template const char* parse_number(std::string_view, float&) noexcept;
template const char* parse_number(std::string_view, double&) noexcept;

bool parse_whole(std::string_view text, std::uint64_t& id) noexcept {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), id);
  return problem == std::errc() && end == text.data() + text.size();
}

Result<QueryBox> parse_window(const char* argument, std::string_view text,
                              const detail::Schema& schema) {
  return parse_numbers(argument, text, schema, 2u * schema.dimensions,
                       "all minima, then all maxima");
}

Result<QueryBox> parse_point(const char* argument, std::string_view text,
                             const detail::Schema& schema) {
  return parse_numbers(argument, text, schema, schema.dimensions, kOneForEachAxis);
}

Result<std::vector<double>> parse_weights(const char* argument, std::string_view text,
                                          const detail::Schema& schema) {
  const auto parts = split_numbers(argument, text, schema, schema.dimensions, kOneForEachAxis);
  if (!parts) return parts.error();
  std::vector<double> weights(parts->size());
  if (auto parsed = parse_parts(argument, *parts, weights.data()); !parsed) return parsed.error();
  return weights;
}

void append_scalar(std::string& text, detail::ScalarType type, const std::byte* scalar) {
  with_scalar(type, [&]<class T>(T number) {
    std::memcpy(&number, scalar, sizeof(number));
    fmt::format_to(std::back_inserter(text), "{}", number);
  });
}

std::string describe(const detail::Schema& schema) {
  std::string text =
      fmt::format("{}-D {} of {}, values of {} bytes", schema.dimensions, to_string(schema.shape),
                  to_string(schema.scalar), schema.value_bytes);
  if (schema.compression == Compression::none) return text;
  return text.append(", packed by ").append(to_string(schema.compression));
}

const char* to_string(Compression compression) noexcept {
  switch (compression) {
    case Compression::none: return "none";
    case Compression::lz4: return "lz4";
    case Compression::zstd: return "zstd";
  }
  return "unknown";
}

const char* to_string(detail::ScalarType type) noexcept {
  return type == detail::ScalarType::float32 ? "float" : "double";
}

const char* to_string(Shape shape) noexcept { return shape == Shape::points ? "points" : "boxes"; }

}  // namespace xtree::tool
