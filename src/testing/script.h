// Script: what a workload does to a database, step by step, as text and as data.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "testing/content.h"
#include "xtree/options.h"

namespace xtree::testing {

enum class StepKind : std::uint8_t {
  write,         // the one change, through the index's own function
  batch,         // all changes at once
  create_index,
  drop_index,
  bulk_load,     // the changes are inserts into one index, which was empty
  checkpoint,
  compact,
  snapshot,      // taken, and kept open
  release,       // the oldest open snapshot is compared with what it was, and closed
  reopen,        // close, and open again
  reopen_small,  // the same, and from then on all nodes are evicted that can be
};

struct Step {
  StepKind kind = StepKind::write;
  Durability durability = Durability::strict;
  std::uint8_t index = 0;  // of create_index, drop_index and bulk_load
  std::vector<Change> changes;

  // Whether the log holds it.
  [[nodiscard]] bool is_logged() const noexcept;
  // Whether a checkpoint stands behind it, so that everything before it is durable.
  [[nodiscard]] bool is_checkpoint() const noexcept;
  // Whether its return promises that it survives the loss of power.
  [[nodiscard]] bool is_durable() const noexcept;
  void apply_to(Content& content) const;
};

using Script = std::vector<Step>;

// Whether every change finds its index, from this content on: a script that was shortened may not.
[[nodiscard]] bool fits(const Script& script, Content content);

// One line per step, and back; an empty vector of steps and false when a line makes no sense.
[[nodiscard]] std::string to_text(const Step& step);
[[nodiscard]] bool parse(std::string_view line, Step& step);

}  // namespace xtree::testing
