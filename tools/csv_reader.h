// CsvReader: the records of a comma-separated file, each with the line on which it begins.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "xtree/result.h"

namespace xtree::tool {

// One record. Its fields stay where they are until the next record is read.
struct CsvRecord {
  std::uint64_t line = 0;  // the first line of the file is 1
  std::vector<std::string_view> fields;
};

// Reads RFC 4180: quoted fields with commas, quotes and line breaks in them; any kind of line end;
// a byte order mark; blank lines are skipped, and blanks around unquoted fields too.
//
// A record that breaks the rules is an `invalid_argument` that names its line, and reading may go
// on behind it. Every other error is the end.
class CsvReader {
 public:
  // "-" is standard input.
  static Result<CsvReader> open(const std::string& path);
  CsvReader(CsvReader&&) noexcept;
  ~CsvReader();

  // False at the end of the file.
  Result<bool> read_record(CsvRecord& record);

  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] std::uint64_t bytes_read() const noexcept;
  // 0 when nobody knows, as for a pipe.
  [[nodiscard]] std::uint64_t bytes_total() const noexcept;

 private:
  struct State;
  explicit CsvReader(std::unique_ptr<State> state) noexcept;

  std::unique_ptr<State> state_;
};

// An `invalid_argument` about one line of a file.
[[nodiscard]] Error bad_line(const std::string& file, std::uint64_t line, const std::string& text);

}  // namespace xtree::tool
