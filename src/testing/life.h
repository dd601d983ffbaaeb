// Life: one run of a script from open to crash, and what may be found after a crash in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "testing/content.h"
#include "testing/script.h"
#include "xtree/result.h"
#include "xtree/testing/disk_image.h"
#include "xtree/testing/simulated_file_system.h"

namespace xtree::testing {

enum class Death : std::uint8_t {
  power,    // what was not synced may be lost
  process,  // the system's cache survives, and still has to reach the disk
};

// What a run left behind. Times are numbers of events.
struct Life {
  static constexpr std::size_t kNever = SIZE_MAX;

  struct StepTimes {
    std::size_t begun = kNever;
    std::size_t done = kNever;  // when it returned
  };
  Trace trace;
  std::size_t opened = kNever;
  std::vector<StepTimes> steps;
  // What went wrong although nothing had been made to fail.
  std::optional<Error> failure;
};

// The states that may be found while nobody has seen the database open yet, sorted. After a process
// died, the loss of power may still take what only the system's cache held.
struct BeforeOpen {
  std::vector<Fingerprint> power;
  std::vector<Fingerprint> process;
};

// Opens the database in the image and runs the script; `base` is what it holds.
[[nodiscard]] Life live(const DiskImage& image, std::uint32_t next_node, const Script& script,
                        const Content& base);

// What a crash in a life may leave, by what had been promised at the time. Prefixes of the script
// are known by number: prefix j is what the first j steps leave.
class Oracle {
 public:
  Oracle(const Content& base, BeforeOpen before_open, const Script& script, const Life& life);

  // The states that may be found after a crash behind the first `events` events, sorted. Valid
  // until the next call.
  const std::vector<Fingerprint>& allowed(std::size_t events, Death death);
  // What may be found after a crash before the next life's open has returned.
  [[nodiscard]] BeforeOpen before_next_open(std::size_t events, Death death);
  // A number that changes when the answer of `allowed` may.
  [[nodiscard]] std::size_t promise(std::size_t events) const noexcept;
  // The content that has this fingerprint, which one of the allowed states had.
  [[nodiscard]] std::optional<Content> content_of(const Fingerprint& fingerprint) const;

 private:
  // The content after a checkpoint behind step `checkpoint` and the log up to step `end`.
  [[nodiscard]] Content content(std::size_t checkpoint, std::size_t end) const;
  [[nodiscard]] Fingerprint fingerprint(std::size_t checkpoint, std::size_t end) const;
  void collect(std::size_t events, Death death);

  const Content base_;
  const BeforeOpen before_open_;
  const Script& script_;
  const Life& life_;
  std::vector<Fingerprint> prefixes_;
  std::vector<std::size_t> unlogged_;  // how many of the first j steps the log does not hold
  std::vector<Fingerprint> allowed_;
  std::size_t answered_promise_ = SIZE_MAX;
  Death answered_death_ = Death::power;
};

}  // namespace xtree::testing
