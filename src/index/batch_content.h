// What a batch holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "index/database_core.h"
#include "xtree/batch.h"

namespace xtree::detail {

struct OperationList::Content {
  std::vector<std::byte> operations;         // as the log has them
  std::uint32_t count = 0;
  const DatabaseCore* database = nullptr;    // whose indexes they change; null: only values change
  std::weak_ptr<const DatabaseCore> life;    // of it: another may come to lie at its address
  std::optional<Error> error;                // the first refused operation

  [[nodiscard]] bool fits(const DatabaseCore* core) const noexcept {
    return database == nullptr || (database == core && !life.expired());
  }
  void refuse(const Error& refused) {
    if (!error) error = refused;
  }
  void refuse(const char* place, const char* text) {
    refuse(Error(ErrorCode::invalid_argument, place, text));
  }
};

}  // namespace xtree::detail
