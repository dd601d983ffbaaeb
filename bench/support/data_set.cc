#include "support/data_set.h"

#include <cstdlib>
#include <fstream>
#include <string_view>

namespace bench {

const char* to_string(Distribution distribution) {
  switch (distribution) {
    case Distribution::uniform: return "uniform";
    case Distribution::clustered: return "clustered";
    case Distribution::correlated: return "correlated";
    case Distribution::sorted: return "sorted";
    case Distribution::hilbert: return "hilbert";
    case Distribution::equal: return "equal";
  }
  return "?";
}

std::uint64_t hilbert_position(double x, double y) {
  constexpr int kBits = 16;
  const auto cell = [](double at) {
    return static_cast<std::uint32_t>(std::clamp(at, 0.0, 0.999999) * (1 << kBits));
  };
  std::uint32_t column = cell(x);
  std::uint32_t row = cell(y);
  std::uint64_t position = 0;
  for (std::uint32_t half = 1u << (kBits - 1); half != 0; half /= 2) {
    const bool right = (column & half) != 0;
    const bool upper = (row & half) != 0;
    position += std::uint64_t{half} * half * ((right ? 3u : 0u) ^ (upper ? 1u : 0u));
    if (upper) continue;
    if (right) {
      column = half - 1 - (column & (half - 1));
      row = half - 1 - (row & (half - 1));
    }
    std::swap(column, row);
  }
  return position;
}

namespace {

// The fields of a line as RFC 4180 has it, but that a field holds no line break.
std::vector<std::string> fields_of(std::string_view line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  return fields;
}

}  // namespace

std::vector<xtree::Point<2>> read_cities(const std::string& path) {
  constexpr std::size_t kLongitude = 3;
  constexpr std::size_t kLatitude = 4;
  std::vector<xtree::Point<2>> cities;
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);  // the names of the columns
  while (std::getline(file, line)) {
    const std::vector<std::string> fields = fields_of(line);
    if (fields.size() <= kLatitude) continue;
    cities.emplace_back(std::strtod(fields[kLongitude].c_str(), nullptr),
                        std::strtod(fields[kLatitude].c_str(), nullptr));
  }
  return cities;
}

}  // namespace bench
