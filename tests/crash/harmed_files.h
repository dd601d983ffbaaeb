// Databases whose files are known, and what harm to one of the files may do to the answers.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "crash/lane.h"
#include "support/temporary_directory.h"

namespace xtree::test {

inline constexpr std::uint64_t kSpecimenLanes = 2;

using LaneStates = std::vector<LaneState>;

// A step's effect, and the log files that the log had come to by then.
struct Moment {
  LaneStates states;
  std::set<std::string> log_files;
};

// The files of a database, and its history. `tail_*` is where the last group of the log lies.
struct Specimen {
  std::string name;
  DirectoryImage image;
  std::vector<Moment> history;
  std::string tail_file;  // empty when nothing is behind the last checkpoint
  std::uint64_t tail_begin = 0;
  std::uint64_t tail_end = 0;
};

// `closed`: cleanly, so that all is in checkpoints. `killed`: with synced groups of the log behind
// its last checkpoint. `revived`: killed more than once, so that its log spans generations.
Specimen make_closed_specimen(std::uint64_t seed);
Specimen make_killed_specimen(std::uint64_t seed);
Specimen make_revived_specimen(std::uint64_t seed);

struct Harm {
  enum Kind : std::uint8_t { flip, truncate, remove } kind = flip;
  std::string file;
  std::uint64_t offset = 0;  // of the flipped byte, or the length that is left
  std::uint8_t mask = 1;     // of the flipped bits
};
std::string to_string(const Harm& harm);

// What is wrong with how the harmed database answers; empty when all is right. It answers as the
// specimen does, or says `corruption` and names the file. There are two exceptions, where nothing
// in the files can tell harm from a crash. The log's last group, when it is damaged, looks like one
// that was never synced: the answer may be the one before it, and no other. The newest file of the
// log, when it is gone or has lost its first bytes, looks like one that was never made: the answer
// may be one of those since there was no such file.
std::string judge(const Specimen& specimen, const Harm& harm);

}  // namespace xtree::test
