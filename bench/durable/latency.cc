#include "durable/latency.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <thread>

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// The value that a share of the sorted values do not exceed.
double quantile(const std::vector<double>& sorted, double share) {
  const auto place = static_cast<std::size_t>(share * static_cast<double>(sorted.size()));
  return sorted[std::min(place, sorted.size() - 1)];
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

// One insert, at some second after the beginning.
struct Sample {
  double at = 0;
  double us = 0;
};

nlohmann::json slices_of(std::vector<Sample> samples, double slice) {
  std::sort(samples.begin(), samples.end(), [](auto& a, auto& b) { return a.at < b.at; });
  nlohmann::json slices = nlohmann::json::array();
  for (std::size_t first = 0; first < samples.size();) {
    const double end = (std::floor(samples[first].at / slice) + 1) * slice;
    std::vector<double> us;
    for (; first < samples.size() && samples[first].at < end; ++first) {
      us.push_back(samples[first].us);
    }
    std::sort(us.begin(), us.end());
    slices.push_back({{"at", end - slice},
                      {"inserts", us.size()},
                      {"p50", quantile(us, 0.5)},
                      {"p99", quantile(us, 0.99)},
                      {"max", us.back()}});
  }
  return slices;
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

void watch_latency(const std::string& directory, double seconds, int entries, Report& report) {
  constexpr int kWriters = 4;
  constexpr int kCheckpoints = 4;
  Runner runner({"xtree", true, true, open_xtree_without_checkpoints}, directory + "/watched",
                Promise::power_loss);
  std::vector<Item> items(kBatch);
  for (int n = 0; n < entries; n += static_cast<int>(kBatch)) {
    for (Item& item : items) item = runner.take();
    runner.store().insert_all(items);
  }
  std::atomic<std::uint64_t> next = runner.inserted();
  std::vector<std::vector<Sample>> samples(kWriters);
  const auto begin = Clock::now();
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&, writer] {
      for (double at = 0; at < seconds;) {
        runner.store().insert(item_of(next.fetch_add(1)));
        const double end = seconds_since(begin);
        samples[static_cast<std::size_t>(writer)].push_back({at, 1e6 * (end - at)});
        at = end;
      }
    });
  }
  nlohmann::json checkpoints = nlohmann::json::array();
  for (int i = 0; i < kCheckpoints; ++i) {
    const double due = seconds * (i + 0.5) / kCheckpoints;
    std::this_thread::sleep_until(
        begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(due)));
    const double from = seconds_since(begin);
    checkpoint_xtree(runner.store());
    checkpoints.push_back({{"from", from}, {"to", seconds_since(begin)}});
  }
  for (std::thread& writer : writers) writer.join();
  while (runner.inserted() < next) runner.take();
  runner.check();
  std::vector<Sample> all;
  for (const auto& some : samples) all.insert(all.end(), some.begin(), some.end());
  report.add_series("timeline", {{"writers", kWriters},
                                 {"entries", entries},
                                 {"checkpoints", std::move(checkpoints)},
                                 {"slices", slices_of(std::move(all), 0.1)}});
}

}  // namespace bench
