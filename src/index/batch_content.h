// What a batch holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "xtree/batch.h"

namespace xtree::detail {

struct OperationList::Content {
  std::vector<std::byte> operations;      // as the log has them
  std::uint32_t count = 0;
  const void* database = nullptr;         // whose indexes they change; null when only values change
  std::optional<Error> error;             // the first refused operation

  void refuse(const Error& refused) {
    if (!error) error = refused;
  }
  void refuse(const char* place, const char* text) {
    refuse(Error(ErrorCode::invalid_argument, place, text));
  }
};

}  // namespace xtree::detail
