#include "durable/latency.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// What any durable insert comes to at least: one block, written before, and its sync.
class PlainFile final : public Store {
 public:
  explicit PlainFile(const std::string& directory) {
    file_ = ::open((directory + "/plain").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    require(file_ >= 0, "cannot make a file");
    const std::vector<std::byte> zeros(kBytes);
    require(::pwrite(file_, zeros.data(), kBytes, 0) == kBytes && ::fsync(file_) == 0, "write");
  }
  ~PlainFile() override { ::close(file_); }

  void insert(const Item& item) override {
    std::byte block[kBlock] = {};
    std::memcpy(block, &item, sizeof item);
    const auto place = static_cast<off_t>(count_++ * kBlock % kBytes);
    require(::pwrite(file_, block, kBlock, place) == kBlock, "write");
    require(::fdatasync(file_) == 0, "sync");
  }
  void insert_all(std::span<const Item>) override { stop_with("no batches"); }
  std::uint64_t count() override { return count_; }

 private:
  static constexpr int kBlock = 4096;
  static constexpr int kBytes = 16 << 20;
  int file_ = -1;
  std::uint64_t count_ = 0;
};

std::unique_ptr<Store> open_plain_file(const std::string& directory, Promise) {
  return std::make_unique<PlainFile>(directory);
}

double time_insert_us(Runner& runner) {
  const Item item = runner.take();
  const auto begin = Clock::now();
  runner.store().insert(item);
  return 1e6 * seconds_since(begin);
}

}  // namespace

void compare_latencies(const std::string& directory, int inserts, Report& report) {
  constexpr int kTurn = 10;  // short, so that all meet the machine in the same state
  std::vector<std::unique_ptr<Runner>> runners;
  std::vector<std::string> names;
  std::vector<Contestant> all = contestants();
  all.insert(all.begin(), {"write and sync", false, false, open_plain_file});
  for (const Contestant& contestant : all) {
    runners.push_back(std::make_unique<Runner>(
        contestant, directory + "/" + std::to_string(runners.size()), Promise::power_loss));
    names.emplace_back(contestant.name);
  }
  std::vector<std::vector<double>> us(runners.size());
  for (int turn = 0; turn < inserts / kTurn; ++turn) {
    for (std::size_t i = 0; i < runners.size(); ++i) {
      const std::size_t place = (i + static_cast<std::size_t>(turn)) % runners.size();
      for (int n = 0; n < kTurn; ++n) us[place].push_back(time_insert_us(*runners[place]));
    }
  }
  for (auto& runner : runners) {
    if (runner.get() != runners.front().get()) runner->check();
  }
  for (auto& values : us) std::sort(values.begin(), values.end());
  for (const auto& [title, share] : {std::pair{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}}) {
    Rounds rounds(runners.size());
    for (std::size_t i = 0; i < us.size(); ++i) rounds.add(i, quantile(us[i], share));
    std::vector<Aim> aims;
    if (share == 0.5) aims.push_back({"write and sync", 1.15, true});
    report.add(std::string("latency of one writer, ") + title, "us", names, rounds, aims);
  }
}

}  // namespace bench
