// What reaches the disk: all bytes that are written for each byte of the entries, checkpoints
// included, and the size of the files afterwards.
//
//   --entries=N          boxes in the plane with 64-bit ids, 40 bytes each (10000000)
//   --directory=PATH     where the database goes ("write-bench.data" below the current directory)
//
// Written is what the system counts for this process ("write_bytes" in /proc/self/io), until the
// database is closed.
#include <xtree/database.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "durable/require.h"
#include "support/data_set.h"
#include "support/machine.h"

namespace bench {
namespace {

using Index = xtree::Index<2>;
using BoxEntries = Entries<xtree::Box<2>>;

constexpr double kUserBytes = 40;
constexpr std::size_t kBatch = 1000;

std::uint64_t written_bytes() {
  std::ifstream file("/proc/self/io");
  std::string name;
  for (std::uint64_t value = 0; file >> name >> value;) {
    if (name == "write_bytes:") return value;
  }
  stop_with("the system does not count what is written");
}

void insert_singly(xtree::Database&, Index& index, const BoxEntries& entries) {
  for (const auto& entry : entries) index.insert(entry.geometry, entry.value).value();
}

void insert_batches(xtree::Database& database, Index& index, const BoxEntries& entries) {
  for (std::size_t begin = 0; begin < entries.size(); begin += kBatch) {
    xtree::Batch batch;
    const std::size_t end = std::min(begin + kBatch, entries.size());
    for (std::size_t i = begin; i < end; ++i) {
      batch.insert(index, entries[i].geometry, entries[i].value);
    }
    database.apply(batch).value();
  }
}

double live_share(xtree::Database& database) {
  const xtree::DatabaseStats stats = database.stats().value();
  return static_cast<double>(stats.segment_bytes) / static_cast<double>(stats.live_segment_bytes);
}

template <class Insert>
void measure(const char* what, const std::string& directory, xtree::Durability durability,
             const BoxEntries& entries, Insert&& insert) {
  std::filesystem::remove_all(directory);
  const std::uint64_t before = written_bytes();
  {
    auto database = xtree::Database::open(directory, {.durability = durability}).value();
    auto index = database.index<2>("bench").value();
    insert(database, index, entries);
    database.close().value();
  }
  const auto written = static_cast<double>(written_bytes() - before);
  auto database = xtree::Database::open(directory).value();
  auto index = database.index<2>("bench").value();
  require(index.size().value() == entries.size(), "entries are missing");
  const double share = live_share(database);
  database.compact().value();
  std::printf("%-40s %10.2f %14.3f %16.3f\n", what,
              written / (kUserBytes * static_cast<double>(entries.size())), share,
              live_share(database));
  database.close().value();
  std::filesystem::remove_all(directory);
}

int run(int argc, char** argv) {
  std::size_t count = 10'000'000;
  std::string directory = "write-bench.data";
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "--entries=", 10) == 0) {
      count = std::strtoull(argv[i] + 10, nullptr, 10);
    } else if (std::strncmp(argv[i], "--directory=", 12) == 0) {
      directory = argv[i] + 12;
    } else {
      stop_with(std::string("unknown option ") + argv[i]);
    }
  }
  require(count != 0, "--entries wants a number");
  for (const auto& [name, value] : describe_machine()) {
    std::printf("%-18s %s\n", name.c_str(), value.c_str());
  }
  std::printf("\n%-40s %10s %14s %16s\n", "inserts", "written", "segments/live",
              "after compaction");
  BoxEntries entries = make_entries<xtree::Box<2>>(Distribution::uniform, count, 1);
  measure("one by one, eventual, uniform", directory, xtree::Durability::eventual, entries,
          insert_singly);
  measure("batches of 1000, strict, uniform", directory, xtree::Durability::strict, entries,
          insert_batches);
  entries = make_entries<xtree::Box<2>>(Distribution::hilbert, count, 1);
  measure("batches of 1000, strict, Hilbert-sorted", directory, xtree::Durability::strict, entries,
          insert_batches);
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run(argc, argv); }
