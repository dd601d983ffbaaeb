// Driver: carries out scripts on a real database, and reads back all that it holds.
#pragma once

#include <deque>
#include <optional>
#include <utility>

#include "testing/content.h"
#include "testing/script.h"
#include "xtree/database.h"
#include "xtree/testing/simulated_file_system.h"

namespace xtree::testing {

inline constexpr const char* kDatabaseDirectory = "db";

// Small files and no threads of its own, so that a database opens in microseconds and every run of
// a script makes the same calls.
[[nodiscard]] Options driver_options(FileSystem& files);

// Everything in the database, as Content counts it; `corruption` when something in it was never
// there. With a snapshot, what that sees.
[[nodiscard]] Result<Fingerprint> read_content(Database& database, const Snapshot* snapshot);

// One open database and its snapshots.
class Driver {
 public:
  enum class AtEnd : std::uint8_t {
    crash,  // nothing of the database reaches the files any more
    close,
  };
  explicit Driver(SimulatedFileSystem& files, AtEnd at_end = AtEnd::crash)
      : files_(files), at_end_(at_end) {}
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  Result<void> open();
  // `content` is what the database holds before the step.
  Result<void> run(const Step& step, const Content& content);
  // False when a step failed to open the database again.
  [[nodiscard]] bool is_open() const { return database_.has_value(); }
  [[nodiscard]] Database& database() { return *database_; }

 private:
  Result<void> write(const Step& step);
  Result<void> apply_batch(const Step& step);
  Result<void> bulk_load(const Step& step);
  Result<void> create_index(std::size_t index);
  Result<void> release();
  Result<void> reopen(std::uint64_t cache_bytes);

  template <class Index>
  Result<Index> index(std::size_t number) {
    const Compression wanted = kCompressions[number];
    return database_->index<Index::kDimensions, typename Index::Value, typename Index::Scalar,
                            Index::kShape>(
        kIndexNames[number],
        {.compression = is_supported(wanted) ? wanted : Compression::none});
  }

  SimulatedFileSystem& files_;
  const AtEnd at_end_;
  std::uint64_t cache_bytes_ = 0;
  std::optional<Database> database_;
  std::deque<std::pair<Snapshot, Fingerprint>> snapshots_;
};

}  // namespace xtree::testing
