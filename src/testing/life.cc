#include "testing/life.h"

#include <algorithm>
#include <utility>

#include "testing/driver.h"

namespace xtree::testing {

Life live(const DiskImage& image, std::uint32_t next_node, const Script& script,
          const Content& base) {
  Life life;
  life.trace.next_node = next_node;
  life.steps.resize(script.size());
  Content content = base;
  SimulatedFileSystem files(image, next_node);
  files.record(&life.trace);
  Driver driver(files);
  if (const Result<void> opened = driver.open(); !opened) {
    life.failure = opened.error();
    return life;
  }
  life.opened = files.recorded();
  for (std::size_t i = 0; i < script.size(); ++i) {
    life.steps[i].begun = files.recorded();
    if (const Result<void> done = driver.run(script[i], content); !done) {
      life.failure = done.error();
      break;
    }
    script[i].apply_to(content);
    life.steps[i].done = files.recorded();
  }
  files.record(nullptr);
  return life;
}

Oracle::Oracle(const Content& base, BeforeOpen before_open, const Script& script,
               const Life& life)
    : base_(base), before_open_(std::move(before_open)), script_(script), life_(life) {
  Content content = base_;
  prefixes_.push_back(content.fingerprint());
  unlogged_.push_back(0);
  for (const Step& step : script_) {
    step.apply_to(content);
    prefixes_.push_back(content.fingerprint());
    const bool unlogged = !step.changes.empty() && !step.is_logged() && !step.is_checkpoint();
    unlogged_.push_back(unlogged_.back() + (unlogged ? 1 : 0));
  }
}

Content Oracle::content(std::size_t checkpoint, std::size_t end) const {
  Content content = base_;
  for (std::size_t i = 0; i < end; ++i) {
    if (i < checkpoint || script_[i].is_logged() || script_[i].is_checkpoint()) {
      script_[i].apply_to(content);
    }
  }
  return content;
}

Fingerprint Oracle::fingerprint(std::size_t checkpoint, std::size_t end) const {
  if (unlogged_[end] == unlogged_[checkpoint]) return prefixes_[end];
  return content(checkpoint, end).fingerprint();
}

std::size_t Oracle::promise(std::size_t events) const noexcept {
  if (life_.opened > events) return 0;
  std::size_t promise = 1;
  for (const Life::StepTimes& step : life_.steps) {
    if (step.begun > events) break;
    promise += step.done <= events ? 2 : 1;
  }
  return promise;
}

const std::vector<Fingerprint>& Oracle::allowed(std::size_t events, Death death) {
  const std::size_t promise = this->promise(events);
  if (promise != answered_promise_ || death != answered_death_) {
    answered_promise_ = promise;
    answered_death_ = death;
    collect(events, death);
  }
  return allowed_;
}

void Oracle::collect(std::size_t events, Death death) {
  allowed_.clear();
  if (life_.opened > events) {
    allowed_ = death == Death::process ? before_open_.process : before_open_.power;
    return;
  }
  // Behind the last checkpoint that returned nothing before it is lost; the log adds what it holds
  // from there up to some step between the last promised one and the last one that began.
  std::size_t checkpoint = 0;
  std::size_t promised = 0;
  std::size_t begun = 0;
  for (std::size_t i = 0; i < script_.size() && life_.steps[i].begun <= events; ++i) {
    begun = i + 1;
    if (life_.steps[i].done > events) break;
    if (script_[i].is_checkpoint()) checkpoint = i + 1;
    const bool is_on_its_way = script_[i].is_logged() || script_[i].is_checkpoint();
    const bool lasts = death == Death::process ? is_on_its_way : script_[i].is_durable();
    if (lasts) promised = i + 1;
  }
  // A checkpoint under way is there or not; what it brings does not come by the log.
  const bool flipping = begun > checkpoint && script_[begun - 1].is_checkpoint();
  if (flipping) allowed_.push_back(fingerprint(begun, begun));
  const std::size_t last = flipping ? begun - 1 : begun;
  for (std::size_t end = std::max(checkpoint, promised); end <= last; ++end) {
    allowed_.push_back(fingerprint(checkpoint, end));
  }
  std::sort(allowed_.begin(), allowed_.end());
  allowed_.erase(std::unique(allowed_.begin(), allowed_.end()), allowed_.end());
}

BeforeOpen Oracle::before_next_open(std::size_t events, Death death) {
  BeforeOpen next;
  next.power = next.process = allowed(events, death);
  if (death == Death::power) return next;
  const std::vector<Fingerprint>& more = allowed(events, Death::power);
  next.power.insert(next.power.end(), more.begin(), more.end());
  std::sort(next.power.begin(), next.power.end());
  return next;
}

std::optional<Content> Oracle::content_of(const Fingerprint& fingerprint) const {
  for (std::size_t end = 0; end <= script_.size(); ++end) {
    if (prefixes_[end] == fingerprint) return content(end, end);
  }
  for (std::size_t checkpoint = 0; checkpoint <= script_.size(); ++checkpoint) {
    if (checkpoint != 0 && !script_[checkpoint - 1].is_checkpoint()) continue;
    for (std::size_t end = checkpoint; end <= script_.size(); ++end) {
      if (this->fingerprint(checkpoint, end) == fingerprint) return content(checkpoint, end);
    }
  }
  return std::nullopt;
}

}  // namespace xtree::testing
