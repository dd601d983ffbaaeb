#include <fmt/format.h>

#include "commands.h"

namespace xtree::tool {

Result<Database> open_existing(const std::string& directory) {
  Options options;
  options.create_if_missing = false;
  options.background_checkpoints = false;
  return Database::open(directory, options);
}

Result<std::shared_ptr<detail::IndexCore>> open_existing(Database& database,
                                                         const std::string& index) {
  auto core = database.open_index(index);
  if (core || core.error().code() != ErrorCode::not_found) return core;
  auto indexes = database.indexes();
  if (!indexes) return indexes.error();
  std::string names;
  for (const IndexDescription& known : *indexes) {
    names += names.empty() ? known.name : ", " + known.name;
  }
  const std::string text =
      names.empty() ? "there is no such index; the database holds none"
                    : fmt::format("there is no such index; the database holds {:.150}", names);
  return Error(ErrorCode::not_found, index.c_str(), text.c_str());
}

}  // namespace xtree::tool
