// Taxis in a city of 20 by 20 km: they move every second, and a passenger wants the nearest free
// one.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include <xtree/index.h>

namespace {

constexpr double kCityMetres = 20000;
constexpr std::uint64_t kTaxis = 50000;
constexpr int kSeconds = 10;

// A third of the taxis is taken, as their numbers say.
bool is_free(std::uint64_t taxi) { return taxi % 3 != 0; }

// Moves every taxi at most 15 m along each axis. `update` finds the entry by what it was; false
// when one is not there.
bool drive(xtree::PointIndex<2>& fleet, std::vector<xtree::Point<2>>& places,
           std::mt19937_64& random) {
  std::uniform_real_distribution<double> step(-15, 15);
  for (std::uint64_t taxi = 0; taxi < kTaxis; ++taxi) {
    xtree::Point<2> next = places[taxi];
    for (std::size_t axis = 0; axis < 2; ++axis) {
      next[axis] = std::fmin(std::fmax(next[axis] + step(random), 0), kCityMetres);
    }
    if (!fleet.update(places[taxi], next, taxi).value()) return false;
    places[taxi] = next;
  }
  return true;
}

}  // namespace

int main() {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> anywhere(0, kCityMetres);
  xtree::PointIndex<2> fleet;
  std::vector<xtree::Point<2>> places;
  for (std::uint64_t taxi = 0; taxi < kTaxis; ++taxi) {
    places.emplace_back(anywhere(random), anywhere(random));
    fleet.insert(places.back(), taxi).value();
  }

  const xtree::Point<2> passenger{10000, 10000};
  const auto free_taxi = xtree::satisfies([](const auto& hit) { return is_free(hit.value); });
  bool whole = true;
  for (int second = 1; second <= kSeconds && whole; ++second) {
    whole = drive(fleet, places, random);
    for (const auto& hit : fleet.query(xtree::nearest(passenger, 1) && free_taxi)) {
      std::printf("after %2d s taxi %llu is the nearest free one, %.1f m away\n", second,
                  static_cast<unsigned long long>(hit.value), hit.distance);
    }
  }
  whole = whole && fleet.size().value() == kTaxis && fleet.verify().has_value();
  std::printf("%s\n", whole ? "the fleet is complete" : "the fleet is not what it was");
  return whole ? 0 : 1;
}
