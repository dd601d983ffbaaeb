// A table file that is right but for what the input writes over it, checksums made right if the
// input asks for it: it is refused, or its entries are possible ones that ascend.
#include <vector>

#include "fuzz/input.h"
#include "fuzz/mend.h"
#include "persistence/table_file.h"
#include "support/crashing_disk.h"

namespace {

using namespace xtree::persistence;

constexpr std::uint64_t kEntries = 20;

std::vector<std::byte> some_table(TableFileInfo& info) {
  std::vector<TableEntry> entries;
  for (std::uint64_t i = 0; i < kEntries; ++i) {
    TableEntry entry;
    entry.id = NodeId::make(i * 3, 1);
    if (i % 4 != 0) {
      entry.address = {1, static_cast<std::uint32_t>(i * 1024 / kImageAlignment)};
      entry.bytes = 1024;
      entry.checksum = 7;
    }
    entries.push_back(entry);
  }
  xtree::testing::SimulatedFileSystem files;
  files.make_directory("db").value();
  auto file = files.open("db/table", xtree::OpenMode::create).value();
  Pacer pacer(files);
  info = write_table_file(*file, 5, entries, pacer).value();
  file.reset();
  return xtree::test::directory_of(files.image(), "db").at("table");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using xtree::test::require;
  static TableFileInfo good;
  static const std::vector<std::byte> kTable = some_table(good);
  TableFileInfo info = good;
  std::vector<std::byte> file = kTable;
  xtree::test::FuzzInput input(data, size);
  const auto flags = input.take<std::uint8_t>();
  while (!input.empty()) {
    const auto at = input.take<std::uint16_t>();
    file[at % file.size()] = input.take<std::byte>();
  }
  if ((flags & 1) != 0) info.checksum = xtree::test::mend_table(file);
  if ((flags & 2) != 0) file.resize(file.size() - flags % 64);
  xtree::testing::SimulatedFileSystem files(xtree::test::disk_of("db", {{"table", file}}));
  std::vector<TableEntry> entries;
  const auto read = read_table_file(files, "db/table", info, entries);
  if (!read) {
    require(read.error().code() == xtree::ErrorCode::corruption ||
            read.error().code() == xtree::ErrorCode::newer_format);
    return 0;
  }
  require(entries.size() == kEntries);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    require(is_valid(entries[i]));
    require(i == 0 || entries[i - 1].id.handle() < entries[i].id.handle());
  }
  return 0;
}
