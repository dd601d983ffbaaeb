#include "durable/field.h"

#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

#include "support/stopwatch.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::uint64_t insert_until(Store& store, std::atomic<std::uint64_t>& next, Clock::time_point end) {
  std::uint64_t done = 0;
  // One writer of unsynced items would see the clock more often than the store.
  for (; done % 16 != 0 || Clock::now() < end; ++done) store.insert(item_of(next.fetch_add(1)));
  return done;
}

// Blocking writers. Threads start before the clock does.
std::uint64_t insert_one_by_one(Store& store, std::uint64_t first, unsigned writers, double seconds,
                                double& taken) {
  const auto length =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  std::atomic<std::uint64_t> next = first;
  std::atomic<std::uint64_t> done = 0;
  std::atomic<bool> started = false;
  Clock::time_point end;
  std::vector<std::thread> threads;
  const auto write = [&] {
    started.wait(false);
    done += insert_until(store, next, end);
  };
  for (unsigned i = 1; i < writers; ++i) threads.emplace_back(write);
  const auto begin = Clock::now();
  end = begin + length;
  started = true;
  started.notify_all();
  write();
  for (std::thread& thread : threads) thread.join();
  taken = since(begin);
  return done;
}

// One thread, which waits for the oldest of its writes before it hands over one more.
std::uint64_t submit_all(Store& store, std::uint64_t first, double seconds, double& taken) {
  std::array<std::uint64_t, kInFlight> tickets = {};
  std::uint64_t done = 0;
  const auto begin = Clock::now();
  for (; done % kInFlight != 0 || since(begin) < seconds; ++done) {
    std::uint64_t& ticket = tickets[done % kInFlight];
    if (done >= kInFlight) store.wait(ticket);
    ticket = store.submit(item_of(first + done));
  }
  store.wait(tickets[(done - 1) % kInFlight]);
  taken = since(begin);
  return done;
}

std::uint64_t insert_batches(Store& store, std::uint64_t first, double seconds, double& taken) {
  std::vector<Item> items(kBatch);
  std::uint64_t done = 0;
  const auto begin = Clock::now();
  while (since(begin) < seconds) {
    for (Item& item : items) item = item_of(first + done++);
    store.insert_all(items);
  }
  taken = since(begin);
  return done;
}

}  // namespace

Runner::Runner(const Contestant& contestant, std::string directory, Promise promise)
    : contestant_(contestant),
      directory_(std::move(directory)),
      promise_(promise) {
  begin_empty();
}

Runner::~Runner() {
  store_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void Runner::begin_empty() {
  store_.reset();
  std::filesystem::remove_all(directory_);
  std::filesystem::create_directories(directory_);
  store_ = contestant_.open(directory_, promise_);
  inserted_ = 0;
}

double Runner::run(Way way, unsigned writers, double seconds) {
  double taken = 0;
  std::uint64_t done = 0;
  switch (way) {
    case Way::one_by_one:
      done = insert_one_by_one(*store_, inserted_, writers, seconds, taken);
      break;
    case Way::asynchronous: done = submit_all(*store_, inserted_, seconds, taken); break;
    case Way::batches: done = insert_batches(*store_, inserted_, seconds, taken); break;
  }
  inserted_ += done;
  return static_cast<double>(done) / taken;
}

void Runner::check() {
  if (promise_ != Promise::nothing) {
    store_.reset();
    store_ = contestant_.open(directory_, promise_);
  }
  const std::uint64_t found = store_->count();
  require(found == inserted_, std::string(name()) + ": " + std::to_string(inserted_) +
                                  " items were acknowledged, and there are " +
                                  std::to_string(found));
}

double Rounds::median(std::size_t runner) const { return bench::median(values_[runner]); }

double Rounds::ratio(std::size_t runner, std::size_t other) const {
  std::vector<double> ratios;
  for (std::size_t round = 0; round < values_[runner].size(); ++round) {
    ratios.push_back(values_[runner][round] / values_[other][round]);
  }
  return bench::median(std::move(ratios));
}

}  // namespace bench
