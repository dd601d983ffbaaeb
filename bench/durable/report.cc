#include "durable/report.h"

#include <algorithm>
#include <cstdarg>
#include <filesystem>
#include <fstream>

#include "support/machine.h"

namespace bench {
namespace {

std::string text(const char* format, ...) {
  char line[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  return line;
}

}  // namespace

Report::Report(std::vector<std::string> others) : others_(std::move(others)) {
  for (const auto& [name, value] : describe_machine()) {
    document_["machine"][name] = value;
    std::printf("%-18s %s\n", name.c_str(), value.c_str());
  }
}

void Report::add(const std::string& title, const char* unit, const std::vector<std::string>& names,
                 const Rounds& rounds, const std::vector<Aim>& aims) {
  const auto place_of = [&](const std::string& name) {
    return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  };
  std::printf("\n%s\n", title.c_str());
  for (std::size_t i = 0; i < names.size(); ++i) {
    nlohmann::json row = {
        {"row", title}, {"unit", unit}, {"who", names[i]}, {"median", rounds.median(i)}};
    std::printf("  %-20s %14.1f %s", names[i].c_str(), rounds.median(i), unit);
    for (const std::string& other : others_) {
      if (place_of(other) == names.size()) continue;
      const double ratio = rounds.ratio(i, place_of(other));
      std::printf("  %8.2f x %s", ratio, other.c_str());
      row["times " + other] = ratio;
    }
    std::printf("\n");
    document_["rows"].push_back(std::move(row));
  }
  const std::size_t ours = place_of("xtree");
  for (const Aim& aim : aims) {
    look_at(title, unit, aim,
            aim.who.empty() ? rounds.median(ours) : rounds.ratio(ours, place_of(aim.who)));
  }
  std::fflush(stdout);
}

void Report::add(const std::string& title, const char* unit, double value,
                 const std::vector<Aim>& aims) {
  Rounds rounds(1);
  rounds.add(0, value);
  add(title, unit, {"xtree"}, rounds, aims);
}

void Report::add_series(const std::string& title, nlohmann::json series) {
  document_[title] = std::move(series);
}

void Report::look_at(const std::string& title, const char* unit, const Aim& aim, double reached) {
  const bool is_reached = aim.at_most ? reached <= aim.value : reached >= aim.value;
  if (!is_reached) ++missed_;
  const std::string what = aim.who.empty() ? unit : "x " + aim.who;
  aims_.push_back(text("  %-38s %12.2f  aim: %s %10.2f %s%s", title.c_str(), reached,
                       aim.at_most ? "<=" : ">=", aim.value, what.c_str(),
                       is_reached ? "" : "  missed"));
  document_["aims"].push_back({{"row", title},
                               {"reached", reached},
                               {"aim", aim.value},
                               {"of", what},
                               {"missed", !is_reached}});
}

int Report::print_aims() const {
  std::printf("\nxtree\n");
  for (const std::string& line : aims_) std::printf("%s\n", line.c_str());
  return missed_;
}

bool Report::write(const std::string& directory, const std::string& name) const {
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  std::ofstream file(directory + "/" + name);
  file << document_.dump(1) << '\n';
  file.close();
  return file.good();
}

}  // namespace bench
