// The promise of a durable database, put to the test: a process that writes is killed, and every
// insert that it had acknowledged must be there.
#pragma once

#include <cstdint>
#include <string>

// Kills and looks, so many times. `seed` decides when each writer dies.
void kill_writers(const std::string& directory, int rounds, std::uint64_t seed);

// What the writer process runs: it inserts points, ids from `first` on, and writes each id to
// standard output once the insert has returned. It only ends by being killed.
[[noreturn]] void write_until_killed(const std::string& directory, std::uint64_t first);
