#include "killed_writer.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>
#include <vector>

#include <xtree/database.h>

#include "checks.h"

namespace {

using PointIndex = xtree::PointIndex<2>;

constexpr const char* kIndexName = "arrivals";

// Where an id belongs: anywhere in the unit square, but always at the same place, so that whoever
// knows the id can tell whether its point is right.
xtree::Point<2> place_of(std::uint64_t id) {
  std::mt19937_64 random(id);
  std::uniform_real_distribution<double> uniform(0, 1);
  const double x = uniform(random);
  return {x, uniform(random)};
}

struct Writer {
  pid_t process;
  int acknowledgements;  // the reading end of the pipe that is the writer's standard output
};

Writer start_writer(const std::string& directory, std::uint64_t first) {
  int pipe_ends[2];
  check(pipe(pipe_ends) == 0, "cannot make a pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, pipe_ends[0]);
  posix_spawn_file_actions_addclose(&actions, pipe_ends[1]);
  std::string program = "/proc/self/exe";
  std::string mode = "--writer";
  std::string where = directory;
  std::string from = std::to_string(first);
  char* arguments[] = {program.data(), mode.data(), where.data(), from.data(), nullptr};
  Writer writer{0, pipe_ends[0]};
  check(posix_spawn(&writer.process, program.c_str(), &actions, nullptr, arguments, environ) == 0,
        "cannot start the writer process");
  posix_spawn_file_actions_destroy(&actions);
  close(pipe_ends[1]);
  return writer;
}

// Reads the next acknowledged id; false when the writer is gone and the pipe is empty.
bool read_acknowledgement(int pipe_end, std::uint64_t& id) {
  return read(pipe_end, &id, sizeof(id)) == sizeof(id);
}

// Kills the writer once it has acknowledged `inserts` of them, while it is busy with the next ones.
// Returns how many it had acknowledged when it died.
std::uint64_t kill_after(const Writer& writer, std::uint64_t first, std::uint64_t inserts) {
  std::uint64_t acknowledged = 0;
  std::uint64_t id = 0;
  while (acknowledged < inserts && read_acknowledgement(writer.acknowledgements, id)) {
    check(id == first + acknowledged, "the writer acknowledged %llu out of order",
          static_cast<unsigned long long>(id));
    ++acknowledged;
  }
  kill(writer.process, SIGKILL);
  // What it wrote into the pipe before it died counts: those inserts had returned.
  while (read_acknowledgement(writer.acknowledgements, id)) ++acknowledged;
  close(writer.acknowledgements);
  int status = 0;
  waitpid(writer.process, &status, 0);
  check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
        "the writer ended by itself after %llu acknowledged inserts",
        static_cast<unsigned long long>(acknowledged));
  return acknowledged;
}

// Opens what the dead writer left. All ids below `promised` must be there, each once and at its
// place, and beyond them at most the one that was in flight. Returns how many there are.
std::uint64_t look_after_crash(const std::string& directory, std::uint64_t promised) {
  auto database = take(xtree::Database::open(directory));
  auto index = take(database.index<2, std::uint64_t, double, xtree::Shape::points>(kIndexName));
  take(database.verify());

  const std::uint64_t present = take(index.size());
  check(present == promised || present == promised + 1,
        "%llu inserts were acknowledged, but %llu entries are there",
        static_cast<unsigned long long>(promised), static_cast<unsigned long long>(present));
  std::vector<bool> seen(present);
  take(index.for_each(xtree::everything(), [&](const auto& hit) {
    const auto id = static_cast<unsigned long long>(hit.value);
    check(hit.value < present && !seen[hit.value], "id %llu was never inserted, or is there twice",
          id);
    check(hit.box.min == place_of(hit.value), "id %llu is not at its place", id);
    seen[hit.value] = true;
  }));
  for (std::uint64_t id = 0; id < present; ++id) {
    check(seen[id], "id %llu is lost", static_cast<unsigned long long>(id));
  }
  take(database.close());
  return present;
}

}  // namespace

void kill_writers(const std::string& directory, int rounds, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<std::uint64_t> moments(1, 1500);
  std::uint64_t present = 0;
  for (int round = 1; round <= rounds; ++round) {
    const Writer writer = start_writer(directory, present);
    const std::uint64_t acknowledged = kill_after(writer, present, moments(random));
    const std::uint64_t promised = present + acknowledged;
    present = look_after_crash(directory, promised);
    std::printf(
        "  round %d: killed after %llu acknowledged inserts; all %llu there, %s; verified\n", round,
        static_cast<unsigned long long>(acknowledged), static_cast<unsigned long long>(promised),
        present == promised ? "nothing else" : "and the one in flight");
  }
}

void write_until_killed(const std::string& directory, std::uint64_t first) {
  auto database = take(xtree::Database::open(directory));
  auto index = take(database.index<2, std::uint64_t, double, xtree::Shape::points>(kIndexName));
  for (std::uint64_t id = first;; ++id) {
    take(index.insert(place_of(id), id));
    check(write(STDOUT_FILENO, &id, sizeof(id)) == sizeof(id), "nobody reads the acknowledgements");
  }
}
