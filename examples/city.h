// City: what the main job keeps about a place, and how it reads the file of them.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <xtree/index.h>

// The value beside each point. An index stores values as plain bytes, at most 64 of them, so the
// name lives in the structure itself; and there must be no padding, whose bytes would be anybody's
// guess.
struct City {
  std::uint64_t id;  // of GeoNames
  std::uint32_t population;
  char country[2];
  char name[50];  // UTF-8, filled up with zeros

  [[nodiscard]] std::string_view name_text() const { return {name, strnlen(name, sizeof(name))}; }
};
static_assert(sizeof(City) == xtree::kMaxValueBytes && xtree::IndexValue<City>);

// Longitude and latitude in degrees, and the city.
using CityIndex = xtree::PointIndex<2, City>;

// Reads lines of id,name,country,lon,lat,population. Prints what is wrong and exits when the file
// is not as it should be.
std::vector<CityIndex::Entry> read_cities(const std::string& path);
