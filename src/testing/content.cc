#include "testing/content.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <type_traits>

#include "testing/mix.h"

namespace xtree::testing {
namespace {

// Some named values are longer than a sector, so that they can tear.
constexpr std::size_t kLongValueBytes = 700;

float coordinate(std::uint64_t seed, std::uint64_t axis) noexcept {
  return static_cast<float>(mix(seed, axis) % 100000) / 100;
}

// Spans all of most axes.
Wide6::Geometry wide_box(std::uint64_t seed) noexcept {
  Wide6::Geometry box;
  for (std::size_t axis = 0; axis < Wide6::kDimensions; ++axis) {
    const bool is_full = mix(seed, axis + 128) % 10 != 0;
    const float low = coordinate(seed, axis);
    const float high = coordinate(seed, axis + 64);
    box.min[axis] = is_full ? 0 : std::min(low, high);
    box.max[axis] = is_full ? 1000 : std::max(low, high);
  }
  return box;
}

std::uint64_t hash_of(std::size_t index, Content::Entry entry) {
  return with_index_type(index, [&]<class Index>(Index*) {
    const auto geometry = geometry_of<Index>(entry.first, entry.second);
    return entry_hash(index, geometry.data(), sizeof geometry,
                      static_cast<std::uint64_t>(value_of<Index>(entry.first)));
  });
}

}  // namespace

void Fingerprint::add(std::uint64_t hash) noexcept {
  low += hash;
  high += mix(hash, 0x51ED270B);
}

void Fingerprint::subtract(std::uint64_t hash) noexcept {
  low -= hash;
  high -= mix(hash, 0x51ED270B);
}

template <class Index>
typename Index::Geometry geometry_of(std::uint32_t id, std::uint32_t version) {
  const std::uint64_t seed = mix(id, version);
  if constexpr (std::is_same_v<Index, Wide6>) return wide_box(seed);
  Point<Index::kDimensions, typename Index::Scalar> point;
  for (std::size_t axis = 0; axis < Index::kDimensions; ++axis) {
    point[axis] = coordinate(seed, axis);
  }
  if constexpr (Index::kShape == Shape::points) {
    return point;
  } else {
    typename Index::Geometry box(point);
    for (std::size_t axis = 0; axis < Index::kDimensions; ++axis) {
      box.max[axis] += coordinate(seed, axis + 64) / 50;
    }
    return box;
  }
}
template Boxes2::Geometry geometry_of<Boxes2>(std::uint32_t, std::uint32_t);
template Points3::Geometry geometry_of<Points3>(std::uint32_t, std::uint32_t);
template Wide6::Geometry geometry_of<Wide6>(std::uint32_t, std::uint32_t);

std::uint64_t entry_hash(std::size_t index, const void* geometry, std::size_t geometry_bytes,
                         std::uint64_t value) noexcept {
  const std::span bytes(static_cast<const std::byte*>(geometry), geometry_bytes);
  return mix(hash_bytes(bytes, index), value);
}

std::uint64_t value_hash(std::string_view name, std::string_view value) noexcept {
  return mix(hash_bytes(std::as_bytes(std::span(name)), 11),
             hash_bytes(std::as_bytes(std::span(value)), 12));
}

std::uint64_t index_hash(std::size_t index) noexcept { return mix(index, 0xC0FFEE); }

std::string value_name(std::uint32_t id) { return std::string("v").append(std::to_string(id)); }

std::string value_text(std::uint32_t id, std::uint32_t version) {
  std::string text = std::to_string(version) + " of " + value_name(id);
  if (version % 3 == 0) text.resize(kLongValueBytes, static_cast<char>('a' + version % 26));
  return text;
}

void Content::create_index(std::size_t index) {
  if (indexes_[index].exists) return;
  indexes_[index].exists = true;
  fingerprint_.add(index_hash(index));
}

void Content::drop_index(std::size_t index) {
  if (!indexes_[index].exists) return;
  clear(index);
  indexes_[index].exists = false;
  fingerprint_.subtract(index_hash(index));
}

void Content::insert(std::size_t index, Entry entry) {
  if (indexes_[index].entries.insert(entry).second) fingerprint_.add(hash_of(index, entry));
}

bool Content::erase(std::size_t index, Entry entry) {
  if (indexes_[index].entries.erase(entry) == 0) return false;
  fingerprint_.subtract(hash_of(index, entry));
  return true;
}

void Content::clear(std::size_t index) {
  for (const Entry& entry : indexes_[index].entries) fingerprint_.subtract(hash_of(index, entry));
  indexes_[index].entries.clear();
}

void Content::apply(const Change& change) {
  const Entry entry{change.id, change.version};
  std::uint32_t* const held = change.id < kValues ? &values_[change.id] : nullptr;
  switch (change.action) {
    case Action::insert: return insert(change.index, entry);
    case Action::erase: return static_cast<void>(erase(change.index, entry));
    case Action::update:
      if (erase(change.index, entry)) insert(change.index, {change.id, change.to_version});
      return;
    case Action::clear: return clear(change.index);
    case Action::put:
    case Action::remove: {
      const std::string name = value_name(change.id);
      if (*held != 0) fingerprint_.subtract(value_hash(name, value_text(change.id, *held - 1)));
      *held = change.action == Action::put ? change.version + 1 : 0;
      if (*held != 0) fingerprint_.add(value_hash(name, value_text(change.id, change.version)));
      return;
    }
  }
}

std::string Content::describe() const {
  std::string text;
  for (std::size_t i = 0; i < kIndexes; ++i) {
    if (!indexes_[i].exists) continue;
    text += std::string(kIndexNames[i]) + ": " + std::to_string(indexes_[i].entries.size()) + ", ";
  }
  std::size_t values = 0;
  for (const std::uint32_t held : values_) values += held != 0 ? 1 : 0;
  return text + "values: " + std::to_string(values);
}

}  // namespace xtree::testing
