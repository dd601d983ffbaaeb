// Harms the files of small databases, one byte, one length or one file at a time.
//
// A sample by default; XTREE_FLIP_ALL=1 flips every byte of every file.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "crash/harmed_files.h"
#include "support/child_process.h"

namespace xtree::test {
namespace {

constexpr std::size_t kChunk = 100;
constexpr unsigned kSecondsPerHarm = 60;

// What one opening of an unharmed database takes of the address space, which is mostly reserved and
// never used, and a little more.
void limit_memory(const Specimen& specimen) {
  if (kSanitized) return;
  EXPECT_EQ(judge(specimen, {Harm::truncate, "LOCK", 0}), "");
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != "VmPeak:") continue;
    rlim_t kilobytes = 0;
    status >> kilobytes;
    const rlim_t bytes = (kilobytes << 10) + (rlim_t{256} << 20);
    const rlimit limit = {bytes, bytes};
    EXPECT_EQ(setrlimit(RLIMIT_AS, &limit), 0);
  }
}

// Judges in child processes, so that a crash, a hang or a huge allocation is seen and named.
void judge_all(const Specimen& specimen, const std::vector<Harm>& harms) {
  for (std::size_t begin = 0; begin < harms.size(); begin += kChunk) {
    const std::size_t end = std::min(begin + kChunk, harms.size());
    ChildProcess child(kSecondsPerHarm, [&](int report) -> int {
      limit_memory(specimen);
      for (std::size_t i = begin; i < end; ++i) {
        alarm(kSecondsPerHarm);
        write_whole(report, &i, sizeof i);
        const std::string text = judge(specimen, harms[i]);
        if (text.empty()) continue;
        std::cerr << specimen.name << ", " << to_string(harms[i]) << ": " << text << std::endl;
        return 1;
      }
      return testing::Test::HasFailure() ? 1 : 0;
    });
    std::size_t last = begin;
    while (read_whole(child.report(), &last, sizeof last)) continue;
    ASSERT_EQ(child.exit_code(), 0) << specimen.name << ", " << to_string(harms[last]);
  }
}

bool is_directory(const std::string& name) { return name.back() == '/'; }

std::vector<Harm> all_flips(const Specimen& specimen) {
  std::vector<Harm> harms;
  for (const auto& [name, bytes] : specimen.image) {
    for (std::uint64_t i = 0; !is_directory(name) && i < bytes.size(); ++i) {
      harms.push_back({Harm::flip, name, i, static_cast<std::uint8_t>(1 << i % 8)});
    }
  }
  return harms;
}

// Bytes anywhere, in the first hundred of a block, where headers are, and in the log's last group.
std::vector<Harm> some_flips(const Specimen& specimen, std::size_t count, Random& random) {
  std::vector<std::string> names;
  for (const auto& [name, bytes] : specimen.image) {
    if (!is_directory(name) && !bytes.empty()) names.push_back(name);
  }
  std::vector<Harm> harms;
  while (harms.size() < count) {
    Harm harm{Harm::flip, names[random.below(names.size())]};
    harm.mask = static_cast<std::uint8_t>(random.one_in(2) ? 1 << random.below(8)
                                                           : random.between(1, 255));
    if (!specimen.tail_file.empty() && random.one_in(6)) {
      harm.file = specimen.tail_file;
      harm.offset = random.between(specimen.tail_begin, specimen.tail_end - 1);
    } else {
      const Bytes& bytes = specimen.image.at(harm.file);
      harm.offset = random.below(bytes.size());
      if (random.one_in(2)) harm.offset = harm.offset / 4096 * 4096 + random.below(128);
      // The zeros that nobody has written over are much of a file, and tell little.
      const bool zero = harm.offset >= bytes.size() || bytes[harm.offset] == std::byte{0};
      if (harm.offset >= bytes.size() || (zero && !random.one_in(4))) continue;
    }
    harms.push_back(std::move(harm));
  }
  return harms;
}

void flip(const Specimen& specimen, Random& random) {
  ASSERT_FALSE(testing::Test::HasFailure());
  const char* all = std::getenv("XTREE_FLIP_ALL");
  judge_all(specimen, all != nullptr && *all == '1'
                          ? all_flips(specimen)
                          : some_flips(specimen, kSanitized ? 150 : 1200, random));
}

void cut(const Specimen& specimen, Random& random) {
  ASSERT_FALSE(testing::Test::HasFailure());
  std::vector<Harm> harms;
  for (const auto& [name, bytes] : specimen.image) {
    if (is_directory(name)) continue;
    harms.push_back({Harm::remove, name});
    for (const std::uint64_t length : {0, 1, 40, 87, 88, 4095, 4096, 4097}) {
      if (length < bytes.size()) harms.push_back({Harm::truncate, name, length});
    }
    for (int i = 0; i < 12 && !bytes.empty(); ++i) {
      harms.push_back({Harm::truncate, name, random.below(bytes.size())});
      harms.push_back({Harm::truncate, name, harms.back().offset / 4096 * 4096});
    }
    if (!bytes.empty()) harms.push_back({Harm::truncate, name, bytes.size() - 1});
  }
  judge_all(specimen, harms);
}

class Harmed : public testing::Test {
 protected:
  std::uint64_t seed_ = test_seed("harm");
  Random random_{seed_};
  testing::ScopedTrace trace_{__FILE__, __LINE__, seed_};
};

TEST_F(Harmed, FlippedBytesOfAClosedDatabaseAreHarmlessOrNamed) {
  flip(make_closed_specimen(seed_), random_);
}
TEST_F(Harmed, FlippedBytesOfAKilledDatabaseAreHarmlessOrNamed) {
  flip(make_killed_specimen(seed_), random_);
}
TEST_F(Harmed, FlippedBytesOfARevivedDatabaseAreHarmlessOrNamed) {
  flip(make_revived_specimen(seed_), random_);
}
TEST_F(Harmed, CutAndMissingFilesOfAClosedDatabaseAreHarmlessOrNamed) {
  cut(make_closed_specimen(seed_), random_);
}
TEST_F(Harmed, CutAndMissingFilesOfAKilledDatabaseAreHarmlessOrNamed) {
  cut(make_killed_specimen(seed_), random_);
}
TEST_F(Harmed, CutAndMissingFilesOfARevivedDatabaseAreHarmlessOrNamed) {
  cut(make_revived_specimen(seed_), random_);
}

}  // namespace
}  // namespace xtree::test
