// EntrySource: a CSV file as entries of an index.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "csv_reader.h"
#include "entry_buffer.h"
#include "xtree/result.h"

namespace xtree::tool {

// Which columns, named in the first line of the file, make an entry.
struct EntryColumns {
  std::vector<std::string> coordinates;  // of a box: all minima, then all maxima
  std::string id;                        // empty: the number of the line is the id
};

class EntrySource {
 public:
  // `schema` says how many coordinate columns there must be; its values are 64-bit ids.
  static Result<EntrySource> open(const std::string& path, const EntryColumns& columns,
                                  const detail::Schema& schema);

  // Appends the next entry; false at the end of the file. A line that makes no entry is an
  // `invalid_argument`, which names it; then nothing was appended, and reading may go on.
  Result<bool> read_entry(EntryBuffer& entries);

  [[nodiscard]] const CsvReader& reader() const noexcept { return reader_; }

 private:
  struct Column {
    std::string name;
    std::size_t position = 0;
  };
  static constexpr std::size_t kLineIsId = static_cast<std::size_t>(-1);

  explicit EntrySource(CsvReader reader) noexcept;
  Result<void> find_columns(const EntryColumns& columns);
  Result<std::size_t> position_of(const std::string& name) const;
  template <class T>
  Result<void> read_geometry(std::byte* geometry, const detail::Schema& schema) const;
  Result<void> read_id(std::byte* value) const;
  [[nodiscard]] Error bad_field(const Column& column, const std::string& problem) const;

  CsvReader reader_;
  std::vector<std::string> header_;
  std::vector<Column> coordinates_;
  Column id_;
  CsvRecord record_;
};

}  // namespace xtree::tool
