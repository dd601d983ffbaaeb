#include "city.h"

#include <algorithm>
#include <charconv>
#include <fstream>

#include "checks.h"

namespace {

// Splits one line; a field in quotes may hold commas, and a quote as two quotes.
std::vector<std::string> split(std::string_view line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"' && quoted && line.substr(i + 1).starts_with('"')) {
      fields.back() += line[++i];
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (line[i] == ',' && !quoted) {
      fields.emplace_back();
    } else if (line[i] != '\r') {
      fields.back() += line[i];
    }
  }
  return fields;
}

template <class Number>
bool parse(const std::string& text, Number& number) {
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

// The longest beginning that fits, without half a character at its end.
std::string_view cut(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while ((static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

bool parse_city(std::string_view line, CityIndex::Entry& entry) {
  const auto fields = split(line);
  if (fields.size() != 6 || fields[2].size() != 2) return false;
  City city{};
  const std::string_view name = cut(fields[1], sizeof(city.name));
  std::copy(name.begin(), name.end(), city.name);
  std::copy(fields[2].begin(), fields[2].end(), city.country);
  double longitude = 0;
  double latitude = 0;
  if (!parse(fields[0], city.id) || !parse(fields[3], longitude) || !parse(fields[4], latitude) ||
      !parse(fields[5], city.population)) {
    return false;
  }
  entry = {{longitude, latitude}, city};
  return true;
}

}  // namespace

std::vector<CityIndex::Entry> read_cities(const std::string& path) {
  std::ifstream file(path);
  check(file.is_open(), "cannot open %s: give the path of data/cities.csv", path.c_str());
  std::vector<CityIndex::Entry> cities;
  std::string line;
  std::getline(file, line);
  check(line.starts_with("id,name,country,lon,lat,population"), "%s has other columns",
        path.c_str());
  while (std::getline(file, line)) {
    check(parse_city(line, cities.emplace_back()), "%s, line %zu is not a city: %s", path.c_str(),
          cities.size() + 1, line.c_str());
  }
  check(!cities.empty(), "%s holds no city", path.c_str());
  return cities;
}
