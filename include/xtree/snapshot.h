// Snapshot: all of a database as it was at one moment.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "xtree/index.h"

namespace xtree {

// A consistent state over all indexes and named values of a database.
//
//   auto snapshot = db.snapshot();
//   for (const auto& hit : snapshot.query(roads, xtree::nearest(here, 10))) use(hit.value);
//
// Taking one costs no copy and blocks nobody; while it is open, the node versions that it can see
// are kept, and `Database::stats` tells how many. Any thread may use it, several at a time. An
// index that did not exist yet, or was dropped before, answers `not_found`. A snapshot that is open
// for longer than Options::max_snapshot_age_ms has ended, and answers `limit_exceeded`.
class Snapshot {
 public:
  template <class Index, class Query>
  [[nodiscard]] auto query(const Index& index, const Query& query) const& {
    return Cursor<typename Index::Queries::template Scan<Query>>(index.core(), core_.get(), query);
  }
  template <class Index, class Query>
  auto query(const Index& index, const Query& query) const&& = delete;  // it would dangle

  template <class Index, class Query, class F>
  Result<void> for_each(const Index& index, const Query& query, F&& visit) const {
    return Index::Queries::for_each(index.core(), core_.get(), query, std::forward<F>(visit));
  }
  template <class Index, detail::PredicateArray Predicates, class F>
  Result<void> for_each_of(const Index& index, const Predicates& predicates, F&& visit) const {
    return Index::Queries::for_each_of(index.core(), core_.get(), predicates,
                                       std::forward<F>(visit));
  }
  template <class Index, class Query>
  [[nodiscard]] Result<std::uint64_t> count(const Index& index, const Query& query) const {
    return Index::Queries::count(index.core(), core_.get(), query);
  }
  template <class Index, class Query>
  Result<void> collect(const Index& index, const Query& query,
                       std::vector<typename Index::Hit>& hits) const {
    return Index::Queries::collect(index.core(), core_.get(), query, hits);
  }
  template <class Index>
  [[nodiscard]] Result<std::uint64_t> size(const Index& index) const {
    return index.core().size(core_.get());
  }
  template <class Index>
  [[nodiscard]] Result<IndexStats> stats(const Index& index) const {
    return index.core().stats(core_.get());
  }
  template <class Index>
  Result<void> verify(const Index& index) const {
    return index.core().verify(core_.get());
  }

  // A named value, as `Batch::put` left it; nothing when there is none.
  [[nodiscard]] XTREE_EXPORT Result<std::optional<std::string>> get(std::string_view name) const;
  // Counts the published states of the database; a later snapshot has no smaller one.
  [[nodiscard]] XTREE_EXPORT std::uint64_t epoch() const noexcept;

  [[nodiscard]] const detail::SnapshotCore& core() const noexcept { return *core_; }

 private:
  friend class Database;
  explicit Snapshot(std::shared_ptr<const detail::SnapshotCore> core) noexcept
      : core_(std::move(core)) {}

  std::shared_ptr<const detail::SnapshotCore> core_;
};

}  // namespace xtree
