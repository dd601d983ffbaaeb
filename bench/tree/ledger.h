// Ledger: every time that was measured, and what can be told from all of them.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tree/aims.h"

namespace bench {

// A set of entries, as it is named in tables and files.
struct DataName {
  int dimensions = 0;
  std::string shape;  // "boxes" or "points"
  std::string distribution;
  std::size_t entries = 0;

  // As in "2-D boxes uniform".
  [[nodiscard]] std::string text() const;
};

struct Record {
  DataName data;
  std::string work;
  std::string peer;
  bool bulk = false;
  std::vector<double> seconds;  // for one operation, of each repetition
  std::vector<double> first;    // the same of first passes, for questions (Pace)
  double hits = 0;              // of one question, on average
};

// How much memory an entry takes in a tree.
struct Footprint {
  DataName data;
  std::string peer;
  double bytes = 0;
};

class Ledger {
 public:
  void add(const DataName& data, const std::string& work, const std::string& peer, bool bulk,
           double seconds);
  void add(const DataName& data, const std::string& work, const std::string& peer, bool bulk,
           double seconds, double first, double hits);
  void add_footprint(Footprint footprint) { footprints_.push_back(std::move(footprint)); }

  // One table for each data set: nanoseconds for one operation, by work and peer, medians; and
  // behind them all those of first passes.
  void print_tables() const;
  void print_footprints() const;
  // Medians by "work data" and peer, and the best of the peers, "best inserted" and "best bulk".
  [[nodiscard]] Times times() const;

  // Writes results.json and results.csv; false when that fails.
  [[nodiscard]] bool write(const std::string& directory, int repetitions) const;

 private:
  Record& record(const DataName& data, const std::string& work, const std::string& peer, bool bulk);
  // Of one of a record's lists of times.
  void print_tables(std::vector<double> Record::* times, const char* what) const;
  [[nodiscard]] bool write_json(const std::string& directory, int repetitions) const;
  [[nodiscard]] bool write_csv(const std::string& directory) const;

  std::vector<Record> records_;
  std::map<std::string, std::size_t> places_;  // in records_, by data, work and peer
  std::vector<Footprint> footprints_;
};

}  // namespace bench
