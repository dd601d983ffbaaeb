// Any file at all as CSV: records and bad lines in order, and an end.
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "csv_reader.h"
#include "fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const int file = memfd_create("csv", 0);
  xtree::test::require(file >= 0 &&
                       ::write(file, data, size) == static_cast<ssize_t>(size));
  {
    auto reader = xtree::tool::CsvReader::open("/proc/self/fd/" + std::to_string(file));
    xtree::test::require(reader.has_value());
    xtree::tool::CsvRecord record;
    std::uint64_t line = 0;
    for (;;) {
      const auto more = reader->read_record(record);
      if (!more) {
        xtree::test::require(more.error().code() == xtree::ErrorCode::invalid_argument);
        continue;
      }
      if (!*more) break;
      xtree::test::require(record.line > line && !record.fields.empty());
      line = record.line;
    }
  }
  ::close(file);
  return 0;
}
