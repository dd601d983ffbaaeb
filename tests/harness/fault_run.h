// Runs of a script in which one call of the file system fails.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "testing/script.h"
#include "xtree/result.h"
#include "xtree/testing/simulated_file_system.h"

namespace xtree::test {

struct FaultPlan {
  testing::Call kind = testing::Call::write;
  std::uint64_t nth = 1;
  testing::Failure failure = testing::Failure::once;
  bool full_disk = false;  // "no space" instead of an I/O error
};

struct FaultRun {
  bool met = false;                  // whether the script made so many calls of the kind
  std::optional<std::string> wrong;  // what should not have happened
};

// Makes all of a plan's calls fail in one run of the script, and checks what there is to see: in
// the poisoned database, after a loss of power, and when the same process opens it again.
FaultRun run_with_fault(const testing::Script& script, const FaultPlan& plan);

// A script that makes every kind of call, several times.
testing::Script script_for_faults();

std::string to_string(const FaultPlan& plan);

}  // namespace xtree::test
