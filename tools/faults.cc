#include "faults.h"

#include <fmt/format.h>

namespace xtree::tool {

Json json_of(const std::vector<Fault>& faults) {
  Json list = Json::array();
  for (const Fault& fault : faults) {
    Json one{{"file", fault.file.empty() ? Json() : Json(fault.file)},
             {"offset", fault.offset ? Json(*fault.offset) : Json()},
             {"node", fault.node == 0 ? Json() : Json(fmt::format("{:016x}", fault.node))},
             {"index", fault.index.empty() ? Json() : Json(fault.index)},
             {"text", fault.text}};
    list.push_back(std::move(one));
  }
  return list;
}

Error error_of(const std::vector<Fault>& faults) {
  const Fault& first = faults.front();
  const std::string place =
      first.offset ? fmt::format("{} at byte {}", first.file, *first.offset) : first.file;
  const std::string text =
      faults.size() == 1 ? first.text
                         : fmt::format("{} (the first of {} faults)", first.text, faults.size());
  return {ErrorCode::corruption, place.c_str(), text.c_str()};
}

}  // namespace xtree::tool
