// The main job: the places of the world in an index that survives its process.
//
//   cities data/cities.csv [directory]
//
// Loads the places into a durable index, asks it, kills processes that write to its database, and
// compares both modes. The directory must be new or empty, and is kept for `xtree stats` to look
// at; without one, a temporary directory is made and removed.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <xtree/database.h>

#include "checks.h"
#include "city.h"
#include "killed_writer.h"
#include "rates.h"

namespace {

constexpr std::size_t kBatch = 1000;
constexpr int kRounds = 5;
constexpr std::uint64_t kSeed = 7;

// A directory that is there for as long as the object, or longer when the user named it.
class WorkDirectory {
 public:
  explicit WorkDirectory(const char* given) : temporary_(given == nullptr) {
    if (!temporary_) {
      path_ = given;
      check(!std::filesystem::exists(path_) || std::filesystem::is_empty(path_),
            "%s must be a new or empty directory", given);
      std::filesystem::create_directories(path_);
      return;
    }
    path_ = (std::filesystem::temp_directory_path() / "xtree-cities-XXXXXX").string();
    check(mkdtemp(path_.data()) != nullptr, "cannot make a directory like %s", path_.c_str());
  }
  WorkDirectory(const WorkDirectory&) = delete;
  WorkDirectory& operator=(const WorkDirectory&) = delete;
  ~WorkDirectory() {
    std::error_code ignored;  // a leftover in the temporary directory is no failure
    if (temporary_) std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  bool temporary_;
  std::string path_;
};

// Inserts the cities a thousand at a time; each batch is synced, and is there whole or not at all.
// Returns cities per second.
double load(xtree::Database& database, CityIndex& index,
            const std::vector<CityIndex::Entry>& cities) {
  const auto start = std::chrono::steady_clock::now();
  xtree::Batch batch;
  for (const auto& city : cities) {
    batch.insert(index, city.geometry, city.value);
    if (batch.size() < kBatch && &city != &cities.back()) continue;
    take(database.apply(batch));
    batch.reset();
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  check(take(index.size()) == cities.size(), "the index does not hold what was loaded");
  std::printf("Loaded %zu places in batches of %zu, each synced, in %.2f s.\n", cities.size(),
              kBatch, took.count());
  return static_cast<double>(cities.size()) / took.count();
}

void print_city(const CityIndex::Hit& hit) {
  std::printf("  %8.4f %9.4f  %.2s  %9u  %.50s\n", hit.box.min[1], hit.box.min[0],
              hit.value.country, hit.value.population, hit.value.name);
}

void print_nearest(const CityIndex& index, const xtree::Point<2>& here, const char* first) {
  std::printf(
      "\nThe ten places nearest to %.4f N %.4f E. Distances are in degrees, as if the map\n"
      "were flat, which is near enough for neighbours.\n",
      here[1], here[0]);
  auto hits = index.query(xtree::nearest(here, 10));
  int count = 0;
  for (const auto& hit : hits) {
    if (count++ == 0) {
      check(hit.value.name_text() == first, "the nearest place should be %s, not %.50s", first,
            hit.value.name);
    }
    std::printf("  %.4f away", hit.distance);
    print_city(hit);
  }
  take(hits.status());
  check(count == 10, "ten places were asked for, %d came", count);
}

// A window in space, and beside it any question about the value.
void print_large(const CityIndex& index, const char* region, const xtree::Box<2>& window,
                 const char* expected) {
  std::printf("\nPlaces with more than a million inhabitants in the window of %s:\n", region);
  const auto large =
      xtree::satisfies([](const auto& hit) { return hit.value.population > 1'000'000; });
  bool found = false;
  take(index.for_each(xtree::within(window) && large, [&](const auto& hit) {
    found |= hit.value.name_text() == expected;
    print_city(hit);
  }));
  check(found, "%s should be among them", expected);
}

void main_job(const std::string& csv, const std::string& directory) {
  const auto cities = read_cities(csv);
  double batch_rate = 0;
  {
    auto database = take(xtree::Database::open(directory));
    auto index = take(database.index<2, City, double, xtree::Shape::points>("cities"));
    batch_rate = load(database, index, cities);
    print_nearest(index, {2.3522, 48.8566}, "Paris");
    print_large(index, "Japan", {{129.5, 30.5}, {146.0, 45.6}}, "Tokyo");
    print_large(index, "Iberia", {{-9.6, 35.9}, {3.4, 43.8}}, "Madrid");
    take(database.close());
  }

  std::printf(
      "\nA process that inserts is killed in the middle of its work, %d times (seed %llu):\n",
      kRounds, static_cast<unsigned long long>(kSeed));
  kill_writers(directory, kRounds, kSeed);

  auto database = take(xtree::Database::open(directory));
  auto index = take(database.index<2, City, double, xtree::Shape::points>("cities"));
  check(take(index.size()) == cities.size(), "the killed writers took cities with them");
  std::printf("\nBoth modes do the same work and give the same answers:\n");
  compare_modes(database, index, batch_rate, cities);
  take(database.verify());
  take(database.close());
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 4 && std::string(arguments[1]) == "--writer") {
    write_until_killed(arguments[2], std::strtoull(arguments[3], nullptr, 10));
  }
  if (count < 2 || count > 3) {
    std::fprintf(stderr, "usage: cities data/cities.csv [directory]\n");
    return 2;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const WorkDirectory directory(count == 3 ? arguments[2] : nullptr);
  main_job(arguments[1], directory.path());
  std::printf("\nmain job: ok\n");
  return 0;
}
