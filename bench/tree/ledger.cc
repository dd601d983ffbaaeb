#include "tree/ledger.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "support/machine.h"
#include "support/stopwatch.h"

namespace bench {
namespace {

// XTree's own entries in the tables begin with its name.
bool is_ours(const std::string& peer) { return peer.rfind("xtree", 0) == 0; }

void raise_best(std::map<std::string, double>& row, const std::string& name, double seconds) {
  const auto [place, is_new] = row.try_emplace(name, seconds);
  if (!is_new) place->second = std::min(place->second, seconds);
}

double rounded_ns(double seconds) { return std::round(seconds * 1e10) / 10; }

template <class T>
void add_once(std::vector<T>& list, const T& value) {
  if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
}

}  // namespace

std::string DataName::text() const {
  return std::to_string(dimensions) + "-D " + shape + " " + distribution;
}

Record& Ledger::record(const DataName& data, const std::string& work, const std::string& peer,
                       bool bulk) {
  const std::string key =
      data.text() + "|" + std::to_string(data.entries) + "|" + work + "|" + peer;
  const auto [place, is_new] = places_.try_emplace(key, records_.size());
  if (is_new) records_.push_back({data, work, peer, bulk, {}, {}, 0});
  return records_[place->second];
}

void Ledger::add(const DataName& data, const std::string& work, const std::string& peer, bool bulk,
                 double seconds) {
  record(data, work, peer, bulk).seconds.push_back(seconds);
}

void Ledger::add(const DataName& data, const std::string& work, const std::string& peer, bool bulk,
                 double seconds, double first, double hits) {
  Record& record = this->record(data, work, peer, bulk);
  record.seconds.push_back(seconds);
  record.first.push_back(first);
  record.hits = hits;
}

void Ledger::print_tables() const {
  print_tables(&Record::seconds, "nanoseconds for one operation");
  print_tables(&Record::first, "nanoseconds for one question of the first pass");
}

void Ledger::print_tables(std::vector<double> Record::* times, const char* what) const {
  std::vector<std::string> titles;
  const auto title_of = [](const Record& record) {
    return record.data.text() + ", " + std::to_string(record.data.entries) + " entries";
  };
  for (const Record& record : records_) {
    if (!(record.*times).empty()) add_once(titles, title_of(record));
  }
  for (const std::string& title : titles) {
    std::vector<std::string> works;
    std::vector<std::string> peers;
    std::map<std::pair<std::string, std::string>, double> cells;
    for (const Record& record : records_) {
      if ((record.*times).empty() || title_of(record) != title) continue;
      add_once(works, record.work);
      add_once(peers, record.peer);
      cells[{record.work, record.peer}] = median(record.*times) * 1e9;
    }
    std::printf("\n%s: %s\n%-26s", title.c_str(), what, "");
    for (const std::string& work : works) std::printf(" %16s", work.c_str());
    std::printf("\n");
    for (const std::string& peer : peers) {
      std::printf("%-26s", peer.c_str());
      for (const std::string& work : works) {
        const auto cell = cells.find({work, peer});
        if (cell == cells.end()) {
          std::printf(" %16s", "-");
        } else {
          std::printf(" %16.1f", cell->second);
        }
      }
      std::printf("\n");
    }
  }
}

void Ledger::print_footprints() const {
  if (!footprints_.empty()) std::printf("\nresident bytes for one entry\n");
  for (const Footprint& footprint : footprints_) {
    std::printf("%-26s %-26s %8.1f\n", footprint.data.text().c_str(), footprint.peer.c_str(),
                footprint.bytes);
  }
}

Times Ledger::times() const {
  Times times;
  for (const Record& record : records_) {
    std::map<std::string, double>& row = times[record.work + " " + record.data.text()];
    const double seconds = median(record.seconds);
    row[record.peer] = seconds;
    if (is_ours(record.peer)) continue;
    // A flat scan is not an index, and the aims name it where it counts.
    if (record.peer == "flat scan") continue;
    raise_best(row, record.bulk ? "best bulk" : "best inserted", seconds);
    raise_best(row, "best of all", seconds);
  }
  return times;
}

bool Ledger::write(const std::string& directory, int repetitions) const {
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  return !failed && write_json(directory, repetitions) && write_csv(directory);
}

bool Ledger::write_json(const std::string& directory, int repetitions) const {
  nlohmann::ordered_json machine;
  for (const auto& [name, value] : describe_machine()) machine[name] = value;
  // One line for each record, so that two files can be compared.
  std::ofstream file(directory + "/results.json");
  file << "{\"machine\": " << machine.dump() << ",\n\"repetitions\": " << repetitions
       << ",\n\"results\": [";
  const char* separator = "\n";
  for (const Record& record : records_) {
    std::vector<double> times;
    for (const double seconds : record.seconds) times.push_back(rounded_ns(seconds));
    nlohmann::ordered_json line = {{"dimensions", record.data.dimensions},
                                   {"shape", record.data.shape},
                                   {"distribution", record.data.distribution},
                                   {"entries", record.data.entries},
                                   {"work", record.work},
                                   {"peer", record.peer},
                                   {"bulk", record.bulk},
                                   {"hits", record.hits},
                                   {"median_ns", rounded_ns(median(record.seconds))},
                                   {"ns", times}};
    if (!record.first.empty()) line["first_ns"] = rounded_ns(median(record.first));
    file << std::exchange(separator, ",\n") << line.dump();
  }
  file << "],\n\"footprints\": [";
  separator = "\n";
  for (const Footprint& footprint : footprints_) {
    const nlohmann::ordered_json line = {{"data", footprint.data.text()},
                                         {"entries", footprint.data.entries},
                                         {"peer", footprint.peer},
                                         {"bytes_per_entry", footprint.bytes}};
    file << std::exchange(separator, ",\n") << line.dump();
  }
  file << "]}\n";
  return file.good();
}

bool Ledger::write_csv(const std::string& directory) const {
  std::ofstream file(directory + "/results.csv");
  file << "dimensions,shape,distribution,entries,work,peer,bulk,hits,median_ns,first_ns,"
          "repetitions\n";
  for (const Record& record : records_) {
    file << record.data.dimensions << ',' << record.data.shape << ',' << record.data.distribution
         << ',' << record.data.entries << ',' << record.work << ',' << record.peer << ','
         << (record.bulk ? 1 : 0) << ',' << record.hits << ',' << rounded_ns(median(record.seconds))
         << ',';
    if (!record.first.empty()) file << rounded_ns(median(record.first));
    file << ',' << record.seconds.size() << '\n';
  }
  return file.good();
}

}  // namespace bench
