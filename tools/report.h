// How the tool speaks: results on standard output, errors on standard error, exit codes for
// scripts.
#pragma once

#include <nlohmann/json.hpp>

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "xtree/result.h"

namespace xtree::tool {

using Json = nlohmann::ordered_json;

// What the exit code of the tool tells a script.
enum class ExitCode : int {
  ok = 0,
  corruption = 1,  // files or a tree are not what they should be
  usage = 2,       // the command line makes no sense
  bad_input = 3,   // something is not there, or the input is refused
  io = 4,          // the operating system refused, or memory or disk space ran out
  locked = 5,      // another process has the database open
};

[[nodiscard]] ExitCode exit_code_of(ErrorCode code) noexcept;

// Prints a document: as JSON, or as text for people. In text, members of the document are lines,
// objects in it are sections, and arrays of objects are tables. A key that ends in `_bytes` or
// `_seconds` tells the unit.
void print_document(const Json& document, bool json);

// Prints an aligned table; `cell` is asked for every cell twice, so that nothing need be stored.
void print_table(const std::vector<std::string>& header, std::size_t rows,
                 const std::function<std::string(std::size_t row, std::size_t column)>& cell);

// Prints what is wrong to standard error, with advice where there is some, as JSON or as text.
void print_error(const Error& error, bool json);
void print_usage_error(const std::string& message, const std::string& advice, bool json);

// Makes sure that standard output took everything; a full disk or a closed pipe is an error too.
[[nodiscard]] Result<void> finish_output();

}  // namespace xtree::tool
