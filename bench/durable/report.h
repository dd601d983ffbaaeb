// Report: the tables of a benchmark on disk, what XTree is to reach in them, and all of it as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "durable/field.h"

namespace bench {

// XTree's figure is to be at least this, or at most, in units or in times another's figure.
struct Aim {
  std::string who;  // empty for a plain figure
  double value = 0;
  bool at_most = false;
};

class Report {
 public:
  // Tables have a column of ratios for each of `others` that takes part.
  explicit Report(std::vector<std::string> others);

  // A table of figures, one line for each contestant.
  void add(const std::string& title, const char* unit, const std::vector<std::string>& names,
           const Rounds& rounds, const std::vector<Aim>& aims);
  // A figure of XTree's alone.
  void add(const std::string& title, const char* unit, double value, const std::vector<Aim>& aims);
  // A part of the JSON document that has no table.
  void add_series(const std::string& title, nlohmann::json series);

  // Prints which aims were missed, and returns how many.
  int print_aims() const;
  // Writes a file of this name; false when that fails.
  [[nodiscard]] bool write(const std::string& directory, const std::string& name) const;

 private:
  void look_at(const std::string& title, const char* unit, const Aim& aim, double reached);

  const std::vector<std::string> others_;
  nlohmann::json document_;
  std::vector<std::string> aims_;
  int missed_ = 0;
};

}  // namespace bench
