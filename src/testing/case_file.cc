#include "testing/case_file.h"

#include <algorithm>
#include <array>
#include <sstream>

namespace xtree::testing {
namespace {

constexpr const char* kFirstLine = "xtree crash case 1";
constexpr std::array<Loss, 7> kLosses = {Loss::kept,  Loss::lost,   Loss::head,   Loss::tail,
                                         Loss::mixed, Loss::blocks, Loss::rubbish};

bool parse_loss(const std::string& word, Loss& loss) {
  const auto* found = std::find_if(kLosses.begin(), kLosses.end(),
                                   [&](Loss one) { return word == to_string(one); });
  if (found == kLosses.end()) return false;
  loss = *found;
  return true;
}

// "fate lost 0 0": what became of the bytes, whether the size was kept, and the argument.
bool parse_fate(std::istringstream& line, Fate& fate) {
  std::string loss;
  int size_kept = 0;
  if (!(line >> loss >> size_kept >> fate.argument) || !parse_loss(loss, fate.loss)) return false;
  fate.size_kept = size_kept != 0;
  return true;
}

// "crash power 17": how the life ended, and behind which event.
bool parse_crash(std::istringstream& line, CaseLife& life) {
  std::string death;
  if (!(line >> death >> life.events) || (death != "power" && death != "process")) return false;
  life.death = death == "power" ? Death::power : Death::process;
  return true;
}

bool parse_line(const std::string& text, Case& result) {
  std::istringstream line(text);
  std::string word;
  line >> word;
  if (word == "message") {
    result.message = text.size() > word.size() ? text.substr(word.size() + 1) : std::string();
    return true;
  }
  if (word == "life") {
    result.lives.emplace_back();
    return true;
  }
  if (result.lives.empty()) return false;
  CaseLife& life = result.lives.back();
  if (word == "step") {
    Step step;
    std::string rest;
    std::getline(line, rest);
    if (!parse(rest, step)) return false;
    life.script.push_back(std::move(step));
    return true;
  }
  if (word == "alive") return result.fails_alive = true;
  if (word == "crash") return parse_crash(line, life);
  if (word != "fate") return false;
  Fate fate;
  if (!parse_fate(line, fate)) return false;
  life.fates.push_back(fate);
  return true;
}

}  // namespace

std::string to_text(const Case& failed) {
  std::ostringstream text;
  text << kFirstLine << "\nmessage " << failed.message << '\n';
  for (const CaseLife& life : failed.lives) {
    text << "life\n";
    for (const Step& step : life.script) text << "step " << to_text(step) << '\n';
    if (failed.fails_alive && &life == &failed.lives.back()) {
      text << "alive\n";
      continue;
    }
    text << "crash " << (life.death == Death::power ? "power " : "process ") << life.events << '\n';
    for (const Fate& fate : life.fates) {
      text << "fate " << to_string(fate.loss) << ' ' << fate.size_kept << ' ' << fate.argument
           << '\n';
    }
  }
  return text.str();
}

Result<Case> parse_case(std::string_view text) {
  std::istringstream lines{std::string(text)};
  std::string line;
  Case result;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    if (line.empty() && number > 1) continue;
    if (number == 1 ? line != kFirstLine : !parse_line(line, result)) {
      const std::string place = "line " + std::to_string(number);
      return Error(ErrorCode::invalid_argument, place.c_str(), "this is no crash case");
    }
  }
  if (result.lives.empty()) {
    return Error(ErrorCode::invalid_argument, "case", "there is no life in it");
  }
  return result;
}

}  // namespace xtree::testing
