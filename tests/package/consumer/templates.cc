// Instantiates every template of the public headers, from a user's side: exit code 1 if one of them
// gives a wrong answer. The header tests compile this text in every mode that users compile in.
#include <cstdio>
#include <string>
#include <vector>

#include <xtree/database.h>
#include <xtree/platform.h>

namespace {

struct City {
  std::uint64_t id;
  char name[24];
};

int failures = 0;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "wrong: %s\n", what);
  ++failures;
}

// What a user puts under the database: here the system's files, with openings counted.
class CountingFileSystem final : public xtree::FileSystem {
 public:
  xtree::Result<std::unique_ptr<xtree::File>> open(std::string_view path,
                                                   xtree::OpenMode mode) override {
    ++opened;
    return below_.open(path, mode);
  }
  xtree::Result<bool> exists(std::string_view path) override { return below_.exists(path); }
  xtree::Result<std::vector<std::string>> list(std::string_view directory) override {
    return below_.list(directory);
  }
  xtree::Result<void> make_directory(std::string_view path) override {
    return below_.make_directory(path);
  }
  xtree::Result<void> remove(std::string_view path) override { return below_.remove(path); }
  xtree::Result<void> rename(std::string_view from, std::string_view to) override {
    return below_.rename(from, to);
  }
  xtree::Result<void> sync_directory(std::string_view path) override {
    return below_.sync_directory(path);
  }

  int opened = 0;

 private:
  xtree::FileSystem& below_ = xtree::posix_file_system();
};

template <class Index>
void use_in_memory(const char* what) {
  using namespace xtree;
  using Box = xtree::Box<Index::kDimensions, typename Index::Scalar>;
  Index index;
  typename Index::Geometry at{};
  const typename Index::Value value{};
  const Box window(at);
  const typename Index::Entry entries[] = {{at, value}, {at, value}};
  index.bulk_load(entries).value();
  index.insert(at, value).value();
  expect(index.erase(at, value).value(), what);
  expect(index.update(at, at, value).value(), what);
  std::vector<typename Index::Hit> hits;
  index.collect(nearest(window, 1) && satisfies([](const auto&) { return true; }), hits).value();
  expect(hits.size() == 1, what);
  expect(index.count(nearest(window).within(0).metric(Metric::manhattan)).value() == 2, what);
  expect(index.count(nearest(window).weighted({}) && within(window) && covers(window)).value() == 2,
         what);
  expect(index.count(intersects(window) && within(window) && covers(window)).value() == 2, what);
  expect(index.count(!overlaps(window) && !disjoint(window)).value() == 2, what);
  int visited = 0;
  index.for_each(everything(), [&](const auto&) { return ++visited < 1; }).value();
  expect(visited == 1, what);
  index.verify().value();
  expect(index.stats().value().entries == index.size().value(), what);
  index.clear().value();
  for (const auto& hit : index.query(everything())) expect(hit.distance < 0, what);
}

void use_durable(const char* directory) {
  CountingFileSystem files;
  xtree::Options options;
  options.file_system = &files;
  auto db = xtree::Database::open(directory, options).value();
  auto roads = db.index<3, std::uint32_t, float>("roads").value();
  xtree::Batch batch;
  batch.insert(roads, {{0, 0, 0}, {1, 1, 1}}, 7).put("offset", "1234");
  db.wait(db.apply_async(batch).value()).value();
  const xtree::Snapshot before = db.snapshot();
  roads.clear().value();
  expect(before.count(roads, xtree::everything()).value() == 1, "a snapshot keeps what was");
  expect(roads.size().value() == 0, "clear");
  expect(db.get("offset").value() == "1234", "a named value");
  expect(db.open_index("rivers").error().code() == xtree::ErrorCode::not_found, "not_found");
  expect(files.opened > 0, "the database goes through the file system that it was given");
}

}  // namespace

template <>
inline constexpr bool xtree::kPaddingFree<City> = true;

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: %s directory\n", argv[0]), 2;
  use_in_memory<xtree::Index<1>>("one dimension");
  use_in_memory<xtree::Index<3, City, float>>("floats with a value of 32 bytes");
  use_in_memory<xtree::PointIndex<2, double>>("points");
  use_in_memory<xtree::Index<32, std::uint8_t>>("32 dimensions");
  use_durable(argv[1]);
  if (failures == 0) std::puts("templates: ok");
  return failures == 0 ? 0 : 1;
}
