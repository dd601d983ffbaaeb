#include "report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string_view>

namespace xtree::tool {
namespace {

std::string with_separators(const std::string& digits) {
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string bytes_text(double bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", bytes, unit == 0 ? 0 : 1, kUnits[unit]);
}

std::string value_text(std::string_view key, const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  // "value_bytes" is a small size that people compare as a number.
  if (key.ends_with("_bytes") && key != "value_bytes") return bytes_text(value.get<double>());
  if (key.ends_with("_seconds") || key == "seconds") {
    return fmt::format("{:.3f} s", value.get<double>());
  }
  if (value.is_null()) return "-";
  if (value.is_number_unsigned()) {
    return with_separators(std::to_string(value.get<std::uint64_t>()));
  }
  if (value.is_number_float()) return fmt::format("{:.4g}", value.get<double>());
  return value.dump();
}

std::string label_of(std::string_view key) {
  constexpr std::string_view kSeconds = "_seconds";  // the value tells the unit
  if (key.ends_with(kSeconds)) key.remove_suffix(kSeconds.size());
  std::string label(key);
  std::replace(label.begin(), label.end(), '_', ' ');
  return label;
}

void print_rows(const Json& rows) {
  if (rows.empty() || !rows.front().is_object()) {
    for (const Json& row : rows) fmt::print("  {}\n", value_text("", row));
    return;
  }
  std::vector<std::string> keys;
  std::vector<std::string> header;
  for (const auto& [key, value] : rows.front().items()) {
    keys.push_back(key);
    header.push_back(label_of(key));
  }
  print_table(header, rows.size(), [&](std::size_t row, std::size_t column) {
    return value_text(keys[column], rows[row][keys[column]]);
  });
}

void print_lines(const Json& object, int indent) {
  std::size_t width = 0;
  for (const auto& [key, value] : object.items()) {
    if (value.is_primitive()) width = std::max(width, label_of(key).size());
  }
  for (const auto& [key, value] : object.items()) {
    if (!value.is_primitive()) continue;
    fmt::print("{:{}}{:<{}}  {}\n", "", indent, label_of(key), width, value_text(key, value));
  }
}

// Advice on what to do about an error, where the message alone does not say.
std::string_view advice_for(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::locked:
      return "Another process has this database open; wait for it, or stop it.";
    case ErrorCode::not_a_database:
      return "Give the directory that 'xtree build' or Database::open made.";
    case ErrorCode::newer_format:
      return "Use the release of XTree that wrote these files, or a later one.";
    case ErrorCode::corruption:
      return "Keep a copy of the directory. 'xtree verify --deep' tells all that is wrong, and "
             "'xtree repair' saves what is whole.";
    case ErrorCode::already_exists:
      return "Choose another name, or build with the columns and types that are there.";
    case ErrorCode::no_space:
      return "Free some disk space and run the command again; what was reported done is safe.";
    case ErrorCode::unsupported:
      return "Use a build of XTree that has it; what is in the database is whole.";
    case ErrorCode::read_only: return "Make the directory and its files writable for this user.";
    default: return {};
  }
}

void print_problem(const Json& problem, bool json) {
  if (json) {
    const std::string text =
        Json{{"error", problem}}.dump(-1, ' ', false, Json::error_handler_t::replace);
    fmt::print(stderr, "{}\n", text);
    return;
  }
  fmt::print(stderr, "xtree: {}\n", problem["message"].get<std::string>());
  if (problem.contains("advice")) fmt::print(stderr, "{}\n", problem["advice"].get<std::string>());
}

}  // namespace

ExitCode exit_code_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::corruption: return ExitCode::corruption;
    case ErrorCode::invalid_argument:
    case ErrorCode::not_found:
    case ErrorCode::already_exists:
    case ErrorCode::not_a_database:
    case ErrorCode::newer_format:
    case ErrorCode::unsupported:
    case ErrorCode::limit_exceeded: return ExitCode::bad_input;
    case ErrorCode::locked: return ExitCode::locked;
    case ErrorCode::read_only:
    case ErrorCode::io_error:
    case ErrorCode::no_space:
    case ErrorCode::out_of_memory:
    case ErrorCode::poisoned:
    case ErrorCode::closed: return ExitCode::io;
  }
  return ExitCode::io;
}

void print_document(const Json& document, bool json) {
  if (json) {
    fmt::print("{}\n", document.dump(2, ' ', false, Json::error_handler_t::replace));
    return;
  }
  print_lines(document, 0);
  for (const auto& [key, value] : document.items()) {
    if (value.is_primitive() || value.empty()) continue;
    fmt::print("\n{}\n", label_of(key));
    if (value.is_array()) {
      print_rows(value);
    } else {
      print_lines(value, 2);
    }
  }
}

void print_table(const std::vector<std::string>& header, std::size_t rows,
                 const std::function<std::string(std::size_t, std::size_t)>& cell) {
  std::vector<std::size_t> widths;
  for (std::size_t column = 0; column < header.size(); ++column) {
    std::size_t width = header[column].size();
    for (std::size_t row = 0; row < rows; ++row) width = std::max(width, cell(row, column).size());
    widths.push_back(width);
  }
  const auto print_line = [&](const auto& text_of) {
    for (std::size_t column = 0; column < header.size(); ++column) {
      fmt::print("  {:>{}}", text_of(column), widths[column]);
    }
    fmt::print("\n");
  };
  print_line([&](std::size_t column) { return header[column]; });
  for (std::size_t row = 0; row < rows; ++row) {
    print_line([&](std::size_t column) { return cell(row, column); });
  }
}

void print_error(const Error& error, bool json) {
  Json problem{{"code", xtree::to_string(error.code())},
               {"place", error.place()},
               {"message", error.message()}};
  if (const auto advice = advice_for(error.code()); !advice.empty()) problem["advice"] = advice;
  print_problem(problem, json);
}

void print_usage_error(const std::string& message, const std::string& advice, bool json) {
  print_problem(
      {{"code", "usage"}, {"place", "command line"}, {"message", message}, {"advice", advice}},
      json);
}

Result<void> finish_output() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    return Error(ErrorCode::io_error, errno, "standard output", "cannot write the result");
  }
  return {};
}

}  // namespace xtree::tool
