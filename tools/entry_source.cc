#include "entry_source.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <utility>

#include "coordinates.h"

namespace xtree::tool {

EntrySource::EntrySource(CsvReader reader) noexcept : reader_(std::move(reader)) {}

Result<EntrySource> EntrySource::open(const std::string& path, const EntryColumns& columns,
                                      const detail::Schema& schema) {
  if (columns.coordinates.size() != schema.rows()) {
    return Error(ErrorCode::invalid_argument, "--columns",
                 "an index needs one column for each axis, or two with --boxes");
  }
  auto reader = CsvReader::open(path);
  if (!reader) return reader.error();
  EntrySource source(std::move(reader).value());
  if (auto found = source.find_columns(columns); !found) return found.error();
  return source;
}

Result<void> EntrySource::find_columns(const EntryColumns& columns) {
  auto header = reader_.read_record(record_);
  if (!header) return header.error();
  if (!*header) {
    return Error(ErrorCode::invalid_argument, reader_.name().c_str(),
                 "the file is empty; its first line must name the columns");
  }
  header_.assign(record_.fields.begin(), record_.fields.end());
  for (const std::string& name : columns.coordinates) {
    auto position = position_of(name);
    if (!position) return position.error();
    coordinates_.push_back({name, *position});
  }
  id_ = {columns.id, kLineIsId};
  if (columns.id.empty()) return {};
  auto position = position_of(columns.id);
  if (!position) return position.error();
  id_.position = *position;
  return {};
}

Result<std::size_t> EntrySource::position_of(const std::string& name) const {
  for (std::size_t i = 0; i < header_.size(); ++i) {
    if (header_[i] == name) return i;
  }
  const std::string known = fmt::format("{}", fmt::join(header_, ", "));
  return Error(ErrorCode::not_found, reader_.name().c_str(),
               fmt::format("there is no column '{:.40}'; the first line names {:.120}", name, known)
                   .c_str());
}

Result<bool> EntrySource::read_entry(EntryBuffer& entries) {
  auto more = reader_.read_record(record_);
  if (!more || !*more) return more;
  if (record_.fields.size() != header_.size()) {
    return bad_line(reader_.name(), record_.line,
                    fmt::format("the line has {} fields, but the first line names {} columns",
                                record_.fields.size(), header_.size()));
  }
  const std::size_t entry = entries.append();
  const detail::Schema& schema = entries.schema();
  auto done = with_scalar(
      schema.scalar, [&]<class T>(T) { return read_geometry<T>(entries.geometry(entry), schema); });
  if (done) done = read_id(entries.value(entry));
  if (!done) {
    entries.drop_last();
    return done.error();
  }
  return true;
}

template <class T>
Result<void> EntrySource::read_geometry(std::byte* geometry, const detail::Schema& schema) const {
  T numbers[2 * kMaxDimensions];
  for (std::size_t i = 0; i < coordinates_.size(); ++i) {
    const Column& column = coordinates_[i];
    const char* problem = parse_number(record_.fields[column.position], numbers[i]);
    if (problem == nullptr && !std::isfinite(numbers[i])) problem = "is not finite";
    if (problem != nullptr) return bad_field(column, problem);
  }
  if (schema.shape == Shape::boxes) {
    const std::size_t dimensions = schema.dimensions;
    for (std::size_t i = 0; i < dimensions; ++i) {
      if (numbers[i] <= numbers[dimensions + i]) continue;
      return bad_field(coordinates_[i],
                       fmt::format("is greater than {} in column '{}'", numbers[dimensions + i],
                                   coordinates_[dimensions + i].name));
    }
  }
  std::memcpy(geometry, numbers, schema.rows() * sizeof(T));
  return {};
}

Result<void> EntrySource::read_id(std::byte* value) const {
  std::uint64_t id = record_.line;
  if (id_.position != kLineIsId && !parse_whole(record_.fields[id_.position], id)) {
    return bad_field(id_, "is not a whole number from 0 to 2^64 - 1");
  }
  std::memcpy(value, &id, sizeof(id));
  return {};
}

Error EntrySource::bad_field(const Column& column, const std::string& problem) const {
  return bad_line(reader_.name(), record_.line,
                  fmt::format("column '{:.40}': '{:.60}' {}", column.name,
                              record_.fields[column.position], problem));
}

}  // namespace xtree::tool
