#include <xtree/database.h>

#include <vector>

#include "durable/cold_store.h"
#include "durable/require.h"

namespace bench {
namespace {

constexpr const char* kName = "boxes";

class ColdXtree : public ColdStore {
 public:
  ColdXtree(const std::string& directory, const xtree::Options& options)
      : database_(must(xtree::Database::open(directory, options))),
        index_(must(database_.index<2>(kName))) {}

  Answer window(const xtree::Box<2>& window) override {
    Answer found;
    must(index_.for_each(xtree::intersects(window),
                         [&](const auto& hit) { found.add(hit.value); }));
    return found;
  }
  // As Options::cache_bytes has it: so many bytes for each node, and a few MiB.
  std::uint64_t bytes_beside_cache() override {
    constexpr std::uint64_t kBytesOfNode = 40;
    constexpr std::uint64_t kFewMib = std::uint64_t{4} << 20;
    return must(database_.stats()).handles * kBytesOfNode + kFewMib;
  }

 protected:
  [[nodiscard]] const xtree::Index<2>& index() const { return index_; }

 private:
  xtree::Database database_;
  xtree::Index<2> index_;
};

class ColdXtreeAtOnce final : public ColdXtree {
 public:
  using ColdXtree::ColdXtree;

  void ask(std::span<const xtree::Box<2>> windows, std::span<Answer> answers) override {
    std::vector<decltype(xtree::intersects(windows[0]))> predicates;
    for (const xtree::Box<2>& window : windows) predicates.push_back(xtree::intersects(window));
    must(index().for_each_of(predicates, [&](std::size_t i, auto& hits) {
      hits.for_each([&](const auto& hit) { answers[i].add(hit.value); });
    }));
  }
};

template <class Fill>
void build(const std::string& directory, xtree::Compression compression, Fill&& fill) {
  xtree::Options options;
  options.durability = xtree::Durability::none;
  auto database = must(xtree::Database::open(directory, options));
  auto index = must(database.index<2>(kName, {.compression = compression}));
  fill(index);
  must(database.close());
}

template <xtree::Compression compression>
void insert(const std::string& directory, const ColdEntries& entries) {
  build(directory, compression, [&](xtree::Index<2>& index) {
    for (const auto& entry : entries) must(index.insert(entry.geometry, entry.value));
  });
}

template <xtree::Compression compression>
void load(const std::string& directory, const ColdEntries& entries) {
  build(directory, compression, [&](xtree::Index<2>& index) { must(index.bulk_load(entries)); });
}

template <class Store>
std::unique_ptr<ColdStore> open(const std::string& directory, std::uint64_t cache_bytes) {
  xtree::Options options;
  options.create_if_missing = false;
  options.cache_bytes = cache_bytes;
  return std::make_unique<Store>(directory, options);
}

}  // namespace

ColdContestant cold_xtree(xtree::Compression compression) {
  using xtree::Compression;
  const auto open_one = open<ColdXtree>;
  switch (compression) {
    case Compression::lz4:
      return {"xtree, lz4", insert<Compression::lz4>, load<Compression::lz4>, open_one};
    case Compression::zstd:
      return {"xtree, zstd", insert<Compression::zstd>, load<Compression::zstd>, open_one};
    default: return {"xtree", insert<Compression::none>, load<Compression::none>, open_one};
  }
}

ColdContestant cold_xtree_at_once() {
  using xtree::Compression;
  return {"xtree, at once", insert<Compression::none>, load<Compression::none>,
          open<ColdXtreeAtOnce>};
}

}  // namespace bench
