// The ten lines of the README, and the ten after them: an index in memory, and the same one
// durable.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <xtree/database.h>

namespace {

int fail(const xtree::Error& error) {
  std::fprintf(stderr, "%s\n", error.message());
  return 1;
}

// In memory nothing can fail but memory itself, and `value()` is a fair answer to that.
void in_memory() {
  xtree::Index<2> cache;  // boxes in the plane with 64-bit ids
  cache.insert({{0, 0}, {1, 1}}, 42).value();
  cache.insert({{4, 4}, {5, 6}}, 43).value();

  const xtree::Box<2> window({0.5, 0.5}, {2, 2});
  for (const auto& hit : cache.query(xtree::intersects(window))) {
    std::printf("in memory: %llu meets the window\n", static_cast<unsigned long long>(hit.value));
  }
}

int durable(const std::string& directory) {
  auto database = xtree::Database::open(directory);
  if (!database) return fail(database.error());
  auto roads = database->index<2>("roads");
  if (!roads) return fail(roads.error());

  // Synced when it returns.
  if (auto done = roads->insert({{0, 0}, {1, 1}}, 42); !done) return fail(done.error());
  const xtree::Snapshot before = database->snapshot();

  // All of it or nothing, with a value of our own beside it: here, how far we have read our input.
  xtree::Batch batch;
  batch.erase(*roads, {{0, 0}, {1, 1}}, 42);
  batch.insert(*roads, {{2, 2}, {3, 3}}, 44).put("offset", "1234");
  if (auto done = database->apply(batch); !done) return fail(done.error());

  const xtree::Point<2> here{0, 0};
  auto nearest = roads->query(xtree::nearest(here, 1));
  for (const auto& hit : nearest) {
    std::printf("durable: now %llu is nearest, %.2f away\n",
                static_cast<unsigned long long>(hit.value), hit.distance);
  }
  if (!nearest.status()) return fail(nearest.status().error());

  auto as_it_was = before.query(*roads, xtree::nearest(here, 1));
  for (const auto& hit : as_it_was) {
    std::printf("durable: before, it was %llu\n", static_cast<unsigned long long>(hit.value));
  }
  if (!as_it_was.status()) return fail(as_it_was.status().error());
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  in_memory();
  if (count > 1) return durable(arguments[1]);
  std::string directory = (std::filesystem::temp_directory_path() / "quick-start-XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) return 1;
  const int code = durable(directory);
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  return code;
}
