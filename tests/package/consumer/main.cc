// What a user of the library writes first: one index in memory, one in a database that is reopened.
#include <cstdio>

#include <xtree/database.h>

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: %s directory\n", argv[0]), 2;
  const xtree::Box<2> window{{0, 0}, {10, 10}};

  xtree::Index<2> cache;
  cache.insert({{1, 1}, {2, 2}}, 42).value();
  cache.insert({{20, 20}, {30, 30}}, 43).value();
  if (cache.count(xtree::intersects(window)).value() != 1) return 1;

  for (std::uint64_t expected = 1; expected <= 2; ++expected) {  // the second time it reopens
    auto db = xtree::Database::open(argv[1]);
    if (!db) return std::fprintf(stderr, "%s\n", db.error().message()), 1;
    auto roads = db->index<2>("roads").value();
    roads.insert({{1, 1}, {2, 2}}, expected).value();
    std::uint64_t found = 0;
    for (const auto& hit : roads.query(xtree::nearest(xtree::Point<2>{0, 0}, 10))) {
      found += hit.distance > 1.4 && hit.distance < 1.5;
    }
    if (found != expected) return 1;
    db->close().value();
  }
  std::puts("consumer: ok");
  return 0;
}
