// SalvagedDatabase: the new database of a repair.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "index/database_core.h"
#include "index/remains.h"
#include "xtree/repair.h"

namespace xtree::index {

// Takes over what remains of the damaged one, and then the operations of its log, in which indexes
// have their old numbers.
class SalvagedDatabase {
 public:
  static Result<std::unique_ptr<SalvagedDatabase>> create(FileSystem& files,
                                                          const std::string& directory,
                                                          persistence::ImageReader& reader,
                                                          const Remains& remains);

  // Makes the indexes, each with the entries of all of its whole leaves.
  Result<void> load(RepairReport& report);
  // Applies one group of the log. Operations on an index that is lost are left out.
  Result<void> apply(std::span<const std::byte> operations);
  // Operations that were left out.
  [[nodiscard]] std::uint64_t orphaned_operations() const noexcept { return orphaned_; }
  // Writes the named values, takes a checkpoint, and closes the database.
  Result<void> finish(RepairReport& report);

 private:
  struct Target {
    std::shared_ptr<detail::IndexCore> core;
    std::string name;
  };

  SalvagedDatabase(std::shared_ptr<detail::DatabaseCore> core, persistence::ImageReader& reader,
                   const Remains& remains);
  Result<void> load_index(const IndexRemains& index, detail::IndexCore& core,
                          RepairedIndex& repaired);
  [[nodiscard]] std::string new_name(std::uint32_t number) const;
  Result<void> apply_one(const Operation& operation);
  Result<void> create_index(const Operation& operation);
  Result<void> drop_index(std::uint32_t number);
  Result<void> flush();

  std::shared_ptr<detail::DatabaseCore> core_;
  persistence::ImageReader& reader_;
  const Remains& remains_;
  std::map<std::uint32_t, Target> targets_;  // by old number
  std::uint32_t next_number_;                // as the damaged database would have given it out
  NamedValues values_;
  std::vector<std::byte> pending_;  // operations on entries, with new numbers
  std::uint32_t pending_count_ = 0;
  std::uint64_t orphaned_ = 0;
};

}  // namespace xtree::index
