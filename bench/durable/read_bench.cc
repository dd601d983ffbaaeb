// Random reads of 4 KiB: one after the other, and announced to the system before that.
//
//   --directory=PATH     where the file goes ("read-bench.data" below the current directory)
//   --bytes=N            of the file (1 GiB)
//
// `cold` reads places that the page cache has forgotten, each of them once; `cached` reads places
// that it has.
#include <benchmark/benchmark.h>
#include <xtree/platform.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "support/page_cache.h"
#include "support/random.h"

namespace bench {
namespace {

constexpr std::size_t kBlock = 4096;

struct Settings {
  std::string directory = "read-bench.data";
  std::size_t bytes = std::size_t{1} << 30;
};

std::unique_ptr<xtree::File> make_file(const std::string& path, std::size_t bytes) {
  auto file = xtree::posix_file_system().open(path, xtree::OpenMode::create).value();
  std::vector<std::byte> piece(std::size_t{1} << 20, std::byte{1});
  for (std::size_t at = 0; at < bytes; at += piece.size()) file->write_at(at, piece).value();
  file->sync().value();
  return file;
}

// The blocks of the file in a random order.
std::vector<std::uint64_t> random_places(std::size_t bytes) {
  std::vector<std::uint64_t> places(bytes / kBlock);
  std::iota(places.begin(), places.end(), 0);
  Random random(1);
  for (std::size_t i = places.size(); i > 1; --i) std::swap(places[i - 1], places[random.below(i)]);
  return places;
}

class Reading {
 public:
  Reading(std::string path, xtree::File& file, const std::vector<std::uint64_t>& places)
      : path_(std::move(path)), file_(file), places_(places) {}

  void run(benchmark::State& state, bool announced, std::size_t batch, bool cold) const {
    std::vector<std::byte> room(batch * kBlock);
    std::size_t next = places_.size();
    std::size_t done = 0;
    for (auto _ : state) {
      if (next + batch > places_.size()) {
        state.PauseTiming();
        cold ? forget_cached(path_) : read_all();
        next = 0;
        state.ResumeTiming();
      }
      for (std::size_t i = 0; announced && i < batch; ++i) {
        file_.will_read(places_[next + i] * kBlock, kBlock);
      }
      for (std::size_t i = 0; i < batch; ++i) {
        const auto count = file_.read_at(places_[next++] * kBlock,
                                         std::span(room).subspan(i * kBlock, kBlock));
        done += count && *count == kBlock ? 1 : 0;
      }
    }
    if (done != static_cast<std::size_t>(state.iterations()) * batch) {
      state.SkipWithError("a read has failed");
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(done));
  }

 private:
  // Brings the whole file into the page cache.
  void read_all() const {
    std::vector<std::byte> piece(std::size_t{1} << 20);
    for (std::uint64_t at = 0; file_.read_at(at, piece).value() != 0;) at += piece.size();
  }

  std::string path_;
  xtree::File& file_;
  const std::vector<std::uint64_t>& places_;
};

void register_all(const Reading& reading) {
  for (const bool cold : {true, false}) {
    for (const std::size_t batch : {1, 8, 16, 64}) {
      for (const bool announced : {false, true}) {
        const std::string name = std::string(cold ? "cold" : "cached") + "/batch of " +
                                 std::to_string(batch) + (announced ? "/announced" : "/pread");
        benchmark::RegisterBenchmark(name.c_str(), [=, &reading](benchmark::State& state) {
          reading.run(state, announced, batch, cold);
        })->UseRealTime();
      }
    }
  }
}

// Takes its own flags out of the arguments; Google's library looks at the others.
Settings take_flags(int& count, char** arguments) {
  Settings settings;
  int kept = 1;
  for (int i = 1; i < count; ++i) {
    if (std::strncmp(arguments[i], "--directory=", 12) == 0) {
      settings.directory = arguments[i] + 12;
    } else if (std::strncmp(arguments[i], "--bytes=", 8) == 0) {
      settings.bytes = std::strtoull(arguments[i] + 8, nullptr, 10);
    } else {
      arguments[kept++] = arguments[i];
    }
  }
  count = kept;
  return settings;
}

int run(int count, char** arguments) {
  const Settings settings = take_flags(count, arguments);
  benchmark::Initialize(&count, arguments);
  if (benchmark::ReportUnrecognizedArguments(count, arguments)) return 1;
  std::filesystem::create_directories(settings.directory);
  const std::string path = settings.directory + "/blocks";
  const auto file = make_file(path, settings.bytes);
  const auto places = random_places(settings.bytes);
  const Reading reading(path, *file, places);
  register_all(reading);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  std::filesystem::remove(path);
  std::error_code ignored;
  std::filesystem::remove(settings.directory, ignored);  // when it is empty
  return 0;
}

}  // namespace
}  // namespace bench

int main(int count, char** arguments) { return bench::run(count, arguments); }
