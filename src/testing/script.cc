#include "testing/script.h"

#include <algorithm>
#include <array>
#include <sstream>

namespace xtree::testing {
namespace {

constexpr std::array<const char*, 11> kSteps = {"write",      "batch",    "create-index",
                                               "drop-index", "bulk-load", "checkpoint",
                                               "compact",    "snapshot", "release",
                                               "reopen",     "reopen-small"};
constexpr std::array<const char*, 6> kActions = {"insert", "erase", "update",
                                                 "clear",  "put",   "remove"};
constexpr std::array<const char*, 4> kLevels = {"strict", "balanced", "eventual", "none"};

// The place of a word in a list, as an enumerator.
template <class Enum, std::size_t N>
bool find(const std::array<const char*, N>& words, const std::string& word, Enum& found) {
  for (std::size_t i = 0; i < N; ++i) {
    if (word != words[i]) continue;
    found = static_cast<Enum>(i);
    return true;
  }
  return false;
}

}  // namespace

bool Step::is_logged() const noexcept {
  switch (kind) {
    case StepKind::write:
    case StepKind::batch:
      return durability != Durability::none;
    case StepKind::create_index:
    case StepKind::drop_index: return true;
    default: return false;
  }
}

bool Step::is_checkpoint() const noexcept {
  return kind == StepKind::bulk_load || kind == StepKind::checkpoint ||
         kind == StepKind::compact || kind == StepKind::reopen ||
         kind == StepKind::reopen_small;
}

bool Step::is_durable() const noexcept {
  return is_checkpoint() || kind == StepKind::create_index || kind == StepKind::drop_index ||
         (is_logged() &&
          (durability == Durability::strict || durability == Durability::balanced));
}

void Step::apply_to(Content& content) const {
  if (kind == StepKind::create_index) content.create_index(index);
  if (kind == StepKind::drop_index) content.drop_index(index);
  for (const Change& change : changes) content.apply(change);
}

bool fits(const Script& script, Content content) {
  for (const Step& step : script) {
    const bool needs_index =
        step.kind == StepKind::drop_index || step.kind == StepKind::bulk_load;
    if (needs_index && !content.has_index(step.index)) return false;
    for (const Change& change : step.changes) {
      const bool is_value = change.action == Action::put || change.action == Action::remove;
      if (!is_value && !content.has_index(change.index)) return false;
    }
    step.apply_to(content);
  }
  return true;
}

std::string to_text(const Step& step) {
  std::ostringstream line;
  line << kSteps[static_cast<std::size_t>(step.kind)] << ' '
       << kLevels[static_cast<std::size_t>(step.durability)] << ' ' << unsigned{step.index};
  for (const Change& change : step.changes) {
    line << ' ' << kActions[static_cast<std::size_t>(change.action)] << ' '
         << unsigned{change.index} << ' ' << change.id << ' ' << change.version << ' '
         << change.to_version;
  }
  return line.str();
}

bool parse(std::string_view text, Step& step) {
  std::istringstream line{std::string(text)};
  std::string word;
  std::string level;
  unsigned index = 0;
  step = {};
  if (!(line >> word >> level >> index) || !find(kSteps, word, step.kind) ||
      !find(kLevels, level, step.durability) || index >= kIndexes) {
    return false;
  }
  step.index = static_cast<std::uint8_t>(index);
  while (line >> word) {
    Change change;
    if (!find(kActions, word, change.action) ||
        !(line >> index >> change.id >> change.version >> change.to_version) ||
        index >= kIndexes) {
      return false;
    }
    const bool is_value = change.action == Action::put || change.action == Action::remove;
    if (is_value && change.id >= kValues) return false;
    change.index = static_cast<std::uint8_t>(index);
    step.changes.push_back(change);
  }
  return true;
}

}  // namespace xtree::testing
