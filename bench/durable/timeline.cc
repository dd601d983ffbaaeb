#include "durable/timeline.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>

#include "durable/latency.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kWriters = 4;
constexpr double kSlice = 0.1;  // seconds
// The file system goes on with what a checkpoint left to it. This long after one, inserts are
// neither beside a checkpoint nor without one.
constexpr double kAftermath = 1;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// One insert, at some second after the beginning.
struct Sample {
  double at = 0;
  double us = 0;
};

struct Span {
  double from = 0;
  double to = 0;
  std::uint64_t bytes = 0;  // that the checkpoint wrote
};

nlohmann::json slices_of(const std::vector<Sample>& samples) {
  nlohmann::json slices = nlohmann::json::array();
  for (std::size_t first = 0; first < samples.size();) {
    const double end = (std::floor(samples[first].at / kSlice) + 1) * kSlice;
    std::vector<double> us;
    for (; first < samples.size() && samples[first].at < end; ++first) {
      us.push_back(samples[first].us);
    }
    std::sort(us.begin(), us.end());
    slices.push_back({{"at", end - kSlice},
                      {"inserts", us.size()},
                      {"p50", quantile(us, 0.5)},
                      {"p99", quantile(us, 0.99)},
                      {"max", us.back()}});
  }
  return slices;
}

// Writers that insert until they are told to stop.
class Writers {
 public:
  Writers(Store& store, std::uint64_t first) : store_(store), next_(first), samples_(kWriters) {
    for (auto& samples : samples_) {
      threads_.emplace_back([this, &samples] { write(samples); });
    }
  }

  [[nodiscard]] double now() const { return seconds_since(begin_); }

  // All that was inserted, by the time at which it began.
  std::vector<Sample> stop() {
    stopped_ = true;
    for (std::thread& thread : threads_) thread.join();
    std::vector<Sample> all;
    for (const auto& some : samples_) all.insert(all.end(), some.begin(), some.end());
    std::sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.at < b.at; });
    return all;
  }

 private:
  void write(std::vector<Sample>& samples) {
    for (double at = now(); !stopped_;) {
      store_.insert(item_of(next_.fetch_add(1)));
      const double end = now();
      samples.push_back({at, 1e6 * (end - at)});
      at = end;
    }
  }

  Store& store_;
  const Clock::time_point begin_ = Clock::now();
  std::atomic<std::uint64_t> next_;
  std::atomic<bool> stopped_ = false;
  std::vector<std::vector<Sample>> samples_;
  std::vector<std::thread> threads_;
};

Span take_checkpoint(Store& store, const Writers& writers) {
  Span span;
  span.from = writers.now();
  span.bytes = checkpoint_xtree(store);
  span.to = writers.now();
  std::printf("  checkpoint of %.1f MB in %.2f s\n", 1e-6 * static_cast<double>(span.bytes),
              span.to - span.from);
  std::fflush(stdout);
  return span;
}

// The microseconds of those inserts that overlap with a checkpoint, or that overlap with none and
// did not begin soon after one.
std::vector<double> pick(const std::vector<Sample>& samples, const std::vector<Span>& checkpoints,
                         bool beside) {
  std::vector<double> us;
  for (const Sample& sample : samples) {
    const double end = sample.at + 1e-6 * sample.us;
    const auto meets = [&](double aftermath) {
      return std::any_of(checkpoints.begin(), checkpoints.end(), [&](const Span& checkpoint) {
        return end >= checkpoint.from && sample.at <= checkpoint.to + aftermath;
      });
    };
    if (beside ? meets(0) : !meets(kAftermath)) us.push_back(sample.us);
  }
  std::sort(us.begin(), us.end());
  return us;
}

void report_latencies(const std::vector<Sample>& samples, const std::vector<Span>& checkpoints,
                      Report& report) {
  const std::vector<double> without = pick(samples, checkpoints, false);
  const std::vector<double> beside = pick(samples, checkpoints, true);
  require(!without.empty() && !beside.empty(), "no inserts beside checkpoints, or none without");
  for (const auto& [title, share] : {std::pair{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}}) {
    Rounds rounds(2);
    rounds.add(0, quantile(without, share));
    rounds.add(1, quantile(beside, share));
    std::vector<Aim> aims;
    if (share == 0.999) aims.push_back({"no checkpoint", 2, true});
    report.add(std::string("latency of 4 writers beside checkpoints, ") + title, "us",
               {"no checkpoint", "xtree"}, rounds, aims);
  }
}

}  // namespace

void watch_latency(const std::string& directory, const Timeline& timeline, Report& report) {
  Runner runner({"xtree", true, true, open_xtree_without_checkpoints}, directory + "/watched",
                Promise::power_loss);
  std::vector<Item> items(kBatch);
  for (int n = 0; n < timeline.entries; n += static_cast<int>(kBatch)) {
    for (Item& item : items) item = runner.take();
    runner.store().insert_all(items);
  }
  std::printf("\n%d entries, four writers\n", timeline.entries);
  Writers writers(runner.store(), runner.inserted());
  std::vector<Span> checkpoints;
  for (int i = 0; i < timeline.checkpoints; ++i) {
    std::this_thread::sleep_for(std::chrono::duration<double>(timeline.quiet_seconds));
    checkpoints.push_back(take_checkpoint(runner.store(), writers));
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(timeline.quiet_seconds));
  const std::vector<Sample> samples = writers.stop();
  for (std::size_t i = 0; i < samples.size(); ++i) runner.take();
  runner.check();
  report_latencies(samples, checkpoints, report);
  nlohmann::json spans = nlohmann::json::array();
  for (const Span& span : checkpoints) {
    spans.push_back({{"from", span.from}, {"to", span.to}, {"bytes", span.bytes}});
  }
  report.add_series("timeline", {{"writers", kWriters},
                                 {"entries", timeline.entries},
                                 {"checkpoints", std::move(spans)},
                                 {"slices", slices_of(samples)}});
}

}  // namespace bench
